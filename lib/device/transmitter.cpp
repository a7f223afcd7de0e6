// SPDX-License-Identifier: BSD-3-Clause
#include "device/transmitter.hpp"

#include <bit>
#include <utility>

#include "device/segmentation.hpp"

namespace linnet::device {
namespace {

void drop_all(packet::Turn& turn, packet::Burst& burst, Drop why) {
  burst.drain([&](packet::Packet&& frame) { turn.drop(std::move(frame), why); });
}

bool any_large(const packet::Burst& burst) {
  for (unsigned i = 0; i < burst.size(); ++i) {
    if (burst[i].large()) return true;
  }
  return false;
}

std::uint32_t link_header_of(const Device& device) {
  return device.link_layer() == LinkLayer::Ethernet ? sizeof(wire::EthernetHeader) : 0;
}

}  // namespace

Transmitter::~Transmitter() {
  LINNET_CHECK_OP(dirty_, ==, 0u);
}

void Transmitter::flush(packet::Turn& turn) {
  while (dirty_ != 0)
    flush_device(turn, static_cast<unsigned>(std::countr_zero(dirty_)));
}

void Transmitter::flush_device(packet::Turn& turn, unsigned index) {
  dirty_ &= ~(std::uint64_t{1} << index);
  Waiting& waiting = waiting_[index];
  packet::Burst& burst = waiting.burst;
  const bool plain = std::exchange(waiting.plain, true);
  const std::uint64_t bytes = std::exchange(waiting.bytes, 0);
  Device* const device = devices_.at(index);
  if (device == nullptr || device->gone() || !device->running()) [[unlikely]]
    return refuse(turn, device, burst);
  if (!plain && any_large(burst)) return flush_large(turn, *device, burst);
  hand_over(turn, *device, burst, plain ? Frames::Plain : Frames::Any, bytes);
}

// In order: large packets as they are where the driver cuts them, else their pieces.
void Transmitter::flush_large(packet::Turn& turn, Device& device, packet::Burst& burst) {
  packet::Burst out;
  const auto push = [&](packet::Packet&& frame) {
    out.push(std::move(frame));
    if (out.full()) hand_over(turn, device, out, Frames::Large, 0);
  };
  burst.drain([&](packet::Packet&& frame) {
    if (!frame.large() || device.takes_large(queue_, frame)) return push(std::move(frame));
    Segmentation pieces(turn, std::move(frame), link_header_of(device));
    while (packet::Packet piece = pieces.next())
      push(std::move(piece));
    if (pieces.failed()) device.counters(queue_).tx_dropped.add();
  });
  if (!out.empty()) hand_over(turn, device, out, Frames::Large, 0);
}

// `bytes`: of plain frames.
void Transmitter::hand_over(packet::Turn& turn, Device& device, packet::Burst& burst, Frames frames,
                            std::uint64_t bytes) {
  Load load{burst.size(), bytes};
  const unsigned offered = load.packets;
  if (tap_ != nullptr) [[unlikely]]
    tap_(tap_self_, turn, device.index(), burst);
  if (frames != Frames::Plain || device.kind() != Kind::Port)
    load.bytes = device.prepare(turn, burst);
  if (frames == Frames::Large) add_pieces(device, burst, load);
  load.packets = device.transmit(queue_, burst);
  if (!burst.empty()) [[unlikely]]
    load = insist(turn, device, burst, load);
  turn.ledger.sent.add(load.packets);
  QueueCounters& counters = device.counters(queue_);
  counters.tx_packets.add(load.packets + load.more);
  counters.tx_bytes.add(load.bytes);
  if (load.packets != offered) [[unlikely]]
    counters.tx_dropped.add(offered - load.packets);
}

// What the wire has of large packets beyond themselves: Linux's drivers count that, too.
void Transmitter::add_pieces(const Device& device, const packet::Burst& burst, Load& load) {
  const std::uint32_t link = link_header_of(device);
  for (unsigned i = 0; i < burst.size(); ++i) {
    const packet::PacketRef frame = burst[i];
    if (!frame.large()) continue;
    const std::uint32_t more = Segmentation::count_of(frame, link) - 1;
    load.more += more;
    load.bytes += std::uint64_t{more} * (link + Segmentation::headers_of(frame));
  }
}

// The driver left some: it is asked again, then they are dropped. `load` is what it took already,
// with the bytes of all; returns what was sent.
Transmitter::Load Transmitter::insist(packet::Turn& turn, Device& device, packet::Burst& burst,
                                      Load load) {
  for (unsigned i = 1; i < kRetries && !burst.empty(); ++i)
    load.packets += device.transmit(queue_, burst);
  Load left{burst.size(), burst.bytes()};
  add_pieces(device, burst, left);
  load.bytes -= left.bytes;
  load.more -= left.more;
  drop_all(turn, burst, Drop::TxRingFull);
  return load;
}

// Nothing can be sent there.
void Transmitter::refuse(packet::Turn& turn, Device* device, packet::Burst& burst) {
  if (device == nullptr) return drop_all(turn, burst, Drop::NoSuchDevice);
  device->counters(queue_).tx_dropped.add(burst.size());
  drop_all(turn, burst, device->gone() ? Drop::DeviceGone : Drop::DeviceDown);
}

}  // namespace linnet::device
