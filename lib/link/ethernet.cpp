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

constexpr std::uint32_t kHeader = sizeof(wire::EthernetHeader);
// A VLAN tag may make a frame longer than the MTU with its header.
constexpr std::uint32_t kLongestHeader = kHeader + 4;

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

// An address and the group bit of the one behind it, by one load: bits 0 to 48 of a frame in bits
// 15 to 63.
std::uint64_t destination_and_source_group(const void* frame) {
  std::uint64_t eight;
  std::memcpy(&eight, frame, sizeof eight);
  return eight << 15;
}

// Pulls the header of the common frames from `first` on and returns where they end: one segment of
// our own, for our MAC from a station, of the first handler's type. A length below the header's
// wraps to a huge payload. The cast stays Host, which is zero since the reset.
[[gnu::noinline]] unsigned take_common(const device::Device& device, const Burst& burst,
                                       unsigned first, be16 type) {
  const std::uint64_t for_us = device.mac_packed() << 15;
  const std::uint32_t longest_payload = device.mtu();
  const unsigned count = burst.size();
  unsigned i = first;
  for (; i < count; ++i) {
    const PacketRef frame = burst[i];
    const auto* const header = reinterpret_cast<const wire::EthernetHeader*>(frame.data());
    const bool common = frame.sole() && frame.length() == frame.contiguous() &&
                        frame.length() - kHeader <= longest_payload &&
                        destination_and_source_group(header) == for_us && header->ethertype == type;
    if (!common) [[unlikely]]
      break;
    frame.meta().link_offset = frame.data_offset();
    frame.pull_known(kHeader);
  }
  return i;
}

// A header in registers, to be written many times.
class HeaderWords {
 public:
  explicit HeaderWords(const wire::EthernetHeader& header) {
    const auto* const from = reinterpret_cast<const std::byte*>(&header);
    std::memcpy(&first_, from, sizeof first_);
    std::memcpy(&second_, from + 8, sizeof second_);
    std::memcpy(&third_, from + 12, sizeof third_);
  }
  void write(std::byte* to) const {
    std::memcpy(to, &first_, sizeof first_);
    std::memcpy(to + 8, &second_, sizeof second_);
    std::memcpy(to + 12, &third_, sizeof third_);
  }

 private:
  std::uint64_t first_;
  std::uint32_t second_;
  std::uint16_t third_;
  static_assert(sizeof(wire::EthernetHeader) == 14);
};

// A row of frames that got their header.
struct Written {
  unsigned end;  // of the row in its burst: the first of another hop or without room
  bool plain;    // as device::Transmitter::send_all has it
  std::uint64_t bytes;
};

// Writes the header in front of the packets from `first` on that take this hop and have room for
// it.
[[gnu::noinline]] Written write_headers(const Burst& burst, unsigned first, unsigned last,
                                        const route::NextHop* hop,
                                        const wire::EthernetHeader& header,
                                        std::uint32_t longest_payload) {
  constexpr std::uint32_t kShortest = wire::kEthernetMinFrame - kHeader;
  const HeaderWords words(header);
  const std::uint32_t span = longest_payload - kShortest;
  std::uint64_t bytes = 0;
  bool plain = true;
  unsigned i = first;
  for (; i < last; ++i) {
    const PacketRef packet = burst[i];
    if (packet.meta().hop != hop) [[unlikely]]
      break;
    const bool alone = packet.plain();
    if (packet.data_offset() < kHeader || (!alone && packet.shared())) [[unlikely]]
      break;
    const std::uint32_t length = packet.length();
    // A length below the shortest wraps to a huge one.
    if (length - kShortest > span || !alone) [[unlikely]]
      plain = false;
    words.write(packet.push_known(kHeader));
    bytes += length;
  }
  return {i, plain, bytes + std::uint64_t{i - first} * kHeader};
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
  const unsigned common = take_common(device, burst, 0, handlers_[0].ethertype);
  if (common < burst.size()) [[unlikely]]
    return sort(turn, device, burst, common);
  if (common > 0) handlers_[0].stage(turn, burst);
}

// From the first frame on that is not common. Frames of the first handler stay in the burst, in
// order; others are put aside by handler.
void EthernetInput::sort(Turn& turn, device::Device& device, Burst& burst, unsigned first) {
  Burst aside[kMaxHandlers];
  const unsigned count = burst.size();
  unsigned kept = first;
  for (unsigned i = first; i < count; ++i) {
    Packet frame = burst.take(i);
    const unsigned handler = sort_out(turn, device, frame);
    if (handler != kMaxHandlers) {
      frame.meta().link_offset = frame.data_offset();
      frame.pull(kHeader);
      if (handler == 0)
        burst.keep(std::move(frame), kept++);
      else
        aside[handler].push(std::move(frame));
    }
    for (const unsigned end = take_common(device, burst, i + 1, handlers_[0].ethertype);
         i + 1 < end; ++i)
      burst.keep(i + 1, kept++);
  }
  burst.set_size(kept);
  if (kept > 0) handlers_[0].stage(turn, burst);
  for (unsigned i = 1; i < count_; ++i) {
    if (!aside[i].empty()) handlers_[i].stage(turn, aside[i]);
  }
}

unsigned EthernetOutput::send_row(Turn& turn, std::uint16_t device,
                                  const wire::EthernetHeader& header, Burst& burst, unsigned first,
                                  unsigned last) {
  const std::uint32_t longest = transmitter_.longest_payload(device);
  const route::NextHop* const hop = burst[first].meta().hop;
  unsigned begin = first;
  while (true) {
    const Written row = write_headers(burst, begin, last, hop, header, longest);
    if (row.end > begin) [[likely]] {
      transmitter_.send_all(turn, device, burst.slots() + begin, row.end - begin, row.plain,
                            row.bytes);
    }
    begin = row.end;
    if (begin == last || burst[begin].meta().hop != hop) return begin;
    send_without_room(turn, device, header, burst.take(begin++));
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
