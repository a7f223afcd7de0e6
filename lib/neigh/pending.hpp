// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>

#include "packet/turn.hpp"

namespace linnet::neigh {

// A neighbour's waiting packets, oldest first: indexes into the pool below.
struct PendingList {
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::uint32_t head = kNone, tail = kNone;
  std::uint32_t count = 0;
  std::uint32_t bytes = 0;  // truesize
};

// The packets that wait for resolution, all neighbours together (Linux: neigh->arp_queue). Each is
// counted in the lane's `held` while it is here.
class PendingPool {
 public:
  struct Limits {
    std::uint32_t packets, bytes;  // of one neighbour
  };
  // A neighbour keeps no more than three once a quarter of the pool is in use (row L2), and one
  // once half is: the rest is for the first packets of others.
  static constexpr std::uint32_t kPacketsUnderPressure = 3;
  // All together may pin this much memory for each packet of the pool's capacity.
  static constexpr std::uint32_t kBytesPerPacket = 4096;

  explicit PendingPool(std::uint32_t capacity);
  ~PendingPool() { LINNET_CHECK_OP(used_, ==, 0u); }

  // Takes the packet behind the others. Makes room by dropping the list's oldest (PendingFull); in
  // a full pool the newcomer goes (PendingMemory) unless its own list has one to give.
  void hold(packet::Turn& turn, PendingList& list, packet::Packet&& packet, Limits limits);
  // The oldest packet, no longer held; empty handle where there is none.
  packet::Packet take(packet::Turn& turn, PendingList& list);
  // The newest packet, which stays (Linux: skb_peek_tail); nullptr where there is none.
  const packet::Packet* newest(const PendingList& list) const {
    return list.tail == PendingList::kNone ? nullptr : &nodes_[list.tail].packet;
  }

  std::uint32_t packets() const { return used_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Node {
    packet::Packet packet;
    std::uint32_t next = PendingList::kNone;
    std::uint32_t bytes = 0;
  };
  bool room_for(std::uint32_t bytes) const {
    return used_ < capacity_ && bytes_ + bytes <= std::uint64_t{capacity_} * kBytesPerPacket;
  }

  const std::uint32_t capacity_;
  std::unique_ptr<Node[]> nodes_;
  std::uint32_t free_ = PendingList::kNone;
  std::uint32_t used_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace linnet::neigh
