// SPDX-License-Identifier: BSD-3-Clause
#include "udp/input.hpp"

#include "base/checksum.hpp"
#include "wire/ipv4.hpp"
#include "wire/udp.hpp"

namespace linnet::udp {
namespace {

using packet::Packet;
using packet::Turn;
using wire::UdpHeader;

// RFC 768: the sum over a pseudo header of addresses, protocol and length, the header and the data.
bool checksum_good(const Packet& packet, std::uint16_t length) {
  const auto& ip = *packet.header_at<wire::Ipv4Header>(packet.meta().network_offset);
  ChecksumSum sum;
  sum.add(ip.source.network());
  sum.add(ip.destination.network());
  sum.add_host(wire::protocol::kUdp);
  sum.add_host(length);
  sum.add(be16::from_raw(packet.checksum_sum(0, length)));
  return sum.valid();
}

}  // namespace

void Input::input(Turn& turn, packet::Burst& burst) {
  burst.drain([&](Packet&& packet) { take(turn, std::move(packet)); });
}

void Input::take(Turn& turn, Packet&& packet) {
  const auto end = [&](Drop why) {
    ++counts_.in_errors;
    turn.drop(std::move(packet), why);
  };
  // The header is copied out, not gathered: the IP header in front of it must stay where it is.
  UdpHeader header;
  if (!packet.copy_out(0, std::as_writable_bytes(std::span(&header, 1))))
    return end(Drop::Truncated);
  const std::uint16_t length = header.length.host();
  if (length < sizeof(UdpHeader) || length > packet.length()) return end(Drop::BadLength);
  const bool none = header.checksum == be16();
  const bool checked = (packet.meta().flags & packet::Meta::kChecksumGood) != 0;
  if (!none && !checked && !checksum_good(packet, length)) {
    ++counts_.in_csum_errors;
    return end(Drop::BadChecksum);
  }
  ++counts_.no_ports;
  icmp_.refuse(turn, std::move(packet), {wire::IcmpType::Unreachable, wire::unreachable::kPort},
               packet::reason_of(Drop::NoSocket));
}

}  // namespace linnet::udp
