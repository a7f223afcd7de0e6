// SPDX-License-Identifier: BSD-3-Clause
// The inside of Reassembly; private to reassembly.cpp and build.cpp.
#pragma once

#include "ip/fragment_store.hpp"
#include "ip/reassembly.hpp"

namespace linnet::ip {

// A fragment as its header tells it.
struct FragmentPiece {
  FragmentKey key;
  Ipv4Address source;
  std::uint32_t header = 0;  // bytes
  std::uint32_t begin = 0;   // payload bytes [begin, end) of the datagram
  std::uint32_t end = 0;
  bool last = false;
  std::uint8_t protocol = 0;
  std::uint8_t ecn_bit = 0;
};

struct Reassembly::State {
  State(time::TimerWheel& wheel_in, const Settings& settings_in, SipKey key, packet::Stage stage);

  packet::Packet add(packet::Turn& turn, packet::Packet&& fragment);
  FragmentDatagram* open(packet::Turn& turn, const FragmentPiece& piece);
  packet::Packet place(packet::Turn& turn, FragmentDatagram& datagram, const FragmentPiece& piece,
                       packet::Packet&& fragment);
  enum class Place : std::uint8_t { Here, Duplicate, Overlap, Inconsistent };
  Place find_place(const FragmentDatagram& datagram, const FragmentPiece& piece,
                   std::uint16_t& after);
  bool make_room(packet::Turn& turn, FragmentDatagram& current, std::uint32_t truesize, Drop& why);
  packet::Packet complete(packet::Turn& turn, FragmentDatagram& datagram);
  packet::Packet join(packet::Turn& turn, FragmentDatagram& datagram, std::uint32_t header);
  void lose(packet::Turn& turn, FragmentDatagram& datagram, packet::DropReason why);
  void evict(packet::Turn& turn, FragmentDatagram& datagram, Drop why);
  void ban(packet::Turn& turn, FragmentDatagram& datagram, Drop why);
  void close(FragmentDatagram& datagram);
  void expire(packet::Turn& turn, FragmentDatagram& datagram);

  time::TimerWheel& wheel;
  const Settings& settings;
  const packet::Stage expired;
  FragmentStore store;
  Counters counters;
};

}  // namespace linnet::ip
