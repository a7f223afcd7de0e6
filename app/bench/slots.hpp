// SPDX-License-Identifier: BSD-3-Clause
// What benchmarks with lanes on cores of their own have in common: their start, and slots asked for
// line by line.
#pragma once

#include <istream>
#include <ostream>
#include <sstream>
#include <string>

#include "base/result.hpp"
#include "stack/eal.hpp"

namespace linnet::bench {

// `options`: memory_mb, hugepages, and `core`, the CPU of the last of `lanes`; the others have the
// CPUs before it. No lanes: they turn on the control core.
template <typename Options>
stack::EalOptions eal_for(const Options& options, unsigned lanes) {
  stack::EalOptions out;
  out.memory_mb = options.memory_mb;
  out.hugepages = options.hugepages ? stack::Hugepages::Yes : stack::Hugepages::No;
  for (unsigned lane = 0; lane < lanes; ++lane)
    out.lane_cores.push_back(options.core + 1 + lane - lanes);
  return out;
}

// Obeys "run SECONDS" by `run(seconds)`, whose Result<std::string> is one line, until "quit".
template <typename Run>
Result<> obey_slots(std::istream& in, std::ostream& out, Run&& run) {
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string verb;
    double seconds = 0;
    words >> verb >> seconds;
    if (verb == "quit") return Ok{};
    if (verb != "run" || seconds <= 0)
      return Error{"not a command", line, -1, "run SECONDS or quit"};
    const Result<std::string> slot = run(seconds);
    if (!slot) return slot.error();
    out << *slot << std::endl;
  }
  return Ok{};
}

}  // namespace linnet::bench
