// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "device/device.hpp"

namespace linnet::device {

// A lane's way out: frames for each device gather here and go to the driver in bursts, when a burst
// is full and at the end of the turn.
class Transmitter {
 public:
  // A full driver ring is tried this often in a row before the rest is dropped as TxRingFull.
  static constexpr unsigned kRetries = 4;

  Transmitter(const DeviceTable& devices, unsigned queue) : devices_(devices), queue_(queue) {}
  ~Transmitter();

  // Takes a complete frame for the device. Counts it as sent when the driver has taken it; drops it
  // by name where the device is down, gone or unknown.
  void send(packet::Turn& turn, std::uint16_t device, packet::Packet&& frame) {
    if (device >= kMaxDevices) [[unlikely]] {
      turn.drop(std::move(frame), Drop::NoSuchDevice);
      return;
    }
    packet::Burst& burst = waiting_[device];
    burst.push(std::move(frame));
    dirty_ |= std::uint64_t{1} << device;
    if (burst.full()) flush_device(turn, device);
  }
  // As `send` for `count` frames in a row, whose owner gives them up; `device` exists.
  void send_all(packet::Turn& turn, std::uint16_t device, rte_mbuf* const* frames, unsigned count) {
    packet::Burst& burst = waiting_[device];
    dirty_ |= std::uint64_t{1} << device;
    while (count > burst.room()) {
      const unsigned part = burst.room();
      burst.append(frames, part);
      frames += part;
      count -= part;
      flush_device(turn, device);
      dirty_ |= std::uint64_t{1} << device;
    }
    burst.append(frames, count);
    if (burst.full()) flush_device(turn, device);
  }
  // Who sees every burst before its device does (packet sockets); it changes nothing.
  using Tap = void (*)(void* self, packet::Turn& turn, std::uint16_t device, packet::Burst& burst);
  void set_tap(Tap tap, void* self) {
    tap_ = tap;
    tap_self_ = self;
  }
  // Hands everything that gathered to the drivers.
  void flush(packet::Turn& turn);

 private:
  void flush_device(packet::Turn& turn, unsigned device);

  const DeviceTable& devices_;
  const unsigned queue_;
  std::uint64_t dirty_ = 0;  // a bit for each device with frames waiting
  Tap tap_ = nullptr;
  void* tap_self_ = nullptr;
  std::array<packet::Burst, kMaxDevices> waiting_;
};

}  // namespace linnet::device
