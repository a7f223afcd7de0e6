// SPDX-License-Identifier: BSD-3-Clause
// RACK (RFC 8985 section 6): a segment is lost when one that was sent sufficiently later has been
// delivered. "Sufficiently" is the reordering window, which adapts to what the path shows.
#pragma once

#include "tcp/scoreboard.hpp"
#include "tcp/settings.hpp"

namespace linnet::tcp {

struct RestedRecovery;

class Rack {
 public:
  void start(Seq una, const Settings& settings);
  bool rest(Seq una, RestedRecovery& out) const;
  void wake(const RestedRecovery& rested);

  // Step 1 and 2, for each delivered part of a record. `echoed_at`: when what the peer echoes was
  // sent.
  void on_delivered(const SentRecord& record, SeqRange part, bool has_echo, time::Instant echoed_at,
                    time::Duration min_rtt, time::Instant now) {
    const time::Duration rtt = now - record.sent;
    if (record.retransmitted) {
      // Which of the transmissions was it? Too early for the last one.
      if (has_echo ? echoed_at + time::Duration::milliseconds(1) <= record.sent : rtt < min_rtt)
        return;
    }
    rtt_ = rtt;
    if (!valid_ || record.sent > sent_ || (record.sent == sent_ && part.end.after(end_))) {
      sent_ = record.sent;
      end_ = part.end;
      valid_ = true;
    }
  }
  // All that was delivered was sent before `first`, or in one instant with it and below it.
  bool behind(const SentRecord& first) const {
    return highest_sacked_.at_or_before(first.range.begin) &&
           (!valid_ || sent_ < first.sent ||
            (sent_ == first.sent && end_.at_or_before(first.range.begin)));
  }
  // Steps 1 to 3 for a record of which `behind` is true, delivered as far as `end`.
  void on_delivered_in_order(const SentRecord& record, Seq end, time::Instant now) {
    rtt_ = now - record.sent;
    sent_ = record.sent;
    end_ = highest_sacked_ = end;
    valid_ = true;
  }
  // Step 3: a record that was never sent again is delivered behind later ones. True: it came late,
  // the path reorders. `before`: the highest end before this ACK; what one ACK tells of came in any
  // order.
  bool came_late(const SentRecord& record, SeqRange part, Seq before) {
    if (part.end.after(highest_sacked_)) highest_sacked_ = part.end;
    return part.end.before(before) && !record.retransmitted;
  }
  // Data from `low` on came late, behind data that is sacked: what was sent again for it was sent
  // in vain. True: the path reorders (Linux: tcp_check_sack_reordering).
  bool on_late(Seq low, std::uint32_t mss, const Settings& settings);
  // Step 4, inputs: `round_start_una` is SND.UNA; a D-SACK widens the window once a round trip.
  void on_dsack(std::uint64_t delivered, std::uint32_t undelivered);
  void on_recovery_end();
  // All before `to` is delivered, and was never in a record (see Recovery::skip).
  void skip(Seq to) { highest_sacked_ = to; }

  // `sacked`: bytes; `in_recovery`: RACK's loss detection acts at once then.
  time::Duration window(std::uint32_t sacked, std::uint32_t mss, bool in_recovery,
                        time::Duration min_rtt, time::Duration srtt,
                        const Settings& settings) const;

  // Step 5: marks what is lost at `now` as lost; `lost(record)` before each. Returns when the next
  // one would be: never(), if there is none. One step for each lost record and one more.
  template <typename Lost>
  time::Instant detect_loss(Scoreboard& board, time::Duration window, time::Instant now,
                            Lost&& lost);

  Seq highest_sacked() const { return highest_sacked_; }
  std::uint32_t reordering() const { return reordering_; }  // segments
  bool reordering_seen() const { return reordering_seen_; }
  std::uint32_t times_reordered() const { return times_reordered_; }

 private:
  // Whether the newest delivered segment was sent after one of that time and end.
  bool sent_after(time::Instant sent, Seq end) const {
    return sent_ > sent || (sent_ == sent && end_.after(end));
  }

  time::Instant sent_{};  // of the newest delivered segment
  Seq end_{};
  Seq highest_sacked_{};
  time::Duration rtt_{};
  // The total that is delivered when all is that was in flight as a D-SACK last widened the window:
  // unlike SND.NXT it does not wrap.
  std::uint64_t dsack_round_ = 0;
  std::uint32_t reordering_ = 3;
  std::uint32_t times_reordered_ = 0;
  std::uint8_t multiplier_ = 1, persist_ = 0;
  bool valid_ = false, reordering_seen_ = false;
};

template <typename Lost>
time::Instant Rack::detect_loss(Scoreboard& board, time::Duration window, time::Instant now,
                                Lost&& lost) {
  if (!valid_) return time::Instant::never();
  while (SentRecord* record = board.oldest()) {
    if (!sent_after(record->sent, record->range.end)) break;
    const time::Instant due = record->sent + rtt_ + window;
    if (due > now) return due;
    lost(*record);
    board.mark_lost(*record);
  }
  return time::Instant::never();
}

}  // namespace linnet::tcp
