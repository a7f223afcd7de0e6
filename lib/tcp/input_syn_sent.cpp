// SPDX-License-Identifier: BSD-3-Clause
// RFC 9293 3.10.7.3, SEGMENT ARRIVES in SYN-SENT: ACK, RST, SYN, in that order. Linux:
// tcp_rcv_synsent_state_process.
#include <algorithm>
#include <cerrno>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {

void Connection::input_syn_sent(packet::Turn& turn, Segment& segment, bool more) {
  const bool acks = segment.has(flag::kAck);
  // First: only our SYN can be acknowledged.
  if (acks && (segment.ack.at_or_before(iss_) || segment.ack.after(snd_nxt_ + syn_data_))) {
    if (!segment.has(flag::kRst)) send_reset_for(turn, segment);
    drop_payload(turn, segment, Drop::BadAck);
    return;
  }
  // Linux: PAWSACTIVEREJECTED. It answers a SYN of a connection that was.
  if (acks && !echoes_ours(segment, turn.now)) {
    engine_.counters.add(Count::PAWSActive);
    if (!segment.has(flag::kRst)) send_reset_for(turn, segment);
    drop_payload(turn, segment, Drop::OldTimestamp);
    return;
  }
  // Second.
  if (segment.has(flag::kRst)) {
    if (!acks) {
      drop_payload(turn, segment, Drop::NoAck);
      return;
    }
    end_payload(turn, segment);
    reset_by_peer(turn);
    return;
  }
  // Fourth; the third, security, is none of ours.
  if (!segment.has(flag::kSyn)) {
    drop_payload(turn, segment, acks ? Drop::NotAcceptable : Drop::NoAck);
    return;
  }
  input_syn(turn, segment);
  if (state_ != State::Closed && !more) output(turn);
}

void Connection::input_syn(packet::Turn& turn, Segment& segment) {
  irs_ = segment.seq;
  syn_seen_ = true;
  receive_queue_.start(irs_ + 1);
  rcv_up_ = irs_ + 1;
  agree_options(segment, turn.now);
  receive_buffer_.established(turn.now, receive_next(), own_mss_,
                              scaling_ ? offered_scale_ : std::uint8_t{0});
  snd_wl1_ = segment.seq;
  if (!segment.has(flag::kAck)) return input_crossed_syn(turn, segment);
  ecn_ = ecn_ && segment.has(flag::kEce) && !segment.has(flag::kCwr);
  snd_wl2_ = segment.ack;
  snd_wnd_ = max_window_ = segment.window;
  // The SYN is acknowledged first; data that went with it was noted nowhere until now.
  const Seq acked = segment.ack;
  segment.ack = iss_ + 1;
  process_ack(turn, segment);
  if (fast_open_ || syn_data_ != 0) [[unlikely]]
    judge_fast_open(turn, segment, acked);
  establish(turn);
  // The third of the handshake. Data that waits carries it (Linux: sk_write_pending).
  ack_.owe();
  if (writer_waits_)
    ack_.wait_for_data(turn.now, receive_buffer_.last_window());
  else if (unsent_bytes() == 0)
    ack_.owe_now();
  segment.seq = irs_ + 1;
  segment.flags &= static_cast<std::uint8_t>(~flag::kSyn);
  input_urgent(turn, segment);
  input_data(turn, segment);
  input_fin(turn);
}

// Both opened at once (MUST-10): our SYN goes again, with ACK. Or the peer's SYN had a valid Fast
// Open cookie: ours goes for the first time, and acknowledges its data too.
void Connection::input_crossed_syn(packet::Turn& turn, Segment& segment) {
  ecn_ = ecn_ && segment.has(flag::kEce | flag::kCwr);
  snd_wl2_ = iss_;
  snd_wnd_ = max_window_ = segment.window;
  set_state(State::SynReceived);
  stalled_ms_ = milliseconds(turn.now);
  recovery_.set_syn_sent(false);
  if (!early_ && recovery_.can_record()) send_syn(turn, snd_nxt_ != iss_);
  if (syn_data_ != 0 && recovery_.can_record()) {
    // The peer may have taken it: it is in flight.
    recovery_.on_transmit({snd_nxt_, snd_nxt_ + syn_data_}, turn.now, false);
    snd_nxt_ = snd_nxt_ + syn_data_;
  }
  syn_data_ = 0;
  // Linux leaves it to be sent again; only a cookie says that the sender's address is not made up.
  if (!early_) return drop_payload(turn, segment, Drop::NoCookie);
  segment.seq = irs_ + 1;
  segment.flags &= static_cast<std::uint8_t>(~flag::kSyn);
  input_data(turn, segment);
}

// Whether the timestamp that is echoed is one that stood on our SYN, first or again.
bool Connection::echoes_ours(const Segment& segment, time::Instant now) const {
  if (!timestamps_ || !segment.options.has_timestamps || segment.options.ts_echo == 0) return true;
  const std::uint32_t age = timestamp_at(now, ts_offset_) - segment.options.ts_echo;
  return age <= milliseconds(now) - stalled_ms_;
}

// What both sides have said holds; an option that the peer left out is off.
void Connection::agree_options(const Segment& segment, time::Instant now) {
  const SegmentOptions& options = segment.options;
  peer_mss_ = options.mss.value_or(536);  // MUST-15
  scaling_ = scaling_ && options.window_scale.has_value();
  snd_scale_ = scaling_ ? std::min<std::uint8_t>(*options.window_scale, 14) : std::uint8_t{0};
  sack_ok_ = sack_ok_ && options.sack_permitted;
  timestamps_ = timestamps_ && options.has_timestamps;
  if (timestamps_) {
    ts_recent_ = options.ts_value;
    ts_recent_s_ = seconds(now);
  }
  set_mss();
  recovery_.negotiated(mss_, sack_ok_, timestamps_);
}

}  // namespace linnet::tcp
