// SPDX-License-Identifier: BSD-3-Clause
// The timers: retransmission (RFC 6298), tail loss probe (RFC 8985 7), reordering (RFC 8985 6.3).
// As long as anything is in flight the first one stands.
#include <algorithm>

#include "tcp/recovery.hpp"

namespace linnet::tcp {
namespace {

// What a peer may wait before it acknowledges a single segment (RFC 8985 7.2: WCDelAckT).
constexpr time::Duration kDelayedAck = time::Duration::milliseconds(200);
constexpr time::Duration kProbeSlack = time::Duration::milliseconds(2);

}  // namespace

time::Duration Recovery::backed_off_rto() const {
  const auto ceiling = time::Duration::milliseconds(settings_.tcp_rto_max_ms);
  time::Duration rto = rtt_.rto(settings_);
  for (unsigned i = 0; i < backoff_ && rto < ceiling; ++i)
    rto = rto * 2;
  return std::min(rto, ceiling);
}

std::uint32_t Recovery::backoff() const {
  return timeouts_;
}

RecoveryTimer Recovery::timer() const {
  const time::Instant next = deadline();
  if (next == time::Instant::never()) return RecoveryTimer::None;
  if (next == reordering_at_) return RecoveryTimer::Reordering;
  if (next == probe_at_) return RecoveryTimer::LossProbe;
  return RecoveryTimer::Retransmission;
}

void Recovery::stand_probe(time::Instant now) {
  time::Duration after = time::Duration::seconds(1);
  if (rtt_.measured()) {
    const bool single = board_.outstanding() <= window_.mss;
    after = rtt_.srtt() * 2 + (single ? kDelayedAck : kProbeSlack);
  }
  probe_at_ = sooner(now + after, retransmission_at_);
}

void Recovery::arm_after_ack(const Ack& ack) {
  if (board_.empty()) {
    retransmission_at_ = probe_at_ = reordering_at_ = time::Instant::never();
    return;
  }
  if (ack.out.advanced) {
    arm_retransmission(ack.now);  // RFC 6298 section 5.3
    arm_probe(ack.now);
  } else if (!probe_allowed()) {
    probe_at_ = time::Instant::never();
  }
  // Time for the ACK that would clear it up (Linux: tcp_check_sack_reneging).
  if (reneging_suspected_) {
    const auto wait = std::max(rtt_.srtt() / 2, time::Duration::milliseconds(10));
    retransmission_at_ = std::min(retransmission_at_, ack.now + wait);
  }
}

TimerOutcome Recovery::on_timer(time::Instant now) {
  if (now < deadline()) return TimerOutcome::Nothing;
  last_event_ = now;
  switch (timer()) {
    case RecoveryTimer::None:
      return TimerOutcome::Nothing;
    case RecoveryTimer::Reordering: {
      const AckEvent nothing{.ack = una_};
      Ack ack{.event = nothing, .now = now, .prior_una = una_};
      find_losses(ack);
      if (board_.lost() == 0) return TimerOutcome::Nothing;
      if (phase_ == Phase::Open || phase_ == Phase::Reduced) {
        enter_recovery(ack);
        if (!control_->owns_recovery()) reduce_proportionally(ack);
      }
      return TimerOutcome::Retransmit;
    }
    case RecoveryTimer::LossProbe:
      probe_at_ = time::Instant::never();
      arm_retransmission(now);
      if (!probe_allowed()) return TimerOutcome::Nothing;
      counters_.add(Count::TCPLossProbes);
      probe_due_ = true;
      return TimerOutcome::SendProbe;
    case RecoveryTimer::Retransmission:
      break;
  }
  counters_.add(Count::TCPTimeouts);
  probe_due_ = false;
  if (syn_outstanding()) {
    board_.mark_all_lost(false);
  } else {
    enter_loss(now);
  }
  timeouts_ = static_cast<std::uint8_t>(std::min(timeouts_ + 1, 255));
  const bool linear = syn_sent_ && timeouts_ <= settings_.tcp_syn_linear_timeouts;
  if (!linear) backoff_ = static_cast<std::uint8_t>(std::min(backoff_ + 1, 255));
  arm_retransmission(now);
  return TimerOutcome::Retransmit;
}

// Linux: tcp_simple_retransmit.
void Recovery::path_changed() {
  bool any = false;
  for (SentRecord* record = board_.first(); record != nullptr; record = board_.next(*record)) {
    if (record->state != SentState::Outstanding || record->range.length() <= window_.mss) continue;
    board_.mark_lost(*record);
    any = true;
  }
  if (!any) return;
  reno_sacked_ = 0;
  probe_at_ = time::Instant::never();
  if (phase_ == Phase::Loss) return;
  high_ = nxt_;
  window_.ssthresh = current_ssthresh();
  prior_ssthresh_ = 0;
  undo_valid_ = false;
  phase_ = Phase::Loss;
  frto_ = frto_new_data_ = false;
}

}  // namespace linnet::tcp
