// SPDX-License-Identifier: BSD-3-Clause
// ARP for IPv4 over Ethernet (RFC 826).
#pragma once

#include <cstdint>

#include "base/endian.hpp"
#include "base/ipv4.hpp"
#include "base/mac.hpp"

namespace linnet::wire {

struct ArpPacket {
  be16 hardware_type;          // 1 is Ethernet
  be16 protocol_type;          // 0x0800
  std::uint8_t hardware_size;  // 6
  std::uint8_t protocol_size;  // 4
  be16 operation;
  MacAddress sender_mac;
  Ipv4Address sender_ip;
  MacAddress target_mac;
  Ipv4Address target_ip;
};
static_assert(sizeof(ArpPacket) == 28 && alignof(ArpPacket) == 1);

inline constexpr std::uint16_t kArpEthernet = 1;
inline constexpr std::uint16_t kArpRequest = 1;
inline constexpr std::uint16_t kArpReply = 2;

}  // namespace linnet::wire
