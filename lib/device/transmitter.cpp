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
  std::uint64_t bytes = std::exchange(waiting.bytes, 0);
  Device* const device = devices_.at(index);
  if (device == nullptr) return drop_all(turn, burst, Drop::NoSuchDevice);
  const unsigned offered = burst.size();
  unsigned taken = 0;
  if (device->gone()) {
    drop_all(turn, burst, Drop::DeviceGone);
  } else if (!device->running()) {
    drop_all(turn, burst, Drop::DeviceDown);
  } else {
    if (tap_ != nullptr) [[unlikely]]
      tap_(tap_self_, turn, static_cast<std::uint16_t>(index), burst);
    if (!plain || device->kind() != Kind::Port) bytes = device->prepare(turn, burst);
    for (unsigned i = 0; i < kRetries && !burst.empty(); ++i)
      taken += device->transmit(queue_, burst);
    turn.ledger.sent.add(taken);
    if (!burst.empty()) [[unlikely]] {
      bytes -= burst.bytes();
      drop_all(turn, burst, Drop::TxRingFull);
    }
    device->counters(queue_).tx_packets.add(taken);
    device->counters(queue_).tx_bytes.add(bytes);
  }
  if (taken != offered) device->counters(queue_).tx_dropped.add(offered - taken);
}

}  // namespace linnet::device
