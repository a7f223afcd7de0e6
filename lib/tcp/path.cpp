// SPDX-License-Identifier: BSD-3-Clause
// Segment sizes and what ICMP says of the path. ICMP is forged easily: a message counts only for
// what is in flight, never ends an established connection, and a small MTU that contradicts what
// got through waits for a timeout to confirm it (RFC 5927 4.1, 5.2 and 7.2, row B8). RFC 1191,
// 4821, 5461.
#include <algorithm>
#include <cerrno>

#include "tcp/connection.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::tcp {
namespace {

constexpr std::uint32_t kLeastMss = 256;  // Linux: ip_rt_min_advmss

}  // namespace

// RFC 9293 3.7.1 (MUST-16, RFC 6691): what the peer takes and the path carries, options taken off.
void Connection::set_mss() {
  const Settings& settings = engine_.settings;
  std::uint32_t mss = std::max<std::uint32_t>(peer_mss_, settings.tcp_min_snd_mss);
  mss = std::min(mss, mtu_ - kHeaders);
  if (options_.max_segment != 0) mss = std::min<std::uint32_t>(mss, options_.max_segment);
  mss = std::min<std::uint32_t>(mss, mss_cap_);
  mss = std::max<std::uint32_t>(mss,
                                std::min<std::uint32_t>(settings.tcp_min_snd_mss, mtu_ - kHeaders));
  if (timestamps_) mss = mss > 2 * kTimestampBytes ? mss - kTimestampBytes : kTimestampBytes;
  mss_ = static_cast<std::uint16_t>(std::min<std::uint32_t>(mss, 65535));
}

bool Connection::path_mtu(packet::Turn& turn, Seq seq, std::uint32_t mtu) {
  if (state_ == State::Closed || state_ == State::TimeWait) return false;
  if (seq.before(snd_una_) || seq.at_or_after(snd_nxt_)) {
    engine_.counters.add(Count::OutOfWindowIcmps);
    return false;
  }
  mtu = std::max(mtu, kLeastMtu);
  if (mtu >= mtu_) return false;
  if (mtu < std::uint32_t{largest_acked_} + kHeaders) {
    // Larger ones arrived: believed only if this one does not (RFC 5927 section 7.2).
    doubted_mtu_ = static_cast<std::uint16_t>(mtu);
    doubted_seq_ = seq;
    return false;
  }
  lower_mtu(mtu);
  if (state_ == State::SynSent) {
    // What we ask for travels the same way back, mostly (Linux: ipv4_default_advmss).
    own_mss_ = std::min(own_mss_, static_cast<std::uint16_t>(std::max(mtu - kHeaders, kLeastMss)));
    // It was too large by its data: it goes again without (RFC 7413 section 4.1.3).
    if (syn_data_ != 0) recovery_.lose_syn(turn.now);
  }
  output(turn);
  return true;
}

void Connection::lower_mtu(std::uint32_t mtu) {
  mtu_ = mtu;
  doubted_mtu_ = 0;
  largest_acked_ = 0;
  set_mss();
  recovery_.set_mss(mss_);
  recovery_.path_changed();
}

void Connection::soft_error(packet::Turn& turn, Seq seq, int error) {
  if (state_ == State::Closed || state_ == State::TimeWait) return;
  if (seq.before(snd_una_) || seq.at_or_after(snd_nxt_)) {
    engine_.counters.add(Count::OutOfWindowIcmps);
    return;
  }
  // RFC 9293 3.9.2.2: codes 2 to 4 may end an attempt to connect (SHLD-26), the others never end
  // anything (MUST-54).
  const bool hard = error == ECONNREFUSED || error == ENOPROTOOPT || error == EHOSTDOWN;
  if (hard && (state_ == State::SynSent || state_ == State::SynReceived)) {
    finish(turn, error);
    return;
  }
  soft_error_ = static_cast<std::uint16_t>(error);
}

// A retransmission timer is going off: what ICMP had said is believed now; and where no ICMP comes
// at all, full segments that vanish again and again mean a black hole (RFC 4821 section 7.7; Linux:
// tcp_mtu_probing).
void Connection::suspect_black_hole(time::Instant now) {
  const Settings& settings = engine_.settings;
  if (doubted_mtu_ != 0 && doubted_seq_.at_or_after(snd_una_)) {
    lower_mtu(doubted_mtu_);
    return;
  }
  if (settings.tcp_mtu_probing == 0 || recovery_.backoff() < settings.tcp_retries1) return;
  if (state_ == State::SynSent || state_ == State::SynReceived) return;
  // Only a full segment can be too large.
  if (snd_nxt_ - snd_una_ < mss_) return;
  const std::uint32_t whole = mss_on_wire();
  const std::uint32_t base = settings.tcp_base_mss;
  // Two steps and no more: RFC 4821 7.7 leaves it to retransmission below that, and plain loss must
  // not grind segments down.
  const std::uint32_t cap =
      std::max(whole > base ? base : base / 2, settings.tcp_min_snd_mss.get());
  if (cap >= whole) return;
  black_hole_ = true;
  black_hole_ms_ = milliseconds(now);
  engine_.counters.add(Count::TCPMTUPFail);
  mss_cap_ = static_cast<std::uint16_t>(std::min(cap, 65535u));
  set_mss();
  recovery_.set_mss(mss_);
}

// What was taken for a black hole is tried again after a while (Linux: tcp_probe_interval).
void Connection::leave_black_hole(time::Instant now) {
  if (milliseconds(now) - black_hole_ms_ < 1000 * engine_.settings.tcp_probe_interval.get()) return;
  black_hole_ = false;
  mss_cap_ = 0xffff;
  set_mss();
  recovery_.set_mss(mss_);
}

// Where the sender's time goes (Linux: tcp_chrono_start). Busy: data is queued.
Connection::Limit Connection::current_limit() const {
  const std::uint32_t unsent = unsent_bytes();
  if (unsent == 0) return send_queue_.truesize() >= send_buffer_ ? Limit::Buffer : Limit::Busy;
  return usable_window() < std::min(unsent, send_mss()) ? Limit::Window : Limit::Busy;
}

void Connection::change_limit(Limit next, time::Instant now) {
  if (limit_ != Limit::None)
    limited_ms_[static_cast<unsigned>(limit_) - 1] += milliseconds(now) - limit_since_ms_;
  limit_ = next;
  limit_since_ms_ = milliseconds(now);
}

}  // namespace linnet::tcp
