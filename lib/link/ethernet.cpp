// SPDX-License-Identifier: BSD-3-Clause
#include "link/ethernet.hpp"

#include "packet/drops.hpp"

namespace linnet::link {
namespace {

using packet::Burst;
using packet::LinkCast;
using packet::Packet;
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

// The rare frames: everything but a well-formed unicast frame for us of the burst's first
// ethertype.
void EthernetInput::sort_out(Turn& turn, device::Device& device, Packet&& frame, Burst* gathered) {
  const auto drop = [&](Drop why) {
    device.counters(turn.lane).rx_dropped.add();
    turn.drop(std::move(frame), why);
  };
  if (!frame.consistent()) {
    device.counters(turn.lane).rx_dropped.add();
    return turn.drop(std::move(frame), device::Drop::BadLength);
  }
  if (frame.length() < sizeof(wire::EthernetHeader)) return drop(Drop::Runt);
  if (frame.length() > device.mtu() + kLongestHeader) return drop(Drop::Oversize);
  if (!frame.gather(sizeof(wire::EthernetHeader), turn.pool)) {
    return turn.drop(std::move(frame), packet::Drop::NoBuffer);
  }
  const auto& header = *frame.header<wire::EthernetHeader>();
  if (header.source.is_group()) return drop(Drop::SourceGroup);
  const LinkCast cast = cast_of(device, header.destination);
  if (cast == LinkCast::Other) return drop(Drop::NotForUs);
  if (header.ethertype.host() < wire::ethertype::kFirst) return drop(Drop::LengthField);
  const unsigned handler = find(header.ethertype);
  if (handler == count_) return drop(Drop::UnknownEthertype);
  frame.meta().cast = cast;
  frame.meta().link_offset = frame.data_offset();
  frame.pull(sizeof(wire::EthernetHeader));
  gathered[handler].push(std::move(frame));
}

void EthernetInput::input(Turn& turn, device::Device& device, Burst& burst) {
  // Frames gather by handler; with one ethertype in the burst, as nearly always, in one place.
  Burst gathered[kMaxHandlers];
  const std::uint64_t mac = device.mac_packed();
  const std::uint32_t longest = device.mtu() + sizeof(wire::EthernetHeader);
  const be16 first_type = count_ > 0 ? handlers_[0].ethertype : be16();
  burst.drain([&](Packet&& frame) {
    rte_mbuf* const mbuf = frame.mbuf();
    const auto* const header = reinterpret_cast<const wire::EthernetHeader*>(frame.data());
    // The common frame: one segment, for our MAC from a station, of the first handler's type.
    if (mbuf->nb_segs == 1 && mbuf->data_len == mbuf->pkt_len &&
        mbuf->data_len >= sizeof(wire::EthernetHeader) && mbuf->pkt_len <= longest &&
        !frame.shared() && header->destination.packed() == mac && !header->source.is_group() &&
        header->ethertype == first_type) [[likely]] {
      frame.meta().link_offset = mbuf->data_off;  // cast is Host: zero since the reset
      frame.pull(sizeof(wire::EthernetHeader));
      gathered[0].push(std::move(frame));
      return;
    }
    sort_out(turn, device, std::move(frame), gathered);
  });
  for (unsigned i = 0; i < count_; ++i) {
    if (!gathered[i].empty()) handlers_[i].stage(turn, gathered[i]);
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
