// SPDX-License-Identifier: BSD-3-Clause
#include "device/transmitter.hpp"

#include <bit>

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
  packet::Burst& burst = waiting_[index];
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
    device->prepare(turn, burst);
    for (unsigned i = 0; i < kRetries && !burst.empty(); ++i)
      taken += device->transmit(queue_, burst);
    turn.ledger.sent.add(taken);
    if (!burst.empty()) [[unlikely]]
      drop_all(turn, burst, Drop::TxRingFull);
  }
  if (taken != offered) device->counters(queue_).tx_dropped.add(offered - taken);
}

}  // namespace linnet::device
