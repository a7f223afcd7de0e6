// SPDX-License-Identifier: BSD-3-Clause
// How a connection on which nothing moves is put aside, and comes back.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {

// Gives each of what is kept as it is from one to the other: `a` a connection, `b` its rest, or
// the other way round.
template <typename Of, typename To, typename Give>
void Connection::keep(Of& c, To& r, Give&& give) {
  give(c.bytes_acked_, r.bytes_acked);
  give(c.bytes_received_, r.bytes_received);
  give(c.bytes_sent_, r.bytes_sent);
  give(c.bytes_again_, r.bytes_again);
  give(c.iss_, r.iss);
  give(c.irs_, r.irs);
  give(c.snd_una_, r.snd_una);
  give(c.snd_wl1_, r.snd_wl1);
  give(c.snd_wl2_, r.snd_wl2);
  give(c.snd_wnd_, r.snd_wnd);
  give(c.max_window_, r.max_window);
  give(c.send_buffer_, r.send_buffer);
  give(c.ts_offset_, r.ts_offset);
  give(c.ts_recent_, r.ts_recent);
  give(c.ts_recent_s_, r.ts_recent_s);
  give(c.last_sent_ms_, r.last_sent_ms);
  give(c.last_data_ms_, r.last_data_ms);
  give(c.last_heard_ms_, r.last_heard_ms);
  give(c.last_ack_ms_, r.last_ack_ms);
  give(c.answered_ms_, r.answered_ms);
  give(c.segments_in_, r.segments_in);
  give(c.segments_out_, r.segments_out);
  give(c.data_segments_in_, r.data_segments_in);
  give(c.data_segments_out_, r.data_segments_out);
  give(c.beyond_segments_, r.beyond_segments);
  for (unsigned i = 0; i < 3; ++i)
    give(c.limited_ms_[i], r.limited_ms[i]);
  give(c.mtu_, r.mtu);
  give(c.mss_, r.mss);
  give(c.peer_mss_, r.peer_mss);
  give(c.own_mss_, r.own_mss);
  give(c.mss_cap_, r.mss_cap);
  give(c.largest_acked_, r.largest_acked);
  give(c.snd_scale_, r.snd_scale);
  give(c.offered_scale_, r.offered_scale);
  give(c.syns_again_, r.syns_again);
  give(c.probes_, r.probes);
  give(c.ack_, r.ack);
  give(c.life_deadline_, r.life_deadline);
  give(c.receive_buffer_, r.receive_buffer);
}

// Nothing in flight, queued, owed, announced or doubted.
bool Connection::quiet(time::Instant now) const {
  const std::uint32_t ms = milliseconds(now);
  const std::uint32_t silence = std::min(ms - last_heard_ms_, ms - last_sent_ms_);
  const bool nothing_moves = nothing_in_flight() && syn_data_ == 0 && send_queue_.empty() &&
                             receive_queue_.empty() && !receive_queue_.has_hole() &&
                             receive_buffer_.taken() == 0 && !ack_.owed() && !ack_.now() &&
                             sack_.empty() && !stalled_;
  const bool nothing_waits = ack_.deadline() == time::Instant::never() &&
                             persist_deadline_ == time::Instant::never() &&
                             retry_deadline_ == time::Instant::never() && limit_ == Limit::None &&
                             backoff_ == 0 && !host_full_;
  const bool nothing_said = events_ == 0 && error_ == 0 && soft_error_ == 0 && !fin_queued_ &&
                            !fin_known_ && !peer_closed_ && !orphan_ && !urgent_ && !urgent_seen_;
  const bool path_sure = doubted_mtu_ == 0 && !black_hole_;
  const bool marks = snd_up_ == snd_una_ && small_end_ == snd_una_ && cwr_end_ == snd_una_;
  return state_ == State::Established && silence >= kRestAfterMs && nothing_moves &&
         nothing_waits && nothing_said && path_sure && marks;
}

bool Connection::rest(time::Instant now, Rested& out) {
  if (!quiet(now)) return false;
  RestedRecovery recovery;
  if (!recovery_.rest(now, recovery)) return false;
  out = Rested();
  out.recovery = recovery;
  out.receive_next = receive_queue_.next();
  keep(*this, out, [](const auto& mine, auto& kept) { kept = mine; });
  out.scaling = scaling_;
  out.sack_ok = sack_ok_;
  out.timestamps = timestamps_;
  out.ecn = ecn_;
  out.ecn_seen = ecn_seen_;
  out.echo_congestion = echo_congestion_;
  out.send_cwr = send_cwr_;
  out.syn_seen = syn_seen_;
  out.more = more_;
  out.answered_once = answered_once_;
  out.window_limited = window_limited_;
  out.early = early_;
  out.fast_open = fast_open_;
  out.syn_data_acked = syn_data_acked_;
  out.fast_open_fail = fast_open_fail_;
  let_go();
  return true;
}

void Connection::let_go() {
  engine_.wheel.cancel(*this);
  state_ = State::Closed;  // in CurrEstab it still counts
}

Connection::Connection(Engine& engine, const SocketOptions& options, const Rested& rested)
    : Connection(engine, options) {
  recovery_.wake(rested.recovery);
  receive_queue_.start(rested.receive_next);
  keep(*this, rested, [](auto& mine, const auto& kept) { mine = kept; });
  snd_nxt_ = snd_up_ = small_end_ = cwr_end_ = piece_begin_ = snd_una_;
  send_queue_.start(snd_una_);
  scaling_ = rested.scaling;
  sack_ok_ = rested.sack_ok;
  timestamps_ = rested.timestamps;
  ecn_ = rested.ecn;
  ecn_seen_ = rested.ecn_seen;
  echo_congestion_ = rested.echo_congestion;
  send_cwr_ = rested.send_cwr;
  syn_seen_ = rested.syn_seen;
  more_ = rested.more;
  answered_once_ = rested.answered_once;
  window_limited_ = rested.window_limited;
  early_ = rested.early;
  fast_open_ = rested.fast_open;
  syn_data_acked_ = rested.syn_data_acked;
  fast_open_fail_ = rested.fast_open_fail;
  state_ = State::Established;
  counted_ = true;
}

void Connection::resume() {
  rearm();
}

}  // namespace linnet::tcp
