// SPDX-License-Identifier: BSD-3-Clause
// AddressSanitizer does not know DPDK's memory: all of a buffer looks valid to it. Under it, the
// tests' pools mark what is not data as out of bounds (tests/support/poison.hpp), and Packet marks
// what it makes data. Without it these are nothing.
#pragma once

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LINNET_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(LINNET_ADDRESS_SANITIZER)
#define LINNET_ADDRESS_SANITIZER 1
#endif

#ifdef LINNET_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace linnet::packet {

// The bytes may be used from here on.
inline void bytes_in_use([[maybe_unused]] const void* from, [[maybe_unused]] std::size_t count) {
#ifdef LINNET_ADDRESS_SANITIZER
  __asan_unpoison_memory_region(from, count);
#endif
}
// The bytes may not be used any more.
inline void bytes_out_of_use([[maybe_unused]] const void* from,
                             [[maybe_unused]] std::size_t count) {
#ifdef LINNET_ADDRESS_SANITIZER
  __asan_poison_memory_region(from, count);
#endif
}

}  // namespace linnet::packet
