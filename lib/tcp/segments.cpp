// SPDX-License-Identifier: BSD-3-Clause
// How segments are made and what is noted when one has left (Linux: __tcp_transmit_skb).
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {

// A segment without data, with what every segment of this connection carries.
SegmentOut Connection::blank(packet::Turn& turn, std::uint8_t flags) const {
  SegmentOut segment;
  segment.flags = flags;
  segment.seq = snd_nxt_;
  segment.mss = static_cast<std::uint16_t>(send_mss());
  if (timestamps_) {
    segment.options.has_timestamps = true;
    segment.options.ts_value = timestamp_at(turn.now, ts_offset_);
    segment.options.ts_echo = (flags & (flag::kAck | flag::kSyn)) != 0 ? ts_recent_ : 0;
  }
  if ((flags & flag::kAck) != 0) {
    segment.ack = receive_next();
    if ((flags & (flag::kSyn | flag::kRst)) == 0) {
      if (ecn_ && echo_congestion_) segment.flags |= flag::kEce;
      // On data, too: who has much to send would never tell of a hole (RFC 2018 section 4).
      if (!sack_.empty()) [[unlikely]]
        sack_.write(segment.options, most_sack_blocks());
    }
  }
  return segment;
}

// Fills in the window and hands the segment to the host. Everything that is true of any segment
// that left is noted here; ranges are noted by `account`.
bool Connection::transmit(packet::Turn& turn, SegmentOut& segment) {
  std::uint32_t offered = 0;
  const bool acks = (segment.flags & flag::kAck) != 0;
  if ((segment.flags & flag::kSyn) != 0) {
    segment.window =
        static_cast<std::uint16_t>(std::min<std::uint32_t>(receive_buffer_.last_window(), 65535));
  } else if (acks) {
    offered = receive_buffer_.select(receive_next(), receive_queue_.truesize(), ack_.peer_mss(),
                                     engine_.memory, engine_.settings);
    segment.window = receive_buffer_.field(offered);
  }
  if (!engine_.host.emit(turn, *this, segment)) {
    host_full_ = true;
    retry_deadline_ = turn.now + time::TimerWheel::kTick;
    return false;
  }
  if (acks && (segment.flags & (flag::kSyn | flag::kRst)) == 0)
    receive_buffer_.tell(receive_next(), offered, engine_.counters);
  if (acks) {
    ack_.on_sent(1);
    if (segment.options.sack_count != 0) sack_.clear_duplicate();
  }
  if ((segment.flags & flag::kRst) != 0) engine_.counters.add(Count::OutRsts);
  const std::uint32_t bytes = segment.payload.length();
  segments_out_ += bytes > segment.mss ? (bytes + segment.mss - 1) / segment.mss : 1;
  return true;
}

bool Connection::send_ack(packet::Turn& turn) {
  SegmentOut segment = blank(turn, flag::kAck);
  return transmit(turn, segment);
}

// Out of the window on purpose, so that the peer must answer (Linux: tcp_xmit_probe_skb). For
// closed windows and keep-alive (RFC 9293 3.8.4: SND.NXT-1, no data).
bool Connection::send_window_probe(packet::Turn& turn) {
  SegmentOut segment = blank(turn, flag::kAck);
  segment.seq = snd_una_ - 1;
  return transmit(turn, segment);
}

// RFC 9293 3.10.5: <SEQ=SND.NXT><CTL=RST>; one that is lost is not sent again.
void Connection::send_reset(packet::Turn& turn) {
  SegmentOut segment = blank(turn, flag::kRst | flag::kAck);
  // A window that shrank: the peer believes only what is inside (Linux: tcp_acceptable_seq).
  if (snd_nxt_.after(window_end()) && window_end().after(snd_una_)) segment.seq = window_end();
  if (!transmit(turn, segment)) engine_.counters.add(Count::TCPAbortFailed);
}

// RFC 9293 3.10.7.3 and .4: the answer to an ACK that cannot be ours: <SEQ=SEG.ACK><CTL=RST>.
void Connection::send_reset_for(packet::Turn& turn, const Segment& in) {
  SegmentOut segment;
  segment.flags = flag::kRst;
  segment.seq = in.ack;
  segment.mss = mss_;
  transmit(turn, segment);
}

// `cookie`: of Fast Open, with the first one alone (RFC 7413 section 4.2.1).
bool Connection::send_syn(packet::Turn& turn, bool again, const FastOpenCookie* cookie) {
  if (!again && !recovery_.can_record()) {
    retry_deadline_ = turn.now + time::TimerWheel::kTick;
    return false;
  }
  // Crossed SYNs: the answer to the peer's is our SYN again, with ACK (RFC 9293 3.5, figure 7).
  SegmentOut segment = blank(turn, syn_seen_ ? flag::kSyn | flag::kAck : flag::kSyn);
  segment.seq = iss_;
  segment.retransmission = again;
  segment.options.mss = own_mss_;
  if (scaling_) segment.options.window_scale = offered_scale_;
  segment.options.sack_permitted = sack_ok_;
  if (cookie != nullptr) cookie->put(segment.options);
  if (!again && syn_data_ != 0) segment.payload = {iss_ + 1, iss_ + 1 + syn_data_};
  // RFC 3168 6.1.1: asked for in the first SYNs only, where old firewalls eat such SYNs.
  const bool ask =
      ecn_ && (!again || recovery_.backoff() < 2 || engine_.settings.tcp_ecn_fallback == 0);
  if (syn_seen_)
    segment.flags |= ecn_ ? flag::kEce : std::uint8_t{0};
  else if (ask)
    segment.flags |= flag::kEce | flag::kCwr;
  if (!transmit(turn, segment)) return false;
  account(turn, segment, {iss_, iss_ + 1});
  return true;
}

// The bytes and FIN of `range`, new or again. The range ends inside the queue, or behind FIN.
bool Connection::send_range(packet::Turn& turn, SeqRange range, bool again) {
  LINNET_CHECK(!range.empty());
  const Seq data_end = send_queue_.end();
  const bool fin = range.end.after(data_end);
  const SeqRange payload{range.begin, earlier(range.end, data_end)};
  SegmentOut segment = blank(turn, flag::kAck);
  segment.seq = range.begin;
  segment.payload = range.begin.before(data_end) ? payload : SeqRange{range.begin, range.begin};
  segment.retransmission = again;
  if (fin) segment.flags |= flag::kFin;
  // MUST-61: the last that is queued is pushed.
  if (!segment.payload.empty() && range.end.at_or_after(data_end) && !more_)
    segment.flags |= flag::kPsh;
  if (urgent_ && snd_up_.after(range.begin)) {
    segment.flags |= flag::kUrg;
    segment.urgent = static_cast<std::uint16_t>(std::min(snd_up_ - range.begin, 0xffffu));
  }
  if (ecn_ && !again && !segment.payload.empty()) {
    segment.ecn = Ecn::Capable0;  // RFC 3168 6.1.5: never on a retransmission
    if (send_cwr_) segment.flags |= flag::kCwr;
  }
  if (!transmit(turn, segment)) return false;
  if ((segment.flags & flag::kCwr) != 0) send_cwr_ = false;
  account(turn, segment, range);
  return true;
}

// A range has left.
inline void Connection::account(packet::Turn& turn, const SegmentOut& segment, SeqRange range) {
  const std::uint32_t bytes = segment.payload.length();
  const std::uint32_t segments = bytes > segment.mss ? (bytes + segment.mss - 1) / segment.mss : 1;
  if (!stalled_ || nothing_in_flight()) {
    stalled_ = true;
    stalled_ms_ = milliseconds(turn.now);
  }
  const bool again = segment.retransmission;
  recovery_.on_transmit(range, turn.now, again, options_.max_pacing_rate);
  if (again) {
    bytes_again_ += bytes;
  } else {
    snd_nxt_ = later(snd_nxt_, range.end);
    if (bytes != 0) {
      engine_.counters.add(Count::TCPOrigDataSent, segments);
      ack_.on_data_sent(turn.now, engine_.settings.tcp_pingpong_thresh);
      if (bytes % segment.mss != 0) small_end_ = range.end;
    }
  }
  bytes_sent_ += bytes;
  if (bytes != 0) data_segments_out_ += segments;
  last_sent_ms_ = milliseconds(turn.now);
}

}  // namespace linnet::tcp
