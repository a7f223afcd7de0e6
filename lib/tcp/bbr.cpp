// SPDX-License-Identifier: BSD-3-Clause
// BBR, version 1 (draft-cardwell-iccrg-bbr-congestion-control-00; Linux: tcp_bbr.c) without the
// detection of policers. The model is the largest delivery rate of ten round trips and the shortest
// round trip of ten seconds; sending is paced at gains of the one, the window is a gain of their
// product.
#include "tcp/congestion_algorithms.hpp"

namespace linnet::tcp {
namespace {

constexpr double kHighGain = 2.885;  // 2/ln 2: fills the pipe as fast as slow start
constexpr double kCwndGain = 2;
constexpr unsigned kCycle = 8, kBandwidthRounds = 10;
constexpr double kPacingGain[kCycle] = {1.25, 0.75, 1, 1, 1, 1, 1, 1};
constexpr double kPacingMargin = 0.99;
constexpr auto kMinRttWindow = time::Duration::seconds(10);
constexpr auto kProbeRttTime = time::Duration::milliseconds(200);
constexpr std::uint32_t kMinSegments = 4;
constexpr double kFullGrowth = 1.25;
constexpr unsigned kFullRounds = 3;

enum class Mode : std::uint8_t { Startup, Drain, ProbeBandwidth, ProbeRtt };

// The largest of the last kBandwidthRounds (Kathleen Nichols' filter; Linux: win_minmax).
struct MaxFilter {
  struct Entry {
    std::uint64_t value = 0;
    std::uint32_t round = 0;
  };
  Entry best[3];

  std::uint64_t get() const { return best[0].value; }
  void update(std::uint64_t value, std::uint32_t round) {
    const Entry entry{value, round};
    if (value >= best[0].value || round - best[2].round > kBandwidthRounds) {
      best[0] = best[1] = best[2] = entry;
      return;
    }
    if (value >= best[1].value) {
      best[1] = best[2] = entry;
    } else if (value >= best[2].value) {
      best[2] = entry;
    }
    if (round - best[0].round > kBandwidthRounds) {
      best[0] = best[1];
      best[1] = best[2];
      best[2] = entry;
      if (round - best[0].round > kBandwidthRounds) {
        best[0] = best[1];
        best[1] = best[2];
      }
    } else if (best[1].round == best[0].round && round - best[1].round > kBandwidthRounds / 4) {
      best[1] = best[2] = entry;
    } else if (best[2].round == best[1].round && round - best[2].round > kBandwidthRounds / 2) {
      best[2] = entry;
    }
  }
};

struct BbrState {
  MaxFilter bandwidth;  // bytes a second
  time::Duration min_rtt{};
  time::Instant min_rtt_at{};
  time::Instant probe_rtt_until{};
  time::Instant cycle_at{};
  std::uint64_t full_bandwidth = 0;
  std::uint32_t rounds = 0;
  std::uint32_t prior_cwnd = 0;
  std::uint8_t full_rounds = 0;
  std::uint8_t cycle = 0;
  Mode mode = Mode::Startup;
  bool full = false;          // the pipe is known to be full
  bool conservation = false;  // the first round of recovery sends what is delivered
  bool was_in_recovery = false;
  bool probe_rtt_round = false;
  bool rtt_seen = false;
};

double pacing_gain(const BbrState& state) {
  switch (state.mode) {
    case Mode::Startup:
      return kHighGain;
    case Mode::Drain:
      return 1 / kHighGain;
    case Mode::ProbeBandwidth:
      return kPacingGain[state.cycle];
    case Mode::ProbeRtt:
      return 1;
  }
  return 1;
}

double cwnd_gain(const BbrState& state) {
  switch (state.mode) {
    case Mode::Startup:
    case Mode::Drain:
      return kHighGain;
    case Mode::ProbeBandwidth:
      return kCwndGain;
    case Mode::ProbeRtt:
      return 1;
  }
  return 1;
}

std::uint32_t inflight(const BbrState& state, const CongestionWindow& window, double gain) {
  if (state.min_rtt == time::Duration()) return 10 * window.mss;
  const double product = static_cast<double>(state.bandwidth.get()) * state.min_rtt.count_s();
  // Room for what waits in the receiver for an ACK and in the sender for its turn.
  const double bytes = product * gain + 3.0 * window.mss;
  return static_cast<std::uint32_t>(
      std::clamp(bytes, double{kMinSegments} * window.mss, static_cast<double>(kMaxWindow)));
}

void set_pacing_rate(const BbrState& state, CongestionWindow& window, double gain) {
  const double rate = static_cast<double>(state.bandwidth.get()) * gain * kPacingMargin;
  const auto value = static_cast<std::uint64_t>(std::max(rate, 1.0));
  if (state.full || value > window.pacing_rate) window.pacing_rate = value;
}

void update_bandwidth(BbrState& state, const RateSample& sample) {
  if (sample.round_start) {
    ++state.rounds;
    state.conservation = false;
  }
  if (sample.interval <= time::Duration()) return;
  const auto rate =
      static_cast<std::uint64_t>(static_cast<double>(sample.delivered) / sample.interval.count_s());
  // What the program held back says little; but it is at least that much.
  if (!sample.app_limited || rate >= state.bandwidth.get())
    state.bandwidth.update(rate, state.rounds);
}

void enter_probe_bandwidth(BbrState& state, time::Instant now) {
  state.mode = Mode::ProbeBandwidth;
  // Not at the draining phase; flows that begin together come apart by their totals.
  state.cycle = static_cast<std::uint8_t>((2 + state.rounds % (kCycle - 1)) % kCycle);
  if (state.cycle == 1) state.cycle = 2;
  state.cycle_at = now;
}

void update_cycle(BbrState& state, const CongestionWindow& window, const RateSample& sample,
                  time::Instant now) {
  if (state.mode != Mode::ProbeBandwidth) return;
  const bool elapsed = now - state.cycle_at > state.min_rtt;
  const double gain = kPacingGain[state.cycle];
  bool next = elapsed;
  if (gain > 1) {
    next = elapsed &&
           (sample.newly_lost != 0 || sample.prior_in_flight >= inflight(state, window, gain));
  } else if (gain < 1) {
    next = elapsed || sample.prior_in_flight <= inflight(state, window, 1);
  }
  if (!next) return;
  state.cycle = static_cast<std::uint8_t>((state.cycle + 1) % kCycle);
  state.cycle_at = now;
}

void check_full(BbrState& state, const RateSample& sample) {
  if (state.full || !sample.round_start || sample.app_limited) return;
  if (static_cast<double>(state.bandwidth.get()) >=
      static_cast<double>(state.full_bandwidth) * kFullGrowth) {
    state.full_bandwidth = state.bandwidth.get();
    state.full_rounds = 0;
    return;
  }
  state.full = ++state.full_rounds >= kFullRounds;
}

void check_drain(BbrState& state, CongestionWindow& window, const RateSample& sample,
                 time::Instant now) {
  if (state.mode == Mode::Startup && state.full) {
    state.mode = Mode::Drain;
    window.ssthresh = inflight(state, window, 1);
  }
  if (state.mode == Mode::Drain && sample.in_flight <= inflight(state, window, 1))
    enter_probe_bandwidth(state, now);
}

void leave_probe_rtt(BbrState& state, CongestionWindow& window, time::Instant now) {
  state.min_rtt_at = now;
  window.cwnd = std::max(window.cwnd, state.prior_cwnd);
  if (state.full) {
    enter_probe_bandwidth(state, now);
  } else {
    state.mode = Mode::Startup;
  }
}

void update_min_rtt(BbrState& state, CongestionWindow& window, const RateSample& sample,
                    time::Instant now) {
  const bool known = state.min_rtt != time::Duration();
  const bool expired = known && now - state.min_rtt_at > kMinRttWindow;
  if (sample.rtt > time::Duration() && (!known || sample.rtt <= state.min_rtt || expired)) {
    state.min_rtt = sample.rtt;
    state.min_rtt_at = now;
  }
  if (expired && state.mode != Mode::ProbeRtt) {
    state.mode = Mode::ProbeRtt;
    state.prior_cwnd = window.cwnd;
    state.probe_rtt_until = time::Instant();
  }
  if (state.mode != Mode::ProbeRtt) return;
  if (state.probe_rtt_until == time::Instant()) {
    if (sample.in_flight <= kMinSegments * window.mss) {
      state.probe_rtt_until = now + kProbeRttTime;
      state.probe_rtt_round = false;
    }
    return;
  }
  if (sample.round_start) state.probe_rtt_round = true;
  if (state.probe_rtt_round && now > state.probe_rtt_until) leave_probe_rtt(state, window, now);
}

// True: recovery decides the window in this ACK.
bool recover(BbrState& state, CongestionWindow& window, const RateSample& sample,
             bool in_recovery) {
  if (sample.newly_lost != 0) window.cwnd -= std::min(window.cwnd - window.mss, sample.newly_lost);
  if (in_recovery && !state.was_in_recovery) {
    state.conservation = true;
    window.cwnd = sample.in_flight + sample.newly_acked;
  } else if (!in_recovery && state.was_in_recovery) {
    state.conservation = false;
    window.cwnd = std::max(window.cwnd, state.prior_cwnd);
  }
  state.was_in_recovery = in_recovery;
  if (!state.conservation) return false;
  window.cwnd = std::max(window.cwnd, sample.in_flight + sample.newly_acked);
  return true;
}

void set_cwnd(BbrState& state, CongestionWindow& window, const RateSample& sample,
              bool in_recovery) {
  if (sample.newly_acked != 0 && !recover(state, window, sample, in_recovery)) {
    const std::uint32_t target = inflight(state, window, cwnd_gain(state));
    if (state.full) {
      window.cwnd = std::min(window.cwnd + sample.newly_acked, target);
    } else if (window.cwnd < target || state.rounds < 2) {
      window.cwnd = std::min(window.cwnd + sample.newly_acked, kMaxWindow);
    }
  }
  window.cwnd = std::max(window.cwnd, kMinSegments * window.mss);
  if (state.mode == Mode::ProbeRtt) window.cwnd = std::min(window.cwnd, kMinSegments * window.mss);
}

class Bbr final : public CongestionControl {
 public:
  std::string_view name() const override { return "bbr"; }
  bool owns_recovery() const override { return true; }

  void start(CongestionState& bytes, CongestionWindow& window, time::Instant now) const override {
    auto& state = start_state<BbrState>(bytes);
    state.min_rtt = window.min_rtt;
    state.min_rtt_at = now;
    const time::Duration rtt =
        window.srtt > time::Duration() ? window.srtt : time::Duration::milliseconds(1);
    state.rtt_seen = window.srtt > time::Duration();
    window.pacing_rate =
        static_cast<std::uint64_t>(kHighGain * static_cast<double>(window.cwnd) / rtt.count_s());
    window.ssthresh = CongestionWindow().ssthresh;
  }

  void on_ack(CongestionState& bytes, CongestionWindow& window, const RateSample& sample,
              bool in_recovery, time::Instant now) const override {
    auto& state = state_of<BbrState>(bytes);
    update_bandwidth(state, sample);
    update_cycle(state, window, sample, now);
    check_full(state, sample);
    check_drain(state, window, sample, now);
    update_min_rtt(state, window, sample, now);
    if (!state.rtt_seen && window.srtt > time::Duration()) {
      state.rtt_seen = true;
      window.pacing_rate = static_cast<std::uint64_t>(kHighGain * static_cast<double>(window.cwnd) /
                                                      window.srtt.count_s());
    }
    set_pacing_rate(state, window, pacing_gain(state));
    set_cwnd(state, window, sample, in_recovery);
  }

  std::uint32_t on_congestion(CongestionState& bytes, CongestionWindow& window,
                              time::Instant) const override {
    save(state_of<BbrState>(bytes), window);
    return window.ssthresh;
  }

  void on_timeout(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    auto& state = state_of<BbrState>(bytes);
    state.was_in_recovery = true;
    state.full_bandwidth = 0;
    state.full_rounds = 0;
  }

  void on_undo(CongestionState& bytes, CongestionWindow&, time::Instant) const override {
    auto& state = state_of<BbrState>(bytes);
    state.full_bandwidth = 0;
    state.full_rounds = 0;
    state.was_in_recovery = state.conservation = false;
  }

  void on_idle(CongestionState& bytes, CongestionWindow& window, time::Duration,
               time::Instant) const override {
    auto& state = state_of<BbrState>(bytes);
    if (state.mode == Mode::ProbeBandwidth) set_pacing_rate(state, window, 1);
  }

 private:
  static void save(BbrState& state, const CongestionWindow& window) {
    if (!state.was_in_recovery && state.mode != Mode::ProbeRtt)
      state.prior_cwnd = window.cwnd;
    else
      state.prior_cwnd = std::max(state.prior_cwnd, window.cwnd);
  }
};

constexpr Bbr kBbr;

}  // namespace

const CongestionControl& bbr() {
  return kBbr;
}

}  // namespace linnet::tcp
