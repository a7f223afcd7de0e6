// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "base/result.hpp"

namespace linnet::bench {

struct TcpOptions {
  std::string over = "linnet";        // or "kernel": the sockets of the namespace that it runs in
  std::string role = "server";        // "client", or "both" ends in one thread (Linnet only)
  std::string wire = "linnet-bench";  // the memif's socket, abstract; as the other end has it
  int core = -1;                      // the thread's CPU; -1: any
  unsigned memory_mb = 512;           // of DPDK
  std::uint32_t packets = 32768;      // in each stack's pool
  bool hugepages = false;
};

// One end of a benchmark of TCP, at 198.18.0.1 (server) or 198.18.0.2; program and stack take turns
// on one thread that never sleeps. The client's memif wants the server's to be there. Says
// {"ready": true}, then obeys lines from `in` and answers each with a line of JSON:
//
//   serve WORK BYTES                          server: until the next line comes, "stop"
//   run WORK BYTES CONNECTIONS SECONDS RATE   client
//   count WORK BYTES CONNECTIONS COUNT        both ends here, for counting instructions
//   quit
//
// WORK: request, offer, connect or bulk.
Result<> run_tcp(const TcpOptions& options, std::istream& in, std::ostream& out);

}  // namespace linnet::bench
