// SPDX-License-Identifier: BSD-3-Clause
// Ethernet II (IEEE 802.3 clause 3; RFC 894).
#pragma once

#include <cstdint>

#include "base/endian.hpp"
#include "base/mac.hpp"

namespace linnet::wire {

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  be16 ethertype;  // below 1536: an 802.3 length
};
static_assert(sizeof(EthernetHeader) == 14 && alignof(EthernetHeader) == 1);

namespace ethertype {
inline constexpr std::uint16_t kIpv4 = 0x0800;
inline constexpr std::uint16_t kArp = 0x0806;
inline constexpr std::uint16_t kVlan = 0x8100;
inline constexpr std::uint16_t kIpv6 = 0x86dd;
inline constexpr std::uint16_t kFirst = 1536;  // lower values are lengths (IEEE 802.3 3.2.6)
}  // namespace ethertype

// Without the frame check sequence, which no port hands up.
inline constexpr unsigned kEthernetMinFrame = 60;

// The group address of an IPv4 multicast group (RFC 1112 section 6.4).
constexpr MacAddress multicast_mac(std::uint32_t group_host_order) {
  return MacAddress({0x01, 0x00, 0x5e, static_cast<std::uint8_t>(group_host_order >> 16 & 0x7f),
                     static_cast<std::uint8_t>(group_host_order >> 8),
                     static_cast<std::uint8_t>(group_host_order)});
}

}  // namespace linnet::wire
