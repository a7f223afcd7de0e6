// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "device/device.hpp"

namespace linnet::device {

// A lane's way out: frames for each device gather here and go to the driver in bursts, when a burst
// is full and at the end of the turn. Large packets are cut here where the device does not do it
// (Linux: validate_xmit_skb).
class Transmitter {
 public:
  // A full driver ring is tried this often in a row before the rest is dropped as TxRingFull.
  static constexpr unsigned kRetries = 4;
  // What a burst of full Ethernet frames has.
  static constexpr std::uint64_t kFullBytes = packet::Burst::kCapacity * 1514;

  Transmitter(const DeviceTable& devices, unsigned queue) : devices_(devices), queue_(queue) {}
  ~Transmitter();

  // Takes a complete frame for the device. Counts it as sent when the driver has taken it; drops it
  // by name where the device is down, gone or unknown.
  void send(packet::Turn& turn, std::uint16_t device, packet::Packet&& frame) {
    if (device >= kMaxDevices) [[unlikely]] {
      turn.drop(std::move(frame), Drop::NoSuchDevice);
      return;
    }
    Waiting& waiting = waiting_[device];
    waiting.burst.push(std::move(frame));
    waiting.plain = false;
    dirty_ |= std::uint64_t{1} << device;
    if (waiting.burst.full()) flush_device(turn, device);
  }
  // As `send` for `count` frames in a row, at most a burst, whose owner gives them up; `device`
  // exists. `plain`: each is one buffer and not large, no shorter than an Ethernet frame may be,
  // with a payload of at most longest_payload(): such as every device can send it. `bytes`: their
  // lengths added up.
  void send_all(packet::Turn& turn, std::uint16_t device, rte_mbuf* const* frames, unsigned count,
                bool plain, std::uint64_t bytes) {
    Waiting& waiting = waiting_[device];
    if (count > waiting.burst.room()) [[unlikely]]
      flush_device(turn, device);
    waiting.burst.append(frames, count);
    waiting.plain &= plain;
    waiting.bytes += bytes;
    dirty_ |= std::uint64_t{1} << device;
    // Large packets make full bursts sooner than there are 64 of them.
    if (waiting.burst.full() || (!plain && waiting.bytes >= kFullBytes)) flush_device(turn, device);
  }
  std::uint32_t longest_payload(std::uint16_t device) const { return devices_.at(device)->mtu(); }
  // Who sees every burst before its device does (packet sockets); it changes nothing.
  using Tap = void (*)(void* self, packet::Turn& turn, std::uint16_t device, packet::Burst& burst);
  void set_tap(Tap tap, void* self) {
    tap_ = tap;
    tap_self_ = self;
  }
  // Hands everything that gathered to the drivers.
  void flush(packet::Turn& turn);

 private:
  struct Waiting {
    packet::Burst burst;
    std::uint64_t bytes = 0;
    bool plain = true;  // all frames are, and `bytes` are theirs
  };
  struct Load {
    unsigned packets = 0;
    std::uint64_t bytes = 0;  // on the wire
    std::uint64_t more = 0;   // frames that the driver makes of large packets, less these
  };
  enum class Frames { Plain, Any, Large };  // what a burst has: large packets, or none that is
  void flush_device(packet::Turn& turn, unsigned index);
  void flush_large(packet::Turn& turn, Device& device, packet::Burst& burst);
  void hand_over(packet::Turn& turn, Device& device, packet::Burst& burst, Frames frames,
                 std::uint64_t bytes);
  static void add_pieces(const Device& device, const packet::Burst& burst, Load& load);
  Load insist(packet::Turn& turn, Device& device, packet::Burst& burst, Load load);
  void refuse(packet::Turn& turn, Device* device, packet::Burst& burst);

  const DeviceTable& devices_;
  const unsigned queue_;
  std::uint64_t dirty_ = 0;  // a bit for each device with frames waiting
  Tap tap_ = nullptr;
  void* tap_self_ = nullptr;
  std::array<Waiting, kMaxDevices> waiting_;
};

}  // namespace linnet::device
