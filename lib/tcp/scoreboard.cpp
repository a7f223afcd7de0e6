// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/scoreboard.hpp"

#include <algorithm>

namespace linnet::tcp {
void Scoreboard::clear() {
  index();
  while (!records_.empty())
    remove(*records_.begin());
}

void Scoreboard::index() {
  if (!in_order()) return;
  for (SentRecord& record : times_) {
    ++steps_;
    records_.insert(records_.end(), record);
    disorder_end_ = record.range.end;
  }
}

SentRecord* Scoreboard::find(Seq at) {
  index();
  auto found = records_.upper_bound(at, BeginOrder{});
  if (found != records_.begin()) {
    auto before = std::prev(found);
    if (before->range.end.after(at)) return &*before;
  }
  return found == records_.end() ? nullptr : &*found;
}

SentRecord* Scoreboard::next(SentRecord& record) {
  index();
  const auto after = std::next(records_.iterator_to(record));
  return after == records_.end() ? nullptr : &*after;
}

bool Scoreboard::split(SentRecord& record, Seq at) {
  LINNET_CHECK(record.range.begin.before(at) && at.before(record.range.end));
  if (!within_share()) return false;
  index();
  SentRecord& rest = *pool_.take();
  rest.range = {at, record.range.end};
  rest.state = record.state;
  rest.retransmitted = record.retransmitted;
  rest.app_limited = record.app_limited;
  rest.sent = record.sent;
  rest.first_sent = record.first_sent;
  rest.delivered_at = record.delivered_at;
  rest.delivered = record.delivered;
  record.range.end = at;
  records_.insert(std::next(records_.iterator_to(record)), rest);
  if (rest.state == SentState::Outstanding) {
    times_.insert(std::next(times_.iterator_to(record)), rest);
  } else if (rest.state == SentState::Lost) {
    losses_.insert(std::next(losses_.iterator_to(record)), rest);
  }
  ++size_;
  return true;
}

SentRecord* Scoreboard::isolate(SentRecord& record, SeqRange block, std::uint32_t mss) {
  const std::uint32_t length = record.range.length();
  std::uint32_t from = block.begin.after(record.range.begin) ? block.begin - record.range.begin : 0;
  std::uint32_t to = block.end.before(record.range.end) ? block.end - record.range.begin : length;
  from = (from + mss - 1) / mss * mss;
  if (to != length) to = to / mss * mss;
  if (from >= to) return nullptr;
  const Seq begin = record.range.begin;
  if (to != length && !split(record, begin + to)) return nullptr;
  if (from == 0) return &record;
  if (!split(record, begin + from)) return nullptr;
  return next(record);
}

void Scoreboard::mark_sacked(SentRecord& record) {
  disorder();
  leave(record);
  record.state = SentState::Sacked;
  count(record, record.range.length());
}

SentRecord& Scoreboard::join_sacked(SentRecord& record) {
  SentRecord* joined = &record;
  const auto join = [&](SentRecord& left, SentRecord& right) {
    const Seq end = right.range.end;
    const std::uint32_t length = right.range.length();
    left.retransmitted = left.retransmitted || right.retransmitted;
    remove(right);
    left.range.end = end;
    count(left, length);
    joined = &left;
  };
  if (SentRecord* after = next(record); after != nullptr && after->state == SentState::Sacked)
    join(record, *after);
  const auto at = records_.iterator_to(record);
  if (at != records_.begin() && std::prev(at)->state == SentState::Sacked)
    join(*std::prev(at), record);
  return *joined;
}

void Scoreboard::mark_lost(SentRecord& record) {
  LINNET_CHECK(record.state != SentState::Lost);
  disorder();
  leave(record);
  record.state = SentState::Lost;
  count(record, record.range.length());
  losses_.insert(record);
}

void Scoreboard::mark_sent(SentRecord& record, time::Instant now, const SentStamp& stamp) {
  disorder();
  leave(record);
  record.state = SentState::Outstanding;
  record.retransmitted = true;
  record.sent = now;
  record.app_limited = stamp.app_limited;
  record.first_sent = stamp.first_sent;
  record.delivered_at = stamp.delivered_at;
  record.delivered = stamp.delivered;
  count(record, record.range.length());
  times_.push_back(record);
}

void Scoreboard::unmark_lost() {
  if (!losses_.empty()) disorder();
  while (!losses_.empty()) {
    SentRecord& record = *losses_.rbegin();
    ++steps_;
    leave(record);
    record.state = SentState::Outstanding;
    count(record, record.range.length());
    times_.push_front(record);
  }
}

void Scoreboard::mark_all_lost(bool also_sacked) {
  index();
  for (SentRecord& record : records_) {
    ++steps_;
    if (record.state == SentState::Outstanding ||
        (also_sacked && record.state == SentState::Sacked))
      mark_lost(record);
  }
}

}  // namespace linnet::tcp
