// SPDX-License-Identifier: BSD-3-Clause
// The program's bytes, by reference, from `append` until they are acknowledged. Packets in flight
// share them; a small packet is copied behind the last one while that is not shared yet.
//
//   begin()                                    end()
//   | packet | packet | packet | ... | packet |  <- append
//     ^ acknowledge frees whole packets
#pragma once

#include <algorithm>
#include <cstdint>

#include "packet/turn.hpp"
#include "tcp/drops.hpp"
#include "tcp/engine.hpp"
#include "tcp/queue_link.hpp"
#include "tcp/sequence.hpp"

namespace linnet::tcp {

class SendQueue {
 public:
  SendQueue() = default;
  ~SendQueue() { LINNET_CHECK(head_ == nullptr); }
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  // Empty; its next byte has the number `first`.
  void start(Seq first) { end_ = first; }
  // Takes the packet, which must have at least one byte.
  void append(packet::Turn& turn, Memory& memory, packet::Packet&& data);
  // Frees what lies wholly before `una`; returns whether it freed something.
  bool acknowledge(packet::Turn& turn, Memory& memory, Seq una);
  void clear(packet::Turn& turn, Memory& memory, Drop why);

  bool empty() const { return head_ == nullptr; }
  Seq end() const { return end_; }
  std::uint32_t truesize() const { return truesize_; }

  // Calls `piece(packet, offset, count)` for the bytes of `range`, which must be in the queue.
  template <typename Piece>
  void visit(SeqRange range, Piece&& piece) const {
    if (range.empty()) return;
    const QueueLink* link = find(range.begin);
    Seq at = range.begin;
    while (at.before(range.end)) {
      const std::uint32_t offset = at - link->begin;
      const std::uint32_t count = std::min(link->length - offset, range.end - at);
      piece(link->packet(), offset, count);
      at += count;
      link = link->next;
    }
  }

 private:
  static constexpr std::uint32_t kCopied = 512;  // packets up to that long are joined by copying
  QueueLink* find(Seq at) const {
    const bool single = head_ != nullptr && head_ == tail_ && head_->begin.at_or_before(at) &&
                        head_->end().after(at);
    return single ? head_ : search(at);
  }
  QueueLink* search(Seq at) const;
  bool join(packet::Turn& turn, packet::Packet& data);

  QueueLink* head_ = nullptr;
  QueueLink* tail_ = nullptr;
  // Where look-ups ended last: new data is asked for in order and so are retransmissions.
  mutable QueueLink* hints_[2] = {nullptr, nullptr};
  Seq end_;
  std::uint32_t truesize_ = 0;
};

}  // namespace linnet::tcp
