// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <fstream>

namespace linnet::tests {

// ThreadSanitizer keeps several bytes of its own for each of ours.
#ifdef __SANITIZE_THREAD__
inline constexpr bool kResidentIsOurs = false;
#else
inline constexpr bool kResidentIsOurs = true;
#endif

// Bytes of this process that have memory behind them.
inline std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * 4096;
}

}  // namespace linnet::tests
