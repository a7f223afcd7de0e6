// SPDX-License-Identifier: BSD-3-Clause
// How packets stand in the queues of a connection: linked through the room of their Meta, which
// nobody else needs while they wait, so that a queue costs a connection two pointers.
#pragma once

#include <boost/intrusive/set_hook.hpp>
#include <cstdint>
#include <new>

#include "packet/packet.hpp"
#include "tcp/sequence.hpp"

namespace linnet::tcp {

using TreeHook =
    boost::intrusive::set_base_hook<boost::intrusive::optimize_size<true>,
                                    boost::intrusive::link_mode<boost::intrusive::normal_link>>;

// The place of one packet in a queue.
struct QueueLink : TreeHook {
  rte_mbuf* mbuf = nullptr;   // the packet itself
  QueueLink* next = nullptr;  // towards later bytes
  Seq begin;
  std::uint32_t length = 0;
  std::uint32_t truesize = 0;

  Seq end() const { return begin + length; }
  SeqRange range() const { return {begin, end()}; }
  packet::PacketRef packet() const { return packet::PacketRef(mbuf); }
};
static_assert(sizeof(QueueLink) <= sizeof(packet::Meta));

// Takes a packet in whole: from now on its Meta is a link.
inline QueueLink* make_link(packet::Packet&& packet, Seq begin) {
  const std::uint32_t length = packet.length();
  const std::uint32_t truesize = packet.truesize();
  void* const room = &packet.meta();
  auto* const link = new (room) QueueLink;
  link->begin = begin;
  link->length = length;
  link->truesize = truesize;
  link->mbuf = packet.release();
  return link;
}

// Gives the packet back, its Meta zeroed.
inline packet::Packet unmake_link(QueueLink* link) {
  packet::Packet packet(link->mbuf);
  packet.reset_meta();
  return packet;
}

}  // namespace linnet::tcp
