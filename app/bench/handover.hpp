// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <iosfwd>

#include "base/result.hpp"

namespace linnet::bench {

struct HandoverOptions {
  unsigned core = 1;  // CPU of the second lane; the first has the one before it
  unsigned flows = 256;
  unsigned memory_mb = 256;
  std::uint32_t packets = 32768;
  bool hugepages = false;
};

// What it costs that a packet comes to another lane than its flow's: a stack of two lanes between a
// device that makes TCP segments without end, of flows that the queue's lane owns or of flows that
// the other one owns, and the end of those segments (no connection has them, and they are resets,
// so nothing answers). All else is the same in both. Obeys lines and answers each with one of JSON
// (packets that came to their end, cycles of CPU time that all lanes took, packets lost on the
// way):
//
//   turns right|wrong PACKETS   both lanes in turns on this thread
//   run right|wrong SECONDS     each on a core of its own
//   quit
Result<> run_handover(const HandoverOptions& options, std::istream& in, std::ostream& out);

}  // namespace linnet::bench
