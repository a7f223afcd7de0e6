// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/send_queue.hpp"

namespace linnet::tcp {

void SendQueue::append(packet::Turn& turn, Memory& memory, packet::Packet&& data) {
  LINNET_CHECK_OP(data.length(), >, 0u);
  if (tail_ != nullptr && join(turn, data)) return;
  turn.ledger.held.add();
  QueueLink* const link = make_link(std::move(data), end_);
  end_ += link->length;
  truesize_ += link->truesize;
  memory.send += link->truesize;
  (tail_ != nullptr ? tail_->next : head_) = link;
  tail_ = link;
}

// One-byte writes must not pin a buffer each (rule R3). The bytes before stay where they are, so
// references to them stay right.
bool SendQueue::join(packet::Turn& turn, packet::Packet& data) {
  const std::uint32_t count = data.length();
  if (count > kCopied || tail_->packet().tailroom() < count) return false;
  std::byte* const room = tail_->packet().put(count);
  if (room == nullptr || !data.copy_out(0, {room, count})) return false;
  tail_->length += count;
  end_ += count;
  turn.deliver(std::move(data));
  return true;
}

bool SendQueue::acknowledge(packet::Turn& turn, Memory& memory, Seq una) {
  bool freed = false;
  while (head_ != nullptr && head_->end().at_or_before(una)) {
    QueueLink* const link = head_;
    head_ = link->next;
    if (head_ == nullptr) tail_ = nullptr;
    for (QueueLink*& hint : hints_)
      if (hint == link) hint = nullptr;
    truesize_ -= link->truesize;
    memory.send -= link->truesize;
    turn.ledger.held.subtract();
    turn.deliver(unmake_link(link));
    freed = true;
  }
  return freed;
}

void SendQueue::clear(packet::Turn& turn, Memory& memory, Drop why) {
  while (head_ != nullptr) {
    QueueLink* const link = head_;
    head_ = link->next;
    memory.send -= link->truesize;
    turn.ledger.held.subtract();
    turn.drop(unmake_link(link), why);
  }
  tail_ = nullptr;
  hints_[0] = hints_[1] = nullptr;
  truesize_ = 0;
}

// The packet with the byte `at`. The search starts at the nearest hint before it. New data and
// retransmissions are asked for in order each, so each stream gets a hint of its own.
QueueLink* SendQueue::search(Seq at) const {
  int best = -1;
  for (int i = 0; i < 2; ++i)
    if (hints_[i] != nullptr && hints_[i]->begin.at_or_before(at) &&
        (best < 0 || hints_[i]->begin.after(hints_[best]->begin)))
      best = i;
  QueueLink* link = best < 0 ? head_ : hints_[best];
  LINNET_CHECK(link != nullptr && link->begin.at_or_before(at));
  while (link->end().at_or_before(at)) {
    link = link->next;
    LINNET_CHECK(link != nullptr);
  }
  if (best < 0) best = hints_[0] == nullptr || hints_[1] != nullptr ? 0 : 1;
  hints_[best] = link;
  return link;
}

}  // namespace linnet::tcp
