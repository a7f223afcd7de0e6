// SPDX-License-Identifier: BSD-3-Clause
// Sending and looking; ACKs are in recovery_ack.cpp, what they lead to in recovery_phase.cpp,
// timers in recovery_timer.cpp.
#include "tcp/recovery.hpp"

#include <algorithm>

namespace linnet::tcp {
namespace {

// RFC 6928, as Linux has it: ten segments, whatever their size.
constexpr std::uint32_t kInitialWindow = 10;
constexpr std::uint32_t kMaxRecords = 1u << 20;

}  // namespace

Recovery::Recovery(SentPool& pool, const RecoverySettings& settings, RecoveryCounters& counters,
                   const CongestionControl& control)
    : settings_(settings), counters_(counters), control_(&control), board_(pool, kMaxRecords) {}

void Recovery::start(Seq initial, std::uint32_t mss, bool sack, bool timestamps, time::Instant now,
                     bool syn) {
  board_.clear();
  initial_ = una_ = nxt_ = high_ = usage_end_ = initial;
  sack_ = sack;
  timestamps_ = timestamps;
  syn_ = syn;
  phase_ = Phase::Open;
  last_event_ = last_sent_ = used_at_ = now;
  window_ = CongestionWindow();
  window_.mss = std::max(mss, 1u);
  window_.cwnd = kInitialWindow * window_.mss;
  rtt_ = RttEstimator();
  rate_ = DeliveryRate();
  rack_.start(initial, settings_);
  control_->start(control_state_, window_, now);
}

void Recovery::negotiated(std::uint32_t mss, bool sack, bool timestamps) {
  sack_ = sack;
  timestamps_ = timestamps;
  window_.mss = std::max(mss, 1u);
  // RFC 5681 section 3.1: a SYN that was lost costs the initial window, RFC 6298 5.7: and patience.
  window_.cwnd = (total_retransmissions_ > 1 ? 1 : kInitialWindow) * window_.mss;
  if (total_retransmissions_ != 0) rtt_.set_initial(time::Duration::seconds(3));
  control_->start(control_state_, window_, last_event_);
}

void Recovery::set_mss(std::uint32_t mss) {
  window_.mss = std::max(mss, 1u);
  window_.cwnd = std::max(window_.cwnd, window_.mss);
}

void Recovery::set_congestion_control(const CongestionControl& control, time::Instant now) {
  control_ = &control;
  window_.pacing_rate = 0;
  restart_pacing();
  control_->start(control_state_, window_, now);
}

void Recovery::on_transmit(SeqRange range, time::Instant now, bool retransmission, double most) {
  LINNET_CHECK(!range.empty());
  last_event_ = now;
  if (phase_ == Phase::Reduced || phase_ == Phase::Recovery) prr_out_ += range.length();
  if (window_.pacing_rate != 0 || most != 0) pace(range.length(), now, most);
  if (retransmission) {
    const std::uint32_t segments = (range.length() + window_.mss - 1) / window_.mss;
    mark_transmitted_again(range, now);
    counters_.add(Count::RetransSegs, segments);
    total_retransmissions_ += segments;
  } else {
    LINNET_CHECK(range.begin == nxt_);
    const bool first = board_.empty();
    if (first) restart_after_idle(now);
    board_.push(range, now, window_.mss, rate_.on_sent(first, now));
    nxt_ = range.end;
    if (first) arm_retransmission(now);
    if (!probe_due_) arm_probe(now);
  }
  if (probe_due_) {  // this was the loss probe
    probe_due_ = false;
    probe_active_ = true;
    probe_repeated_ = retransmission;
    probe_end_ = nxt_;
  }
  last_sent_ = now;
  if (in_flight() + window_.mss > window_.cwnd) set_cwnd_limited(true);
}

void Recovery::pace(std::uint32_t bytes, time::Instant now, double most) {
  const double rate = pacing_rate(most);
  if (rate == 0) return;
  // A bandwidth that was measured too low must not stop the sender; the program's word may.
  const double longest = rate == most ? 1e15 : 1e9;
  const double ns = std::min(1e9 * bytes / rate, longest);
  pacing_at_ =
      std::max(pacing_at_, now) + time::Duration::nanoseconds(static_cast<std::int64_t>(ns));
}

void Recovery::mark_transmitted_again(SeqRange range, time::Instant now) {
  const SentStamp stamp = rate_.on_sent(false, now);
  if (!syn_outstanding() && first_retransmission_ == time::Instant()) first_retransmission_ = now;
  const auto segments = (range.length() + window_.mss - 1) / window_.mss;
  undo_retransmissions_ = std::max(undo_retransmissions_, 0) + static_cast<std::int32_t>(segments);
  const bool head = range.begin.at_or_before(una_);
  SentRecord* record = board_.find(range.begin);
  while (record != nullptr && record->range.begin.before(range.end)) {
    // Without a record for the rest the whole counts as sent again: a timer repairs that.
    if (record->range.begin.before(range.begin) && board_.split(*record, range.begin))
      record = board_.next(*record);
    if (record->range.end.after(range.end)) board_.split(*record, range.end);
    if (record->state == SentState::Lost) {
      counters_.add(phase_ == Phase::Loss ? Count::TCPSlowStartRetrans : Count::TCPFastRetrans);
    }
    if (record->state != SentState::Sacked) board_.mark_sent(*record, now, stamp);
    record = board_.next(*record);
  }
  if (syn_outstanding()) counters_.add(Count::TCPSynRetrans);
  if (head) arm_retransmission(now);
}

void Recovery::skip(Seq to) {
  LINNET_CHECK(board_.empty());
  una_ = nxt_ = high_ = usage_end_ = to;
  rack_.skip(to);
}

void Recovery::lose_syn_data(Seq end, time::Instant now) {
  LINNET_CHECK(board_.empty());
  board_.push({nxt_, end}, now, window_.mss, rate_.on_sent(true, now));
  board_.mark_all_lost(false);
  nxt_ = high_ = end;
  arm_retransmission(now);
  phase_ = Phase::Loss;
  undo_valid_ = frto_ = frto_new_data_ = false;
}

// Linux: tcp_cwnd_validate.
void Recovery::set_cwnd_limited(bool limited) {
  const std::uint32_t out = nxt_ - una_;
  if (una_.at_or_after(usage_end_) || limited || (!cwnd_limited_ && out > max_out_)) {
    cwnd_limited_ = limited;
    max_out_ = out;
    usage_end_ = nxt_;
  }
  validate_window(last_event_);
}

// RFC 2861: a window that was not used for an RTO is no longer known to be right.
inline void Recovery::validate_window(time::Instant now) {
  if (window_used()) {
    used_ = 0;
    used_at_ = now;
    return;
  }
  used_ = std::max(used_, nxt_ - una_);
  if (settings_.tcp_slow_start_after_idle == 0 || now - used_at_ < rto() ||
      control_->owns_recovery())
    return;
  if (phase_ == Phase::Open) {
    const std::uint32_t used = std::max(used_, kInitialWindow * window_.mss);
    if (used < window_.cwnd) {
      window_.ssthresh = current_ssthresh();
      window_.cwnd = (window_.cwnd + used) / 2;
    }
  }
  used_ = 0;
  used_at_ = now;
}

// RFC 5681 section 4.1 (Linux: tcp_cwnd_restart): half the window for each RTO without sending.
void Recovery::shrink_after_idle(time::Duration idle, time::Duration rto, time::Instant now) {
  control_->on_idle(control_state_, window_, idle, now);
  if (control_->owns_recovery()) return;
  window_.ssthresh = current_ssthresh();
  const std::uint32_t restart = std::min(window_.cwnd, kInitialWindow * window_.mss);
  for (time::Duration left = idle; left > rto && window_.cwnd > restart; left = left - rto)
    window_.cwnd = std::max(window_.cwnd / 2, restart);
  used_ = 0;
  used_at_ = now;
}

std::optional<SeqRange> Recovery::next_retransmission() const {
  if (frto_new_data_) return std::nullopt;
  const SentRecord* record = board_.first_lost();
  if (record == nullptr) return std::nullopt;
  SeqRange range = record->range;
  if (range.length() > window_.mss) range.end = range.begin + window_.mss;
  return range;
}

std::optional<SeqRange> Recovery::probe_range() const {
  const SentRecord* record = board_.last();
  if (record == nullptr || record->state == SentState::Sacked) return std::nullopt;
  SeqRange range = record->range;
  if (range.length() > window_.mss)
    range.begin = range.begin + (range.length() - 1) / window_.mss * window_.mss;
  return range;
}

// Linux: tcp_update_pacing_rate, where the control sets none.
double Recovery::bounded_pacing_rate(double most) const {
  auto rate = static_cast<double>(window_.pacing_rate);
  if (const std::int64_t srtt = rtt_.srtt().count_ns(); rate == 0 && srtt > 0) {
    const bool slow_start = window_.cwnd < window_.ssthresh / 2;
    const std::uint32_t percent =
        slow_start ? settings_.tcp_pacing_ss_ratio : settings_.tcp_pacing_ca_ratio;
    const std::uint32_t window = std::max(window_.cwnd, in_flight());
    rate = 1e7 * percent * window / static_cast<double>(srtt);
  }
  return rate == 0 ? most : std::min(rate, most);
}

std::uint8_t Recovery::ca_state() const {
  if (phase_ == Phase::Open) return sacked_bytes() != 0 ? 1 : 0;
  return static_cast<std::uint8_t>(static_cast<unsigned>(phase_) + 1);
}

std::uint32_t Recovery::delivered() const {
  return static_cast<std::uint32_t>(rate_.delivered() / window_.mss);
}

}  // namespace linnet::tcp
