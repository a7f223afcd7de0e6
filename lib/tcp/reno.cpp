// SPDX-License-Identifier: BSD-3-Clause
// NewReno (RFC 5681, 6582) with appropriate byte counting (RFC 3465): L is 2, 1 after a timeout.
#include "tcp/congestion_algorithms.hpp"

namespace linnet::tcp {
namespace {

struct State {
  std::uint32_t counted = 0;  // bytes acknowledged since the window last grew
  bool after_timeout = false;
};

class Reno final : public CongestionControl {
 public:
  std::string_view name() const override { return "reno"; }

  void start(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    start_state<State>(bytes);
  }

  void on_ack(CongestionState& bytes, CongestionWindow& window, const RateSample& sample,
              bool in_recovery, time::Instant) const override {
    if (in_recovery || !window.cwnd_limited || sample.acked == 0) return;
    auto& state = state_of<State>(bytes);
    std::uint32_t acked = sample.acked;
    if (window.cwnd < window.ssthresh) {
      acked = slow_start(window, acked, state.after_timeout ? 1 : 2);
      if (acked == 0) return;
    }
    state.after_timeout = false;
    state.counted += std::min(acked, window.cwnd);
    if (state.counted < window.cwnd) return;
    state.counted -= window.cwnd;
    window.cwnd = std::min(window.cwnd + window.mss, kMaxWindow);
  }

  std::uint32_t on_congestion(CongestionState& bytes, CongestionWindow& window,
                              time::Instant) const override {
    state_of<State>(bytes).counted = 0;
    return half_window(window);
  }

  void on_timeout(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    state_of<State>(bytes) = {.counted = 0, .after_timeout = true};
  }

  void on_undo(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    state_of<State>(bytes) = {};
  }

  void on_idle(CongestionState& bytes, CongestionWindow&, time::Duration,
               time::Instant) const override {
    state_of<State>(bytes).counted = 0;
  }
};

constexpr Reno kReno;

}  // namespace

const CongestionControl& reno() {
  return kReno;
}

}  // namespace linnet::tcp
