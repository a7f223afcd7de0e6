// SPDX-License-Identifier: BSD-3-Clause
// The IPv4 header (RFC 791 section 3.1; RFC 2474 and 3168 for the type-of-service byte).
#pragma once

#include <cstdint>

#include "base/endian.hpp"
#include "base/ipv4.hpp"

namespace linnet::wire {

struct Ipv4Header {
  std::uint8_t version_ihl;
  std::uint8_t tos;
  be16 total_length;  // header and payload, bytes
  be16 id;
  be16 fragment;  // flags and offset
  std::uint8_t ttl;
  std::uint8_t protocol;
  be16 checksum;
  Ipv4Address source;
  Ipv4Address destination;

  static constexpr std::uint16_t kReserved = 0x8000;
  static constexpr std::uint16_t kDontFragment = 0x4000;
  static constexpr std::uint16_t kMoreFragments = 0x2000;
  static constexpr std::uint16_t kOffsetMask = 0x1fff;

  unsigned version() const { return version_ihl >> 4; }
  unsigned header_length() const { return (version_ihl & 15u) * 4; }  // bytes
  void set_header_length(unsigned bytes) {
    version_ihl = static_cast<std::uint8_t>(0x40 | bytes / 4);
  }
  bool dont_fragment() const { return (fragment.host() & kDontFragment) != 0; }
  bool more_fragments() const { return (fragment.host() & kMoreFragments) != 0; }
  unsigned fragment_offset() const { return (fragment.host() & kOffsetMask) * 8u; }  // bytes
  // A piece of a larger datagram: the first, a middle or the last one.
  bool is_fragment() const { return (fragment.host() & (kMoreFragments | kOffsetMask)) != 0; }
};
static_assert(sizeof(Ipv4Header) == 20 && alignof(Ipv4Header) == 1);

inline constexpr unsigned kIpv4MinHeader = 20;
inline constexpr unsigned kIpv4MaxHeader = 60;
inline constexpr unsigned kIpv4MinMtu = 68;  // RFC 791: every module forwards 68 bytes unfragmented

namespace protocol {
inline constexpr std::uint8_t kIcmp = 1;
inline constexpr std::uint8_t kIgmp = 2;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
}  // namespace protocol

// Option types with their copied flag and class (RFC 791 section 3.1, RFC 2113, RFC 1108).
namespace ip_option {
inline constexpr std::uint8_t kEnd = 0;
inline constexpr std::uint8_t kNop = 1;
inline constexpr std::uint8_t kRecordRoute = 7;
inline constexpr std::uint8_t kTimestamp = 68;
inline constexpr std::uint8_t kSecurity = 130;
inline constexpr std::uint8_t kLooseSourceRoute = 131;
inline constexpr std::uint8_t kStrictSourceRoute = 137;
inline constexpr std::uint8_t kRouterAlert = 148;
inline constexpr std::uint8_t kCopied = 0x80;  // goes into every fragment
}  // namespace ip_option

}  // namespace linnet::wire
