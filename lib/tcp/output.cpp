// SPDX-License-Identifier: BSD-3-Clause
// What may be sent now: what was lost, then new data by the peer's window, the congestion window,
// pacing, Nagle and silly-window avoidance; then the ACK that is owed.
//
// RFC 9293 3.7.4 (Nagle), 3.8.6.1 (zero windows), 3.8.6.2.1 (silly windows); Linux: tcp_write_xmit,
// tcp_retransmit_skb, tcp_nagle_test, tcp_mss_split_point.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {
namespace {

constexpr std::uint32_t kMostAtOnce = 61440;  // bytes of data in one SegmentOut

}  // namespace

inline bool Connection::paced(time::Instant now) {
  const time::Instant release = recovery_.pacing_release();
  if (release <= now) return false;
  retry_deadline_ = std::min(retry_deadline_, release);
  return true;
}

void Connection::output(packet::Turn& turn) {
  host_full_ = false;
  retry_deadline_ = time::Instant::never();
  // Nothing waits to be sent, as after most of what comes in: an ACK may be owed.
  if (state_ == State::Established && snd_nxt_ == send_queue_.end() && !fin_queued_ &&
      recovery_.lost_bytes() == 0) {
    recovery_.set_app_limited();
    persist_deadline_ = time::Instant::never();
    backoff_ = 0;
    send_owed_ack(turn);
    note_limit(turn.now);
    return rearm();
  }
  if (state_ == State::SynSent || state_ == State::SynReceived) {
    if (snd_nxt_ == iss_)
      send_syn(turn, false);
    else
      send_again(turn);
    // RFC 7413 section 4.2.2: whoever was let in early is answered early.
    if (early_ && snd_nxt_ != iss_ && !host_full_) send_new(turn);
  } else if (can_send_data()) {
    if (recovery_.lost_bytes() != 0) [[unlikely]]
      send_again(turn);
    if (!host_full_) send_new(turn);
    arm_persist(turn);
  }
  if (state_ != State::Closed) {
    send_owed_ack(turn);
    note_limit(turn.now);
  }
  rearm();
}

void Connection::send_again(packet::Turn& turn) {
  while (!host_full_) {
    std::optional<SeqRange> range = recovery_.next_retransmission();
    if (!range || range->empty()) return;
    if (opening() && range->begin == iss_) {
      if (!send_syn(turn, true)) return;
      continue;
    }
    // Until our SYN is acknowledged it alone goes again (Linux: tcp_fastopen_synack_timer).
    if (opening()) return;
    // A window that shrank is obeyed but for the first segment, which probes it.
    if (range->begin != snd_una_ && range->begin.at_or_after(window_end())) return;
    if (range->begin.before(window_end())) range->end = earlier(range->end, window_end());
    if (recovery_.send_allowance() < std::min(range->length(), send_mss())) return;
    if (paced(turn.now)) return;
    if (!send_range(turn, *range, true)) {
      engine_.counters.add(Count::TCPRetransFail);
      return;
    }
  }
}

// Whether a last piece shorter than a segment must wait (RFC 9293 3.7.4 as Minshall changed it;
// Linux: tcp_nagle_check).
inline bool Connection::held_back_by_nagle(std::uint32_t length) const {
  if (length >= send_mss() || fin_queued_) return false;
  if (urgent_ && snd_up_.after(snd_nxt_)) return false;
  if (push_) return false;
  if (options_.cork || hold_) return true;
  if (options_.no_delay) return false;
  return small_end_.after(snd_una_) && small_end_.at_or_before(snd_nxt_);
}

// How many bytes of `unsent` go into the next segment; 0: none may go now.
inline std::uint32_t Connection::sendable(packet::Turn& turn, std::uint32_t unsent) {
  const std::uint32_t mss = send_mss();
  const std::uint32_t window = usable_window();
  const std::uint32_t least = std::min(unsent, mss);
  if (window < least) return 0;  // silly window avoidance: a whole segment, or all there is
  const std::uint32_t allowance = recovery_.send_allowance();
  if (allowance < least) {
    window_limited_ = true;
    return 0;
  }
  std::uint32_t length = std::min({unsent, window, allowance, kMostAtOnce});
  const std::uint64_t rate = recovery_.whole_pacing_rate(options_.max_pacing_rate);
  if (rate != 0) [[unlikely]] {
    // As much as a millisecond of the rate, but no burst below two segments (Linux:
    // tcp_tso_autosize).
    const std::uint64_t burst = std::max<std::uint64_t>(
        rate >> 10, std::uint64_t{std::max(engine_.settings.tcp_min_tso_segs.get(), 1u)} * mss);
    length = static_cast<std::uint32_t>(std::min<std::uint64_t>(length, burst));
  }
  const std::uint32_t tail = length % mss;
  if (tail != 0 && (length < unsent || held_back_by_nagle(tail))) length -= tail;
  if (length == 0 || paced(turn.now) || !recovery_.can_record()) return 0;
  return length;
}

inline void Connection::send_new(packet::Turn& turn) {
  if (fin_sent()) return;
  window_limited_ = false;
  const Seq before = snd_nxt_;
  send_queued(turn);
  // Linux: tcp_cwnd_validate, once for what one call has sent.
  if (snd_nxt_ != before) recovery_.set_cwnd_limited(window_limited_);
}

inline void Connection::send_queued(packet::Turn& turn) {
  for (;;) {
    const std::uint32_t unsent = unsent_bytes();
    if (unsent == 0) break;
    const std::uint32_t length = sendable(turn, unsent);
    if (length == 0) return;
    // FIN rides on the last data where the window has room for it.
    const bool last = length == unsent && fin_queued_ && usable_window() > length;
    if (!send_range(turn, {snd_nxt_, snd_nxt_ + length + (last ? 1 : 0)}, false)) return;
    if (last) return;
  }
  if (fin_queued_)
    send_fin(turn);
  else
    recovery_.set_app_limited();
}

// FIN alone: it takes a place in the window, none in the congestion window.
bool Connection::send_fin(packet::Turn& turn) {
  if (usable_window() == 0 || !recovery_.can_record()) return false;
  return send_range(turn, {snd_nxt_, snd_nxt_ + 1}, false);
}

void Connection::send_owed_ack(packet::Turn& turn) {
  if (!ack_.owed() || host_full_ || state_ == State::SynSent) return;
  // SHLD-18 for every second full segment, whatever becomes of the window.
  bool now = ack_.due(receive_next() - receive_buffer_.told());
  if (!now) now = !ack_.delay(turn.now, recovery_.srtt());
  if (now && send_ack(turn)) ack_.cancel();
}

// Nothing is in flight and something waits: only this timer can move it (RFC 9293 3.8.6.1 MUST-36,
// and the override of silly-window avoidance).
inline void Connection::arm_persist(packet::Turn& turn) {
  const bool waits = unsent_bytes() != 0 || (fin_queued_ && !fin_sent());
  if (!waits || !nothing_in_flight() || host_full_ || retry_deadline_ != time::Instant::never()) {
    persist_deadline_ = time::Instant::never();
    if (!waits || !nothing_in_flight()) backoff_ = 0;
    return;
  }
  if (persist_deadline_ != time::Instant::never()) return;
  if (!stalled_) {
    stalled_ = true;
    stalled_ms_ = milliseconds(turn.now);
  }
  const auto longest = time::Duration::milliseconds(engine_.settings.tcp_rto_max_ms);
  const time::Duration first = std::max(recovery_.rto(), AckPolicy::kMax);
  time::Duration wait = first * (std::int64_t{1} << std::min<unsigned>(backoff_, 20));
  wait = std::min(wait, longest);
  if (options_.user_timeout_ms != 0) {
    const std::uint32_t waited = milliseconds(turn.now) - stalled_ms_;
    const std::uint32_t left =
        waited < options_.user_timeout_ms ? options_.user_timeout_ms - waited : 1;
    wait = std::min(wait, time::Duration::milliseconds(left));
  }
  persist_deadline_ = turn.now + wait;
}

// The persist timer went off: as much as the window lets through, else a probe without data.
void Connection::send_probe(packet::Turn& turn) {
  const std::uint32_t window = usable_window();
  const std::uint32_t unsent = unsent_bytes();
  if (window != 0 && recovery_.can_record()) {
    if (unsent == 0) {
      send_fin(turn);
      return;
    }
    const std::uint32_t length = std::min({unsent, window, send_mss()});
    const bool last = length == unsent && fin_queued_ && window > length;
    send_range(turn, {snd_nxt_, snd_nxt_ + length + (last ? 1 : 0)}, false);
    return;
  }
  if (!send_window_probe(turn)) return;
  engine_.counters.add(Count::TCPWinProbe);
  if (probes_ < 255) ++probes_;
  if (backoff_ < 20) ++backoff_;
}

}  // namespace linnet::tcp
