// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "packet/packet.hpp"

namespace linnet::packet {

// Up to 64 packets on their way through a stage:  [p0][p1]...[p size-1][empty handles ...]
// A stage takes every packet out (to an exit or a drop) and leaves the burst empty.
class Burst {
 public:
  static constexpr unsigned kCapacity = 64;

  Burst() {}  // NOLINT: the slots are made as they are filled
  // A burst that drivers fill up to `limit` packets only.
  explicit Burst(unsigned limit) : limit_(limit) { LINNET_CHECK_OP(limit, <=, kCapacity); }
  Burst(const Burst&) = delete;
  Burst& operator=(const Burst&) = delete;
  ~Burst() { LINNET_CHECK_OP(size_, ==, 0u); }

  unsigned size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ >= limit_; }
  unsigned room() const { return full() ? 0 : limit_ - size_; }

  void push(Packet&& packet) {
    LINNET_CHECK_OP(size_, <, kCapacity);
    slots_[size_++] = packet.release();
  }
  // Takes over `count` packets whose owner gives them up.
  void append(rte_mbuf* const* packets, unsigned count) {
    LINNET_CHECK_OP(count, <=, kCapacity - size_);
    std::copy_n(packets, count, slots_ + size_);
    size_ += count;
  }
  // The packet at `i`, which stays in the burst.
  rte_mbuf* peek(unsigned i) const { return slots_[i]; }
  PacketRef operator[](unsigned i) const { return PacketRef(slots_[i]); }
  // Moves the packet at `from` to the earlier slot `to`, whose packet was taken or moved already: a
  // stage that keeps most packets closes up over the others, and ends with `set_size`.
  void keep(unsigned from, unsigned to) { slots_[to] = slots_[from]; }
  void keep(Packet&& packet, unsigned to) { slots_[to] = packet.release(); }
  // Takes the packet at `i` out. Every slot is taken once; then `clear` forgets the slots.
  Packet take(unsigned i) { return Packet(std::exchange(slots_[i], nullptr)); }

  // Calls `stage(Packet&&)` for each packet in order and leaves the burst empty.
  template <typename Stage>
  void drain(Stage&& stage) {
    for (unsigned i = 0; i < size_; ++i)
      stage(Packet(slots_[i]));
    size_ = 0;
  }
  // Lengths of all packets added up.
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < size_; ++i)
      sum += slots_[i]->pkt_len;
    return sum;
  }
  // Forgets all slots: their packets were taken.
  void clear() { size_ = 0; }

  // The raw slots for drivers: `fill` writes behind the packets that are there.
  rte_mbuf** slots() { return slots_; }
  void set_size(unsigned size) {
    LINNET_CHECK_OP(size, <=, kCapacity);
    size_ = size;
  }
  // Removes the first `n` packets, which were handed on through `slots`, and moves the rest down.
  void remove_front(unsigned n) {
    for (unsigned i = n; i < size_; ++i)
      slots_[i - n] = slots_[i];
    size_ -= n;
  }

 private:
  unsigned size_ = 0;
  unsigned limit_ = kCapacity;
  rte_mbuf* slots_[kCapacity];
};

}  // namespace linnet::packet
