// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <deque>
#include <string>

#include "device/device.hpp"

namespace linnet::device {

// A port whose frames are handed in and taken out by its owner: for tests, virtual wires,
// embedding. All of its queues share one list; used from one thread.
class MemoryPort final : public Device {
 public:
  MemoryPort(std::string name, MacAddress mac, std::uint32_t mtu = 1500);
  // A port whose packets are IP datagrams without a link layer.
  MemoryPort(std::string name, LinkLayer link_layer, std::uint32_t mtu = 1500);
  ~MemoryPort() override;

  // Puts a frame where the stack will receive it. The packet must come from a pool that outlives
  // it.
  void inject(packet::Packet&& frame) { inbound_.push_back(std::move(frame)); }
  // The next frame that the stack sent; empty handle if there is none.
  packet::Packet take();
  // Likewise, with the time of the turn that sent it.
  struct Sent {
    packet::Packet frame{};
    time::Instant at{};
  };
  Sent take_sent();
  std::size_t outbound() const { return outbound_.size(); }
  std::size_t inbound() const { return inbound_.size(); }

  // At most this many frames wait to be taken; transmit then refuses (a full TX ring).
  void set_ring_size(std::size_t frames) { ring_size_ = frames; }
  void set_link(bool up) { publish_link(up); }

  unsigned receive(unsigned queue, packet::Burst& burst) override;
  std::uint64_t prepare(packet::Turn& turn, packet::Burst& burst) override;
  unsigned transmit(unsigned queue, packet::Burst& burst) override;

 private:
  std::deque<packet::Packet> inbound_;
  std::deque<Sent> outbound_;
  time::Instant now_{};  // of the turn that sends
  std::size_t ring_size_ = 1 << 20;
};

}  // namespace linnet::device
