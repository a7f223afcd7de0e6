// SPDX-License-Identifier: BSD-3-Clause
// Recovery over paths that lose, reorder and duplicate at random: all arrives, the timer always
// stands, the account is right after each event.
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "tcp/path_fixture.hpp"

namespace linnet::tcp {
namespace {

using Case =
    std::tuple<const char*, bool, bool, double, double>;  // control, SACK, TS, loss, reorder

class Path : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Matrix, Path,
                         ::testing::Combine(::testing::Values("reno", "cubic", "bbr", "dctcp"),
                                            ::testing::Bool(), ::testing::Bool(),
                                            ::testing::Values(0.0, 0.01, 0.05, 0.2, 0.4),
                                            ::testing::Values(0.0, 0.1)));

TEST_P(Path, AllArrivesAndATimerStandsAlways) {
  const auto& [control, sack, timestamps, loss, reorder] = GetParam();
  constexpr std::uint64_t kBytes = 400'123;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    SentPool pool(seed == 4 ? 24 : 5000);  // the last one lives with too few records
    Settings settings;
    Counters counters;
    Recovery recovery(pool, settings, counters, *find_congestion_control(control));
    PathOptions options;
    options.loss = loss;
    options.ack_loss = loss / 2;
    options.reorder = reorder;
    options.duplicate = reorder / 2;
    options.sack = sack;
    options.timestamps = timestamps;
    options.seed = seed;
    options.queue = seed == 2 ? 5'000 : 100'000;
    PathModel path(recovery, options, kBytes, Seq(0u - 200'000u * (seed % 2)), kStart);
    path.check = [&] {
      if (path.sent() == path.acked()) return;
      ASSERT_NE(recovery.deadline(), time::Instant::never());
      ASSERT_LE(recovery.deadline() - path.now(), time::Duration::seconds(120));
      const std::uint64_t out = path.sent() - path.acked();
      ASSERT_EQ(recovery.in_flight() + recovery.sacked_bytes() + recovery.lost_bytes(), out);
      ASSERT_GE(recovery.window().cwnd, recovery.window().mss);
      ASSERT_LE(recovery.retransmitted_bytes(), out);
    };
    ASSERT_TRUE(path.run(time::Duration::seconds(100'000)))
        << "seed " << seed << " acked " << path.acked();
    EXPECT_EQ(pool.available(), pool.capacity());
    const bool clean = loss == 0 && reorder == 0 && seed == 1;
    EXPECT_LE(path.wire_bytes(), clean ? kBytes * 5 / 4 : 4 * kBytes);
  }
}

TEST(PathCost, RetransmissionsAreAboutWhatWasLost) {
  SentPool pool(5000);
  Settings settings;
  Counters counters;
  Recovery recovery(pool, settings, counters, *find_congestion_control("cubic"));
  PathOptions options;
  options.loss = 0.01;
  PathModel path(recovery, options, 10'000'000, Seq(1), kStart);
  ASSERT_TRUE(path.run(time::Duration::seconds(1000)));
  EXPECT_LT(static_cast<double>(path.wire_bytes()), 10'000'000 * 1.013);
  EXPECT_LE(counters.value(Count::TCPTimeouts), 2u);
}

TEST(PathCost, ReorderingAloneCostsAlmostNothing) {
  SentPool pool(5000);
  Settings settings;
  Counters counters;
  Recovery recovery(pool, settings, counters, *find_congestion_control("cubic"));
  PathOptions options;
  options.reorder = 0.05;
  PathModel path(recovery, options, 10'000'000, Seq(1), kStart);
  ASSERT_TRUE(path.run(time::Duration::seconds(1000)));
  EXPECT_LT(static_cast<double>(path.wire_bytes()), 10'000'000 * 1.01);
  EXPECT_EQ(counters.value(Count::TCPTimeouts), 0u);
  EXPECT_GT(10e6 / (path.now() - kStart).count_s(), 0.8 * options.rate);
}

// What comes 3 ms late on a path of 4 ms is beyond RACK's first window of a quarter: that must be
// learned from what fills holes (RFC 8985 6.2 step 3), though it was sent again meanwhile. Each
// such retransmission comes back as a D-SACK.
TEST(PathCost, ReorderingBeyondTheFirstWindowIsLearned) {
  for (const char* control : {"reno", "cubic", "bbr"}) {
    for (unsigned seed = 1; seed <= 3; ++seed) {
      SentPool pool(5000);
      Settings settings;
      Counters counters;
      Recovery recovery(pool, settings, counters, *find_congestion_control(control));
      PathOptions options;
      options.one_way = time::Duration::milliseconds(2);
      options.late = time::Duration::milliseconds(3);
      options.reorder = 0.03;
      options.rate = 1.25e7;
      options.mss = 1448;
      options.queue = 250'000;
      options.seed = seed;
      PathModel path(recovery, options, 20'000'000, Seq(1), kStart);
      ASSERT_TRUE(path.run(time::Duration::seconds(1000)));
      EXPECT_LE(counters.value(Count::TCPDSACKRecv), 60u) << control << " seed " << seed;
      EXPECT_GT(20e6 / (path.now() - kStart).count_s(), 0.9 * options.rate) << control;
    }
  }
}

}  // namespace
}  // namespace linnet::tcp
