// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <string>

#include "device/device.hpp"

namespace linnet::device {

// `lo`: what is sent on a lane comes back on the same lane at its next turn (Linux:
// drivers/net/loopback.c). Frames have an Ethernet header with zero addresses. Holds at most one
// burst a lane; more is refused like a full ring.
class Loopback final : public Device {
 public:
  static constexpr std::uint32_t kMtu = 65535;  // the longest IPv4 packet (Linux uses 65536)

  explicit Loopback(std::string name = "lo");
  ~Loopback() override;

  unsigned receive(unsigned queue, packet::Burst& burst) override;
  unsigned transmit(unsigned queue, packet::Burst& burst) override;
  std::string driver() const override { return "loopback"; }
  std::uint32_t max_mtu() const override { return kMtu; }
  bool needs_watch(unsigned /*queue*/) const override { return false; }  // only its lane fills it
  // Frames that wait on a lane: a lane with some is not idle.
  unsigned waiting(unsigned queue) const { return rings_[queue].size(); }

 private:
  std::array<packet::Burst, kMaxQueues> rings_;
};

}  // namespace linnet::device
