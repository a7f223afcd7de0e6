// SPDX-License-Identifier: BSD-3-Clause
// Integers as they stand in packets. A be16 cannot be mistaken for a host-order number: it converts
// only by name. They have alignment 1, so that a header struct of them may lie at any address.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>

namespace linnet {
inline namespace base {

constexpr std::uint16_t byte_swap(std::uint16_t value) {
  return __builtin_bswap16(value);
}
constexpr std::uint32_t byte_swap(std::uint32_t value) {
  return __builtin_bswap32(value);
}
constexpr std::uint64_t byte_swap(std::uint64_t value) {
  return __builtin_bswap64(value);
}

// An unsigned integer of type T stored big-endian.
template <typename T>
class BigEndian {
 public:
  constexpr BigEndian() = default;
  // From a number in host order.
  constexpr explicit BigEndian(T host) { store(to_network(host)); }
  // The number in host order.
  constexpr T host() const { return to_network(load()); }
  // The stored bytes read as a native integer: for checksums and hashes, where order does not
  // matter.
  constexpr T raw() const { return load(); }
  static constexpr BigEndian from_raw(T raw) {
    BigEndian out;
    out.store(raw);
    return out;
  }

  friend constexpr bool operator==(BigEndian a, BigEndian b) { return a.load() == b.load(); }
  friend constexpr auto operator<=>(BigEndian a, BigEndian b) { return a.host() <=> b.host(); }

 private:
  struct Bytes {
    unsigned char at[sizeof(T)];
  };
  static constexpr T to_network(T value) {
    return std::endian::native == std::endian::little ? byte_swap(value) : value;
  }
  constexpr T load() const { return std::bit_cast<T>(bytes_); }
  constexpr void store(T value) { bytes_ = std::bit_cast<Bytes>(value); }

  Bytes bytes_{};
};

using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;
static_assert(sizeof(be16) == 2 && alignof(be16) == 1);
static_assert(sizeof(be32) == 4 && alignof(be32) == 1);
static_assert(sizeof(be64) == 8 && alignof(be64) == 1);

}  // namespace base
}  // namespace linnet
