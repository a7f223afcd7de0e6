// SPDX-License-Identifier: BSD-3-Clause
// RFC 9293 3.10.7.4, the sixth to the eighth step: urgent pointer, text, FIN. Linux:
// tcp_data_queue, tcp_urg, tcp_fin.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {

// A hint and no more (row T6): it may point anywhere, and what it points to may never come. The
// newest counts (RFC 9293 MUST-31, 32).
void Connection::input_urgent(packet::Turn& turn, const Segment& segment) {
  if (!segment.has(flag::kUrg) || segment.urgent == 0 || peer_closed_ || orphan_) return;
  const Seq pointer = segment.seq + segment.urgent;
  if (pointer.at_or_before(consumed_to())) return;
  if (urgent_seen_ && pointer.at_or_before(rcv_up_)) return;
  rcv_up_ = pointer;
  urgent_seen_ = true;
  raise(turn, event::kUrgent);
}

void Connection::input_data(packet::Turn& turn, Segment& segment) {
  if (segment.payload_length == 0 && !segment.has(flag::kFin)) {
    end_payload(turn, segment);
    return;
  }
  if (peer_closed_) {
    // Nothing comes after FIN; FIN again means that our ACK of it was lost.
    ack_.owe_now();
    drop_payload(turn, segment, Drop::Duplicate);
    return;
  }
  if (orphan_ && segment.payload_length != 0 &&
      (segment.seq + segment.payload_length).after(receive_next())) {
    // RFC 2525 section 2.17: nobody will read it.
    drop_payload(turn, segment, Drop::AfterClose);
    engine_.counters.add(Count::TCPAbortOnData);
    send_reset_for(turn, segment);
    finish(turn, 0);
    return;
  }
  if (!fit_window(turn, segment)) return;
  note_fin(segment);
  note_ecn(turn, segment);
  if (segment.payload_length == 0) {
    end_payload(turn, segment);
    ack_.owe();
    // A peer that sends FIN into a closed window would not stop before it is told.
    const bool closed = receive_buffer_.window(receive_next()) == 0;
    if (closed || (fin_known_ && fin_seq_ != receive_next())) ack_.owe_now();
    return;
  }
  if (!make_room(turn, segment)) {
    // Told at once, so that the peer knows where it stands.
    ack_.owe_now();
    const bool in_order = segment.seq == receive_next();
    engine_.counters.add(in_order ? Count::RcvPruned : Count::TCPOFODrop);
    engine_.counters.add(Count::TCPRcvQDrop);
    drop_payload(turn, segment, Drop::ReceiveMemory);
    return;
  }
  if (segment.seq == receive_next())
    take_in_order(turn, segment);
  else
    keep_beyond(turn, segment);
}

// Cuts the segment to what is new. False: nothing is left, or it begins behind the window.
bool Connection::fit_window(packet::Turn& turn, Segment& segment) {
  const Seq next = receive_next();
  const Seq edge = next + receive_buffer_.window(next);
  if (segment.end().at_or_before(next)) {
    if (segment.payload_length != 0) {
      note_duplicate({segment.seq, segment.seq + segment.payload_length});
      engine_.counters.add(Count::DelayedACKLost);
      ack_.enter_quick(receive_buffer_.last_window(), 16);
    }
    ack_.owe_now();
    drop_payload(turn, segment, Drop::Duplicate);
    return false;
  }
  if (segment.seq.before(next)) {
    const std::uint32_t old = next - segment.seq;
    note_duplicate({segment.seq, next});
    ack_.owe_now();
    segment.payload.skip(old);
    segment.payload_length -= old;
    segment.seq = next;
  }
  if (segment.payload_length != 0 && segment.seq.at_or_after(edge)) {
    if (edge == next && segment.seq == next) engine_.counters.add(Count::TCPZeroWindowDrop);
    ack_.owe_now();
    drop_payload(turn, segment, Drop::BeyondWindow);
    return false;
  }
  return true;
}

// Whether the segment's buffer may be kept: within the receive buffer, or after what lies farthest
// beyond a hole is given up for it (Linux: tcp_prune_queue). In-order data may pass the limit by
// one buffer and is copied together then; a window that was offered for full segments holds for
// small ones too.
bool Connection::make_room(packet::Turn& turn, const Segment& segment) {
  const std::uint32_t truesize = segment.payload.truesize();
  const bool in_order = segment.seq == receive_next();
  if (receive_buffer_.room(receive_queue_.truesize(), truesize) && !engine_.memory.exhausted())
    return true;
  engine_.counters.add(Count::PruneCalled);
  const std::uint32_t size = receive_buffer_.size();
  const std::uint32_t target = size > truesize ? size - truesize : 0;
  if (receive_queue_.prune(turn, engine_.memory, target, segment.seq)) {
    engine_.counters.add(Count::OfoPruned);
    sack_.clear();
  }
  if (in_order && receive_queue_.bytes() == 0 && receive_buffer_.taken() == 0) return true;
  if (engine_.memory.exhausted()) return false;
  return receive_buffer_.room(receive_queue_.truesize(), in_order ? 0 : truesize);
}

inline void Connection::note_arrival(packet::Turn& turn, const Segment& segment) {
  ack_.on_data(turn.now, segment.each(), receive_buffer_.last_window(), own_mss_, recovery_.rto());
  last_data_ms_ = milliseconds(turn.now);
}

void Connection::take_in_order(packet::Turn& turn, Segment& segment) {
  const std::uint32_t bytes = segment.payload_length;
  const std::uint32_t truesize = segment.payload.truesize();
  const bool hole = receive_queue_.has_hole();
  const Seq before = receive_queue_.next();
  const bool tight = !receive_buffer_.room(receive_queue_.truesize(), receive_buffer_.size() / 2);
  if (tight) engine_.counters.add(Count::TCPRcvCollapsed);
  receive_queue_.append(turn, engine_.memory, std::move(segment.payload), tight);
  bytes_received_ += receive_queue_.next() - before;
  if (segment.each() >= ack_.peer_mss())
    receive_buffer_.measure_ratio(segment.each() * segment.count, truesize);
  note_arrival(turn, segment);
  receive_buffer_.on_data(bytes, receive_queue_.truesize(), engine_.memory);
  if (timestamps_ && segment.options.has_timestamps && segment.options.ts_echo != 0 &&
      bytes >= ack_.peer_mss()) {
    const std::uint32_t age = timestamp_at(turn.now, ts_offset_) - segment.options.ts_echo;
    if (age < 60'000)
      receive_buffer_.on_echo(segment.options.ts_echo, time::Duration::milliseconds(age));
  } else if (!timestamps_) {
    receive_buffer_.measure_window(receive_queue_.next(), turn.now);
  }
  if (hole) note_duplicate(sack_.overlap({before, before + bytes}));
  sack_.advance(receive_queue_.next());
  ack_.owe();
  // RFC 5681 4.2: at once when it fills all or part of a hole.
  if (hole) ack_.owe_now();
  raise(turn, event::kReadable);
}

// What came twice is told once (RFC 2883; Linux: tcp_dsack_set). Of a segment that is a duplicate
// in part only the first such part.
void Connection::note_duplicate(SeqRange range) {
  if (range.empty() || !sack_ok_) return;
  engine_.counters.add(range.begin.before(receive_next()) ? Count::TCPDSACKOldSent
                                                          : Count::TCPDSACKOfoSent);
  sack_.duplicate(range);
}

// RFC 5681 4.2: a hole is told of at once, for each segment beyond it.
void Connection::keep_beyond(packet::Turn& turn, Segment& segment) {
  const SeqRange range{segment.seq, segment.seq + segment.payload_length};
  note_arrival(turn, segment);
  ++beyond_segments_;
  const ReceiveQueue::Kept kept =
      receive_queue_.keep(turn, engine_.memory, segment.seq, std::move(segment.payload));
  ack_.owe_now();
  if (kept.duplicate) {
    note_duplicate(range);
    engine_.counters.add(Count::TCPOFOMerge);
    return;
  }
  engine_.counters.add(Count::TCPOFOQueue);
  if (sack_ok_) {
    note_duplicate(sack_.overlap(range));
    sack_.add(kept.range);
    // Linux: tcp_data_queue_ofo. What lies beyond a hole opens the window as what is in order does.
    receive_buffer_.on_data(kept.range.length(), receive_queue_.truesize(), engine_.memory);
  }
}

// FIN takes the number behind the data, whether it comes in order or not. The first that is seen
// counts; data behind it is none.
void Connection::note_fin(const Segment& segment) {
  if (!segment.has(flag::kFin) || fin_known_) return;
  fin_known_ = true;
  fin_seq_ = segment.seq + segment.payload_length;
}

void Connection::input_fin(packet::Turn& turn) {
  if (!fin_known_ || peer_closed_ || state_ == State::Closed) return;
  if (receive_queue_.next().before(fin_seq_)) return;
  ack_.owe();
  // All that was sent is here: there is nothing to tell of (Linux: tcp_fin).
  sack_.clear();
  sack_.clear_duplicate();
  peer_closed(turn);
}

// RFC 3168 6.1.3: what the network said is echoed until the sender says that it slowed down.
void Connection::note_ecn(packet::Turn& turn, const Segment& segment) {
  if (!ecn_) return;
  if (segment.ecn != Ecn::NotCapable) ecn_seen_ = true;
  if (recovery_.control().counts_marks()) {
    // RFC 8257 section 3.2: an ACK tells of packets that were marked, or of such as were not.
    const bool marked = segment.ecn == Ecn::Congested;
    if (marked == echo_congestion_) return;
    if (ack_.owed()) send_ack(turn);
    echo_congestion_ = marked;
    ack_.owe_now();
    return;
  }
  if (segment.has(flag::kCwr)) echo_congestion_ = false;
  if (segment.ecn == Ecn::Congested) {
    if (!echo_congestion_) ack_.owe_now();
    echo_congestion_ = true;
  }
}

}  // namespace linnet::tcp
