// SPDX-License-Identifier: BSD-3-Clause
#include "ip/local.hpp"

#include "packet/drops.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {

using packet::Burst;
using packet::Packet;
using packet::Turn;
using wire::Ipv4Header;

void Local::deliver(Turn& turn, Burst& burst) {
  reassemble(turn, burst);
  hooks_.run(hook::Point::Input, turn, burst);
  dispatch(turn, burst);
}

// Fragments leave the burst; a datagram that one of them completes takes its place.
void Local::reassemble(Turn& turn, Burst& burst) {
  unsigned kept = 0;
  for (unsigned i = 0; i < burst.size(); ++i) {
    Packet packet = burst.take(i);
    if (packet.header<Ipv4Header>()->is_fragment()) [[unlikely]] {
      if (elsewhere_ != nullptr && elsewhere_(elsewhere_self_, turn, packet)) continue;
      packet = reassembly_.add(turn, std::move(packet));
      if (!packet) continue;
    }
    burst.slots()[kept++] = packet.release();
  }
  burst.set_size(kept);
}

// Neighbours in the burst with the same protocol go to its handler together.
void Local::dispatch(Turn& turn, Burst& burst) {
  Burst together;
  unsigned protocol = 0;
  const auto hand_over = [&] {
    if (!together.empty()) protocols_[protocol](turn, together);
  };
  burst.drain([&](Packet&& packet) {
    // A hook or reassembly may have put the header into several pieces again.
    if (!packet.gather(sizeof(Ipv4Header), turn.pool) ||
        !packet.gather(packet.header<Ipv4Header>()->header_length(), turn.pool)) [[unlikely]] {
      return turn.drop(std::move(packet), packet::Drop::NoBuffer);
    }
    const Ipv4Header& header = *packet.header<Ipv4Header>();
    packet.meta().network_offset = packet.data_offset();
    const bool heard = raw_ != nullptr && raw_(raw_self_, turn, packet);
    if (!protocols_[header.protocol]) [[unlikely]] {
      if (heard) return turn.deliver(std::move(packet));
      return icmp_.refuse(turn, std::move(packet),
                          {wire::IcmpType::Unreachable, wire::unreachable::kProtocol},
                          packet::reason_of(Drop::UnknownProtocol));
    }
    if (header.protocol != protocol) hand_over();
    protocol = header.protocol;
    const unsigned header_length = header.header_length();
    packet.meta().transport_offset =
        static_cast<std::uint16_t>(packet.data_offset() + header_length);
    packet.pull(header_length);
    together.push(std::move(packet));
  });
  hand_over();
}

}  // namespace linnet::ip
