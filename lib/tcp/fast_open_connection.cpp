// SPDX-License-Identifier: BSD-3-Clause
// Fast Open of one connection (RFC 7413 section 4.2). Linux: tcp_send_syn_data,
// tcp_rcv_fastopen_synack, tcp_fastopen_create_child, tcp_fastopen_active_detect_blackhole.
//
// Client: data that goes with the SYN stands in the send queue and counts as not sent until the
// SYN-ACK comes; what that acknowledges leaves the queue, the rest is lost and sent again.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {
namespace {

// Options that SYN has and those a middlebox may add (Linux: MAX_TCP_OPTION_SPACE).
constexpr std::uint32_t kOptionSpace = wire::kTcpMaxOptions;

enum Failed : std::uint8_t { NoCookie = 1, NotAcknowledged, SynRetransmitted };

}  // namespace

std::uint32_t Connection::connect(packet::Turn& turn, Seq initial, std::uint32_t ts_offset,
                                  std::uint32_t mtu, const FastOpenAttempt& attempt,
                                  packet::Packet&& data) {
  begin_connect(turn, initial, ts_offset, mtu);
  const std::uint32_t taken = take_syn_data(turn, attempt, std::move(data));
  if (attempt.option) {
    fast_open_ = true;
    fast_open_experiment_ = attempt.option->experiment;
    if (!attempt.carries_data) fast_open_fail_ = Failed::NoCookie;
  }
  writer_waits_ = attempt.waiting > taken;
  // Without cookie (TCP_FASTOPEN_NO_COOKIE) data goes with no option. One that cannot leave now
  // goes as a regular SYN: the cookie is not kept here, and data goes with it alone.
  if (!send_syn(turn, false, attempt.option ? &*attempt.option : nullptr)) {
    syn_data_ = 0;
    fast_open_ = false;
  }
  output(turn);
  return taken;
}

std::uint32_t Connection::take_syn_data(packet::Turn& turn, const FastOpenAttempt& attempt,
                                        packet::Packet&& data) {
  if (!data) return 0;
  std::uint32_t space = own_mss_;
  if (attempt.peer_mss != 0) space = std::min<std::uint32_t>(space, attempt.peer_mss);
  space -= std::min(space, kOptionSpace);
  const std::uint32_t length = attempt.carries_data ? std::min(data.length(), space) : 0;
  if (length == 0) {
    turn.drop(std::move(data), Drop::NotOffered);
    return 0;
  }
  if (length < data.length()) data.trim(length);
  send_queue_.append(turn, engine_.memory, std::move(data));
  syn_data_ = static_cast<std::uint16_t>(length);
  return length;
}

void Connection::open_passive(packet::Turn& turn, Segment&& syn, Seq initial,
                              std::uint32_t ts_offset, std::uint32_t mtu,
                              const FastOpenCookie* answer) {
  prepare_syn(turn, initial, ts_offset, mtu);
  ecn_ = engine_.settings.tcp_ecn != 0;
  early_ = true;
  ++segments_in_;
  if (syn.payload_length != 0) ++data_segments_in_;
  engine_.counters.add(Count::PassiveOpens);
  syn_data_acked_ = syn.payload_length != 0;
  input_syn(turn, syn);
  end_payload(turn, syn);
  // Its data says nothing of how data will come (Linux: tcp_fastopen_add_skb).
  ack_ = AckPolicy();
  ack_.start(std::min<std::uint32_t>(own_mss_, 536));
  last_heard_ms_ = last_ack_ms_ = last_data_ms_ = milliseconds(turn.now);
  expand_send_buffer();
  raise(turn, event::kConnected | event::kWritable);
  send_syn(turn, false, answer);
  // The window stands on what was acknowledged, data included.
  receive_buffer_.tell(receive_next(), receive_buffer_.last_window(), engine_.counters);
  output(turn);
}

// RFC 7413 section 4.2.1: what the SYN-ACK says of the cookie and of the data. `acked`: what it
// acknowledges; `segment` is judged up to the SYN.
void Connection::judge_fast_open(packet::Turn& turn, const Segment& segment, Seq acked) {
  const bool data_acked = acked.after(iss_ + 1);
  const Seq end = iss_ + 1 + syn_data_;
  const bool again = recovery_.total_retransmissions() != 0;
  FastOpenNews news;
  // A cookie that was not asked for is not kept.
  if (fast_open_) news.cookie = FastOpenCookie::of(segment.options);
  news.mss = segment.options.mss.value_or(0);
  news.syn_dropped = fast_open_ && again && !news.cookie && syn_data_ != 0 && !data_acked;
  news.unanswered = fast_open_ && !again && !news.cookie && syn_data_ == 0;
  news.asked_by_experiment = fast_open_experiment_;
  engine_.host.fast_open(turn, *this, news);
  if (data_acked) {
    recovery_.skip(acked);
    snd_nxt_ = acked;
    advance(turn, acked, acked - (iss_ + 1));
    snd_wl2_ = acked;
  }
  if (acked != end) {
    fast_open_fail_ = again ? Failed::SynRetransmitted : Failed::NotAcknowledged;
    engine_.counters.add(Count::TCPFastOpenActiveFail);
    send_syn_data_again(turn, end);
  } else if (data_acked) {
    syn_data_acked_ = true;
    engine_.counters.add(Count::TCPFastOpenActive);
  }
  syn_data_ = 0;
}

// What went with the SYN and was not taken counts as lost. Behind a closed window it waits like any
// other data.
void Connection::send_syn_data_again(packet::Turn& turn, Seq end) {
  if (usable_window() == 0 || !recovery_.can_record()) return;
  recovery_.lose_syn_data(end, turn.now);
  snd_nxt_ = end;
}

// The client did not hear our SYN-ACK.
bool Connection::is_syn_again(const Segment& segment) const {
  constexpr std::uint8_t kControl = flag::kSyn | flag::kAck | flag::kRst | flag::kFin;
  return state_ == State::SynReceived && (segment.flags & kControl) == flag::kSyn &&
         segment.seq == irs_;
}

void Connection::answer_syn_again(packet::Turn& turn, Segment& segment) {
  drop_payload(turn, segment, Drop::Duplicate);
  if (snd_nxt_ == iss_ || !may_answer(turn.now)) return;
  send_syn(turn, true);
  rearm();
}

// Middleboxes may swallow what follows such a SYN, too: the third timeout in a row, or the last.
void Connection::suspect_fast_open(packet::Turn& turn, bool last) {
  const std::uint32_t timeouts = recovery_.backoff();
  if (recovery_.deadline() > turn.now || (timeouts != 2 && !(timeouts < 2 && last))) return;
  report_fast_open(turn, FastOpenNews::Kind::BlackHole);
  if (timeouts == 2) engine_.counters.add(Count::TCPFastOpenActiveFail);
}

void Connection::report_fast_open(packet::Turn& turn, FastOpenNews::Kind kind) {
  FastOpenNews news;
  news.kind = kind;
  engine_.host.fast_open(turn, *this, news);
}

}  // namespace linnet::tcp
