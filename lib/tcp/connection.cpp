// SPDX-License-Identifier: BSD-3-Clause
// Opening and closing, the program's calls, and what they are told (RFC 9293 3.10.1 to 3.10.6).
#include "tcp/connection.hpp"

#include <cerrno>

#include "tcp/congestion.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {
namespace {

const CongestionControl& chosen_control(const Settings& settings, const SocketOptions& options) {
  if (options.congestion_control != nullptr) return *options.congestion_control;
  const CongestionControl* common = settings.congestion_control.load(std::memory_order_relaxed);
  return common != nullptr ? *common : *find_congestion_control("cubic");
}

// RFC 9293 section 3.3.2, figure 5: what a state becomes when the program will send no more; the
// state itself where FIN is no matter (Linux: new_state).
constexpr State after_close(State state) {
  switch (state) {
    case State::Established:
      return State::FinWait1;
    case State::CloseWait:
      return State::LastAck;
    default:
      return state;
  }
}

bool counts_as_established(State state) {
  return state == State::Established || state == State::CloseWait;
}

}  // namespace

// One that is awake; what rests is `Rested`.
static_assert(sizeof(Connection) <= 1280);

Connection::Connection(Engine& engine, const SocketOptions& options)
    : time::Timer(&Connection::timer_fired),
      engine_(engine),
      options_(options),
      recovery_(engine.sent_pool, engine.settings, engine.counters,
                chosen_control(engine.settings, options)) {}

Connection::~Connection() {
  LINNET_CHECK(state_ == State::Closed);
}

// --- Opening.

void Connection::begin(std::uint32_t mtu) {
  mtu_ = std::max(mtu, kSmallestMtu);
  const std::uint32_t most = mtu_ - kHeaders;
  own_mss_ = static_cast<std::uint16_t>(std::min<std::uint32_t>(most, 65535 - kHeaders));
  if (options_.max_segment != 0) own_mss_ = std::min(own_mss_, options_.max_segment);
  send_buffer_ =
      options_.send_buffer != 0 ? options_.send_buffer : engine_.settings.tcp_wmem_default.get();
  receive_buffer_.start(engine_.settings, options_, own_mss_);
  ack_.start(std::min<std::uint32_t>(own_mss_, 536));
}

// What both ways to send a SYN of ours begin with; the peer's options are not known yet.
void Connection::prepare_syn(packet::Turn& turn, Seq initial, std::uint32_t ts_offset,
                             std::uint32_t mtu) {
  LINNET_CHECK(state_ == State::Closed);
  begin(mtu);
  iss_ = snd_una_ = snd_nxt_ = snd_up_ = small_end_ = cwr_end_ = piece_begin_ = initial;
  send_queue_.start(initial + 1);
  ts_offset_ = ts_offset;
  timestamps_ = engine_.settings.tcp_timestamps != 0;
  sack_ok_ = engine_.settings.tcp_sack != 0;
  scaling_ = engine_.settings.tcp_window_scaling != 0;
  peer_mss_ = own_mss_;
  set_mss();
  recovery_.start(initial, mss_, sack_ok_, timestamps_, turn.now, true);
  offered_scale_ = first_offer(engine_.settings, options_, own_mss_).scale;
  stalled_ms_ = last_heard_ms_ = milliseconds(turn.now);
  stalled_ = true;
}

void Connection::begin_connect(packet::Turn& turn, Seq initial, std::uint32_t ts_offset,
                               std::uint32_t mtu) {
  prepare_syn(turn, initial, ts_offset, mtu);
  ecn_ = engine_.settings.tcp_ecn == 1 || recovery_.control().counts_marks();
  set_state(State::SynSent);
  recovery_.set_syn_sent(true);
  engine_.counters.add(Count::ActiveOpens);
}

void Connection::connect(packet::Turn& turn, Seq initial, std::uint32_t ts_offset,
                         std::uint32_t mtu) {
  begin_connect(turn, initial, ts_offset, mtu);
  output(turn);
}

void Connection::accept(packet::Turn& turn, const Handshake& handshake, std::uint32_t mtu) {
  LINNET_CHECK(state_ == State::Closed);
  begin(mtu);
  iss_ = handshake.local_initial;
  snd_una_ = snd_nxt_ = snd_up_ = small_end_ = cwr_end_ = piece_begin_ = iss_ + 1;
  send_queue_.start(iss_ + 1);
  irs_ = handshake.peer_initial;
  receive_queue_.start(irs_ + 1);
  ts_offset_ = handshake.ts_offset;
  agree(handshake);
  ts_recent_ = handshake.peer_ts_value;
  ts_recent_s_ = seconds(turn.now);
  snd_scale_ = scaling_ ? handshake.peer_scale : std::uint8_t{0};
  snd_wnd_ = std::uint32_t{handshake.peer_window} << snd_scale_;
  max_window_ = snd_wnd_;
  snd_wl1_ = irs_;
  snd_wl2_ = iss_ + 1;
  peer_mss_ = handshake.peer_mss;
  set_mss();
  // The SYN-ACK's round trip is the first sample, where it is known.
  const bool sample = handshake.syn_ack_sent != time::Instant() && recovery_.can_record();
  recovery_.start(sample ? iss_ : iss_ + 1, mss_, sack_ok_, timestamps_, turn.now, sample);
  if (sample) {
    recovery_.on_transmit({iss_, iss_ + 1}, handshake.syn_ack_sent, false);
    AckEvent syn_acked;
    syn_acked.ack = iss_ + 1;
    recovery_.on_ack(syn_acked, turn.now);
    recovery_.negotiated(mss_, sack_ok_, timestamps_);
  }
  engine_.counters.add(Count::PassiveOpens);
  set_state(State::SynReceived);
  receive_buffer_.established(turn.now, receive_next(), own_mss_,
                              scaling_ ? handshake.local_scale : std::uint8_t{0});
  establish(turn);
  rearm();
}

void Connection::agree(const Handshake& handshake) {
  scaling_ = handshake.window_scaling;
  sack_ok_ = handshake.sack;
  timestamps_ = handshake.timestamps;
  ecn_ = handshake.ecn;
}

void Connection::establish(packet::Turn& turn) {
  set_state(State::Established);
  syns_again_ = static_cast<std::uint8_t>(std::min(recovery_.total_retransmissions(), 255u));
  last_heard_ms_ = last_ack_ms_ = last_data_ms_ = milliseconds(turn.now);
  stalled_ = false;
  // What the peer's segments will hold is no more than what ours do (Linux:
  // tcp_initialize_rcv_mss).
  ack_.start(std::min<std::uint32_t>(ack_.peer_mss(), mss_));
  expand_send_buffer();
  arm_keep_alive(turn.now);
  raise(turn, event::kConnected | event::kWritable);
  // The program closed its side before the handshake was over.
  if (fin_queued_) set_state(after_close(state_));
}

// --- The program's calls.

void Connection::append(packet::Turn& turn, packet::Packet&& data, bool urgent, bool more,
                        bool later) {
  const bool open =
      !fin_queued_ && (can_send_data() || state_ == State::SynSent || state_ == State::SynReceived);
  if (!open || data.length() == 0) {
    turn.drop(std::move(data), open ? Drop::Duplicate : Drop::Closed);
    return;
  }
  const std::uint32_t count = data.length();
  send_queue_.append(turn, engine_.memory, std::move(data));
  more_ = hold_ = more;
  push_ = false;
  if (urgent) {
    snd_up_ = send_queue_.end();
    urgent_ = true;
  }
  note_appended(turn, count, later);
}

packet::Packet Connection::take_received(packet::Turn& turn) {
  packet::Packet data = receive_queue_.take(turn, engine_.memory);
  if (data) receive_buffer_.on_taken(engine_.memory, data.length(), data.truesize());
  return data;
}

void Connection::consumed(packet::Turn& turn, std::uint32_t bytes, bool later) {
  if (bytes == 0) return;
  receive_buffer_.on_consumed(
      engine_.memory, engine_.settings,
      receive_queue_.next() - receive_queue_.bytes() - receive_buffer_.taken() + bytes, bytes,
      own_mss_, turn.now);
  if (urgent_seen_ && consumed_to().at_or_after(rcv_up_)) urgent_seen_ = false;
  if (state_ != State::Established && state_ != State::FinWait1 && state_ != State::FinWait2)
    return;
  // RFC 9293 3.8.6.2.2 (MUST-39): told when it has grown by half the buffer or, so that a stream
  // does not wait for the delayed ACK, twofold (Linux: __tcp_cleanup_rbuf).
  const Seq next = receive_next();
  const std::uint32_t standing = receive_buffer_.window(next);
  if (ack_.owed() && ack_.due(next - receive_buffer_.told())) ack_.owe_now();
  if (2 * std::uint64_t{standing} <= receive_buffer_.threshold()) {
    const std::uint32_t offered = receive_buffer_.select(
        next, receive_queue_.truesize(), ack_.peer_mss(), engine_.memory, engine_.settings);
    if (offered != 0 && offered >= 2 * std::uint64_t{standing}) ack_.owe_now();
  }
  if (!ack_.now() || later) return;
  send_owed_ack(turn);
  rearm();
}

void Connection::shutdown_send(packet::Turn& turn) {
  if (fin_queued_) return;
  switch (state_) {
    case State::SynSent:
      finish(turn, 0);
      return;
    case State::SynReceived:
      fin_queued_ = true;
      if (early_) output(turn);
      return;
    case State::Established:
    case State::CloseWait:
      fin_queued_ = true;
      more_ = hold_ = false;
      set_state(after_close(state_));
      output(turn);
      return;
    default:
      return;
  }
}

void Connection::close(packet::Turn& turn, bool linger_zero) {
  if (orphan_) return;
  if (state_ == State::Closed) {
    receive_queue_.clear(turn, engine_.memory, Drop::Unread);
    receive_buffer_.release(engine_.memory);
    raise(turn, event::kClosed);
    return;
  }
  const bool unread = !receive_queue_.empty() || receive_buffer_.taken() != 0;
  const bool too_many = engine_.memory.orphans >= engine_.settings.tcp_max_orphans;
  const bool resets = unread || linger_zero || too_many;
  // What was appended `later` leaves before a reset, with FIN else.
  if (resets && can_send_data() && unsent_bytes() != 0) output(turn);
  become_orphan();
  if (state_ == State::TimeWait) {
    receive_queue_.clear(turn, engine_.memory, Drop::Unread);
    return;
  }
  if (unread && state_ != State::SynSent) {
    // RFC 2525 section 2.17: what the peer sent was lost, it must know.
    give_up(turn, 0, Count::TCPAbortOnClose);
  } else if (linger_zero) {
    give_up(turn, 0, Count::TCPAbortOnData);
  } else if (too_many) {
    give_up(turn, 0, Count::TCPAbortOnMemory);
  } else {
    if (state_ == State::FinWait2) enter_fin_wait2(turn);
    shutdown_send(turn);
  }
  rearm();
}

void Connection::abort(packet::Turn& turn) {
  if (state_ == State::Closed) return;
  if (state_ == State::TimeWait || state_ == State::SynSent)
    finish(turn, 0);
  else
    give_up(turn, 0, Count::TCPAbortOnClose);
}

void Connection::abandon(packet::Turn& turn) {
  release_lane();
  set_state(State::Closed);
  send_queue_.clear(turn, engine_.memory, Drop::Unsent);
  receive_queue_.clear(turn, engine_.memory, Drop::Unread);
  receive_buffer_.release(engine_.memory);
  events_ = 0;
}

void Connection::set_options(packet::Turn& turn, const SocketOptions& options) {
  const SocketOptions before = std::exchange(options_, options);
  if (state_ == State::Closed) return;
  if (options.send_buffer != 0) send_buffer_ = options.send_buffer;
  if (options.receive_buffer != before.receive_buffer ||
      options.window_clamp != before.window_clamp)
    receive_buffer_.set_options(engine_.settings, options);
  if (options.congestion_control != before.congestion_control)
    recovery_.set_congestion_control(chosen_control(engine_.settings, options), turn.now);
  if (options.max_pacing_rate != before.max_pacing_rate) recovery_.restart_pacing();
  if (options.max_segment != before.max_segment) {
    set_mss();
    if (!opening()) recovery_.set_mss(mss_);
  }
  arm_keep_alive(turn.now);
  if (unsent_bytes() != 0 || ack_.now())
    output(turn);
  else
    rearm();
}

void Connection::push(packet::Turn& turn) {
  push_ = true;
  if (unsent_bytes() != 0) output(turn);
}

void Connection::quick_ack(packet::Turn& turn, bool on) {
  ack_.set_interactive(!on);
  if (!on || !ack_.owed()) return;
  ack_.owe_now();
  output(turn);
}

// --- Ending.

// The program is gone; what is received now nobody will read.
void Connection::become_orphan() {
  orphan_ = true;
  ++engine_.memory.orphans;
  if (state_ != State::TimeWait) life_deadline_ = time::Instant::never();
  receive_buffer_.release(engine_.memory);
}

// Nothing will happen any more; data in order stays for the program unless it is gone.
void Connection::finish(packet::Turn& turn, int error) {
  if (state_ != State::Closed) {
    if (fast_open_) {
      // Linux: tcp_fastopen_active_disable_ofo_check. Of all that was sent only FIN came.
      const bool only_fin = data_segments_in_ == 0 && fin_known_ && !peer_closed_;
      if (only_fin) report_fast_open(turn, FastOpenNews::Kind::BlackHole);
      if (data_segments_in_ != 0) report_fast_open(turn, FastOpenNews::Kind::Works);
    }
    if (state_ == State::SynSent || state_ == State::SynReceived)
      engine_.counters.add(Count::AttemptFails);
    release_lane();
    set_state(State::Closed);
    send_queue_.clear(turn, engine_.memory, Drop::Unsent);
  }
  if (orphan_ || error_ == 0) error_ = static_cast<std::uint16_t>(error);
  if (orphan_)
    receive_queue_.clear(turn, engine_.memory, Drop::Unread);
  else
    receive_queue_.prune(turn, engine_.memory, 0, receive_queue_.next());
  raise(turn, static_cast<std::uint16_t>(event::kClosed | (error != 0 ? event::kError : 0)));
}

// Ends it here and tells the peer by RST.
void Connection::give_up(packet::Turn& turn, int error, Count why) {
  engine_.counters.add(why);
  if (counts_as_established(state_)) engine_.counters.add(Count::EstabResets);
  if (state_ != State::SynSent) send_reset(turn);
  finish(turn, error);
}

void Connection::reset_by_peer(packet::Turn& turn) {
  if (counts_as_established(state_)) engine_.counters.add(Count::EstabResets);
  int error = ECONNRESET;
  if (opening() && !early_) error = ECONNREFUSED;
  if (state_ == State::CloseWait) error = EPIPE;
  finish(turn, error);
}

void Connection::fin_acknowledged(packet::Turn& turn) {
  switch (state_) {
    case State::FinWait1:
      set_state(State::FinWait2);
      if (orphan_) enter_fin_wait2(turn);
      break;
    case State::Closing:
      enter_time_wait(turn);
      break;
    case State::LastAck:
      finish(turn, 0);
      break;
    default:
      break;
  }
}

// An orphan does not wait for the peer's FIN for ever (Linux: tcp_fin_timeout, TCP_LINGER2).
void Connection::enter_fin_wait2(packet::Turn& turn) {
  if (options_.linger2 < 0) {
    give_up(turn, 0, Count::TCPAbortOnLinger);
    return;
  }
  const std::int64_t wait =
      options_.linger2 != 0 ? options_.linger2 : std::int64_t{engine_.settings.tcp_fin_timeout};
  life_deadline_ = turn.now + time::Duration::seconds(wait);
}

// The peer's FIN is in sequence (RFC 9293 3.10.7.4, eighth).
void Connection::peer_closed(packet::Turn& turn) {
  peer_closed_ = true;
  switch (state_) {
    case State::SynReceived:
    case State::Established:
      set_state(State::CloseWait);
      ack_.set_interactive(true);
      break;
    case State::FinWait1:
      ack_.owe_now();
      set_state(State::Closing);
      break;
    case State::FinWait2:
      ack_.owe_now();
      enter_time_wait(turn);
      break;
    default:
      break;
  }
  raise(turn, event::kPeerClosed);
}

void Connection::enter_time_wait(packet::Turn& turn) {
  set_state(State::TimeWait);
  engine_.counters.add(Count::TW);
  persist_deadline_ = retry_deadline_ = time::Instant::never();
  life_deadline_ = turn.now + kTimeWait;
  raise(turn, event::kTimeWait);
}

void Connection::set_state(State next) {
  state_ = next;
  const bool counts = counts_as_established(next);
  if (counts == counted_) return;
  counted_ = counts;
  if (counts)
    engine_.counters.add(Count::CurrEstab);
  else
    engine_.counters.subtract(Count::CurrEstab);
}

void Connection::raise(packet::Turn& turn, std::uint16_t events) {
  const std::uint16_t before = events_;
  events_ = static_cast<std::uint16_t>(events_ | events);
  if (before == 0 && events != 0) engine_.host.notify(turn, *this);
}

// --- Looking.

int Connection::take_soft_error() {
  return std::exchange(soft_error_, std::uint16_t{0});
}
const SocketOptions& Connection::options() const {
  return options_;
}
std::uint32_t Connection::unread_bytes() const {
  return receive_queue_.bytes() + receive_buffer_.taken();
}

std::optional<std::int32_t> Connection::urgent_offset() const {
  if (!urgent_seen_) return std::nullopt;
  // The urgent byte is the last before the pointer (RFC 6093 section 3.1 as all implement it).
  const Seq next_given = receive_queue_.next() - receive_queue_.bytes();
  return static_cast<std::int32_t>((rcv_up_ - 1).value() - next_given.value());
}

TimeWait Connection::time_wait(time::Instant now) const {
  TimeWait left;
  left.send_next = snd_nxt_;
  left.receive_next = receive_next();
  left.receive_window = receive_buffer_.window(receive_next());
  left.local_scale = receive_buffer_.scale();
  left.timestamps = timestamps_;
  left.ts_recent = ts_recent_;
  left.ts_recent_at = now - time::Duration::seconds(seconds(now) - ts_recent_s_);
  left.ts_offset = ts_offset_;
  left.expires = life_deadline_;
  return left;
}

}  // namespace linnet::tcp
