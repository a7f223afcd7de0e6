// SPDX-License-Identifier: BSD-3-Clause
// One wheel timer stands for the earliest of a connection's deadlines. When it fires, every
// deadline is looked at; one that moved on meanwhile costs an early look and nothing else.
//
// RFC 9293 3.8.3 (R1, R2), 3.8.4 (keep-alive), 3.8.6.1 (zero windows), 3.8.6.3 (delayed ACK);
// RFC 5482 (user timeout); Linux: tcp_timer.c.
#include <algorithm>
#include <bit>
#include <cerrno>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {
namespace {

constexpr unsigned kOrphanRetries = 8;

// For how long `boundary` timeouts last that double from the shortest to the longest (Linux:
// tcp_model_timeout).
std::uint64_t model_timeout_ms(const Settings& settings, unsigned boundary) {
  const std::uint64_t base = std::max(settings.tcp_rto_min_us / 1000u, 1u);
  const std::uint64_t most = std::max<std::uint64_t>(settings.tcp_rto_max_ms, base);
  const unsigned doublings = static_cast<unsigned>(std::bit_width(most / base)) - 1;
  if (boundary <= doublings) return ((2ull << boundary) - 1) * base;
  return ((2ull << doublings) - 1) * base + (boundary - doublings) * most;
}

}  // namespace

void Connection::timer_fired(time::Timer& timer, time::Instant, void* context) {
  static_cast<Connection&>(timer).on_deadlines(*static_cast<packet::Turn*>(context));
}

void Connection::on_deadlines(packet::Turn& turn) {
  const time::Instant now = turn.now;
  if (ack_.deadline() <= now) {
    ack_.on_deadline(recovery_.rto());
    ack_.owe_now();
    engine_.counters.add(Count::DelayedACKs);
  }
  if (recovery_deadline() <= now) on_recovery_deadline(turn);
  if (state_ != State::Closed && persist_deadline_ <= now) on_persist_deadline(turn);
  if (state_ != State::Closed && life_deadline_ <= now) on_life_deadline(turn);
  if (state_ != State::Closed) output(turn);
}

// Linux: tcp_clamp_rto_to_user_timeout.
time::Instant Connection::user_deadline(time::Instant at) const {
  const std::uint32_t waited = milliseconds(at) - stalled_ms_;
  if (waited > options_.user_timeout_ms && waited < 0x80000000u)
    at = at - time::Duration::milliseconds(waited - options_.user_timeout_ms);
  return at;
}

bool Connection::user_timeout_passed(time::Instant now) const {
  return options_.user_timeout_ms != 0 && stalled_ &&
         milliseconds(now) - stalled_ms_ >= options_.user_timeout_ms;
}

// RFC 9293 3.8.3: R2, for SYN more than three minutes (MUST-23). Called when a retransmission timer
// went off.
bool Connection::too_many_timeouts(time::Instant now) const {
  const unsigned timeouts = recovery_.backoff();
  const Settings& settings = engine_.settings;
  // Linux gives a Fast Open child one SYN-ACK more (tcp_fastopen_synack_timer).
  if (opening() && early_) return timeouts > settings.tcp_synack_retries;
  if (opening()) {
    // Where SYNs crossed, the patience of SYN-SENT goes on.
    const unsigned most =
        options_.syn_count != 0 ? options_.syn_count : settings.tcp_syn_retries.get();
    return recovery_.doublings() >= most;
  }
  if (timeouts == 0) return false;
  unsigned most = settings.tcp_retries2;
  if (orphan_) {
    most = settings.tcp_orphan_retries != 0 ? settings.tcp_orphan_retries.get() : kOrphanRetries;
    if (engine_.memory.pressure()) most = std::min(most, 2u);
  } else if (snd_wnd_ == 0 && milliseconds(now) - last_ack_ms_ < 2 * settings.tcp_rto_max_ms) {
    // The peer shrank its window below what is in flight and still answers (MUST-37).
    return false;
  }
  return milliseconds(now) - first_again_ms_ >= model_timeout_ms(settings, most);
}

void Connection::on_recovery_deadline(packet::Turn& turn) {
  const bool timeout = recovery_.timer() == RecoveryTimer::Retransmission;
  // The last two: data went in the SYN without a cookie, and was not taken.
  if (timeout && (fast_open_ || syn_data_acked_ || syn_data_ != 0 || fast_open_fail_ != 0))
      [[unlikely]]
    suspect_fast_open(turn, too_many_timeouts(turn.now));
  if (user_timeout_passed(turn.now) || (timeout && too_many_timeouts(turn.now))) {
    engine_.counters.add(Count::TCPAbortOnTimeout);
    finish(turn, soft_error_ != 0 ? soft_error_ : ETIMEDOUT);
    return;
  }
  if (recovery_.deadline() > turn.now) return;
  if (timeout) {
    if (recovery_.backoff() == 0) first_again_ms_ = milliseconds(turn.now);
    suspect_black_hole(turn.now);
  }
  switch (recovery_.on_timer(turn.now)) {
    case TimerOutcome::Nothing:
      break;
    case TimerOutcome::Retransmit:
      break;  // `output` asks for it next
    case TimerOutcome::SendProbe: {
      // RFC 8985 7.3: new data if the window lets it, else the last segment again.
      const std::uint32_t unsent = unsent_bytes();
      const std::uint32_t length = std::min({unsent, usable_window(), send_mss()});
      if (length != 0 && (length == unsent || length == send_mss()) && recovery_.can_record()) {
        send_range(turn, {snd_nxt_, snd_nxt_ + length}, false);
      } else {
        const std::optional<SeqRange> last = recovery_.probe_range();
        if (last) send_range(turn, *last, true);
      }
      break;
    }
  }
}

// RFC 9293 MUST-37: as long as the peer answers, its window may stay closed for ever; but the
// program may have set a limit, and an orphan has one (row T9; Linux: tcp_probe_timer).
void Connection::on_persist_deadline(packet::Turn& turn) {
  persist_deadline_ = time::Instant::never();
  unsigned most = engine_.settings.tcp_retries2;
  if (orphan_) {
    most = engine_.settings.tcp_orphan_retries != 0 ? engine_.settings.tcp_orphan_retries.get()
                                                    : kOrphanRetries;
    const bool longest = recovery_.rto() * (std::int64_t{1} << backoff_) >=
                         time::Duration::milliseconds(engine_.settings.tcp_rto_max_ms);
    if (longest || engine_.memory.pressure()) most = 0;
    // Answered probes start the count again: what an answering peer may hold up is bounded by time.
    if (milliseconds(turn.now) - stalled_ms_ >= model_timeout_ms(engine_.settings, most)) most = 0;
  }
  if (user_timeout_passed(turn.now) || probes_ >= most) {
    give_up(turn, soft_error_ != 0 ? soft_error_ : ETIMEDOUT, Count::TCPAbortOnTimeout);
    return;
  }
  send_probe(turn);
}

void Connection::on_life_deadline(packet::Turn& turn) {
  life_deadline_ = time::Instant::never();
  switch (state_) {
    case State::TimeWait:
      finish(turn, 0);
      break;
    case State::FinWait2:
      if (orphan_)
        finish(turn, 0);
      else
        on_keep_alive(turn);
      break;
    default:
      on_keep_alive(turn);
      break;
  }
}

void Connection::arm_keep_alive(time::Instant now) {
  if (state_ == State::TimeWait || orphan_ || state_ == State::SynSent ||
      state_ == State::SynReceived || state_ == State::Closed)
    return;
  if (!options_.keep_alive) {
    life_deadline_ = time::Instant::never();
    return;
  }
  const std::uint32_t idle =
      options_.keep_idle != 0 ? options_.keep_idle : engine_.settings.tcp_keepalive_time.get();
  const std::int64_t silent = milliseconds(now) - last_heard_ms_;
  life_deadline_ = now + time::Duration::milliseconds(
                             std::max<std::int64_t>(std::int64_t{idle} * 1000 - silent, 1));
}

// RFC 9293 3.8.4 (MUST-24 to 29), Linux: tcp_keepalive_timer.
void Connection::on_keep_alive(packet::Turn& turn) {
  if (!options_.keep_alive || orphan_) return;
  const Settings& settings = engine_.settings;
  const std::uint64_t idle =
      1000ull * (options_.keep_idle != 0 ? options_.keep_idle : settings.tcp_keepalive_time.get());
  const std::uint64_t silent = milliseconds(turn.now) - last_heard_ms_;
  if (!nothing_in_flight() || unsent_bytes() != 0 || silent < idle) {
    // Data that waits for an ACK has timers of its own.
    const std::uint64_t wait = silent < idle ? idle - silent : idle;
    life_deadline_ = turn.now + time::Duration::milliseconds(static_cast<std::int64_t>(wait));
    return;
  }
  const unsigned most =
      options_.keep_count != 0 ? options_.keep_count : settings.tcp_keepalive_probes.get();
  const bool dead = options_.user_timeout_ms != 0
                        ? silent >= options_.user_timeout_ms && probes_ > 0
                        : probes_ >= most;
  if (dead) {
    give_up(turn, soft_error_ != 0 ? soft_error_ : ETIMEDOUT, Count::TCPAbortOnTimeout);
    return;
  }
  std::int64_t wait =
      1000 * std::int64_t{options_.keep_interval != 0 ? options_.keep_interval
                                                      : settings.tcp_keepalive_intvl.get()};
  if (send_window_probe(turn)) {
    engine_.counters.add(Count::TCPKeepAlive);
    if (probes_ < 255) ++probes_;
  } else {
    wait = 500;
  }
  life_deadline_ = turn.now + time::Duration::milliseconds(wait);
}

void Connection::rearm() {
  if (state_ == State::Closed) {
    engine_.wheel.cancel(*this);
    return;
  }
  time::Instant at = sooner(recovery_deadline(), ack_.deadline());
  at = sooner(at, sooner(persist_deadline_, sooner(life_deadline_, retry_deadline_)));
  if (at == time::Instant::never()) {
    engine_.wheel.cancel(*this);
  } else if (!armed() || at < deadline) {
    engine_.wheel.arm(*this, at);
  }
}

// Nothing of this connection is on the lane's wheel or in its counts any more.
void Connection::release_lane() {
  engine_.wheel.cancel(*this);
  ack_.cancel();
  persist_deadline_ = life_deadline_ = retry_deadline_ = time::Instant::never();
  if (orphan_ && state_ != State::Closed) --engine_.memory.orphans;
}

}  // namespace linnet::tcp
