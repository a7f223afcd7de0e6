// SPDX-License-Identifier: BSD-3-Clause
// SO_MAX_PACING_RATE: what leaves over any span is no more than the rate allows, whatever controls
// congestion, and not much less.
#include "tcp/connection_fixture.hpp"

namespace linnet::tcp::tests {
namespace {

class MaxPacing : public PairFixture {
 protected:
  void begin(float rate, const char* control) {
    a_.options.max_pacing_rate = rate;
    a_.options.congestion_control = find_congestion_control(control);
    a_.to_write = 1'000'000'000;
    ab_.drop = [this](const Wire& wire) {
      if (!wire.data.empty()) note(static_cast<std::uint32_t>(wire.data.size()));
      return false;
    };
    establish();
    began_ = clock_.now();
  }
  void set(float rate) {
    a_.options.max_pacing_rate = rate;
    packet::Turn now = turn();
    a_.connection->set_options(now, a_.options);
    began_ = clock_.now();
    sent_ = 0;
    ahead_ = 0;
  }
  void note(std::uint32_t bytes) {
    sent_ += bytes;
    const double seconds = static_cast<double>((clock_.now() - began_).count_ns()) / 1e9;
    const double allowed = static_cast<double>(a_.options.max_pacing_rate) * seconds;
    ahead_ = std::max(ahead_, static_cast<double>(sent_) - allowed);
  }
  // Bytes a second since `begin` or `set`.
  double rate() {
    return static_cast<double>(sent_) * 1e9 /
           static_cast<double>((clock_.now() - began_).count_ns());
  }
  Info info() {
    Info out;
    a_.connection->info(clock_.now(), out);
    return out;
  }

  time::Instant began_{};
  std::uint64_t sent_ = 0;
  double ahead_ = 0;  // the most that was sent before its time
};

// Two bursts of two segments, one of which the grain of a millisecond lets go early.
constexpr double kBurst = 4 * 1460;

class MaxPacingOf : public MaxPacing, public testing::WithParamInterface<const char*> {};

TEST_P(MaxPacingOf, BoundsTheRateAndFillsIt) {
  begin(250'000, GetParam());
  run(Duration::seconds(8));
  EXPECT_LE(ahead_, kBurst + 250);
  EXPECT_GE(rate(), 0.85 * 250'000);
  EXPECT_EQ(info().max_pacing_rate, 250'000u);
  EXPECT_LE(info().pacing_rate, 250'000u);
  EXPECT_GE(info().pacing_rate, 150'000u);
  EXPECT_EQ(a_.count(Count::RetransSegs), 0u);
}

INSTANTIATE_TEST_SUITE_P(Controls, MaxPacingOf, testing::Values("cubic", "reno", "bbr", "dctcp"));

TEST_F(MaxPacing, RatesFarBelowASegmentASecond) {
  begin(100, "cubic");
  run(Duration::seconds(600));
  EXPECT_LE(ahead_, kBurst);
  EXPECT_GE(rate(), 0.9 * 100);
}

TEST_F(MaxPacing, RetransmissionsAreUnderItToo) {
  ab_.loss = 50;
  begin(250'000, "cubic");
  run(Duration::seconds(8));
  EXPECT_GT(a_.count(Count::RetransSegs), 10u);
  EXPECT_LE(ahead_, kBurst + 3 * 1460);  // a tail loss probe does not wait
}

TEST_F(MaxPacing, AChangeCountsAtOnceInBothDirections) {
  begin(100, "cubic");
  run(Duration::seconds(20));
  set(1'000'000);  // the next segment was due in half a minute
  run(Duration::seconds(3));
  EXPECT_LE(ahead_, kBurst + 1000);
  EXPECT_GE(rate(), 0.85 * 1'000'000);
  set(50'000);
  run(Duration::seconds(4));
  EXPECT_LE(ahead_, kBurst);
  EXPECT_GE(rate(), 0.85 * 50'000);
}

TEST_F(MaxPacing, WithoutOneCubicIsNotPaced) {
  begin(50'000, "cubic");
  run(Duration::seconds(1));
  set(0);
  EXPECT_EQ(info().max_pacing_rate, UINT64_MAX);
  EXPECT_EQ(info().pacing_rate, UINT64_MAX);
  run(Duration::milliseconds(200));
  EXPECT_GT(rate(), 1'000'000);
}

// Linux paces by cwnd over RTT then, with some room to grow: a window goes out over a round trip.
TEST_F(MaxPacing, ARateThatIsNeverReachedSpreadsTheWindow) {
  begin(1e9, "cubic");
  run(Duration::milliseconds(1));
  const Info now = info();
  const double window = static_cast<double>(now.snd_cwnd) * now.snd_mss;
  EXPECT_NEAR(static_cast<double>(now.pacing_rate), 2 * window * 1e6 / now.rtt, window);
  EXPECT_LT(sent_, window / 2);
}

}  // namespace
}  // namespace linnet::tcp::tests
