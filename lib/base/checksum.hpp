// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
// Sums work on bytes as they lie in memory, so no function here swaps: a sum of native loads is a
// sum in network order once it is stored back natively (RFC 1071 section 2 (B)).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/endian.hpp"

namespace linnet {
inline namespace base {

// A running one's-complement sum. Parts may be added in any order, but only the last may have odd
// length, unless the next one is added with `add_at` and its offset.
class ChecksumSum {
 public:
  constexpr ChecksumSum() = default;

  void add(std::span<const std::byte> bytes);
  // As `add`, for bytes that stand at `offset` from the start of the summed area (odd is swapped).
  void add_at(std::span<const std::byte> bytes, std::size_t offset);
  constexpr void add(be16 value) { sum_ += value.raw(); }
  constexpr void add(be32 value) { sum_ += value.raw(); }
  // Adds a native number as the 16-bit field it would be in the packet.
  constexpr void add_host(std::uint16_t value) { add(be16(value)); }

  // The sum folded to 16 bits, not complemented, in memory order.
  constexpr std::uint16_t folded() const { return fold(sum_); }
  // The checksum field: the complement of the folded sum.
  constexpr be16 checksum() const {
    return be16::from_raw(static_cast<std::uint16_t>(~folded() & 0xffff));
  }
  // The sum over data with its checksum field in place is right: all ones.
  constexpr bool valid() const { return folded() == 0xffff; }

  static constexpr std::uint16_t fold(std::uint64_t sum) {
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return static_cast<std::uint16_t>(sum);
  }

 private:
  std::uint64_t sum_ = 0;
};

// The checksum field for `bytes`, whose own checksum field is zero.
be16 internet_checksum(std::span<const std::byte> bytes);

// The plain sum of a 20-byte IPv4 header's words of 32 bits, as they stand in memory.
inline std::uint64_t ipv4_header_sum20(const void* header) {
  const auto word = [header](unsigned at) {
    std::uint32_t value;
    std::memcpy(&value, static_cast<const char*>(header) + at, sizeof value);
    return std::uint64_t{value};
  };
  return word(0) + word(4) + word(8) + word(12) + word(16);
}

// Whether the checksum of a 20-byte IPv4 header is right. A one's-complement sum is all ones
// exactly when the plain sum of the words is a multiple of 0xffff, whatever the words' size; it is
// not zero, since the version field is not. Multiples are told by the inverse of 0xffff modulo
// 2^64.
inline bool ipv4_header_good20(const void* header) {
  const std::uint64_t sum = ipv4_header_sum20(header);
  constexpr std::uint64_t kInverse = 0xfffefffefffeffffULL;
  static_assert(kInverse * 0xffff == 1);
  return sum * kInverse <= ~std::uint64_t{0} / 0xffff;
}

// The checksum field for a 20-byte IPv4 header whose own field is zero.
inline be16 ipv4_header_checksum20(const void* header) {
  const std::uint16_t sum = ChecksumSum::fold(ipv4_header_sum20(header));
  return be16::from_raw(static_cast<std::uint16_t>(~sum));
}

// RFC 1624 equation 3: the checksum field after one 16-bit field went from `before` to `after`.
constexpr be16 checksum_adjust(be16 checksum, be16 before, be16 after) {
  const std::uint32_t sum = static_cast<std::uint16_t>(~checksum.raw()) +
                            static_cast<std::uint32_t>(static_cast<std::uint16_t>(~before.raw())) +
                            after.raw();
  return be16::from_raw(static_cast<std::uint16_t>(~ChecksumSum::fold(sum)));
}
constexpr be16 checksum_adjust(be16 checksum, be32 before, be32 after) {
  const std::uint64_t sum = static_cast<std::uint16_t>(~checksum.raw()) +
                            std::uint64_t{static_cast<std::uint32_t>(~before.raw())} + after.raw();
  return be16::from_raw(static_cast<std::uint16_t>(~ChecksumSum::fold(sum)));
}

}  // namespace base
}  // namespace linnet
