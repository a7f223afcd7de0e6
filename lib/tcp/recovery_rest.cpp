// SPDX-License-Identifier: BSD-3-Clause
// What is kept of Recovery while nothing is in flight for a while. What is not kept is dead then:
// written before it is read again, or compared only with numbers that are behind.
#include "tcp/recovery.hpp"
#include "tcp/rested.hpp"

namespace linnet::tcp {
namespace {

bool fits(time::Duration span) {
  return span >= time::Duration() && span.count_ns() <= UINT32_MAX;
}

std::uint32_t short_of(time::Duration span) {
  return static_cast<std::uint32_t>(span.count_ns());
}

time::Duration long_of(std::uint32_t ns) {
  return time::Duration::nanoseconds(ns);
}

}  // namespace

void RttEstimator::wake(const RestedRecovery& rested) {
  srtt_ = long_of(rested.srtt);
  variance_ = long_of(rested.rtt_variance);
  min_rtt_ = long_of(rested.min_rtt);
  min_at_ = rested.min_rtt_at;
}

bool RttEstimator::rest(RestedRecovery& out) const {
  if (!fits(srtt_) || !fits(variance_) || !fits(min_rtt_)) return false;
  if (!measured() && initial_ != RttEstimator().initial_) return false;
  out.srtt = short_of(srtt_);
  out.rtt_variance = short_of(variance_);
  out.min_rtt = short_of(min_rtt_);
  out.min_rtt_at = min_at_;
  return true;
}

// All that was sent is delivered: a later segment is newer than any that was delivered, and any
// round of D-SACK is over.
bool Rack::rest(Seq una, RestedRecovery& out) const {
  if (highest_sacked_ != una || reordering_ > UINT16_MAX) return false;
  out.reordering = static_cast<std::uint16_t>(reordering_);
  out.times_reordered = times_reordered_;
  out.rack_multiplier = multiplier_;
  out.rack_persist = persist_;
  out.reordering_seen = reordering_seen_;
  return true;
}

void Rack::wake(const RestedRecovery& rested) {
  highest_sacked_ = rested.next;
  reordering_ = rested.reordering;
  times_reordered_ = rested.times_reordered;
  multiplier_ = rested.rack_multiplier;
  persist_ = rested.rack_persist;
  reordering_seen_ = rested.reordering_seen;
}

// The next segment begins a round, at times of its own.
bool DeliveryRate::rest(RestedRecovery& out) const {
  if (next_round_ > delivered_) return false;
  if (app_limited_until_ != 0) {
    if (app_limited_until_ < delivered_ || app_limited_until_ - delivered_ >= UINT32_MAX)
      return false;
    out.app_limited = static_cast<std::uint32_t>(app_limited_until_ - delivered_) + 1;
  }
  out.delivered = delivered_;
  out.rate = rate_;
  out.rate_limited = rate_limited_;
  return true;
}

void DeliveryRate::wake(const RestedRecovery& rested) {
  delivered_ = next_round_ = rested.delivered;
  rate_ = rested.rate;
  rate_limited_ = rested.rate_limited;
  if (rested.app_limited != 0) app_limited_until_ = delivered_ + rested.app_limited - 1;
}

bool Recovery::rest(time::Instant now, RestedRecovery& out) const {
  const bool plain = board_.empty() && phase_ == Phase::Open && !syn_ && !frto_ &&
                     !frto_new_data_ && !probe_due_ && !reneging_suspected_ && duplicates_ == 0 &&
                     timeouts_ == 0 && reno_sacked_ == 0 && una_ == nxt_;
  if (!plain || pacing_at_ > now || window_.pacing_rate != 0 || window_.mss > UINT16_MAX)
    return false;
  // A reduction that nothing has proved needless within an RTO of silence stands.
  const bool may_be_undone = undo_valid_ || first_retransmission_ != time::Instant();
  if (may_be_undone && now - last_event_ < rto()) return false;
  // A probe that is still judged was the last that was sent.
  if (probe_active_ && (probe_end_ != una_ || !probe_repeated_)) return false;
  if (window_.srtt != rtt_.srtt() || window_.min_rtt != rtt_.min_rtt()) return false;
  out = RestedRecovery();
  if (!rtt_.rest(out) || !rack_.rest(una_, out) || !rate_.rest(out) ||
      !control_->rest(control_state_, window_, out.congestion))
    return false;
  out.control = control_;
  out.last_sent = last_sent_;
  out.used_at = used_at_;
  out.cwnd = window_.cwnd;
  out.ssthresh = window_.ssthresh;
  out.used = used_;
  out.retransmissions = total_retransmissions_;
  out.duplicate_sacks = duplicate_sacks_;
  out.delivered_ce = delivered_ce_;
  out.next = una_;
  out.mss = static_cast<std::uint16_t>(window_.mss);
  out.backoff = backoff_;
  out.cwnd_limited = cwnd_limited_;
  out.sack = sack_;
  out.timestamps = timestamps_;
  out.fresh = nxt_ == initial_;
  out.probe_active = probe_active_;
  return true;
}

void Recovery::wake(const RestedRecovery& rested) {
  control_ = rested.control;
  control_->wake(control_state_, rested.congestion);
  rtt_.wake(rested);
  rack_.wake(rested);
  rate_.wake(rested);
  window_.mss = rested.mss;
  window_.cwnd = rested.cwnd;
  window_.ssthresh = rested.ssthresh;
  cwnd_limited_ = rested.cwnd_limited;
  window_.srtt = rtt_.srtt();
  window_.min_rtt = rtt_.min_rtt();
  una_ = nxt_ = high_ = undo_marker_ = probe_end_ = usage_end_ = rested.next;
  initial_ = rested.fresh ? rested.next : rested.next - 1;
  sack_ = rested.sack;
  timestamps_ = rested.timestamps;
  probe_active_ = probe_repeated_ = rested.probe_active;
  backoff_ = rested.backoff;
  used_ = rested.used;
  used_at_ = rested.used_at;
  last_sent_ = last_event_ = rested.last_sent;
  total_retransmissions_ = rested.retransmissions;
  duplicate_sacks_ = rested.duplicate_sacks;
  delivered_ce_ = rested.delivered_ce;
}

}  // namespace linnet::tcp
