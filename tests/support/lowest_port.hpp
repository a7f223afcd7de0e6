// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <deque>
#include <string>

#include "device/memory_port.hpp"

namespace linnet::tests {

// The port that offers least, around a MemoryPort: one queue, four frames at a time, and every
// optional call refused. Whatever a stack does must work on it, too.
class LowestPort final : public device::Device {
 public:
  LowestPort(std::string name, MacAddress mac, std::uint32_t mtu);
  ~LowestPort() override;

  device::MemoryPort& inner() { return inner_; }

  // The MTU is what the port was made with; MAC, promiscuous and multicast reception stay.
  Result<> set_mtu(std::uint32_t bytes) override;
  Result<> set_mac(MacAddress mac) override;
  Result<> set_promiscuous(bool on) override;
  Result<> set_all_multicast(bool on) override;
  void refresh_link() override;
  std::string driver() const override { return "lowest"; }
  unsigned receive(unsigned queue, packet::Burst& burst) override;
  unsigned transmit(unsigned queue, packet::Burst& burst) override;

 private:
  static constexpr unsigned kAtOnce = 4;
  device::MemoryPort inner_;
  std::deque<packet::Packet> arrived_;  // taken from inner_, not yet asked for
};

}  // namespace linnet::tests
