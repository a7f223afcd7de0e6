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

// Few bits, so that many parts fit into one sum.
std::uint64_t halves(std::uint64_t sum) {
  return (sum >> 32) + (sum & 0xffffffff);
}

// The last bytes, fewer than eight.
[[gnu::always_inline]] inline std::uint64_t sum_rest(const std::byte* at, std::size_t left) {
  std::uint64_t sum = 0;
  if ((left & 4) != 0) {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    sum += word;
    at += 4;
  }
  if ((left & 2) != 0) {
    std::uint16_t word;
    std::memcpy(&word, at, 2);
    sum += word;
    at += 2;
  }
  if ((left & 1) != 0) {
    // A last odd byte is padded with a zero behind it (RFC 1071 section 1).
    const unsigned char pair[2] = {std::to_integer<unsigned char>(*at), 0};
    std::uint16_t word;
    std::memcpy(&word, pair, 2);
    sum += word;
  }
  return sum;
}

// A carry out of 64 bits comes in again at the bottom: 2^64 is one modulo 0xffff.
[[gnu::always_inline]] inline std::uint64_t add_word(std::uint64_t sum, const std::byte* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  sum += word;
  return sum + (sum < word ? 1 : 0);
}

// Vectors' beginning and end cost more than they save below that.
constexpr std::size_t kForVectors = 256;

std::uint64_t sum_short(const std::byte* at, std::size_t left) {
  std::uint64_t sum = 0;
  for (; left >= 32; at += 32, left -= 32) {
    sum = add_word(sum, at);
    sum = add_word(sum, at + 8);
    sum = add_word(sum, at + 16);
    sum = add_word(sum, at + 24);
  }
  for (; left >= 8; at += 8, left -= 8)
    sum = add_word(sum, at);
  return halves(sum) + sum_rest(at, left);
}

[[gnu::noinline]] std::uint64_t sum_long(const std::byte* at, std::size_t left) {
  std::uint64_t sum = kWideRegisters ? sum_wide(at, left) : sum_narrow(at, left);
  for (; left >= 8; at += 8, left -= 8) {
    std::uint32_t words[2];
    std::memcpy(words, at, sizeof words);
    sum += std::uint64_t{words[0]} + words[1];
  }
  return halves(sum) + sum_rest(at, left);
}

[[gnu::always_inline]] inline std::uint64_t sum_bytes(std::span<const std::byte> bytes) {
  return bytes.size() < kForVectors ? sum_short(bytes.data(), bytes.size())
                                    : sum_long(bytes.data(), bytes.size());
}

}  // namespace

void ChecksumSum::add(std::span<const std::byte> bytes) {
  sum_ += sum_bytes(bytes);
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
