// SPDX-License-Identifier: BSD-3-Clause
// The algorithms, and what they have in common.
#pragma once

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>

#include "tcp/congestion.hpp"

namespace linnet::tcp {

const CongestionControl& reno();
const CongestionControl& cubic();
const CongestionControl& bbr();
const CongestionControl& dctcp();

// No window grows beyond what a scaled receive window can be.
inline constexpr std::uint32_t kMaxWindow = 1u << 30;

// An algorithm's own state in the bytes that the connection keeps for it.
template <typename State>
State& state_of(CongestionState& bytes) {
  static_assert(sizeof(State) <= sizeof(CongestionState) && alignof(State) <= 8);
  static_assert(std::is_trivially_copyable_v<State>);
  return *std::launder(reinterpret_cast<State*>(bytes.bytes));
}
template <typename State>
const State& state_of(const CongestionState& bytes) {
  return *std::launder(reinterpret_cast<const State*>(bytes.bytes));
}
template <typename State>
State& start_state(CongestionState& bytes) {
  return *new (bytes.bytes) State();
}

// A state that is small enough rests as it is.
template <typename State>
bool rest_whole(const CongestionState& bytes, RestedCongestion& out) {
  static_assert(sizeof(State) <= sizeof(RestedCongestion));
  std::memcpy(out.bytes, bytes.bytes, sizeof(State));
  return true;
}
template <typename State>
void wake_whole(CongestionState& bytes, const RestedCongestion& rested) {
  std::memcpy(&start_state<State>(bytes), rested.bytes, sizeof(State));
}

// RFC 5681 section 3.1 with RFC 3465: bytes count, not ACKs, and one ACK opens the window by
// `segments` at most, however much it covers. Returns the bytes that are left when ssthresh is
// reached.
inline std::uint32_t slow_start(CongestionWindow& window, std::uint32_t acked,
                                std::uint32_t segments) {
  const std::uint32_t room = window.ssthresh - window.cwnd;
  const std::uint32_t step = std::min({acked, segments * window.mss, room});
  window.cwnd = std::min(window.cwnd + step, kMaxWindow);
  return step == room ? acked - step : 0;
}

// How NewReno grows (RFC 5681 section 3.1 with RFC 3465): L is 2, 1 after a timeout.
struct RenoGrowth {
  std::uint32_t counted = 0;  // bytes acknowledged since the window last grew
  bool after_timeout = false;

  // An ACK outside of recovery; only a window that was full grows.
  void on_ack(CongestionWindow& window, const RateSample& sample, bool in_recovery) {
    if (in_recovery || !window.cwnd_limited || sample.acked == 0) return;
    std::uint32_t acked = sample.acked;
    if (window.cwnd < window.ssthresh) {
      acked = slow_start(window, acked, after_timeout ? 1 : 2);
      if (acked == 0) return;
    }
    after_timeout = false;
    counted += std::min(acked, window.cwnd);
    if (counted < window.cwnd) return;
    counted -= window.cwnd;
    window.cwnd = std::min(window.cwnd + window.mss, kMaxWindow);
  }
};

// The window that full use keeps: half, two segments at least (RFC 5681 equation 4).
inline std::uint32_t half_window(const CongestionWindow& window) {
  return std::max(window.cwnd / 2, 2 * window.mss);
}

}  // namespace linnet::tcp
