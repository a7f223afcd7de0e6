// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/endian.hpp"

namespace linnet {
inline namespace base {

// An IPv4 address, kept in network order as it stands in a packet; alignment 1.
class Ipv4Address {
 public:
  constexpr Ipv4Address() = default;
  constexpr explicit Ipv4Address(be32 network) : value_(network) {}
  // 192.0.2.1 is Ipv4Address(192, 0, 2, 1).
  constexpr Ipv4Address(unsigned a, unsigned b, unsigned c, unsigned d)
      : value_(static_cast<std::uint32_t>(a << 24 | b << 16 | c << 8 | d)) {}
  static constexpr Ipv4Address from_host(std::uint32_t host) { return Ipv4Address(be32(host)); }
  // Four decimal numbers with dots, without leading zeros; nothing else (no "127.1", no octal).
  static std::optional<Ipv4Address> parse(std::string_view text);

  constexpr be32 network() const { return value_; }
  constexpr std::uint32_t host() const { return value_.host(); }
  std::string text() const;

  constexpr bool is_any() const { return value_.raw() == 0; }
  constexpr bool is_limited_broadcast() const { return value_.raw() == 0xffffffff; }
  constexpr bool is_multicast() const { return (host() >> 28) == 0xe; }      // 224/4
  constexpr bool is_loopback() const { return (host() >> 24) == 127; }       // 127/8
  constexpr bool is_zero_net() const { return (host() >> 24) == 0; }         // 0/8
  constexpr bool is_link_local() const { return (host() >> 16) == 0xa9fe; }  // 169.254/16
  constexpr bool is_class_e() const {
    return (host() >> 28) == 0xf;
  }  // 240/4, incl. 255.255.255.255
  constexpr bool is_local_multicast() const { return (host() >> 8) == 0xe00000; }  // 224.0.0/24

  friend constexpr bool operator==(Ipv4Address, Ipv4Address) = default;
  friend constexpr std::strong_ordering operator<=>(Ipv4Address a, Ipv4Address b) {
    return a.host() <=> b.host();
  }

 private:
  be32 value_{};
};
static_assert(sizeof(Ipv4Address) == 4 && alignof(Ipv4Address) == 1);

// An address and the number of leading bits that count. The bits behind them are zero.
class Ipv4Prefix {
 public:
  constexpr Ipv4Prefix() = default;
  // `length` at most 32; bits of `address` behind it are cleared.
  constexpr Ipv4Prefix(Ipv4Address address, unsigned length)
      : address_(Ipv4Address::from_host(address.host() & mask_of(length))),
        length_(static_cast<std::uint8_t>(length)) {}
  // "10.0.0.0/8", "10.1.2.3" (a /32) or "default"; bits behind the length must be zero.
  static std::optional<Ipv4Prefix> parse(std::string_view text);

  constexpr Ipv4Address address() const { return address_; }
  constexpr unsigned length() const { return length_; }
  constexpr std::uint32_t mask() const { return mask_of(length_); }  // host order
  constexpr bool contains(Ipv4Address address) const {
    return (address.host() & mask()) == address_.host();
  }
  constexpr bool contains(Ipv4Prefix other) const {
    return other.length_ >= length_ && contains(other.address_);
  }
  // The last address: the directed broadcast of a subnet.
  constexpr Ipv4Address last() const { return Ipv4Address::from_host(address_.host() | ~mask()); }
  std::string text() const;  // always with "/length"

  static constexpr std::uint32_t mask_of(unsigned length) {
    return length == 0 ? 0 : ~std::uint32_t{0} << (32 - length);
  }

  friend constexpr bool operator==(const Ipv4Prefix&, const Ipv4Prefix&) = default;
  friend constexpr std::strong_ordering operator<=>(const Ipv4Prefix& a, const Ipv4Prefix& b) {
    if (const auto order = a.address_ <=> b.address_; order != 0) return order;
    return a.length_ <=> b.length_;
  }

 private:
  Ipv4Address address_{};
  std::uint8_t length_ = 0;
};

// An address with its subnet, as `ip addr` has it: "192.0.2.1/24" keeps the host bits.
struct Ipv4Interface {
  Ipv4Address address;
  std::uint8_t length = 32;

  // "192.0.2.1/24" or "192.0.2.1" (a /32).
  static std::optional<Ipv4Interface> parse(std::string_view text);
  constexpr Ipv4Prefix prefix() const { return Ipv4Prefix(address, length); }
  std::string text() const;
  friend constexpr bool operator==(const Ipv4Interface&, const Ipv4Interface&) = default;
};

}  // namespace base
}  // namespace linnet
