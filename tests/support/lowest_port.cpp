// SPDX-License-Identifier: BSD-3-Clause
#include "support/lowest_port.hpp"

namespace linnet::tests {
namespace {

Error refused(std::string_view what) {
  return Error{"the driver does not do this", std::string(what)};
}

}  // namespace

LowestPort::LowestPort(std::string name, MacAddress mac, std::uint32_t mtu)
    : Device(device::Kind::Memory, name), inner_(std::move(name), mac, mtu) {
  publish_mac(mac);
  publish_mtu(mtu);
  publish_link(true);
}

LowestPort::~LowestPort() {
  for (packet::Packet& frame : arrived_)
    rte_pktmbuf_free(frame.release());
}

Result<> LowestPort::set_mtu(std::uint32_t bytes) {
  if (bytes == mtu()) return Ok{};
  return refused("mtu");
}
Result<> LowestPort::set_mac(MacAddress) {
  return refused("address");
}
Result<> LowestPort::set_promiscuous(bool) {
  return refused("promisc");
}
Result<> LowestPort::set_all_multicast(bool) {
  return refused("allmulticast");
}

void LowestPort::refresh_link() {
  publish_link(inner_.link_up());
}

unsigned LowestPort::receive(unsigned queue, packet::Burst& burst) {
  if (queue != 0) return 0;
  packet::Burst all;
  while (inner_.receive(0, all) > 0)
    all.drain([this](packet::Packet&& frame) { arrived_.push_back(std::move(frame)); });
  unsigned count = 0;
  while (count < kAtOnce && !burst.full() && !arrived_.empty()) {
    packet::Packet frame = std::move(arrived_.front());
    arrived_.pop_front();
    frame.meta().input_device = index();
    counters(queue).rx_bytes.add(frame.length());
    burst.push(std::move(frame));
    ++count;
  }
  counters(queue).rx_packets.add(count);
  return count;
}

unsigned LowestPort::transmit(unsigned /*queue*/, packet::Burst& burst) {
  const unsigned offered = burst.size();
  const unsigned taken = inner_.transmit(0, burst);
  LINNET_CHECK_OP(taken, ==, offered - burst.size());
  return taken;
}

}  // namespace linnet::tests
