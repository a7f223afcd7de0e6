// SPDX-License-Identifier: BSD-3-Clause
// DCTCP (RFC 8257): the window shrinks by the share of bytes that routers marked. Grows as NewReno.
#include "tcp/congestion_algorithms.hpp"

namespace linnet::tcp {
namespace {

constexpr std::uint32_t kOne = 1u << 20;  // alpha in fixed point
constexpr unsigned kGain = 4;             // g = 1/16

struct DctcpState {
  std::uint32_t alpha = kOne;           // section 3.3: the first mark counts in full
  std::uint64_t acked = 0, marked = 0;  // bytes in this window of data
  std::uint32_t loss_window = 0;
  RenoGrowth growth;
};

// Section 3.3 step 4 and 5, once a round trip.
void estimate(DctcpState& state) {
  if (state.acked == 0) return;
  const auto share = static_cast<std::uint32_t>(state.marked * kOne / state.acked);
  state.alpha = state.alpha - (state.alpha >> kGain) + (share >> kGain);
  state.alpha = std::min(state.alpha, kOne);
  state.acked = state.marked = 0;
}

class Dctcp final : public CongestionControl {
 public:
  std::string_view name() const override { return "dctcp"; }

  bool rest(const CongestionState& bytes, const CongestionWindow&,
            RestedCongestion& out) const override {
    return rest_whole<DctcpState>(bytes, out);
  }
  void wake(CongestionState& bytes, const RestedCongestion& rested) const override {
    wake_whole<DctcpState>(bytes, rested);
  }

  void start(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    start_state<DctcpState>(bytes);
  }

  void on_ack(CongestionState& bytes, CongestionWindow& window, const RateSample& sample,
              bool in_recovery, time::Instant) const override {
    auto& state = state_of<DctcpState>(bytes);
    if (sample.round_start) estimate(state);
    state.acked += sample.newly_acked;
    if (sample.ecn_echo) state.marked += sample.newly_acked;
    state.growth.on_ack(window, sample, in_recovery);
  }

  std::uint32_t on_congestion(CongestionState& bytes, CongestionWindow& window,
                              time::Instant) const override {
    auto& state = state_of<DctcpState>(bytes);
    state.growth.counted = 0;
    state.loss_window = window.cwnd;
    const std::uint64_t cut = std::uint64_t{window.cwnd} * state.alpha / kOne / 2;
    return std::max(window.cwnd - static_cast<std::uint32_t>(cut), 2 * window.mss);
  }

  // Section 3.5: loss is answered as without DCTCP.
  std::uint32_t on_loss(CongestionState& bytes, CongestionWindow& window,
                        time::Instant) const override {
    auto& state = state_of<DctcpState>(bytes);
    state.growth.counted = 0;
    state.loss_window = window.cwnd;
    return half_window(window);
  }

  void on_timeout(CongestionState& bytes, CongestionWindow& window, time::Instant) const override {
    auto& state = state_of<DctcpState>(bytes);
    state.growth.after_timeout = true;
    if (state.loss_window != 0)
      window.ssthresh = std::min(window.ssthresh, std::max(state.loss_window / 2, 2 * window.mss));
  }

  void on_undo(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    state_of<DctcpState>(bytes).growth.after_timeout = false;
  }

  void on_idle(CongestionState&, CongestionWindow&, time::Duration, time::Instant) const override {}

  bool counts_marks() const override { return true; }
};

constexpr Dctcp kDctcp;

}  // namespace

const CongestionControl& dctcp() {
  return kDctcp;
}

}  // namespace linnet::tcp
