// SPDX-License-Identifier: BSD-3-Clause
// What came in: the bytes in order that the program has not taken, and those beyond a hole. Of
// bytes that come twice the first to come count (row T5). Buffers are charged whole (rule R3), and
// small segments are copied together where they touch.
//
//   in order: | packet | packet |  next()      tree by sequence: | packet |   | packet |
//             ^ take                ^ hole
#pragma once

#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <optional>
#include <utility>

#include "packet/turn.hpp"
#include "tcp/drops.hpp"
#include "tcp/engine.hpp"
#include "tcp/queue_link.hpp"
#include "tcp/segment.hpp"

namespace linnet::tcp {

class ReceiveQueue {
 public:
  ReceiveQueue() = default;
  ~ReceiveQueue() { LINNET_CHECK(head_ == nullptr && beyond_.empty()); }
  ReceiveQueue(const ReceiveQueue&) = delete;
  ReceiveQueue& operator=(const ReceiveQueue&) = delete;

  void start(Seq next) { next_ = next; }
  Seq next() const { return next_; }  // RCV.NXT, FIN not counted

  // Data that begins at `next()`, within the window; not empty. Moves `next` over it and over what
  // had come before. `tight`: memory is short, so the bytes are copied behind the last ones as far
  // as there is room, whatever their number (Linux: tcp_collapse).
  void append(packet::Turn& turn, Memory& memory, packet::Packet&& data, bool tight = false) {
    if (!has_hole()) return push_in_order(turn, memory, std::move(data), tight);
    append_before_hole(turn, memory, std::move(data), tight);
  }
  // Data that begins after `next()`, within the window; not empty. Returns what of it was new, or
  // that nothing was (it is dropped then).
  struct Kept {
    SeqRange range;
    bool duplicate = false;
  };
  Kept keep(packet::Turn& turn, Memory& memory, Seq begin, packet::Packet&& data);
  // Frees what lies farthest beyond the hole until at most `target` bytes (truesize) are charged or
  // nothing beyond begins after `spare`. Whether it freed something.
  bool prune(packet::Turn& turn, Memory& memory, std::uint32_t target, Seq spare);

  packet::Packet take(packet::Turn& turn, Memory& memory);
  void clear(packet::Turn& turn, Memory& memory, Drop why);

  bool empty() const { return head_ == nullptr; }
  bool has_hole() const { return !beyond_.empty(); }
  std::uint32_t bytes() const { return bytes_; }        // in order
  std::uint32_t truesize() const { return truesize_; }  // all

 private:
  struct Key {
    using type = Seq;
    Seq operator()(const QueueLink& link) const { return link.begin; }
  };
  // An order of what one window holds; there is none of all numbers.
  struct Earlier {
    bool operator()(Seq a, Seq b) const { return a.before(b); }
  };
  using Tree =
      boost::intrusive::set<QueueLink, boost::intrusive::base_hook<TreeHook>,
                            boost::intrusive::key_of_value<Key>, boost::intrusive::compare<Earlier>,
                            boost::intrusive::constant_time_size<false>>;

  void append_before_hole(packet::Turn& turn, Memory& memory, packet::Packet&& data, bool tight);
  void push_in_order(packet::Turn& turn, Memory& memory, packet::Packet&& data, bool tight);
  void link_in_order(QueueLink* link);
  void drain(packet::Turn& turn, Memory& memory);
  SeqRange fit(packet::Turn& turn, Memory& memory, SeqRange range, packet::Packet& data);
  static bool overlay(const QueueLink& link, Seq begin, const packet::Packet& data);
  void charge(Memory& memory, std::uint32_t truesize);
  void credit(Memory& memory, std::uint32_t truesize);

  QueueLink* head_ = nullptr;
  QueueLink* tail_ = nullptr;
  Tree beyond_;
  Seq next_;
  std::uint32_t bytes_ = 0;
  std::uint32_t truesize_ = 0;
};

}  // namespace linnet::tcp
