// SPDX-License-Identifier: BSD-3-Clause
// Addresses that may not stand in a header on a wire (RFC 1812 sections 4.2.2.11 and 5.3.7,
// RFC 6890), judged by the first octet: one look into a table of 256 bytes.
#pragma once

#include <array>
#include <cstdint>

#include "base/ipv4.hpp"

namespace linnet::ip {

namespace octet {
inline constexpr std::uint8_t kBadSource = 1;        // 0/8, 127/8, 224/4, 240/4
inline constexpr std::uint8_t kBadDestination = 2;   // 0/8, 127/8, 240/4 but 255.255.255.255
inline constexpr std::uint8_t kMulticast = 4;        // 224/4
inline constexpr std::uint8_t kLoopback = 8;         // 127/8: may pass on the loopback device
inline constexpr std::uint8_t kMaybeLinkLocal = 16;  // 169/8: look closer
}  // namespace octet

consteval std::array<std::uint8_t, 256> make_octets() {
  std::array<std::uint8_t, 256> out{};
  out[0] = octet::kBadSource | octet::kBadDestination;
  out[127] = octet::kBadSource | octet::kBadDestination | octet::kLoopback;
  out[169] = octet::kMaybeLinkLocal;
  for (unsigned i = 224; i < 240; ++i)
    out[i] = octet::kBadSource | octet::kMulticast;
  for (unsigned i = 240; i < 256; ++i)
    out[i] = octet::kBadSource | octet::kBadDestination;
  return out;
}
inline constexpr std::array<std::uint8_t, 256> kOctets = make_octets();

// The first octet's facts.
inline std::uint8_t octet_facts(Ipv4Address address) {
  return kOctets[address.network().raw() & 0xff];
}
static_assert(std::endian::native == std::endian::little);

}  // namespace linnet::ip
