// SPDX-License-Identifier: BSD-3-Clause
#include "base/checksum.hpp"

namespace linnet {
inline namespace base {
namespace {

template <unsigned Bytes>
using Words [[gnu::vector_size(Bytes)]] = std::uint64_t;

// The sum of 32-bit words. Whole 64-bit words are added up modulo 2^64, their upper halves by
// themselves; the lower halves' sum is what the one has beyond the other. Neither can overflow
// below 2^32 loads.
template <typename Vector>
[[gnu::always_inline]] inline std::uint64_t sum_words(const std::byte*& bytes, std::size_t& count) {
  constexpr std::size_t kBytes = sizeof(Vector);
  const std::byte* at = bytes;
  std::size_t left = count;
  Vector all = {}, upper = {}, a, b, c, d;
  for (; left >= 4 * kBytes; at += 4 * kBytes, left -= 4 * kBytes) {
    std::memcpy(&a, at, kBytes);
    std::memcpy(&b, at + kBytes, kBytes);
    std::memcpy(&c, at + 2 * kBytes, kBytes);
    std::memcpy(&d, at + 3 * kBytes, kBytes);
    all += (a + b) + (c + d);
    upper += ((a >> 32) + (b >> 32)) + ((c >> 32) + (d >> 32));
  }
  for (; left >= kBytes; at += kBytes, left -= kBytes) {
    std::memcpy(&a, at, kBytes);
    all += a;
    upper += a >> 32;
  }
  bytes = at;
  count = left;
  const Vector halves = all - (upper << 32) + upper;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBytes / 8; ++i)
    sum += halves[i];
  return sum;
}

// In registers that every machine of ours has.
std::uint64_t sum_narrow(const std::byte*& at, std::size_t& left) {
  return sum_words<Words<16>>(at, left);
}
[[gnu::target("avx2")]] std::uint64_t sum_wide(const std::byte*& at, std::size_t& left) {
  return sum_words<Words<32>>(at, left);
}

const bool kWideRegisters = __builtin_cpu_supports("avx2") != 0;

std::uint64_t sum_bytes(std::span<const std::byte> bytes) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t sum = 0;
  if (left >= 256 && kWideRegisters)
    sum = sum_wide(at, left);
  else if (left >= 32)
    sum = sum_narrow(at, left);
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
