// SPDX-License-Identifier: BSD-3-Clause
#include "device/memory_port.hpp"

namespace linnet::device {

MemoryPort::MemoryPort(std::string name, MacAddress mac, std::uint32_t mtu)
    : Device(Kind::Memory, std::move(name)) {
  publish_mac(mac);
  publish_mtu(mtu);
  publish_link(true);
}

MemoryPort::MemoryPort(std::string name, LinkLayer link_layer, std::uint32_t mtu)
    : Device(Kind::Memory, std::move(name), link_layer) {
  publish_mtu(mtu);
  publish_link(true);
}

MemoryPort::~MemoryPort() {
  for (packet::Packet& frame : inbound_)
    rte_pktmbuf_free(frame.release());
  for (Sent& sent : outbound_)
    rte_pktmbuf_free(sent.frame.release());
}

packet::Packet MemoryPort::take() {
  return take_sent().frame;
}

MemoryPort::Sent MemoryPort::take_sent() {
  if (outbound_.empty()) return Sent{};
  Sent sent = std::move(outbound_.front());
  outbound_.pop_front();
  return sent;
}

std::uint64_t MemoryPort::prepare(packet::Turn& turn, packet::Burst& burst) {
  now_ = turn.now;
  return Device::prepare(turn, burst);
}

unsigned MemoryPort::receive(unsigned queue, packet::Burst& burst) {
  unsigned count = 0;
  std::uint64_t bytes = 0;
  while (!inbound_.empty() && !burst.full()) {
    packet::Packet frame = std::move(inbound_.front());
    inbound_.pop_front();
    frame.reset_meta(index());
    bytes += frame.length();
    burst.push(std::move(frame));
    ++count;
  }
  counters(queue).rx_packets.add(count);
  counters(queue).rx_bytes.add(bytes);
  return count;
}

unsigned MemoryPort::transmit(unsigned /*queue*/, packet::Burst& burst) {
  unsigned count = 0;
  while (count < burst.size() && outbound_.size() < ring_size_)
    outbound_.push_back(Sent{burst.take(count++), now_});
  burst.remove_front(count);
  return count;
}

}  // namespace linnet::device
