// SPDX-License-Identifier: BSD-3-Clause
// RFC 9293 3.10.7.4, the fifth step: the ACK field, the send window, and what becomes of FIN when
// it is acknowledged. Linux: tcp_ack, tcp_ack_update_window.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {

Connection::Judged Connection::check_ack(packet::Turn& turn, Segment& segment) {
  if (state_ == State::SynReceived && complete_handshake(turn, segment) == Judged::Done)
    return Judged::Done;
  if (segment.ack.after(snd_nxt_)) {
    // It acknowledges what was never sent (row T15).
    challenge(turn);
    drop_payload(turn, segment, Drop::BadAck);
    return Judged::Done;
  }
  if (segment.ack.before(snd_una_)) {
    // RFC 5961 section 5: so old that a blind sender may have guessed it. No older than what was
    // ever acknowledged (CVE-2023-52881).
    const auto oldest = std::min<std::uint64_t>(max_window_, bytes_acked_ + 1);
    if (segment.ack.before(snd_una_ - static_cast<std::uint32_t>(oldest))) {
      challenge(turn);
      drop_payload(turn, segment, Drop::BadAck);
      return Judged::Done;
    }
    remember_timestamp(segment, turn.now);
    // It was overtaken; what its SACK blocks tell is news all the same, its ECE is none (Linux:
    // tcp_ack).
    if (sack_ok_ && segment.options.sack_count != 0) {
      AckEvent event = ack_event(segment, turn.now);
      event.ecn_echo = false;
      recovery_.on_ack(event, turn.now);
    }
    return Judged::GoOn;
  }
  remember_timestamp(segment, turn.now);
  if (segment.length() == 0) engine_.counters.add(Count::TCPPureAcks);
  process_ack(turn, segment);
  return state_ == State::Closed ? Judged::Done : Judged::GoOn;
}

// Both had opened at once: our SYN must be acknowledged now.
Connection::Judged Connection::complete_handshake(packet::Turn& turn, Segment& segment) {
  if (segment.ack.at_or_before(snd_una_) || segment.ack.after(snd_nxt_)) {
    send_reset_for(turn, segment);
    drop_payload(turn, segment, Drop::BadAck);
    return Judged::Done;
  }
  establish(turn);
  return Judged::GoOn;
}

// MUST-1: the window is unsigned. A segment older than the last that told a window tells nothing.
inline void Connection::update_send_window(const Segment& segment) {
  const bool newer = segment.ack.after(snd_una_) || snd_wl1_.before(segment.seq) ||
                     (snd_wl1_ == segment.seq && snd_wl2_.at_or_before(segment.ack));
  if (!newer) return;
  const bool scaled = !segment.has(flag::kSyn);  // RFC 7323 section 2.2
  snd_wnd_ = std::uint32_t{segment.window} << (scaled ? snd_scale_ : 0);
  snd_wl1_ = segment.seq;
  snd_wl2_ = segment.ack;
  max_window_ = std::max(max_window_, snd_wnd_);
}

AckEvent Connection::ack_event(const Segment& segment, time::Instant now) const {
  AckEvent event;
  event.ack = segment.ack;
  if (sack_ok_) event.sack = {segment.options.sack.data(), segment.options.sack_count};
  event.carries_data = segment.payload_length != 0 || segment.has(flag::kFin);
  event.ecn_echo = ecn_ && segment.has(flag::kEce) && !segment.has(flag::kSyn);
  if (timestamps_ && segment.options.has_timestamps && segment.options.ts_echo != 0) {
    const std::uint32_t age = timestamp_at(now, ts_offset_) - segment.options.ts_echo;
    // From the future, or older than any segment of ours: no echo of ours.
    if (age < 0x7fffffffu && now.since_origin_ns() >= std::int64_t{age} * 1'000'000) {
      event.has_timestamp_echo = true;
      event.echoed_at = now - time::Duration::milliseconds(age);
    }
  }
  return event;
}

// An ACK in [SND.UNA, SND.NXT].
void Connection::process_ack(packet::Turn& turn, const Segment& segment) {
  const std::uint32_t window_before = snd_wnd_;
  update_send_window(segment);
  last_ack_ms_ = milliseconds(turn.now);
  hold_ = false;  // MSG_MORE holds back for the call alone; an ACK asks Nagle anew, as on Linux
  probes_ = 0;
  const Seq before = snd_una_;
  const bool says_more = segment.options.sack_count != 0 || segment.has(flag::kEce);
  std::uint32_t newly_acked = says_more ? 0 : recovery_.on_plain_ack(segment.ack, turn.now);
  if (newly_acked == 0) newly_acked = recover(segment, snd_wnd_ != window_before, turn.now);
  if (segment.ack.after(before)) advance(turn, segment.ack, newly_acked);
  const std::uint32_t unsent = unsent_bytes();
  if (snd_wnd_ != 0 && (unsent == 0 || usable_window() >= std::min(unsent, send_mss()))) {
    // The window is open: what was not moving moves.
    backoff_ = 0;
    persist_deadline_ = time::Instant::never();
    if (nothing_in_flight()) stalled_ = false;
  }
}

// What an ACK says of loss and congestion; the bytes that it acknowledges.
std::uint32_t Connection::recover(const Segment& segment, bool window_changed, time::Instant now) {
  AckEvent event = ack_event(segment, now);
  event.window_changed = window_changed;
  event.more_to_send =
      unsent_bytes() != 0 && usable_window() >= std::min(unsent_bytes(), send_mss());
  if (event.ecn_echo && snd_una_.at_or_after(cwr_end_)) {
    // RFC 3168 6.1.2: the reduction is confirmed once in a window.
    send_cwr_ = true;
    cwr_end_ = snd_nxt_;
  }
  return recovery_.on_ack(event, now).newly_acked;
}

// SND.UNA moves.
void Connection::advance(packet::Turn& turn, Seq ack, std::uint32_t newly_acked) {
  const bool fin_acked = fin_sent() && ack == snd_nxt_;
  const std::uint32_t bytes = ack - snd_una_;
  if (newly_acked >= mss_) largest_acked_ = std::max(largest_acked_, mss_on_wire());
  if (doubted_mtu_ != 0 && ack.after(doubted_seq_)) doubted_mtu_ = 0;
  snd_una_ = ack;
  bytes_acked_ += bytes;
  soft_error_ = 0;
  if (black_hole_) leave_black_hole(turn.now);
  stalled_ms_ = milliseconds(turn.now);
  stalled_ = !nothing_in_flight();
  if (urgent_ && ack.at_or_after(snd_up_)) urgent_ = false;
  // Marks that fall behind by half the sequence space would count as ahead again.
  if (!urgent_) snd_up_ = ack;
  small_end_ = later(small_end_, ack);
  cwr_end_ = later(cwr_end_, ack);
  piece_begin_ = later(piece_begin_, ack);
  if (send_buffer_short()) expand_send_buffer();
  if (send_queue_.acknowledge(turn, engine_.memory, ack)) raise(turn, event::kWritable);
  engine_.host.confirm(turn, *this);
  if (fin_acked) fin_acknowledged(turn);
}

// Linux: header prediction (tcp_rcv_established). What nearly all segments are: next in order,
// acknowledging something of ours, with no flag that says anything, and room for its data. None of
// the steps of 3.10.7 has anything to say to it but those that `input_expected` takes.
bool Connection::is_expected(const Segment& segment) const {
  const Seq next = receive_queue_.next();
  const auto flags = static_cast<std::uint8_t>(segment.flags & ~flag::kPsh);
  // In ESTABLISHED the program has not closed; the peer may have, beyond a hole.
  if (state_ != State::Established || flags != flag::kAck || segment.seq != next) return false;
  if (fin_known_) return false;
  if (segment.ack.before(snd_una_) || segment.ack.after(snd_nxt_)) return false;
  if (timestamps_ && segment.options.has_timestamps &&
      is_older(segment.options.ts_value, ts_recent_))
    return false;
  if (segment.payload_length == 0) return true;
  return segment.payload_length <= receive_buffer_.window(next) &&
         receive_buffer_.room(receive_queue_.truesize(), segment.payload.truesize()) &&
         !engine_.memory.exhausted();
}

void Connection::input_expected(packet::Turn& turn, Segment& segment) {
  last_heard_ms_ = milliseconds(turn.now);
  remember_timestamp(segment, turn.now);
  const bool pure = segment.payload_length == 0;
  if (segment.ack != snd_una_)
    engine_.counters.add(Count::TCPHPAcks);
  else if (pure)
    engine_.counters.add(Count::TCPPureAcks);
  process_ack(turn, segment);
  if (pure) return end_payload(turn, segment);
  engine_.counters.add(Count::TCPHPHits);
  note_ecn(turn, segment);
  take_in_order(turn, segment);
}

}  // namespace linnet::tcp
