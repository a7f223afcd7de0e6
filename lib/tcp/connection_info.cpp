// SPDX-License-Identifier: BSD-3-Clause
// TCP_INFO (Linux: tcp_get_info).
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {
namespace {

std::uint32_t microseconds(time::Duration span) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(span.count_us(), 0, UINT32_MAX));
}

// Linux: ~0 where there is no limit.
std::uint64_t rate_or_none(double rate) {
  return rate != 0 ? static_cast<std::uint64_t>(rate) : UINT64_MAX;
}

}  // namespace

void Connection::info(time::Instant now, Info& out) const {
  out = Info{};
  const std::uint32_t ms = milliseconds(now);
  const std::uint32_t unit = std::max<std::uint32_t>(mss_, 1);
  const auto segments = [unit](std::uint32_t bytes) { return (bytes + unit - 1) / unit; };
  const CongestionWindow& window = recovery_.window();
  out.state = static_cast<std::uint8_t>(state_);
  out.ca_state = recovery_.ca_state();
  out.retransmits = static_cast<std::uint8_t>(std::min<std::uint32_t>(recovery_.backoff(), 255));
  out.probes = probes_;
  out.backoff = nothing_in_flight() ? backoff_ : out.retransmits;
  out.options = static_cast<std::uint8_t>(
      (timestamps_ ? Info::kTimestamps : 0) | (sack_ok_ ? Info::kSack : 0) |
      (scaling_ ? Info::kWindowScale : 0) | (ecn_ ? Info::kEcn : 0) |
      (ecn_seen_ ? Info::kEcnSeen : 0) | (syn_data_acked_ ? Info::kSynData : 0));
  out.fastopen_client_fail = fast_open_fail_;
  out.snd_wscale = snd_scale_ & 15;
  out.rcv_wscale = receive_buffer_.scale() & 15;
  out.rto = microseconds(recovery_.rto());
  out.ato = ack_.timeout_ms() * 1000;
  out.snd_mss = mss_;
  out.rcv_mss = ack_.peer_mss();
  out.unacked = state_ == State::Closed ? 0 : segments(snd_nxt_ - snd_una_);
  out.sacked = segments(recovery_.sacked_bytes());
  // What is in flight again stays lost until it is delivered.
  const std::uint32_t again = recovery_.in_recovery() ? recovery_.retransmitted_bytes() : 0;
  out.lost = segments(recovery_.lost_bytes() + again);
  out.retrans = segments(recovery_.retransmitted_bytes());
  out.last_data_sent = ms - last_sent_ms_;
  out.last_data_recv = ms - last_data_ms_;
  out.last_ack_recv = ms - last_ack_ms_;
  out.pmtu = mtu_;
  out.rcv_ssthresh = receive_buffer_.threshold();
  out.rtt = microseconds(recovery_.srtt());
  out.rttvar = microseconds(recovery_.rtt_variance());
  out.snd_ssthresh = window.ssthresh == 0x7fffffff ? window.ssthresh : window.ssthresh / unit;
  out.snd_cwnd = window.cwnd / unit;
  out.advmss = own_mss_ - (timestamps_ ? kTimestampBytes : 0);
  out.reordering = recovery_.reordering();
  out.rcv_rtt = receive_buffer_.rtt_us();
  out.rcv_space = receive_buffer_.space();
  out.total_retrans = recovery_.total_retransmissions();
  out.pacing_rate = rate_or_none(recovery_.pacing_rate(options_.max_pacing_rate));
  out.max_pacing_rate = rate_or_none(options_.max_pacing_rate);
  out.bytes_acked = bytes_acked_;
  out.bytes_received = bytes_received_;
  out.segs_out = segments_out_;
  out.segs_in = segments_in_;
  out.notsent_bytes = unsent_bytes();
  out.min_rtt = microseconds(recovery_.min_rtt());
  out.data_segs_in = data_segments_in_;
  out.data_segs_out = data_segments_out_;
  out.delivery_rate = recovery_.delivery_rate();
  std::uint64_t limited[3] = {limited_ms_[0], limited_ms_[1], limited_ms_[2]};
  if (limit_ != Limit::None) limited[static_cast<unsigned>(limit_) - 1] += ms - limit_since_ms_;
  out.busy_time = (limited[0] + limited[1] + limited[2]) * 1000;
  out.rwnd_limited = limited[1] * 1000;
  out.sndbuf_limited = limited[2] * 1000;
  // Linux counts segments, those with less than an MSS as well, and the SYN.
  const std::uint32_t data_again =
      recovery_.total_retransmissions() - (opening() ? 0 : syns_again_);
  const std::uint32_t others = data_again + out.unacked - out.sacked;
  const std::uint32_t counted = data_segments_out_ - std::min(data_segments_out_, others);
  const bool with_syn = fast_open_ && syn_data_acked_;  // data that is counted already
  out.delivered = std::max(recovery_.delivered(), counted) + (opening() || with_syn ? 0 : 1);
  out.delivered_ce = recovery_.delivered_ce();
  out.bytes_sent = bytes_sent_;
  out.bytes_retrans = bytes_again_;
  out.dsack_dups = recovery_.duplicate_sacks();
  out.reord_seen = recovery_.reorderings();
  out.rcv_ooopack = beyond_segments_;
  out.snd_wnd = snd_wnd_;
}

// Linux: inet_sk_diag_fill. What is in flight before a closed window before keep-alive.
PendingTimer Connection::pending_timer(time::Instant now) const {
  const auto left = [now](time::Instant at) { return milliseconds_until(now, at); };
  constexpr time::Instant kNever = time::Instant::never();
  if (const time::Instant at = recovery_deadline(); at != kNever)
    return {PendingTimer::kRetransmit,
            static_cast<std::uint8_t>(std::min<std::uint32_t>(recovery_.backoff(), 255)), left(at)};
  if (persist_deadline_ != kNever)
    return {PendingTimer::kPersist, probes_, left(persist_deadline_)};
  if (life_deadline_ == kNever) return {};
  const bool waits = state_ == State::TimeWait || state_ == State::FinWait2;
  return {waits && orphan_ ? PendingTimer::kTimeWait : PendingTimer::kKeepAlive, probes_,
          left(life_deadline_)};
}

}  // namespace linnet::tcp
