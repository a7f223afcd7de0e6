// SPDX-License-Identifier: BSD-3-Clause
#include "base/checksum.hpp"

namespace linnet {
inline namespace base {
namespace {

std::uint64_t sum_bytes(std::span<const std::byte> bytes) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t sum = 0;
  // 32-bit loads into a 64-bit sum: it cannot overflow below 2^32 loads.
  for (; left >= 16; at += 16, left -= 16) {
    std::uint32_t words[4];
    std::memcpy(words, at, 16);
    sum += std::uint64_t{words[0]} + words[1] + words[2] + words[3];
  }
  for (; left >= 2; at += 2, left -= 2) {
    std::uint16_t word;
    std::memcpy(&word, at, 2);
    sum += word;
  }
  if (left == 1) {
    // A last odd byte is padded with a zero behind it (RFC 1071 section 1).
    const unsigned char pair[2] = {std::to_integer<unsigned char>(*at), 0};
    std::uint16_t word;
    std::memcpy(&word, pair, 2);
    sum += word;
  }
  return sum;
}

}  // namespace

void ChecksumSum::add(std::span<const std::byte> bytes) {
  sum_ += fold(sum_bytes(bytes));
}

void ChecksumSum::add_at(std::span<const std::byte> bytes, std::size_t offset) {
  const std::uint16_t part = fold(sum_bytes(bytes));
  sum_ += offset % 2 == 0 ? part : byte_swap(part);
}

be16 internet_checksum(std::span<const std::byte> bytes) {
  ChecksumSum sum;
  sum.add(bytes);
  return sum.checksum();
}

}  // namespace base
}  // namespace linnet
