// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/ack_policy.hpp"

#include <algorithm>

namespace linnet::tcp {
namespace {

constexpr unsigned kMostQuick = 16;  // Linux: TCP_MAX_QUICKACKS

std::uint32_t ms_of(time::Instant now) {
  return static_cast<std::uint32_t>(now.since_origin_ns() / 1'000'000);
}

std::uint16_t clip(std::int64_t ms) {
  return static_cast<std::uint16_t>(std::clamp<std::int64_t>(ms, 1, 60'000));
}

}  // namespace

void AckPolicy::on_data(time::Instant now, std::uint32_t bytes, std::uint32_t window,
                        std::uint32_t mss, time::Duration rto) {
  // A segment of at least the last one's size tells the peer's MSS (Linux: tcp_measure_rcv_mss).
  if (bytes >= peer_mss_) peer_mss_ = static_cast<std::uint16_t>(std::min(bytes, mss));
  constexpr auto kShortest = static_cast<std::uint16_t>(kMin.count_ms());
  if (timeout_ms_ == 0) {
    enter_quick(window, kMostQuick);
    timeout_ms_ = kShortest;
  } else {
    const std::uint32_t gap = ms_of(now) - last_data_ms_;
    if (gap <= kShortest / 2u) {
      timeout_ms_ = static_cast<std::uint16_t>(timeout_ms_ / 2 + kShortest / 2);
    } else if (gap < timeout_ms_) {
      timeout_ms_ = std::min(clip(timeout_ms_ / 2 + gap), clip(rto.count_ms()));
    } else if (gap > static_cast<std::uint32_t>(clip(rto.count_ms()))) {
      enter_quick(window, kMostQuick);  // a sender that starts again wants its ACKs
    }
  }
  last_data_ms_ = ms_of(now);
  waits_ = false;
}

void AckPolicy::wait_for_data(time::Instant now, std::uint32_t window) {
  owed_ = waits_ = true;
  deadline_ = now + kMax;
  enter_quick(window, kMostQuick);
  // What the program sends within that time is an answer (Linux: lrcvtime in tcp_finish_connect).
  timeout_ms_ = static_cast<std::uint16_t>(kMin.count_ms());
  last_data_ms_ = ms_of(now);
}

void AckPolicy::enter_quick(std::uint32_t window, unsigned most) {
  const unsigned half = std::max(2u, window / (2u * std::max<unsigned>(peer_mss_, 1)));
  quick_ = static_cast<std::uint8_t>(std::max<unsigned>(quick_, std::min(half, most)));
}

bool AckPolicy::delay(time::Instant now, time::Duration srtt) {
  if (waits_) return true;
  time::Duration wait = time::Duration::milliseconds(timeout_ms_);
  if (wait > kMin) {
    time::Duration most = interactive_ != 0 ? kMax : time::Duration::milliseconds(500);
    if (srtt > time::Duration()) most = std::min(most, std::max(srtt, kMin));
    wait = std::min(wait, most);
  }
  // RFC 9293 MUST-40 asks for less than half a second.
  wait = std::min(std::max(wait, time::Duration::milliseconds(1)), kMax);
  if (deadline_ != time::Instant::never()) {
    if (deadline_ <= now + wait / 4) return false;
    deadline_ = std::min(deadline_, now + wait);
    return true;
  }
  deadline_ = now + wait;
  return true;
}

void AckPolicy::on_deadline(time::Duration rto) {
  if (interactive_ == 0) {
    timeout_ms_ = std::min(clip(timeout_ms_ * 2), clip(rto.count_ms()));
  } else {
    set_interactive(false);
    timeout_ms_ = static_cast<std::uint16_t>(kMin.count_ms());
  }
}

void AckPolicy::use_quick(unsigned segments) {
  if (segments >= quick_) {
    quick_ = 0;
    timeout_ms_ = static_cast<std::uint16_t>(kMin.count_ms());
  } else {
    quick_ = static_cast<std::uint8_t>(quick_ - segments);
  }
}

void AckPolicy::on_data_sent(time::Instant now, unsigned threshold) {
  if (timeout_ms_ == 0 || ms_of(now) - last_data_ms_ >= timeout_ms_) return;
  // Linux counts up to tcp_pingpong_thresh answers; we keep whether it was reached.
  answers_ = static_cast<std::uint8_t>(std::min<unsigned>(answers_ + 1u, 255));
  if (answers_ >= threshold) interactive_ = 1;
}

}  // namespace linnet::tcp
