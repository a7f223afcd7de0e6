// SPDX-License-Identifier: BSD-3-Clause
#include "link/ethernet.hpp"

#include "packet/drops.hpp"

namespace linnet::link {
namespace {

using packet::Burst;
using packet::LinkCast;
using packet::Packet;
using packet::PacketRef;
using packet::Turn;

// A VLAN tag may make a frame longer than the MTU with its header.
constexpr std::uint32_t kLongestHeader = sizeof(wire::EthernetHeader) + 4;

// Which group frames a host takes without having joined anything: broadcast and all-systems
// (224.0.0.1, RFC 1112 section 7.2).
bool group_accepted(const device::Device& device, const MacAddress& destination) {
  if (destination.is_broadcast() || device.all_multicast()) return true;
  return destination == wire::multicast_mac(0xe0000001);
}

// For whom the frame is; Other where it is not to be taken (Linux: eth_type_trans).
LinkCast cast_of(const device::Device& device, const MacAddress& destination) {
  if (destination.packed() == device.mac_packed()) [[likely]]
    return LinkCast::Host;
  if (!destination.is_group()) return LinkCast::Other;
  if (!group_accepted(device, destination)) return LinkCast::Other;
  return destination.is_broadcast() ? LinkCast::Broadcast : LinkCast::Multicast;
}

// The destination address of a frame of at least 14 bytes in the high 48 bits, by one load.
std::uint64_t destination_of(PacketRef frame) {
  std::uint64_t eight;
  std::memcpy(&eight, frame.data(), sizeof eight);
  return eight << 16;
}

}  // namespace

void EthernetInput::handle(std::uint16_t ethertype, packet::Stage stage) {
  const be16 type(ethertype);
  unsigned i = 0;
  while (i < count_ && handlers_[i].ethertype != type)
    ++i;
  LINNET_CHECK_OP(i, <, kMaxHandlers);
  handlers_[i] = Handler{type, stage};
  if (i == count_) ++count_;
}

unsigned EthernetInput::find(be16 ethertype) const {
  unsigned i = 0;
  while (i < count_ && handlers_[i].ethertype != ethertype)
    ++i;
  return i;
}

// The rare frames. Returns the handler; kMaxHandlers: the frame was dropped by name.
unsigned EthernetInput::sort_out(Turn& turn, device::Device& device, Packet& frame) {
  const auto drop = [&](auto why) {
    device.counters(turn.lane).rx_dropped.add();
    turn.drop(std::move(frame), why);
    return kMaxHandlers;
  };
  if (!frame.consistent()) return drop(device::Drop::BadLength);
  if (frame.length() < sizeof(wire::EthernetHeader)) return drop(Drop::Runt);
  if (frame.length() > device.mtu() + kLongestHeader) return drop(Drop::Oversize);
  if (!frame.gather(sizeof(wire::EthernetHeader), turn.pool)) return drop(packet::Drop::NoBuffer);
  const auto& header = *frame.header<wire::EthernetHeader>();
  if (header.source.is_group()) return drop(Drop::SourceGroup);
  const LinkCast cast = cast_of(device, header.destination);
  if (cast == LinkCast::Other) return drop(Drop::NotForUs);
  if (header.ethertype.host() < wire::ethertype::kFirst) return drop(Drop::LengthField);
  const unsigned handler = find(header.ethertype);
  if (handler == count_) return drop(Drop::UnknownEthertype);
  frame.meta().cast = cast;
  return handler;
}

void EthernetInput::input(Turn& turn, device::Device& device, Burst& burst) {
  LINNET_CHECK_OP(count_, >, 0u);
  // Frames of the first handler stay in the burst, in order; others are put aside by handler.
  Burst aside[kMaxHandlers];
  const std::uint64_t mac = device.mac_packed();
  constexpr std::uint32_t kHeader = sizeof(wire::EthernetHeader);
  const std::uint32_t longest_payload = device.mtu();
  const be16 first_type = handlers_[0].ethertype;
  const unsigned count = burst.size();
  unsigned kept = 0;
  for (unsigned i = 0; i < count; ++i) {
    const PacketRef frame = burst[i];
    const auto* const header = reinterpret_cast<const wire::EthernetHeader*>(frame.data());
    // The common frame: one segment of our own, for our MAC from a station, of the first handler's
    // type. A length below the header's wraps to a huge payload.
    if (frame.sole() && frame.length() == frame.contiguous() &&
        frame.length() - kHeader <= longest_payload && destination_of(frame) == mac << 16 &&
        header->ethertype == first_type && !header->source.is_group()) [[likely]] {
      frame.meta().link_offset = frame.data_offset();  // cast is Host: zero since the reset
      frame.pull(sizeof(wire::EthernetHeader));
      burst.keep(i, kept++);
      continue;
    }
    Packet rare = burst.take(i);
    const unsigned handler = sort_out(turn, device, rare);
    if (handler == kMaxHandlers) continue;
    rare.meta().link_offset = rare.data_offset();
    rare.pull(sizeof(wire::EthernetHeader));
    if (handler == 0) {
      burst.keep(std::move(rare), kept++);
    } else {
      aside[handler].push(std::move(rare));
    }
  }
  burst.set_size(kept);
  if (kept > 0) handlers_[0].stage(turn, burst);
  for (unsigned i = 1; i < count_; ++i) {
    if (!aside[i].empty()) handlers_[i].stage(turn, aside[i]);
  }
}

void EthernetOutput::send_without_room(Turn& turn, std::uint16_t device,
                                       const wire::EthernetHeader& header, Packet&& packet) {
  Packet moved = std::move(packet);
  if (!moved.make_headroom(sizeof header, turn.pool)) {
    return turn.drop(std::move(moved), Drop::NoHeadroom);
  }
  std::memcpy(moved.push(sizeof header), &header, sizeof header);
  transmitter_.send(turn, device, std::move(moved));
}

}  // namespace linnet::link
