// SPDX-License-Identifier: BSD-3-Clause
#include "link/plain.hpp"

#include "device/drops.hpp"
#include "link/drops.hpp"
#include "packet/drops.hpp"

namespace linnet::link {

void plain_input(packet::Turn& turn, device::Device& device, packet::Burst& burst,
                 packet::Stage ip) {
  packet::Burst good;
  burst.drain([&](packet::Packet&& packet) {
    const auto drop = [&](auto why) {
      device.counters(turn.lane).rx_dropped.add();
      turn.drop(std::move(packet), why);
    };
    if (!packet.consistent()) return drop(device::Drop::BadLength);
    if (packet.length() < 1) return drop(Drop::Runt);
    // The MTU bounds what is sent. A tun device takes longer ones, as large TCP segments are.
    // What goes up may be written to.
    if (!packet.gather(1, turn.pool)) return drop(packet::Drop::NoBuffer);
    if (std::to_integer<unsigned>(packet.data()[0]) >> 4 != 4) return drop(Drop::UnknownVersion);
    packet.meta().link_offset = packet.data_offset();
    good.push(std::move(packet));
  });
  if (!good.empty()) ip(turn, good);
}

}  // namespace linnet::link
