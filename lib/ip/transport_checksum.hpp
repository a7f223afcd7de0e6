// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>

#include "base/checksum.hpp"
#include "base/ipv4.hpp"
#include "packet/packet.hpp"
#include "wire/pseudo_header.hpp"

namespace linnet::ip {

// The sum that UDP and TCP put under their checksum: the pseudo header of addresses, protocol and
// length, then `length` bytes from data() on, in any segments (RFC 768, RFC 9293 section 3.1).
// Valid where the checksum field is in place and right; its `checksum()` is the field where it is
// zero.
inline ChecksumSum transport_sum(packet::PacketRef packet, std::uint16_t length, Ipv4Address source,
                                 Ipv4Address destination, std::uint8_t protocol) {
  ChecksumSum sum = wire::pseudo_header_sum(source, destination, protocol);
  sum.add_host(length);
  if (length <= packet.contiguous()) [[likely]]
    sum.add(std::span(packet.data(), length));
  else
    sum.add(be16::from_raw(packet.checksum_sum(0, length)));
  return sum;
}

}  // namespace linnet::ip
