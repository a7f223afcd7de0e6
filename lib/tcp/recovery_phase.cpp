// SPDX-License-Identifier: BSD-3-Clause
// What an ACK leads to: finding losses (RFC 8985, 6675, 5681/6582 without SACK), reducing (RFC
// 6937) and taking it back (RFC 3522 by timestamps, 3708 by D-SACK, 5682). The order of steps is
// that of Linux's tcp_fastretrans_alert.
#include <algorithm>

#include "tcp/recovery.hpp"

namespace linnet::tcp {

void Recovery::react(Ack& ack) {
  if (ack.event.ecn_echo) {
    prior_ssthresh_ = 0;  // the router said it: never undone
    const std::uint32_t bytes = ack.sample.newly_acked;
    delivered_ce_ += (bytes + window_.mss - 1) / window_.mss;
  }
  const SentRecord* head = board_.first();
  // The peer acknowledges up to what it said it has, and not that: RFC 2018 section 8.
  reneging_suspected_ = head != nullptr && head->state == SentState::Sacked;
  if (phase_ != Phase::Open && una_.at_or_after(high_)) react_recovered(ack);
  switch (phase_) {
    case Phase::Recovery:
      return react_recovery(ack);
    case Phase::Loss:
      return react_loss(ack);
    case Phase::Open:
    case Phase::Reduced:
      return react_open(ack);
  }
}

void Recovery::react_recovered(Ack& ack) {
  if (phase_ == Phase::Reduced) {
    // RFC 3168 6.1.2: one reduction for each window of data.
    if (una_ == high_) return;
    end_reduction();
    phase_ = Phase::Open;
    return;
  }
  const bool undone = may_undo(ack);
  if (undone) {
    if (sack_ && phase_ == Phase::Recovery && delayed(ack)) note_late(ack.prior_una);
    counters_.add(phase_ == Phase::Loss ? Count::TCPLossUndo : Count::TCPFullUndo);
    ack.out.spurious = true;
    undo(false, ack.now);
  } else if (!sack_ && una_ == high_ && !board_.empty()) {
    return;  // RFC 6582 section 4: duplicates of the last window must not start another recovery
  }
  reno_sacked_ = 0;
  if (phase_ == Phase::Recovery) {
    if (!undone && undo_valid_) end_reduction();
    rack_.on_recovery_end();
  }
  phase_ = Phase::Open;
  frto_ = frto_new_data_ = false;
  first_retransmission_ = time::Instant();
}

void Recovery::react_open(Ack& ack) {
  if (undo_valid_ && undo_retransmissions_ == 0) {
    counters_.add(Count::TCPDSACKUndo);
    ack.out.spurious = true;
    undo(false, ack.now);
  }
  find_losses(ack);
  const bool duplicates = !sack_ && ack.duplicate && duplicates_ >= rack_.reordering();
  if (board_.lost() != 0 || duplicates) return enter_recovery(ack);
  if (ack.event.ecn_echo && phase_ == Phase::Open) enter_reduced(ack);
}

void Recovery::react_recovery(Ack& ack) {
  if (ack.out.advanced && undo_valid_ && delayed(ack)) {
    // The hole was filled by the original: what is out there is out there (Linux:
    // tcp_try_undo_partial). What comes late once will come late again.
    note_late(ack.prior_una);
    if (board_.retransmitted() != 0) return;
    counters_.add(Count::TCPPartialUndo);
    ack.out.spurious = true;
    undo(true, ack.now);
    phase_ = Phase::Open;
    return;
  }
  if (undo_valid_ && undo_retransmissions_ == 0) {
    counters_.add(Count::TCPDSACKUndo);
    ack.out.spurious = true;
    undo(false, ack.now);
    phase_ = Phase::Open;
  }
  find_losses(ack);
  // RFC 6582 section 3.2 step 5: a partial ACK tells of the next hole.
  if (!sack_ && ack.out.advanced && board_.lost() == 0) mark_head_lost(window_.mss);
}

void Recovery::react_loss(Ack& ack) {
  if (ack.out.advanced && may_undo(ack)) {
    counters_.add(Count::TCPLossUndo);
    if (frto_) counters_.add(Count::TCPSpuriousRTOs);
    ack.out.spurious = true;
    undo(true, ack.now);
    if (frto_ || sack_) phase_ = Phase::Open;
    frto_ = frto_new_data_ = false;
    return;
  }
  if (frto_ && react_frto(ack)) return;
  if (!sack_ && ack.out.advanced) reno_sacked_ = 0;
  find_losses(ack);
}

// RFC 5682 section 3.1, Linux's form: true, if the timeout was spurious.
bool Recovery::react_frto(Ack& ack) {
  if (ack.original) {  // step 3 b: data that was sent once is acknowledged
    counters_.add(Count::TCPLossUndo);
    counters_.add(Count::TCPSpuriousRTOs);
    ack.out.spurious = true;
    undo(true, ack.now);
    phase_ = Phase::Open;
    frto_ = frto_new_data_ = false;
    return true;
  }
  if (nxt_.after(high_)) {  // new data went out in step 2 b
    if (ack.newly_sacked || ack.duplicate) frto_ = false;
  } else if (ack.out.advanced) {
    high_ = nxt_;
    frto_ = ack.event.more_to_send;
  } else if (ack.duplicate) {
    frto_ = false;  // step 2 a
  } else {
    return false;  // of data in the other direction, of a window: it says nothing of the timeout
  }
  frto_new_data_ = frto_;
  return false;
}

void Recovery::find_losses(Ack& ack) {
  if (!sack_) return;
  if (board_.oldest() == nullptr) {
    reordering_at_ = time::Instant::never();
    return;
  }
  const bool recovering = phase_ == Phase::Recovery || phase_ == Phase::Loss;
  const time::Duration window = rack_.window(board_.sacked(), window_.mss, recovering,
                                             rtt_.min_rtt(), rtt_.srtt(), settings_);
  reordering_at_ = rack_.detect_loss(board_, window, ack.now, [&](const SentRecord& record) {
    if (record.retransmitted) counters_.add(Count::TCPLostRetransmit);
  });
}

// The first `bytes` are lost, as far as they are not sacked.
void Recovery::mark_head_lost(std::uint32_t bytes) {
  SentRecord* head = board_.first();
  if (head == nullptr || head->state != SentState::Outstanding) return;
  if (head->range.length() > bytes) board_.split(*head, head->range.begin + bytes);
  board_.mark_lost(*head);
  reno_sacked_ = std::min(reno_sacked_, most_reno_sacked());
}

std::uint32_t Recovery::current_ssthresh() const {
  if (phase_ == Phase::Reduced || phase_ == Phase::Recovery) return window_.ssthresh;
  return std::max(window_.ssthresh, window_.cwnd / 4 * 3);
}

void Recovery::init_undo() {
  undo_marker_ = una_;
  undo_valid_ = true;
  const auto out = (board_.retransmitted() + window_.mss - 1) / window_.mss;
  undo_retransmissions_ = out != 0 ? static_cast<std::int32_t>(out) : -1;
  if (out == 0) first_retransmission_ = time::Instant();
}

void Recovery::begin_reduction(time::Instant now, bool marked) {
  high_ = nxt_;
  reduction_cwnd_ = prior_cwnd_ = window_.cwnd;
  prr_delivered_ = prr_out_ = 0;
  probe_active_ = false;
  window_.ssthresh = std::max(marked ? control_->on_congestion(control_state_, window_, now)
                                     : control_->on_loss(control_state_, window_, now),
                              window_.mss);
}

void Recovery::end_reduction() {
  if (control_->owns_recovery()) return;
  if (window_.ssthresh < CongestionWindow().ssthresh)
    window_.cwnd = std::max(window_.ssthresh, window_.mss);
  used_ = 0;
  used_at_ = last_event_;
}

void Recovery::enter_reduced(Ack& ack) {
  prior_ssthresh_ = 0;
  undo_valid_ = false;
  begin_reduction(ack.now, true);
  phase_ = Phase::Reduced;
}

void Recovery::enter_recovery(Ack& ack) {
  counters_.add(sack_ ? Count::TCPSackRecovery : Count::TCPRenoRecovery);
  const bool reduced = phase_ == Phase::Reduced;
  prior_ssthresh_ = 0;
  init_undo();
  if (!reduced) {
    if (!ack.event.ecn_echo) prior_ssthresh_ = current_ssthresh();
    begin_reduction(ack.now);
  }
  high_ = nxt_;
  phase_ = Phase::Recovery;
  probe_at_ = time::Instant::never();
  if (!sack_) mark_head_lost(window_.mss);
}

void Recovery::enter_loss(time::Instant now) {
  const bool fresh = phase_ == Phase::Open || phase_ == Phase::Reduced;
  if (fresh || una_.at_or_after(high_)) {
    prior_ssthresh_ = current_ssthresh();
    prior_cwnd_ = window_.cwnd;
    window_.ssthresh = std::max(control_->on_loss(control_state_, window_, now), window_.mss);
    init_undo();
  }
  counters_.add(phase_ == Phase::Recovery
                    ? (sack_ ? Count::TCPSackRecoveryFail : Count::TCPRenoRecoveryFail)
                : phase_ == Phase::Loss ? Count::TCPLossFailures
                : sack_                 ? Count::TCPSackFailures
                                        : Count::TCPRenoFailures);
  board_.mark_all_lost(reneging_suspected_);
  if (reneging_suspected_) counters_.add(Count::TCPSACKReneging);
  reno_sacked_ = 0;
  window_.cwnd = window_.mss;
  control_->on_timeout(control_state_, window_, now);
  phase_ = Phase::Loss;
  high_ = nxt_;
  frto_ = settings_.tcp_frto != 0 && (fresh || timeouts_ != 0) && !reneging_suspected_;
  frto_new_data_ = false;
  reneging_suspected_ = false;
  probe_active_ = false;
  reordering_at_ = probe_at_ = time::Instant::never();
}

bool Recovery::delayed(const Ack& ack) const {
  // Eifel detection (RFC 3522): what is echoed was sent before anything was sent again. The echo's
  // clock has milliseconds.
  if (first_retransmission_ == time::Instant() || !ack.event.has_timestamp_echo) return false;
  return ack.event.echoed_at + time::Duration::milliseconds(1) <= first_retransmission_;
}

void Recovery::note_late(Seq low) {
  if (rack_.on_late(low, window_.mss, settings_))
    counters_.add(timestamps_ ? Count::TCPTSReorder : Count::TCPSACKReorder);
}

bool Recovery::may_undo(const Ack& ack) const {
  return undo_valid_ && (undo_retransmissions_ == 0 || delayed(ack));
}

// Linux: tcp_undo_cwnd_reduction.
void Recovery::undo(bool unmark, time::Instant now) {
  if (unmark) board_.unmark_lost();
  if (prior_ssthresh_ != 0) {
    window_.cwnd = std::max(window_.cwnd, prior_cwnd_);
    window_.ssthresh = std::max(window_.ssthresh, prior_ssthresh_);
    control_->on_undo(control_state_, window_, now);
  }
  undo_valid_ = false;
  first_retransmission_ = time::Instant();
  timeouts_ = 0;
  used_ = 0;
  used_at_ = now;
}

// RFC 6937 with the safe bound of its successor: what leaves the network decides what enters it.
void Recovery::reduce_proportionally(const Ack& ack) {
  const std::uint32_t delivered = ack.sample.newly_acked;
  const std::uint32_t flight = in_flight();
  if (delivered == 0 && prr_out_ != 0) return;
  prr_delivered_ += delivered;
  std::uint32_t allowed = 0;
  if (flight > window_.ssthresh) {
    const std::uint64_t share =
        (std::uint64_t{window_.ssthresh} * prr_delivered_ + reduction_cwnd_ - 1) /
        std::max(reduction_cwnd_, 1u);
    allowed = static_cast<std::uint32_t>(share - std::min<std::uint64_t>(share, prr_out_));
  } else {
    allowed = std::max(prr_delivered_ - std::min(prr_delivered_, prr_out_), delivered);
    const bool safe = ack.out.advanced && ack.sample.newly_lost == 0;
    if (safe) allowed += window_.mss;
    allowed = std::min(allowed, window_.ssthresh - flight);
  }
  if (prr_out_ == 0) allowed = std::max(allowed, window_.mss);  // the fast retransmit itself
  window_.cwnd = std::max(flight + allowed, window_.mss);
}

void Recovery::control_congestion(Ack& ack) {
  const bool reducing = phase_ == Phase::Reduced || phase_ == Phase::Recovery;
  if (ack.sample.newly_acked != 0 || ack.out.newly_acked != 0) {
    // SYN takes no room of the window.
    const bool recovering = reducing || (phase_ == Phase::Loss && control_->owns_recovery());
    window_.cwnd_limited = window_used();
    if (!(syn_ && ack.prior_una == initial_))
      control_->on_ack(control_state_, window_, ack.sample, recovering, ack.now);
  }
  if (reducing && !control_->owns_recovery()) reduce_proportionally(ack);
}

}  // namespace linnet::tcp
