// SPDX-License-Identifier: BSD-3-Clause
#include "ip/local.hpp"

#include "packet/drops.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {

using packet::Burst;
using packet::Packet;
using packet::Turn;
using wire::Ipv4Header;

namespace {

bool any_fragment(const Burst& burst) {
  for (unsigned i = 0; i < burst.size(); ++i) {
    if (burst[i].header<Ipv4Header>()->is_fragment()) return true;
  }
  return false;
}

// The protocol that all have, each with its header in one piece of its own; 256: they have none, or
// are to be looked at one by one.
unsigned common_protocol(const Burst& burst) {
  constexpr unsigned kNone = 256;
  if (burst.empty()) return kNone;
  unsigned protocol = kNone;
  for (unsigned i = 0; i < burst.size(); ++i) {
    const auto* const header = burst[i].header<Ipv4Header>();
    if (header == nullptr || header->header_length() > burst[i].contiguous() || burst[i].shared())
      return kNone;
    if (i == 0) protocol = header->protocol;
    if (header->protocol != protocol) return kNone;
  }
  return protocol;
}

// Takes the header off that is there in one piece.
void pull_header(packet::PacketRef packet) {
  const unsigned length = packet.header<Ipv4Header>()->header_length();
  packet.meta().network_offset = packet.data_offset();
  packet.meta().transport_offset = static_cast<std::uint16_t>(packet.data_offset() + length);
  packet.pull(length);
}

}  // namespace

void Local::deliver(Turn& turn, Burst& burst) {
  if (any_fragment(burst)) [[unlikely]]
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
  const unsigned common = raw_ == nullptr ? common_protocol(burst) : 256;
  if (common < protocols_.size() && protocols_[common]) [[likely]] {
    for (unsigned i = 0; i < burst.size(); ++i)
      pull_header(burst[i]);
    return protocols_[common](turn, burst);
  }
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
    pull_header(packet);
    together.push(std::move(packet));
  });
  hand_over();
}

}  // namespace linnet::ip
