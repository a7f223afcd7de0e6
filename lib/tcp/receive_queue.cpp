// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/receive_queue.hpp"

#include <algorithm>

namespace linnet::tcp {
namespace {

// Segments up to that long are copied behind (or before) a neighbour that has room.
constexpr std::uint32_t kCopied = 512;

bool copy_behind(packet::PacketRef into, const packet::Packet& data) {
  const std::uint32_t count = data.length();
  if (count > kCopied || into.tailroom() < count) return false;
  std::byte* const room = into.put(count);
  return room != nullptr && data.copy_out(0, {room, count});
}

bool copy_before(packet::PacketRef into, const packet::Packet& data) {
  const std::uint32_t count = data.length();
  if (count > kCopied) return false;
  std::byte* const room = into.push(count);
  return room != nullptr && data.copy_out(0, {room, count});
}

}  // namespace

void ReceiveQueue::charge(Memory& memory, std::uint32_t truesize) {
  truesize_ += truesize;
  memory.receive += truesize;
}

void ReceiveQueue::credit(Memory& memory, std::uint32_t truesize) {
  truesize_ -= truesize;
  memory.receive -= truesize;
}

void ReceiveQueue::append_before_hole(packet::Turn& turn, Memory& memory, packet::Packet&& data,
                                      bool tight) {
  const SeqRange fitted = fit(turn, memory, {next_, next_ + data.length()}, data);
  LINNET_CHECK(fitted.begin == next_ && !fitted.empty());
  push_in_order(turn, memory, std::move(data), tight);
  drain(turn, memory);
}

void ReceiveQueue::push_in_order(packet::Turn& turn, Memory& memory, packet::Packet&& data,
                                 bool tight) {
  std::uint32_t count = data.length();
  bytes_ += count;
  next_ += count;
  if (tail_ != nullptr && copy_behind(tail_->packet(), data)) {
    tail_->length += count;
    turn.deliver(std::move(data));
    return;
  }
  if (tight && tail_ != nullptr) {
    const std::uint32_t part = std::min(count, tail_->packet().tailroom());
    std::byte* const room = part != 0 ? tail_->packet().put(part) : nullptr;
    if (room != nullptr && data.copy_out(0, {room, part})) {
      tail_->length += part;
      count -= part;
      if (count == 0) {
        turn.deliver(std::move(data));
        return;
      }
      data.skip(part);
    }
  }
  turn.ledger.held.add();
  QueueLink* const link = make_link(std::move(data), next_ - count);
  charge(memory, link->truesize);
  link_in_order(link);
}

void ReceiveQueue::link_in_order(QueueLink* link) {
  (tail_ != nullptr ? tail_->next : head_) = link;
  tail_ = link;
}

// Moves over what is in order now.
void ReceiveQueue::drain(packet::Turn& turn, Memory& memory) {
  while (!beyond_.empty() && beyond_.begin()->begin == next_) {
    QueueLink* const link = &*beyond_.begin();
    beyond_.erase(beyond_.begin());
    const std::uint32_t count = link->length;
    bytes_ += count;
    next_ += count;
    packet::Packet data(link->mbuf);
    if (tail_ != nullptr && copy_behind(tail_->packet(), data)) {
      tail_->length += count;
      credit(memory, link->truesize);
      turn.ledger.held.subtract();
      turn.deliver(std::move(data));
    } else {
      data.release();
      link_in_order(link);
    }
  }
}

// Cuts from `data`, which stands at `range`, what is in the tree already; what the tree has inside
// of it is copied over it and leaves the tree. Returns the range that is left, empty if none is.
SeqRange ReceiveQueue::fit(packet::Turn& turn, Memory& memory, SeqRange range,
                           packet::Packet& data) {
  Tree::iterator at = beyond_.lower_bound(range.begin);
  if (at != beyond_.begin()) {
    const Seq before = std::prev(at)->end();
    if (before.at_or_after(range.end)) return {range.end, range.end};
    if (before.after(range.begin)) {
      data.skip(before - range.begin);
      range.begin = before;
    }
  }
  while (at != beyond_.end() && at->begin.before(range.end)) {
    if (at->begin == range.begin) {
      if (at->end().at_or_after(range.end)) return {range.end, range.end};
      data.skip(at->length);
      range.begin = at->end();
      ++at;
    } else if (at->end().at_or_before(range.end) && overlay(*at, range.begin, data)) {
      QueueLink* const link = &*at;
      at = beyond_.erase(at);
      credit(memory, link->truesize);
      turn.ledger.held.subtract();
      turn.deliver(unmake_link(link));
    } else {
      range.end = at->begin;
      data.trim(range.length());
    }
  }
  return range;
}

// Writes the older bytes over those of `data`, which begins at `begin`; false where `data` may not
// be written to.
bool ReceiveQueue::overlay(const QueueLink& link, Seq begin, const packet::Packet& data) {
  std::byte buffer[512];
  for (std::uint32_t done = 0; done < link.length;) {
    const auto count = std::min<std::uint32_t>(sizeof buffer, link.length - done);
    if (!link.packet().copy_out(done, {buffer, count}) ||
        !data.copy_in(link.begin - begin + done, {buffer, count}))
      return false;
    done += count;
  }
  return true;
}

ReceiveQueue::Kept ReceiveQueue::keep(packet::Turn& turn, Memory& memory, Seq begin,
                                      packet::Packet&& data) {
  const SeqRange range = fit(turn, memory, {begin, begin + data.length()}, data);
  if (range.empty()) {
    turn.drop(std::move(data), Drop::Duplicate);
    return {range, true};
  }
  const Tree::iterator after = beyond_.lower_bound(range.begin);
  if (after != beyond_.begin()) {
    QueueLink& before = *std::prev(after);
    if (before.end() == range.begin && copy_behind(before.packet(), data)) {
      before.length += range.length();
      turn.deliver(std::move(data));
      return {range, false};
    }
  }
  if (after != beyond_.end() && after->begin == range.end && copy_before(after->packet(), data)) {
    after->begin = range.begin;
    after->length += range.length();
    turn.deliver(std::move(data));
    return {range, false};
  }
  turn.ledger.held.add();
  QueueLink* const link = make_link(std::move(data), range.begin);
  charge(memory, link->truesize);
  beyond_.insert(after, *link);
  return {range, false};
}

bool ReceiveQueue::prune(packet::Turn& turn, Memory& memory, std::uint32_t target, Seq spare) {
  bool freed = false;
  while (truesize_ > target && !beyond_.empty()) {
    const Tree::iterator last = std::prev(beyond_.end());
    if (last->begin.at_or_before(spare)) break;
    QueueLink* const link = &*last;
    beyond_.erase(last);
    credit(memory, link->truesize);
    turn.ledger.held.subtract();
    turn.drop(unmake_link(link), Drop::ReceiveMemory);
    freed = true;
  }
  return freed;
}

packet::Packet ReceiveQueue::take(packet::Turn& turn, Memory& memory) {
  if (head_ == nullptr) return packet::Packet();
  QueueLink* const link = head_;
  head_ = link->next;
  if (head_ == nullptr) tail_ = nullptr;
  bytes_ -= link->length;
  credit(memory, link->truesize);
  turn.ledger.held.subtract();
  return unmake_link(link);
}

void ReceiveQueue::clear(packet::Turn& turn, Memory& memory, Drop why) {
  while (!beyond_.empty()) {
    QueueLink* const link = &*beyond_.begin();
    beyond_.erase(beyond_.begin());
    link_in_order(link);
  }
  while (head_ != nullptr) {
    QueueLink* const link = head_;
    head_ = link->next;
    credit(memory, link->truesize);
    turn.ledger.held.subtract();
    turn.drop(unmake_link(link), why);
  }
  tail_ = nullptr;
  bytes_ = 0;
}

}  // namespace linnet::tcp
