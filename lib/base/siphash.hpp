// SPDX-License-Identifier: BSD-3-Clause
// SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): the keyed hash for every table
// whose keys a stranger chooses, and for secrets that must not be guessed (reliability rule R6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace linnet {
inline namespace base {

struct SipKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

// SipHash-2-4 of any bytes: the reference form.
std::uint64_t siphash24(const SipKey& key, std::span<const std::byte> bytes);
// SipHash-1-3 of two 64-bit words, read as 16 little-endian bytes: for table keys on the data path.
std::uint64_t siphash13(const SipKey& key, std::uint64_t first, std::uint64_t second);

}  // namespace base
}  // namespace linnet
