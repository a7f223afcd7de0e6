// SPDX-License-Identifier: BSD-3-Clause
// RFC 9293 3.10.7.4, SEGMENT ARRIVES in a synchronised state: the steps in their order, a function
// each. First the sequence number (with PAWS before it, RFC 7323 5.3), second RST, fourth SYN; the
// fifth (ACK) is in input_ack.cpp, the sixth to eighth (URG, text, FIN) are in input_data.cpp.
//
// RFC 5961 (blind attacks); Linux: tcp_validate_incoming.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {
void Connection::end_payload(packet::Turn& turn, Segment& segment) {
  if (segment.payload) turn.deliver(std::move(segment.payload));
}

void Connection::drop_payload(packet::Turn& turn, Segment& segment, Drop why) {
  if (!segment.payload) return;
  // Those that were joined to it counted as delivered.
  if (segment.count > 1) {
    turn.ledger.delivered.subtract(segment.count - 1u);
    turn.ledger.count_drop(packet::reason_of(why), segment.count - 1u);
  }
  turn.drop(std::move(segment.payload), why);
}

void Connection::input(packet::Turn& turn, Segment&& segment, bool more) {
  segments_in_ += segment.count;
  if (segment.payload_length != 0) data_segments_in_ += segment.count;
  if (is_expected(segment)) [[likely]] {
    input_expected(turn, segment);
    if (!more || ack_.now()) output(turn);
    return;
  }
  constexpr std::uint8_t kSynFin = flag::kSyn | flag::kFin, kSynRst = flag::kSyn | flag::kRst;
  if (state_ == State::Closed) {
    drop_payload(turn, segment, Drop::Closed);
  } else if (segment.has(kSynRst) || (segment.has(kSynFin) && !ends_with_syn_ack(segment))) {
    drop_payload(turn, segment, Drop::BadFlags);
  } else if (state_ == State::SynSent) {
    input_syn_sent(turn, segment, more);
  } else if (state_ == State::TimeWait) {
    input_time_wait(turn, segment);
  } else if (early_ && is_syn_again(segment)) [[unlikely]] {
    answer_syn_again(turn, segment);
  } else {
    input_open(turn, segment, more);
  }
  // Where a step ended the segment without naming a reason, it was used up.
  end_payload(turn, segment);
}

void Connection::input_open(packet::Turn& turn, Segment& segment, bool more) {
  if (check_timestamp(turn, segment) == Judged::GoOn &&
      check_sequence(turn, segment) == Judged::GoOn && check_reset(turn, segment) == Judged::GoOn &&
      check_syn(turn, segment) == Judged::GoOn) {
    last_heard_ms_ = milliseconds(turn.now);
    if (check_ack(turn, segment) == Judged::GoOn) {
      input_urgent(turn, segment);
      input_data(turn, segment);
      input_fin(turn);
    }
  }
  if (state_ != State::Closed && (!more || ack_.now())) output(turn);
}

// PAWS: an old timestamp means an old segment. RST is exempt; so is what comes after so long a
// pause that our memory of it is worth nothing.
Connection::Judged Connection::check_timestamp(packet::Turn& turn, Segment& segment) {
  if (!timestamps_ || !segment.options.has_timestamps) return Judged::GoOn;
  if (!is_older(segment.options.ts_value, ts_recent_)) return Judged::GoOn;
  if (segment.has(flag::kRst)) return Judged::GoOn;
  if (seconds(turn.now) - ts_recent_s_ > kTimestampLifeSeconds) return Judged::GoOn;
  engine_.counters.add(Count::PAWSEstab);
  if (segment.has(flag::kSyn))
    challenge(turn);
  else
    answer_out_of_place(turn, segment, Count::TCPACKSkippedPAWS);
  drop_payload(turn, segment, Drop::OldTimestamp);
  return Judged::Done;
}

// Linux (tcp_sequence) takes what touches [Last.ACK.sent, right edge]: a pure ACK at the right edge
// comes from a peer that has filled the window; it must count while a hole is open.
Connection::Judged Connection::check_sequence(packet::Turn& turn, Segment& segment) {
  const Seq next = receive_next();
  const Seq edge = next + receive_buffer_.window(next);
  const bool in_window =
      segment.end().at_or_after(receive_buffer_.told()) && segment.seq.at_or_before(edge);
  if (in_window && !exceeds(segment, edge)) return Judged::GoOn;
  if (!segment.has(flag::kRst)) {
    if (segment.has(flag::kSyn)) {
      challenge(turn);
    } else {
      if (segment.payload_length != 0 && segment.seq.before(next)) {
        note_duplicate({segment.seq, earlier(segment.end(), next)});
        echo_duplicate(segment, turn.now);
      }
      if (in_window || segment.seq.after(edge)) engine_.counters.add(Count::BeyondWindow);
      answer_out_of_place(turn, segment, Count::TCPACKSkippedSeq);
    }
  }
  drop_payload(turn, segment, Drop::NotAcceptable);
  return Judged::Done;
}

// Whether it has more data than the window, and is refused for it: where nothing waits for the
// program it is taken whole, since it is here (RFC 9293 3.10.7.4 lets it be trimmed; Linux:
// tcp_sequence). FIN may stand behind the edge.
bool Connection::exceeds(const Segment& segment, Seq edge) const {
  if (!(segment.seq + segment.payload_length).after(edge)) return false;
  return receive_queue_.bytes() != 0 || receive_buffer_.taken() != 0;
}

// The ACK that a duplicate earns repeats one that was lost. It echoes the duplicate's timestamp, so
// that the peer's RTT is not the time since the lost ACK, timeouts included. RFC 7323 5.3 says to
// forget such timestamps lest a blind sender plants one; this one must hit both windows.
void Connection::echo_duplicate(const Segment& segment, time::Instant now) {
  constexpr std::uint32_t kNear = 65536;
  if (!segment.has(flag::kAck) || !segment.end().after(receive_buffer_.told() - kNear)) return;
  if (segment.ack.after(snd_nxt_) || segment.ack.before(snd_una_ - std::min(max_window_, kNear)))
    return;
  remember_timestamp(segment, now);
}

// RFC 5961 section 3: only a RST at exactly RCV.NXT resets; one elsewhere in the window is asked
// about.
Connection::Judged Connection::check_reset(packet::Turn& turn, Segment& segment) {
  if (!segment.has(flag::kRst)) return Judged::GoOn;
  if (segment.seq == receive_next()) {
    end_payload(turn, segment);
    reset_by_peer(turn);
  } else {
    // Linux: tcp_validate_incoming; somebody on the path ends what began with such a SYN.
    if (fast_open_ && data_segments_in_ == 0 && state_ == State::Established)
      report_fast_open(turn, FastOpenNews::Kind::BlackHole);
    challenge(turn);
    drop_payload(turn, segment, Drop::Challenged);
  }
  return Judged::Done;
}

// RFC 5961 section 4: SYN is never right here, but for the SYN-ACK of a peer whose SYN crossed
// ours.
Connection::Judged Connection::check_syn(packet::Turn& turn, Segment& segment) {
  if (!segment.has(flag::kSyn)) {
    if (segment.has(flag::kAck)) return Judged::GoOn;
    drop_payload(turn, segment, Drop::NoAck);
    return Judged::Done;
  }
  if (state_ == State::SynReceived && segment.has(flag::kAck) && segment.seq == irs_) {
    segment.flags &= static_cast<std::uint8_t>(~flag::kSyn);
    segment.seq = irs_ + 1;
    // It stood on a SYN, so it is not scaled (RFC 7323 section 2.2).
    segment.window = static_cast<std::uint16_t>(segment.window >> snd_scale_);
    return Judged::GoOn;
  }
  engine_.counters.add(Count::TCPSYNChallenge);
  challenge(turn);
  drop_payload(turn, segment, Drop::Challenged);
  return Judged::Done;
}

// Whether what is out of place may be answered; if so it counts as answered
// (tcp_invalid_ratelimit).
bool Connection::may_answer(time::Instant now) {
  const std::uint32_t ms = milliseconds(now);
  if (answered_once_ && ms - answered_ms_ < engine_.settings.tcp_invalid_ratelimit) return false;
  answered_ms_ = ms;
  answered_once_ = true;
  return true;
}

// An ACK that says where we stand, for a segment that is not in place. Segments without data get
// one in a while only: two sides out of step must not answer each other for ever (Linux:
// tcp_oow_rate_limited).
void Connection::answer_out_of_place(packet::Turn& turn, const Segment& segment, Count skipped) {
  const bool limited = segment.payload_length == 0 || segment.has(flag::kSyn);
  if (limited && !may_answer(turn.now)) return engine_.counters.add(skipped);
  ack_.owe_now();
}

// RFC 5961 section 7, the limit kept for each connection so that none tells of another (row B2).
void Connection::challenge(packet::Turn& turn) {
  if (!may_answer(turn.now)) return engine_.counters.add(Count::TCPACKSkippedChallenge);
  engine_.counters.add(Count::TCPChallengeACK);
  ack_.owe_now();
}

// 3.10.7.4 for TIME-WAIT, where the host has not put a compact entry in our place. A RST does not
// end it (RFC 1337) unless the setting says so.
void Connection::input_time_wait(packet::Turn& turn, Segment& segment) {
  const bool reset = segment.has(flag::kRst);
  if (reset && engine_.settings.tcp_rfc1337 == 0 && segment.seq == receive_next()) {
    end_payload(turn, segment);
    finish(turn, 0);
    return;
  }
  drop_payload(turn, segment, Drop::NotAcceptable);
  if (reset) return;
  // Our last ACK was lost: the peer's FIN comes again, and two MSL begin anew.
  if (segment.has(flag::kFin) && segment.end() == receive_next())
    life_deadline_ = turn.now + kTimeWait;
  answer_out_of_place(turn, segment, Count::TCPACKSkippedTimeWait);
  output(turn);
}

}  // namespace linnet::tcp
