// SPDX-License-Identifier: BSD-3-Clause
// CUBIC (RFC 9438) with fast convergence and HyStart++ (RFC 9406). Windows in segments, as the RFC
// has them; times in seconds.
#include <cmath>

#include "tcp/congestion_algorithms.hpp"
#include "tcp/hystart.hpp"

namespace linnet::tcp {
namespace {

constexpr double kC = 0.4, kBeta = 0.7;
// Section 4.3: what makes the estimate of Reno's window as aggressive as Reno with kBeta.
constexpr double kAlpha = 3 * (1 - kBeta) / (1 + kBeta);

struct CubicState {
  double w_max = 0;  // the window before the last reduction
  double w_est = 0;  // what Reno would have
  double cwnd_prior = 0;
  double k = 0;           // seconds until w_max is reached again
  double fraction = 0;    // of a byte that cwnd has yet to grow
  time::Instant epoch{};  // when this congestion avoidance began; Instant(): it has not
  time::Instant seen{};   // the last ACK
  double undo_w_max = 0, undo_k = 0;
  time::Instant undo_epoch{};
  HyStart hystart;
  bool after_timeout = false;
};

// What rests of it: before the first reduction only HyStart++ has learned anything, behind it
// HyStart++ has nothing more to say. How to undo a reduction is not kept.
struct CubicRest {
  std::byte what[5 * sizeof(double)];
  time::Instant epoch{}, seen{};
  bool after_timeout = false, before_reduction = false;
};
static_assert(sizeof(CubicRest) <= sizeof(RestedCongestion));
static_assert(sizeof(HyStart) <= sizeof(CubicRest::what));

double segments(std::uint32_t bytes, const CongestionWindow& window) {
  return static_cast<double>(bytes) / window.mss;
}

void begin_epoch(CubicState& state, const CongestionWindow& window, time::Instant now) {
  const double cwnd = segments(window.cwnd, window);
  state.epoch = now;
  state.w_est = cwnd;
  if (cwnd >= state.w_max) {
    state.w_max = cwnd;
    state.k = 0;
  } else {
    state.k = std::cbrt((state.w_max - cwnd) / kC);
  }
}

// Sections 4.2 to 4.5.
void avoid_congestion(CubicState& state, CongestionWindow& window, std::uint32_t acked,
                      time::Instant now) {
  if (state.epoch == time::Instant()) begin_epoch(state, window, now);
  const double cwnd = segments(window.cwnd, window);
  const double gone = (now - state.epoch).count_s();
  const auto cubic = [&](double t) { return kC * std::pow(t - state.k, 3) + state.w_max; };
  const double alpha = state.w_est >= state.cwnd_prior ? 1 : kAlpha;
  state.w_est += alpha * segments(acked, window) / cwnd;
  double grown = cwnd;
  if (cubic(gone) < state.w_est) {
    grown = std::max(cwnd, state.w_est);  // the Reno-friendly region
  } else {
    const double target = std::clamp(cubic(gone + window.srtt.count_s()), cwnd, cwnd * 1.5);
    grown += (target - cwnd) / cwnd * segments(acked, window);
  }
  state.fraction += (grown - cwnd) * window.mss;
  const double whole = std::floor(std::min(state.fraction, static_cast<double>(kMaxWindow)));
  state.fraction -= whole;
  window.cwnd = std::min(window.cwnd + static_cast<std::uint32_t>(whole), kMaxWindow);
}

class Cubic final : public CongestionControl {
 public:
  std::string_view name() const override { return "cubic"; }

  bool rest(const CongestionState& bytes, const CongestionWindow& window,
            RestedCongestion& out) const override {
    const auto& state = state_of<CubicState>(bytes);
    CubicRest rested;
    rested.epoch = state.epoch;
    rested.seen = state.seen;
    rested.after_timeout = state.after_timeout;
    rested.before_reduction = window.ssthresh == CongestionWindow().ssthresh;
    const double learned[5] = {state.w_max, state.w_est, state.cwnd_prior, state.k, state.fraction};
    if (!rested.before_reduction)
      std::memcpy(rested.what, learned, sizeof learned);
    else if (std::any_of(learned, learned + 5, [](double each) { return each != 0; }))
      return false;
    else
      std::memcpy(rested.what, &state.hystart, sizeof state.hystart);
    std::memcpy(out.bytes, &rested, sizeof rested);
    return true;
  }
  void wake(CongestionState& bytes, const RestedCongestion& from) const override {
    auto& state = start_state<CubicState>(bytes);
    CubicRest rested;
    std::memcpy(&rested, from.bytes, sizeof rested);
    state.epoch = rested.epoch;
    state.seen = rested.seen;
    state.after_timeout = rested.after_timeout;
    if (rested.before_reduction) {
      std::memcpy(&state.hystart, rested.what, sizeof state.hystart);
      return;
    }
    double learned[5];
    std::memcpy(learned, rested.what, sizeof learned);
    state.w_max = learned[0];
    state.w_est = learned[1];
    state.cwnd_prior = learned[2];
    state.k = learned[3];
    state.fraction = learned[4];
  }

  void start(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    start_state<CubicState>(bytes);
  }

  void on_ack(CongestionState& bytes, CongestionWindow& window, const RateSample& sample,
              bool in_recovery, time::Instant now) const override {
    auto& state = state_of<CubicState>(bytes);
    const time::Instant before = state.seen;
    state.seen = now;
    if (in_recovery || sample.acked == 0) return;
    if (!window.cwnd_limited) {
      // Section 5.8: time in which the window was not used is not time of growing.
      if (state.epoch != time::Instant()) state.epoch = state.epoch + (now - before);
      return;
    }
    std::uint32_t acked = sample.acked;
    if (window.cwnd < window.ssthresh) {
      acked = slow_start_ack(state, window, sample);
      if (acked == 0) return;
    }
    state.after_timeout = false;
    avoid_congestion(state, window, acked, now);
  }

  std::uint32_t on_congestion(CongestionState& bytes, CongestionWindow& window,
                              time::Instant) const override {
    auto& state = state_of<CubicState>(bytes);
    state.undo_w_max = state.w_max;
    state.undo_k = state.k;
    state.undo_epoch = state.epoch;
    const double cwnd = segments(window.cwnd, window);
    state.cwnd_prior = cwnd;
    // Section 4.7: who loses before he reached his old maximum makes room for new flows.
    state.w_max = cwnd < state.w_max ? cwnd * (1 + kBeta) / 2 : cwnd;
    state.epoch = time::Instant();
    state.fraction = 0;
    return std::max(static_cast<std::uint32_t>(window.cwnd * kBeta), 2 * window.mss);
  }

  void on_timeout(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    auto& state = state_of<CubicState>(bytes);
    state.epoch = time::Instant();
    state.after_timeout = true;
  }

  void on_undo(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    auto& state = state_of<CubicState>(bytes);
    state.w_max = state.undo_w_max;
    state.k = state.undo_k;
    state.epoch = state.undo_epoch;
    state.after_timeout = false;
  }

  void on_idle(CongestionState& bytes, CongestionWindow&, time::Duration idle,
               time::Instant) const override {
    auto& state = state_of<CubicState>(bytes);
    if (state.epoch != time::Instant()) state.epoch = state.epoch + idle;
  }

 private:
  // Returns the bytes that count for congestion avoidance.
  static std::uint32_t slow_start_ack(CubicState& state, CongestionWindow& window,
                                      const RateSample& sample) {
    if (state.after_timeout) return slow_start(window, sample.acked, 1);
    const bool first = window.ssthresh == CongestionWindow().ssthresh;
    // RFC 9406 section 4.2: eight segments an ACK where sending is not paced; but a receiver that
    // merges segments (GRO) acknowledges 64 KiB at once.
    const std::uint32_t most = std::max(8u, 65536 / window.mss);
    if (!first) return slow_start(window, sample.acked, most);
    if (state.hystart.on_ack(sample)) {
      window.ssthresh = window.cwnd;
      return 0;
    }
    return slow_start(window, sample.acked / state.hystart.divisor(), most);
  }
};

constexpr Cubic kCubic;

}  // namespace

const CongestionControl& cubic() {
  return kCubic;
}

}  // namespace linnet::tcp
