// SPDX-License-Identifier: BSD-3-Clause
#include "udp/input.hpp"

#include "ip/header_of.hpp"
#include "ip/transport_checksum.hpp"
#include "wire/ipv4.hpp"
#include "wire/udp.hpp"

namespace linnet::udp {
namespace {

using packet::Packet;
using packet::Turn;
using wire::UdpHeader;

bool checksum_good(const Packet& packet, std::uint16_t length) {
  const wire::Ipv4Header& header = ip::header_of(packet);
  return ip::transport_sum(packet, length, header.source, header.destination, wire::protocol::kUdp)
      .valid();
}

}  // namespace

void Input::input(Turn& turn, packet::Burst& burst) {
  unsigned kept = 0;
  for (unsigned i = 0; i < burst.size(); ++i) {
    Packet packet = burst.take(i);
    if (!judge(turn, packet)) continue;
    if (sockets_)
      burst.slots()[kept++] = packet.release();
    else
      refuse(turn, std::move(packet));
  }
  burst.set_size(kept);
  if (kept != 0) sockets_(turn, burst);
}

// False: the packet was dropped.
bool Input::judge(Turn& turn, Packet& packet) {
  const auto end = [&](Drop why) {
    counters_.add(Count::InErrors);
    turn.drop(std::move(packet), why);
    return false;
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
    counters_.add(Count::InCsumErrors);
    return end(Drop::BadChecksum);
  }
  if (sockets_ && length < packet.length()) packet.trim(length);
  return true;
}

void Input::refuse(Turn& turn, Packet&& packet) {
  counters_.add(Count::NoPorts);
  icmp_.refuse(turn, std::move(packet), {wire::IcmpType::Unreachable, wire::unreachable::kPort},
               packet::reason_of(Drop::NoSocket));
}

}  // namespace linnet::udp
