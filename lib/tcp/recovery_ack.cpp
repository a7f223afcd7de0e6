// SPDX-License-Identifier: BSD-3-Clause
// What an ACK says: SACK and D-SACK (RFC 2018, 2883), progress, round-trip time (RFC 6298, 7323 4),
// delivery, loss probes (RFC 8985 7.4). What it leads to is in recovery_phase.cpp.
#include <algorithm>
#include <utility>

#include "tcp/recovery.hpp"

namespace linnet::tcp {

AckOutcome Recovery::on_ack(const AckEvent& event, time::Instant now) {
  last_event_ = now;
  Ack ack{.event = event, .now = now, .prior_una = una_};
  ack.sample.prior_in_flight = in_flight();
  ack.sample.ecn_echo = event.ecn_echo;
  if (board_.empty()) return ack.out;
  const std::uint32_t lost_before = board_.lost();
  ack.prior_highest = rack_.highest_sacked();
  // Of what came late its blocks tell once and its progress once (Linux:
  // tcp_check_sack_reordering).
  if (sack_ && !event.sack.empty()) take_sack(ack);
  if (std::exchange(ack.late, false)) note_late(ack.late_from);
  advance(ack);
  if (std::exchange(ack.late, false)) note_late(ack.late_from);
  sample_rtt(ack);
  judge_probe(ack);
  take_duplicate(ack);
  react(ack);
  ack.sample.newly_lost = board_.lost() - std::min(board_.lost(), lost_before);
  ack.sample.in_flight = in_flight();
  // Linux: tcp_may_raise_cwnd. Only progress opens the window, where the path is not known to
  // reorder; what SACK told of before has counted already.
  if (ack.out.advanced || rack_.reordering() > settings_.tcp_reordering)
    ack.sample.acked = ack.sample.newly_acked;
  rate_.finish(ack.newest, ack.sample, rtt_.min_rtt(), now);
  control_congestion(ack);
  arm_after_ack(ack);
  if (ack.out.advanced) syn_ = false;  // the initial number comes again after 4 GiB
  return ack.out;
}

// `on_ack`, less what cannot be: each record was sent after the one before it, so that the last one
// delivered is the newest and the first one the oldest, and nothing that is out was sent before it:
// no loss, no duplicate, no undo follows.
std::uint32_t Recovery::take_plain_ack(Seq to, time::Instant now) {
  last_event_ = now;
  RateSample sample;
  DeliveryRate::Newest newest;
  sample.prior_in_flight = board_.outstanding();
  const std::uint32_t bytes = to - una_;
  const time::Duration rtt = now - board_.first()->sent;
  board_.acknowledge_in_order(to, [&](const SentRecord& record, SeqRange part) {
    rate_.on_delivered_in_order(record, part, now, newest);
    rack_.on_delivered_in_order(record, part.end, now);
  });
  sample.acked = sample.newly_acked = bytes;
  sample.rtt = std::max(now - newest.sent, time::Duration::nanoseconds(1));
  una_ = to;
  timeouts_ = 0;
  duplicates_ = 0;
  take_rtt(rtt, now);
  reneging_suspected_ = false;
  if (sack_) reordering_at_ = time::Instant::never();
  sample.in_flight = board_.outstanding();
  rate_.finish(newest, sample, rtt_.min_rtt(), now);
  window_.cwnd_limited = window_used();
  control_->on_ack(control_state_, window_, sample, false, now);
  if (board_.empty()) {
    retransmission_at_ = probe_at_ = reordering_at_ = time::Instant::never();
  } else {
    arm_retransmission(now);
    arm_probe(now);
  }
  return bytes;
}

void Recovery::deliver(Ack& ack, const SentRecord& record, SeqRange part) {
  const std::uint32_t bytes = part.length();
  ack.sample.newly_acked += bytes;
  rate_.on_delivered(record, part, ack.now, ack.newest);
  // A SYN-ACK of Fast Open may be acknowledged together with data that was sent later; its round
  // trip is not theirs (on Linux it stands in no queue).
  if (!syn_outstanding() || part.begin != initial_) {
    rack_.on_delivered(record, part, ack.event.has_timestamp_echo, ack.event.echoed_at,
                       rtt_.min_rtt(), ack.now);
  }
  if (rack_.came_late(record, part, ack.prior_highest)) [[unlikely]] {
    ack.late_from = ack.late ? earlier(ack.late_from, part.begin) : part.begin;
    ack.late = true;
  }
  if (!record.retransmitted && part.end.at_or_before(high_)) ack.original = true;
}

void Recovery::take_sack(Ack& ack) {
  const auto blocks = ack.event.sack;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const SeqRange block = blocks[i];
    const bool old = block.end.at_or_before(ack.event.ack);
    const bool repeated = blocks.size() > 1 && block.begin.at_or_after(blocks[1].begin) &&
                          block.end.at_or_before(blocks[1].end);
    if (i == 0 && (old || repeated))
      take_dsack(ack, block);
    else
      take_block(ack, block);
  }
}

// Linux: tcp_is_sackblock_valid. What is old or beyond all that was sent says nothing.
void Recovery::take_block(Ack& ack, SeqRange block) {
  if (!block.begin.before(block.end) || block.end.after(nxt_) || block.begin.before(una_) ||
      block.end.at_or_before(ack.event.ack)) {
    // Unless its ACK was only overtaken.
    if (!ack.event.ack.before(una_) || block.end.after(una_)) counters_.add(Count::TCPSACKDiscard);
    return;
  }
  block.begin = later(block.begin, ack.event.ack);
  board_.sack(block, window_.mss, [&](const SentRecord& record) {
    ack.newly_sacked = true;
    if (!record.retransmitted) ack.rtt_sack = std::max(ack.rtt_sack, ack.now - record.sent);
    deliver(ack, record, record.range);
  });
}

// RFC 2883: the first block may tell of a segment that came twice.
void Recovery::take_dsack(Ack& ack, SeqRange block) {
  if (!block.begin.before(block.end) || block.end.after(nxt_)) {
    counters_.add(Count::TCPSACKDiscard);
    return;
  }
  const bool above = block.begin.at_or_after(ack.event.ack);
  counters_.add(above ? Count::TCPDSACKOfoRecv : Count::TCPDSACKRecv);
  const std::uint32_t segments = (block.length() + window_.mss - 1) / window_.mss;
  counters_.add(Count::TCPDSACKRecvSegs, segments);
  // More segments came twice than were sent twice: somebody invents them.
  if (duplicate_sacks_ + segments > total_retransmissions_) {
    counters_.add(Count::TCPDSACKIgnoredDubious);
    return;
  }
  duplicate_sacks_ += segments;
  ack.out.duplicate_sack = true;
  if (probe_active_ && block.end == probe_end_) ack.probe_dsack = true;
  rack_.on_dsack(rate_.delivered(), nxt_ - una_ - board_.sacked());
  if (!undo_valid_ || undo_retransmissions_ <= 0 || !block.end.after(undo_marker_)) {
    counters_.add(undo_valid_ ? Count::TCPDSACKIgnoredOld : Count::TCPDSACKIgnoredNoUndo);
    return;
  }
  undo_retransmissions_ = std::max(undo_retransmissions_ - static_cast<std::int32_t>(segments), 0);
}

void Recovery::advance(Ack& ack) {
  const Seq to = earlier(ack.event.ack, nxt_);
  if (!to.after(una_)) return;
  ack.out.advanced = true;
  ack.out.newly_acked = to - una_;
  board_.acknowledge(to, [&](const SentRecord& record, SeqRange part) {
    if (record.retransmitted) ack.retransmitted = true;
    if (record.state == SentState::Sacked) return;
    if (!record.retransmitted) {
      ack.rtt_oldest = std::max(ack.rtt_oldest, ack.now - record.sent);
      ack.rtt_newest = ack.now - record.sent;
    }
    deliver(ack, record, part);
  });
  // Without SACK what was sent again hides what had come before (Linux: tcp_clean_rtx_queue).
  if (!sack_ && ack.retransmitted) ack.original = false;
  una_ = to;
  timeouts_ = 0;
  duplicates_ = 0;
  if (reno_sacked_ != 0) {
    const std::uint32_t counted =
        std::min(reno_sacked_, ack.out.newly_acked - std::min(ack.out.newly_acked, window_.mss));
    reno_sacked_ -= counted;
    rate_.take_back(counted);
    ack.sample.newly_acked -= std::min(ack.sample.newly_acked, counted);
    reno_sacked_ = std::min(reno_sacked_, most_reno_sacked());
  }
}

// Karn: only what was sent once, or what a timestamp names.
void Recovery::sample_rtt(Ack& ack) {
  time::Duration rtt = kNoRtt, echoed = kNoRtt;
  // The echo is of a clock of milliseconds.
  if (ack.out.advanced && ack.event.has_timestamp_echo && ack.event.echoed_at <= ack.now)
    echoed = std::max(ack.now - ack.event.echoed_at, time::Duration::milliseconds(1));
  if (ack.rtt_oldest != kNoRtt && !ack.retransmitted) {
    rtt = ack.rtt_oldest;
    ack.sample.rtt = std::max(ack.rtt_newest, time::Duration::nanoseconds(1));
  } else if (ack.rtt_sack != kNoRtt) {
    // Where the ACKs that told of it first were lost, it came long before: an echo knows better
    // (Linux believes the block; under heavy loss its timeouts grow to minutes by it).
    rtt = echoed == kNoRtt ? ack.rtt_sack : std::min(ack.rtt_sack, echoed);
    ack.sample.rtt = std::max(rtt, time::Duration::nanoseconds(1));
  } else {
    rtt = echoed;
  }
  if (rtt != kNoRtt) take_rtt(rtt, ack.now);
}

// RFC 8985 section 7.4.2.
void Recovery::judge_probe(Ack& ack) {
  if (!probe_active_ || ack.event.ack.before(probe_end_)) return;
  if (!probe_repeated_ || ack.probe_dsack) {
    probe_active_ = false;
  } else if (ack.event.ack.after(probe_end_)) {
    // The probe repaired a loss that nothing else told of.
    probe_active_ = false;
    counters_.add(Count::TCPLossProbeRecovery);
    if (phase_ == Phase::Open) {
      prior_ssthresh_ = 0;
      undo_valid_ = false;
      begin_reduction(ack.now);
      end_reduction();
    }
  } else if (!ack.out.advanced && !ack.newly_sacked && !ack.event.carries_data &&
             !ack.event.window_changed) {
    probe_active_ = false;  // an ACK for each copy: nothing was lost
  }
}

// Never all that is out: one hole at least is there (Linux: tcp_limit_reno_sacked).
std::uint32_t Recovery::most_reno_sacked() const {
  const std::uint32_t out = nxt_ - una_;
  return out - std::min(out, std::max(board_.lost(), window_.mss));
}

void Recovery::take_duplicate(Ack& ack) {
  const AckEvent& event = ack.event;
  ack.duplicate = !ack.out.advanced && event.ack == una_ && !event.carries_data &&
                  (ack.newly_sacked || (!event.window_changed && !ack.out.duplicate_sack));
  if (sack_ || !ack.duplicate || board_.empty()) return;
  duplicates_ = static_cast<std::uint16_t>(std::min(duplicates_ + 1, 0xffff));
  // Behind a timeout they may answer what was sent again in vain.
  if (phase_ == Phase::Loss && !nxt_.after(high_)) return;
  // A segment left the network; which one is not known.
  const std::uint32_t limit = most_reno_sacked();
  const std::uint32_t more = std::min(window_.mss, limit - std::min(limit, reno_sacked_));
  reno_sacked_ += more;
  rate_.on_anonymous(more, ack.now);
  ack.sample.newly_acked += more;
}

}  // namespace linnet::tcp
