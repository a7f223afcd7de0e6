// SPDX-License-Identifier: BSD-3-Clause
// Algorithms against their RFCs' formulas, and over a path with a bottleneck.
#include "tcp/congestion.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <tuple>

#include "tcp/path_fixture.hpp"

namespace linnet::tcp {
namespace {

struct Sender {
  SentPool pool{20000};
  Settings settings;
  Counters counters;
  Recovery recovery;
  explicit Sender(std::string_view name)
      : recovery(pool, settings, counters, *find_congestion_control(name)) {}
};

TEST(Congestion, AllAreFoundByTheNamesOfLinux) {
  EXPECT_EQ(available_congestion_controls(), "reno cubic bbr dctcp");
  for (const char* name : {"reno", "cubic", "bbr", "dctcp"})
    EXPECT_EQ(find_congestion_control(name)->name(), name);
  EXPECT_EQ(find_congestion_control("vegas"), nullptr);
  EXPECT_EQ(find_congestion_control(""), nullptr);
}

CongestionWindow window_of(std::uint32_t segments) {
  CongestionWindow window;
  window.mss = 1000;
  window.cwnd = segments * 1000;
  window.cwnd_limited = true;
  window.srtt = window.min_rtt = time::Duration::milliseconds(100);
  return window;
}

RateSample acked(std::uint32_t bytes) {
  RateSample sample;
  sample.acked = sample.newly_acked = bytes;
  return sample;
}

TEST(Reno, T16_CountsBytesAndAtMostTwoSegmentsAnAck) {
  const auto& reno = *find_congestion_control("reno");
  CongestionState state;
  CongestionWindow window = window_of(10);
  reno.start(state, window, kStart);
  reno.on_ack(state, window, acked(10000), false, kStart);
  EXPECT_EQ(window.cwnd, 12000u);
  reno.on_ack(state, window, acked(300), false, kStart);
  EXPECT_EQ(window.cwnd, 12300u);
  reno.on_timeout(state, window, kStart);
  window.cwnd = 1000;
  window.ssthresh = 5000;
  reno.on_ack(state, window, acked(4000), false, kStart);
  EXPECT_EQ(window.cwnd, 2000u);
}

TEST(Reno, GrowsASegmentARoundTripAndHalves) {
  const auto& reno = *find_congestion_control("reno");
  CongestionState state;
  CongestionWindow window = window_of(20);
  window.ssthresh = 20000;
  reno.start(state, window, kStart);
  for (int i = 0; i < 20; ++i)
    reno.on_ack(state, window, acked(1000), false, kStart);
  EXPECT_EQ(window.cwnd, 21000u);
  window.cwnd_limited = false;
  for (int i = 0; i < 100; ++i)
    reno.on_ack(state, window, acked(1000), false, kStart);
  EXPECT_EQ(window.cwnd, 21000u);
  EXPECT_EQ(reno.on_congestion(state, window, kStart), 10500u);
  window.cwnd = 1000;
  EXPECT_EQ(reno.on_congestion(state, window, kStart), 2000u);
}

// RFC 9438 section 4.2: W(t) = 0.4 (t - K)^3 + Wmax, K the cube root of (Wmax - cwnd) / 0.4.
TEST(Cubic, FollowsItsCurveWhereItIsAboveReno) {
  const auto& cubic = *find_congestion_control("cubic");
  CongestionState state;
  CongestionWindow window = window_of(1000);
  cubic.start(state, window, kStart);
  window.ssthresh = cubic.on_congestion(state, window, kStart);
  EXPECT_EQ(window.ssthresh, 700'000u);
  window.cwnd = window.ssthresh;
  const double k = std::cbrt(300 / 0.4);
  time::Instant now = kStart;
  for (int round = 1; round <= 150; ++round) {
    now = now + time::Duration::milliseconds(100);
    for (std::uint32_t left = window.cwnd; left != 0;) {
      const std::uint32_t part = std::min(left, 2000u);
      cubic.on_ack(state, window, acked(part), false, now);
      left -= part;
    }
    if (round % 10 != 0) continue;
    // The curve is that of a round trip ahead, which each ACK works towards.
    const double t = round * 0.1;
    const double expected = (0.4 * std::pow(t - k, 3) + 1000) * 1000;
    EXPECT_NEAR(window.cwnd, expected, expected * 0.03) << t;
  }
}

TEST(Cubic, IsAtLeastAsFastAsRenoOnShortPaths) {
  const auto& cubic = *find_congestion_control("cubic");
  CongestionState state;
  CongestionWindow window = window_of(20);
  window.srtt = time::Duration::milliseconds(10);
  cubic.start(state, window, kStart);
  window.cwnd = window.ssthresh = cubic.on_congestion(state, window, kStart);
  time::Instant now = kStart;
  for (int round = 0; round < 100; ++round) {
    now = now + time::Duration::milliseconds(10);
    for (std::uint32_t left = window.cwnd; left != 0;) {
      const std::uint32_t part = std::min(left, 1000u);
      cubic.on_ack(state, window, acked(part), false, now);
      left -= part;
    }
  }
  // 3 (1 - b) / (1 + b) = 0.53 segments a round trip until the old window, then one.
  EXPECT_NEAR(window.cwnd, (20 + 100 - 6 / 0.529) * 1000, 4000);
}

TEST(Cubic, FastConvergenceMakesRoom) {
  const auto& cubic = *find_congestion_control("cubic");
  CongestionState state;
  CongestionWindow window = window_of(100);
  cubic.start(state, window, kStart);
  window.cwnd = window.ssthresh = cubic.on_congestion(state, window, kStart);
  EXPECT_EQ(window.cwnd, 70'000u);
  window.cwnd = 80'000;  // did not reach 100 again
  EXPECT_EQ(cubic.on_congestion(state, window, kStart), 56'000u);
  window.cwnd = window.ssthresh = 56'000;
  // The plateau lies at 80 * 0.85 now: K = cbrt(12 / 0.4) = 3.1 s.
  time::Instant now = kStart;
  for (int round = 0; round < 31; ++round) {
    now = now + time::Duration::milliseconds(100);
    for (std::uint32_t left = window.cwnd; left != 0;) {
      const std::uint32_t part = std::min(left, 1000u);
      cubic.on_ack(state, window, acked(part), false, now);
      left -= part;
    }
  }
  EXPECT_NEAR(window.cwnd, 68'000, 5'000);
}

TEST(Cubic, HyStartEndsSlowStartWhenRoundTripsGrow) {
  const auto& cubic = *find_congestion_control("cubic");
  CongestionState state;
  CongestionWindow window = window_of(10);
  cubic.start(state, window, kStart);
  int rounds = 0;
  for (; rounds < 40 && window.cwnd < window.ssthresh; ++rounds) {
    const std::uint32_t cwnd = window.cwnd;
    for (std::uint32_t i = 0; i < cwnd / 1000 && window.cwnd < window.ssthresh; ++i) {
      RateSample sample = acked(1000);
      sample.round_start = i == 0;
      sample.rtt = time::Duration::milliseconds(rounds < 3 ? 40 : 50);
      cubic.on_ack(state, window, sample, false, kStart);
    }
    if (rounds < 3) {
      EXPECT_EQ(window.cwnd, 2 * cwnd);
    } else if (rounds > 4 && window.cwnd < window.ssthresh) {
      EXPECT_LE(window.cwnd, cwnd + cwnd / 4 + 1000);
    }
  }
  EXPECT_EQ(rounds, 9);  // three, one that shows it, five of conservative slow start
}

TEST(Dctcp, AnswersLossAsIfThereWereNoMarks) {
  const auto& dctcp = *find_congestion_control("dctcp");
  CongestionState state;
  CongestionWindow window;
  window.mss = 1000;
  window.cwnd = 100'000;
  dctcp.start(state, window, kStart);
  RateSample sample;
  sample.acked = sample.newly_acked = 1000;
  for (unsigned round = 0; round < 100; ++round) {
    sample.round_start = true;
    dctcp.on_ack(state, window, sample, true, kStart);
  }
  EXPECT_NEAR(dctcp.on_congestion(state, window, kStart), 100'000, 2000);
  EXPECT_EQ(dctcp.on_loss(state, window, kStart), 50'000u);
}

TEST(Dctcp, ShrinksByTheShareOfMarks) {
  const auto& dctcp = *find_congestion_control("dctcp");
  CongestionState state;
  CongestionWindow window = window_of(100);
  window.ssthresh = 100'000;
  dctcp.start(state, window, kStart);
  // RFC 8257 3.3: alpha goes to the share of marked bytes, here a quarter.
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 8; ++i) {
      RateSample sample = acked(100);
      sample.round_start = i == 0;
      sample.ecn_echo = i % 4 == 0;
      dctcp.on_ack(state, window, sample, true, kStart);
    }
  }
  EXPECT_NEAR(dctcp.on_congestion(state, window, kStart), 100'000 * (1 - 0.25 / 2), 700);
}

TEST(Congestion, T22_SmallestNumbersDivideNothingByZero) {
  for (const char* name : {"reno", "cubic", "bbr", "dctcp"}) {
    Sender sender(name);
    sender.recovery.start(Seq(0), 0, true, true, kStart);
    EXPECT_EQ(sender.recovery.window().mss, 1u);
    for (std::uint32_t i = 0; i < 5; ++i) {
      sender.recovery.on_transmit({Seq(i), Seq(i + 1)}, kStart, false);
      AckEvent event;
      event.ack = Seq(i + 1);
      sender.recovery.on_ack(event, kStart);  // a round trip of no time
    }
    EXPECT_GE(sender.recovery.window().cwnd, 1u);
    sender.recovery.set_mss(0);
    EXPECT_GE(sender.recovery.send_allowance(), 1u);
  }
}

// --- Over a path.

class OverAPath : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Controls, OverAPath, ::testing::Values("reno", "cubic", "bbr", "dctcp"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(OverAPath, ACleanPathIsFilled) {
  Sender sender(GetParam());
  PathOptions options;
  PathModel path(sender.recovery, options, 20'000'000, Seq(0u - 100'000u), kStart);
  ASSERT_TRUE(path.run(time::Duration::seconds(60)));
  const double seconds = (path.now() - kStart).count_s();
  EXPECT_GT(20e6 / seconds, 0.85 * options.rate) << seconds;
  EXPECT_EQ(sender.pool.available(), sender.pool.capacity());
  EXPECT_EQ(sender.counters.value(Count::TCPTimeouts), 0u);
}

TEST_P(OverAPath, MarksInsteadOfLosses) {
  Sender sender(GetParam());
  PathOptions options;
  options.mark_over = 30'000;
  options.queue = 1'000'000;
  PathModel path(sender.recovery, options, 10'000'000, Seq(1), kStart);
  ASSERT_TRUE(path.run(time::Duration::seconds(60)));
  EXPECT_GT(10e6 / (path.now() - kStart).count_s(), 0.75 * options.rate);
  EXPECT_EQ(path.wire_bytes(), 10'000'000u);
}

TEST(Bbr, RandomLossDoesNotSlowItDown) {
  for (const char* name : {"bbr", "reno"}) {
    Sender sender(name);
    PathOptions options;
    options.loss = 0.02;
    PathModel path(sender.recovery, options, 10'000'000, Seq(1), kStart);
    ASSERT_TRUE(path.run(time::Duration::seconds(300)));
    const double rate = 10e6 / (path.now() - kStart).count_s();
    if (std::string_view(name) == "bbr") {
      EXPECT_GT(rate, 0.8 * options.rate);
    } else {
      EXPECT_LT(rate, 0.5 * options.rate);
    }
  }
}

TEST(Bbr, TheQueueStaysShort) {
  Sender sender("bbr");
  PathOptions options;
  options.queue = 10'000'000;
  PathModel path(sender.recovery, options, 20'000'000, Seq(1), kStart);
  path.check = [&] {
    const bool settled = path.now() - kStart > time::Duration::seconds(5);
    ASSERT_LE(sender.recovery.srtt(), time::Duration::milliseconds(settled ? 125 : 1000));
  };
  ASSERT_TRUE(path.run(time::Duration::seconds(60)));
}

}  // namespace
}  // namespace linnet::tcp
