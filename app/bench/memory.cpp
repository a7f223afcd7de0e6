// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/memory.hpp"

#include <unistd.h>

#include <fstream>

namespace linnet::bench {

std::uint64_t resident_bytes() {
  std::ifstream status("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  status >> size >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace linnet::bench
