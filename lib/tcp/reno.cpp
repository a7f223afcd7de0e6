// SPDX-License-Identifier: BSD-3-Clause
// NewReno (RFC 5681, 6582) with appropriate byte counting (RFC 3465): L is 2, 1 after a timeout.
#include "tcp/congestion_algorithms.hpp"

namespace linnet::tcp {
namespace {

using State = RenoGrowth;

class Reno final : public CongestionControl {
 public:
  std::string_view name() const override { return "reno"; }

  bool rest(const CongestionState& bytes, const CongestionWindow&,
            RestedCongestion& out) const override {
    return rest_whole<State>(bytes, out);
  }
  void wake(CongestionState& bytes, const RestedCongestion& rested) const override {
    wake_whole<State>(bytes, rested);
  }

  void start(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    start_state<State>(bytes);
  }

  void on_ack(CongestionState& bytes, CongestionWindow& window, const RateSample& sample,
              bool in_recovery, time::Instant) const override {
    state_of<State>(bytes).on_ack(window, sample, in_recovery);
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
