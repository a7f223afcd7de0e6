// SPDX-License-Identifier: BSD-3-Clause
#include "device/loopback.hpp"

#include "wire/ethernet.hpp"

namespace linnet::device {

Loopback::Loopback(std::string name) : Device(Kind::Loopback, std::move(name)) {
  publish_mtu(kMtu);
  publish_link(true);
}

Loopback::~Loopback() {
  for (packet::Burst& ring : rings_) {
    ring.drain([](packet::Packet&& frame) { rte_pktmbuf_free(frame.release()); });
  }
}

unsigned Loopback::receive(unsigned queue, packet::Burst& burst) {
  packet::Burst& ring = rings_[queue];
  if (ring.empty()) [[likely]]
    return 0;
  unsigned count = 0;
  std::uint64_t bytes = 0;
  while (count < ring.size() && !burst.full()) {
    packet::Packet frame = ring.take(count++);
    frame.reset_meta(index());
    frame.meta().flags = packet::Meta::kLooped;
    bytes += frame.length();
    burst.push(std::move(frame));
  }
  ring.remove_front(count);
  counters(queue).rx_packets.add(count);
  counters(queue).rx_bytes.add(bytes);
  return count;
}

unsigned Loopback::transmit(unsigned queue, packet::Burst& burst) {
  packet::Burst& ring = rings_[queue];
  unsigned count = 0;
  while (count < burst.size() && !ring.full())
    ring.push(burst.take(count++));
  burst.remove_front(count);
  return count;
}

}  // namespace linnet::device
