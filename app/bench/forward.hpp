// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "base/mac.hpp"
#include "base/result.hpp"

namespace linnet::bench {

struct ForwardOptions {
  std::string frames;      // capture that net_pcap replays without end
  std::size_t routes = 1;  // at least 1; all through one gateway
  std::uint64_t seed = 1;  // of the prefixes: as in write_frames
  unsigned burst = 32;
  unsigned core = 1;   // CPU of the last lane; the others have the CPUs before it
  unsigned lanes = 1;  // each with a queue of its own, which replays the same frames
  unsigned memory_mb = 1024;
  std::uint32_t packets = 32768;  // in the pool
  bool hugepages = false;
  std::uint64_t count = 0;  // end after so many packets; 0: obey commands from `in`
};

// The MAC address of the receiving port, for frames that are to be routed.
MacAddress router_mac();

// A whole stack with its lanes between net_pcap (endless) and net_null: routes, one neighbour,
// forwarding on. With `count` it runs until so many packets came in and tells its account.
// Otherwise it reads lines: "run SECONDS" runs the lanes for that long and answers one line of JSON
// (packets forwarded, seconds, cycles, CPU time of all lanes); "quit" ends.
Result<> run_forward(const ForwardOptions& options, std::istream& in, std::ostream& out);

}  // namespace linnet::bench
