// SPDX-License-Identifier: BSD-3-Clause
#include "device/transmitter.hpp"

#include <bit>
#include <utility>

namespace linnet::device {
namespace {

void drop_all(packet::Turn& turn, packet::Burst& burst, Drop why) {
  burst.drain([&](packet::Packet&& frame) { turn.drop(std::move(frame), why); });
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
  Load load{burst.size(), std::exchange(waiting.bytes, 0)};
  const unsigned offered = load.packets;
  Device* const device = devices_.at(index);
  if (device == nullptr || device->gone() || !device->running()) [[unlikely]]
    return refuse(turn, device, burst);
  if (tap_ != nullptr) [[unlikely]]
    tap_(tap_self_, turn, static_cast<std::uint16_t>(index), burst);
  if (!plain || device->kind() != Kind::Port) load.bytes = device->prepare(turn, burst);
  load.packets = device->transmit(queue_, burst);
  if (!burst.empty()) [[unlikely]]
    load = insist(turn, *device, burst, load);
  turn.ledger.sent.add(load.packets);
  QueueCounters& counters = device->counters(queue_);
  counters.tx_packets.add(load.packets);
  counters.tx_bytes.add(load.bytes);
  if (load.packets != offered) [[unlikely]]
    counters.tx_dropped.add(offered - load.packets);
}

// The driver left some: it is asked again, then they are dropped. `load` is what it took already,
// with the bytes of all; returns what was sent.
Transmitter::Load Transmitter::insist(packet::Turn& turn, Device& device, packet::Burst& burst,
                                      Load load) {
  for (unsigned i = 1; i < kRetries && !burst.empty(); ++i)
    load.packets += device.transmit(queue_, burst);
  load.bytes -= burst.bytes();
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
