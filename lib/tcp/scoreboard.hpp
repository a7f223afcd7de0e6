// SPDX-License-Identifier: BSD-3-Clause
// The sent ranges of one connection in three orders, each change of which costs O(log n):
//
//   by sequence  una [ sacked ][ out ][ lost ][ out ][ sacked ][ out ] nxt  all; no gap, no overlap
//   by loss                            [ lost ]                             what is sent again next
//   by time               [ out ] -> [ out ] -> [ out, sent again ]         what RACK judges
//
// As long as nothing that is here was sacked, lost or sent again, or was here when something was,
// the orders of time and of sequence are one: the list stands for both (`in_order`), and what is
// pushed and acknowledged costs no tree. The tree by sequence is made when it is first asked for, a
// step for each record, and goes when all that stood on the board then, or at the last disorder, is
// acknowledged: a peer that brings it about makes it cost a step for each record once more.
//
// A peer chooses where SACK cuts: ranges are cut at multiples of the MSS only and sacked neighbours
// grow together (Linux: tcp_match_skb_to_sack, tcp_shift_skb_data), so that there are never more
// records than segments, and a walk over a block costs one step for each range that it changes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/check.hpp"
#include "tcp/sent_pool.hpp"

namespace linnet::tcp {

class Scoreboard {
 public:
  // The most that one record joins: a segment as large as the largest that offload takes.
  static constexpr std::uint32_t kMaxJoined = 65536;
  // No connection takes more than one in so many of the lane's records.
  static constexpr std::uint32_t kShare = 16;
  Scoreboard(SentPool& pool, std::uint32_t max_records) : pool_(pool), max_records_(max_records) {}
  ~Scoreboard() { clear(); }
  Scoreboard(const Scoreboard&) = delete;
  Scoreboard& operator=(const Scoreboard&) = delete;

  bool empty() const { return size_ == 0; }
  std::uint32_t size() const { return size_; }
  // All that is here was sent once, in order of time, and is outstanding as far as anybody knows.
  bool in_order() const { return records_.empty(); }
  // Whether one more range may be recorded. A connection in need gets the last one; a busy one has
  // its share of the lane's, and leaves a quarter to others.
  bool room() const { return empty() ? pool_.available() != 0 : within_share(); }
  void clear();

  // Bytes by state.
  std::uint32_t outstanding() const { return bytes_[0]; }
  std::uint32_t sacked() const { return bytes_[1]; }
  std::uint32_t lost() const { return bytes_[2]; }
  // Of the outstanding: sent more than once.
  std::uint32_t retransmitted() const { return retransmitted_; }
  // Steps that were taken over records since the start: what tests bound the cost by.
  std::uint64_t steps() const { return steps_; }

  // A new range behind the last. A record that goes on from the last one's at the same time is
  // joined to it where `mss` boundaries allow it to be told apart again.
  void push(SeqRange range, time::Instant now, std::uint32_t mss, const SentStamp& stamp);
  // Takes off what lies before `una`. `gone(record, part)` for each record, before it is
  // changed; `part` is the range that goes.
  template <typename Gone>
  void acknowledge(Seq una, Gone&& gone);
  // The same where all is `in_order`.
  template <typename Gone>
  void acknowledge_in_order(Seq una, Gone&& gone);
  // Marks what lies in `block`. `newly(record)` for each record that was not sacked before, before
  // it is changed.
  template <typename Newly>
  void sack(SeqRange block, std::uint32_t mss, Newly&& newly);

  SentRecord* first() { return const_cast<SentRecord*>(std::as_const(*this).first()); }
  SentRecord* oldest() { return times_.empty() ? nullptr : &times_.front(); }
  const SentRecord* first_lost() const { return losses_.empty() ? nullptr : &*losses_.begin(); }
  const SentRecord* first() const {
    if (empty()) return nullptr;
    return in_order() ? &times_.front() : &*records_.begin();
  }
  const SentRecord* last() const {
    if (empty()) return nullptr;
    return in_order() ? &times_.back() : &*records_.rbegin();
  }
  // The record in which `at` lies, else the next behind it.
  SentRecord* find(Seq at);
  SentRecord* next(SentRecord& record);

  void mark_lost(SentRecord& record);
  // Sent again at `now`, last in time; `stamp` as for `push`.
  void mark_sent(SentRecord& record, time::Instant now, const SentStamp& stamp);
  // Outstanding as it was before it was taken for lost.
  void unmark_lost();
  // All that is outstanding is lost; with `also_sacked` what was sacked too.
  void mark_all_lost(bool also_sacked);
  // Cuts `record` so that it ends at `at`, inside of it; the rest is a record of the same state
  // behind it. False: there is no record left.
  bool split(SentRecord& record, Seq at);

 private:
  bool within_share() const {
    const std::uint32_t share = std::max(pool_.capacity() / kShare, 64u);
    return size_ < std::min(max_records_, share) && pool_.available() > pool_.capacity() / 4;
  }
  struct BeginOrder {
    bool operator()(const SentRecord& a, const SentRecord& b) const {
      return a.range.begin.before(b.range.begin);
    }
    bool operator()(Seq at, const SentRecord& record) const {
      return at.before(record.range.begin);
    }
  };
  using Tree = detail::intrusive::set<
      SentRecord, detail::intrusive::compare<BeginOrder>,
      detail::intrusive::member_hook<SentRecord, detail::TreeHook, &SentRecord::by_sequence>,
      detail::intrusive::constant_time_size<false>>;
  using LossTree = detail::intrusive::set<
      SentRecord, detail::intrusive::compare<BeginOrder>,
      detail::intrusive::member_hook<SentRecord, detail::TreeHook, &SentRecord::by_loss>,
      detail::intrusive::constant_time_size<false>>;
  using TimeList = detail::intrusive::list<
      SentRecord,
      detail::intrusive::member_hook<SentRecord, detail::ListHook, &SentRecord::by_time>,
      detail::intrusive::constant_time_size<false>>;

  void count(const SentRecord& record, std::uint32_t bytes) {
    bytes_[static_cast<unsigned>(record.state)] += bytes;
    if (record.state == SentState::Outstanding && record.retransmitted) retransmitted_ += bytes;
  }
  void discount(const SentRecord& record, std::uint32_t bytes) {
    bytes_[static_cast<unsigned>(record.state)] -= bytes;
    if (record.state == SentState::Outstanding && record.retransmitted) retransmitted_ -= bytes;
  }
  // Its order beside that of sequence, and its state's bytes.
  void leave(SentRecord& record) {
    discount(record, record.range.length());
    if (record.state == SentState::Outstanding)
      times_.erase(times_.iterator_to(record));
    else if (record.state == SentState::Lost)
      losses_.erase(losses_.iterator_to(record));
  }
  void remove(SentRecord& record) {
    leave(record);
    records_.erase(records_.iterator_to(record));
    --size_;
    pool_.give_back(record);
  }
  void index();  // from here on the tree by sequence stands
  // What is on the board now may be in another order by time than by sequence.
  void disorder() {
    index();
    disorder_end_ = records_.rbegin()->range.end;
  }
  // The part of `record` in `block` that may be told apart; nullptr: none.
  SentRecord* isolate(SentRecord& record, SeqRange block, std::uint32_t mss);
  void mark_sacked(SentRecord& record);
  SentRecord& join_sacked(SentRecord& record);

  SentPool& pool_;
  Tree records_;
  LossTree losses_;
  TimeList times_;
  std::uint32_t max_records_;
  std::uint32_t size_ = 0;
  std::uint32_t bytes_[3] = {};
  std::uint32_t retransmitted_ = 0;
  std::uint64_t steps_ = 0;
  Seq disorder_end_{};  // with a tree: beyond it the orders are one
};

[[gnu::always_inline]] inline void Scoreboard::push(SeqRange range, time::Instant now,
                                                    std::uint32_t mss, const SentStamp& stamp) {
  if (!empty()) {
    SentRecord& before = const_cast<SentRecord&>(*last());
    LINNET_CHECK(before.range.end == range.begin);
    const bool same = before.sent == now && before.state == SentState::Outstanding &&
                      !before.retransmitted && before.app_limited == stamp.app_limited &&
                      before.delivered == stamp.delivered;
    if (same && before.range.length() % mss == 0 &&
        before.range.length() + range.length() <= kMaxJoined) {
      before.range.end = range.end;
      count(before, range.length());
      return;
    }
    if (now < before.sent) [[unlikely]] {
      index();
      disorder_end_ = range.end;
    }
  }
  SentRecord* record = pool_.take();
  LINNET_CHECK(record != nullptr);
  record->range = range;
  record->sent = now;
  record->app_limited = stamp.app_limited;
  record->first_sent = stamp.first_sent;
  record->delivered_at = stamp.delivered_at;
  record->delivered = stamp.delivered;
  if (!in_order()) records_.insert(records_.end(), *record);
  times_.push_back(*record);
  bytes_[static_cast<unsigned>(SentState::Outstanding)] += range.length();
  ++size_;
}

template <typename Gone>
void Scoreboard::acknowledge_in_order(Seq una, Gone&& gone) {
  while (!times_.empty()) {
    SentRecord& record = times_.front();
    if (!record.range.begin.before(una)) return;
    ++steps_;
    const SeqRange part{record.range.begin, earlier(record.range.end, una)};
    gone(static_cast<const SentRecord&>(record), part);
    bytes_[static_cast<unsigned>(SentState::Outstanding)] -= part.length();
    record.range.begin = part.end;
    if (!record.range.empty()) return;
    times_.pop_front();
    --size_;
    pool_.give_back(record);
  }
}

template <typename Gone>
void Scoreboard::acknowledge(Seq una, Gone&& gone) {
  if (in_order()) return acknowledge_in_order(una, std::forward<Gone>(gone));
  while (!records_.empty()) {
    SentRecord& record = *records_.begin();
    if (!record.range.begin.before(una)) break;
    ++steps_;
    if (una.at_or_after(record.range.end)) {
      gone(static_cast<const SentRecord&>(record), record.range);
      remove(record);
      continue;
    }
    const std::uint32_t part = una - record.range.begin;
    gone(static_cast<const SentRecord&>(record), SeqRange{record.range.begin, una});
    discount(record, part);
    record.range.begin = una;  // the order stays as it is
    break;
  }
  if (una.at_or_after(disorder_end_)) {
    steps_ += size_;
    records_.clear();
  }
}

template <typename Newly>
void Scoreboard::sack(SeqRange block, std::uint32_t mss, Newly&& newly) {
  SentRecord* record = find(block.begin);
  while (record != nullptr && record->range.begin.before(block.end)) {
    ++steps_;
    if (record->state != SentState::Sacked) {
      if (SentRecord* part = isolate(*record, block, mss); part != nullptr) {
        newly(static_cast<const SentRecord&>(*part));
        mark_sacked(*part);
        record = &join_sacked(*part);
      }
    }
    record = next(*record);
  }
}

}  // namespace linnet::tcp
