// SPDX-License-Identifier: BSD-3-Clause
// ICMP (RFC 792, RFC 950, RFC 1122 section 3.2.2, RFC 1191, RFC 1812 section 5.2.7).
#pragma once

#include <cstdint>

#include "base/endian.hpp"

namespace linnet::wire {

struct IcmpHeader {
  std::uint8_t type;
  std::uint8_t code;
  be16 checksum;
  be32 rest;  // echo: identifier and sequence; fragmentation needed: MTU in the low half
};
static_assert(sizeof(IcmpHeader) == 8 && alignof(IcmpHeader) == 1);

enum class IcmpType : std::uint8_t {
  EchoReply = 0,
  Unreachable = 3,
  SourceQuench = 4,
  Redirect = 5,
  Echo = 8,
  RouterAdvertisement = 9,
  RouterSolicitation = 10,
  TimeExceeded = 11,
  ParameterProblem = 12,
  Timestamp = 13,
  TimestampReply = 14,
  InformationRequest = 15,
  InformationReply = 16,
  AddressMaskRequest = 17,
  AddressMaskReply = 18,
};

// Errors quote a packet; an error is never sent about one of them (RFC 1122 section 3.2.2).
constexpr bool is_icmp_error(std::uint8_t type) {
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

// Codes of Unreachable.
namespace unreachable {
inline constexpr std::uint8_t kNet = 0;
inline constexpr std::uint8_t kHost = 1;
inline constexpr std::uint8_t kProtocol = 2;
inline constexpr std::uint8_t kPort = 3;
inline constexpr std::uint8_t kFragmentationNeeded = 4;
inline constexpr std::uint8_t kSourceRouteFailed = 5;
inline constexpr std::uint8_t kNetProhibited = 9;
inline constexpr std::uint8_t kHostProhibited = 10;
inline constexpr std::uint8_t kAdminProhibited = 13;
}  // namespace unreachable

// Codes of TimeExceeded.
inline constexpr std::uint8_t kTtlExceeded = 0;
inline constexpr std::uint8_t kReassemblyExceeded = 1;
// Codes of Redirect.
inline constexpr std::uint8_t kRedirectHost = 1;

}  // namespace linnet::wire
