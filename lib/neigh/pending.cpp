// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/pending.hpp"

#include <algorithm>

#include "neigh/drops.hpp"

namespace linnet::neigh {

void PendingPool::hold(packet::Turn& turn, PendingList& list, packet::Packet&& packet,
                       Limits limits) {
  const std::uint32_t bytes = packet.truesize();
  if (used_ >= capacity_ / 2)
    limits.packets = std::min(limits.packets, 1u);
  else if (used_ >= capacity_ / 4)
    limits.packets = std::min(limits.packets, kPacketsUnderPressure);
  while (list.count > 0 && (list.count >= limits.packets || list.bytes + bytes > limits.bytes))
    turn.drop(take(turn, list), Drop::PendingFull);
  if (limits.packets == 0 || bytes > limits.bytes)
    return turn.drop(std::move(packet), Drop::PendingFull);
  while (!room_for(bytes) && list.count > 0)
    turn.drop(take(turn, list), Drop::PendingMemory);
  if (!room_for(bytes)) return turn.drop(std::move(packet), Drop::PendingMemory);

  const std::uint32_t index = free_;
  Node& node = nodes_[index];
  free_ = node.next;
  node.packet = std::move(packet);
  node.next = PendingList::kNone;
  node.bytes = bytes;
  (list.tail == PendingList::kNone ? list.head : nodes_[list.tail].next) = index;
  list.tail = index;
  ++list.count;
  list.bytes += bytes;
  ++used_;
  bytes_ += bytes;
  turn.ledger.held.add();
}

packet::Packet PendingPool::take(packet::Turn& turn, PendingList& list) {
  if (list.head == PendingList::kNone) return packet::Packet();
  const std::uint32_t index = list.head;
  Node& node = nodes_[index];
  list.head = node.next;
  if (list.head == PendingList::kNone) list.tail = PendingList::kNone;
  --list.count;
  list.bytes -= node.bytes;
  --used_;
  bytes_ -= node.bytes;
  turn.ledger.held.subtract();
  node.next = free_;
  free_ = index;
  return std::move(node.packet);
}

}  // namespace linnet::neigh
