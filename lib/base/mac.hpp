// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace linnet {
inline namespace base {

// A 48-bit IEEE 802 address, in transmission order.
class MacAddress {
 public:
  constexpr MacAddress() = default;
  constexpr explicit MacAddress(std::array<std::uint8_t, 6> bytes) : bytes_(bytes) {}

  // "02:00:5e:10:00:01"; colons or hyphens, one or two digits a group. Nothing else is taken.
  static std::optional<MacAddress> parse(std::string_view text);
  static constexpr MacAddress broadcast() { return MacAddress({255, 255, 255, 255, 255, 255}); }

  constexpr const std::array<std::uint8_t, 6>& bytes() const { return bytes_; }
  // The six bytes in the low 48 bits of a native integer; for comparing and hashing.
  std::uint64_t packed() const {
    std::uint32_t low;
    std::uint16_t high;
    std::memcpy(&low, bytes_.data(), 4);
    std::memcpy(&high, bytes_.data() + 4, 2);
    return low | (std::uint64_t{high} << 32);
  }
  // Group addresses: multicast and broadcast.
  constexpr bool is_group() const { return (bytes_[0] & 1) != 0; }
  bool is_broadcast() const { return packed() == 0xffffffffffffULL; }
  bool is_zero() const { return packed() == 0; }
  // One station: neither group nor zero (Linux: is_valid_ether_addr).
  bool is_station() const { return !is_group() && !is_zero(); }
  std::string text() const;

  friend bool operator==(const MacAddress& a, const MacAddress& b) {
    return a.packed() == b.packed();
  }

 private:
  std::array<std::uint8_t, 6> bytes_{};
};
static_assert(sizeof(MacAddress) == 6 && alignof(MacAddress) == 1);

}  // namespace base
}  // namespace linnet
