// SPDX-License-Identifier: BSD-3-Clause
// What a measured program occupies.
#pragma once

#include <cstdint>

namespace linnet::bench {

// Bytes of this process that lie in memory (VmRSS); 0 where /proc is not mounted.
std::uint64_t resident_bytes();

}  // namespace linnet::bench
