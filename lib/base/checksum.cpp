// SPDX-License-Identifier: BSD-3-Clause
#include "base/checksum.hpp"

namespace linnet {
inline namespace base {
namespace {

using Words [[gnu::vector_size(16)]] = std::uint64_t;

Words load(const std::byte* at) {
  Words words;
  std::memcpy(&words, at, sizeof words);
  return words;
}

// 32-bit halves into 64-bit sums: these cannot overflow below 2^32 loads. Two words at a time, in
// registers that every machine of ours has.
std::uint64_t sum_words(const std::byte*& at, std::size_t& left) {
  constexpr Words kLow = {0xffffffff, 0xffffffff};
  Words low = {0, 0}, high = {0, 0};
  for (; left >= 32; at += 32, left -= 32) {
    const Words one = load(at), other = load(at + 16);
    low += (one & kLow) + (other & kLow);
    high += (one >> 32) + (other >> 32);
  }
  const Words sum = low + high;
  return sum[0] + sum[1];
}

std::uint64_t sum_bytes(std::span<const std::byte> bytes) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t sum = left >= 32 ? sum_words(at, left) : 0;
  for (; left >= 4; at += 4, left -= 4) {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    sum += word;
  }
  if (left >= 2) {
    std::uint16_t word;
    std::memcpy(&word, at, 2);
    sum += word;
    at += 2;
    left -= 2;
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
