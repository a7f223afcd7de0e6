// SPDX-License-Identifier: BSD-3-Clause
#include "ip/icmp_limit.hpp"

#include <gtest/gtest.h>

#include <set>

namespace linnet::ip {
namespace {

using time::Duration;
using time::Instant;

class IcmpLimitTest : public testing::Test {
 protected:
  bool allow(unsigned destination) {
    return limit_.allow(Ipv4Address::from_host(0x0a000000 + destination), now_, rates_, random_);
  }
  unsigned allowed(unsigned destination, unsigned tries) {
    unsigned count = 0;
    for (unsigned i = 0; i < tries; ++i)
      count += allow(destination) ? 1 : 0;
    return count;
  }

  IcmpLimit limit_{SipKey{1, 2}};
  IcmpLimit::Rates rates_{1000, 1000, 50};
  time::Random random_{5};
  Instant now_ = Instant::from_ns(7'000'000'000);
};

TEST_F(IcmpLimitTest, OneDestinationGetsSixThenOneASecond) {
  EXPECT_EQ(allowed(1, 20), 6u);
  for (int second = 0; second < 5; ++second) {
    now_ = now_ + Duration::milliseconds(999);
    EXPECT_EQ(allowed(1, 20), 0u);
    now_ = now_ + Duration::milliseconds(1);
    EXPECT_EQ(allowed(1, 20), 1u);
  }
  now_ = now_ + Duration::seconds(100);
  EXPECT_EQ(allowed(1, 20), 6u);
}

TEST_F(IcmpLimitTest, DestinationsDoNotShareABucket) {
  rates_.burst = 1000;
  for (unsigned i = 0; i < 100; ++i)
    EXPECT_EQ(allowed(i, 7), 6u);
}

TEST_F(IcmpLimitTest, TheLaneSendsItsRateOnAverage) {
  rates_.per_destination_ms = 0;
  unsigned count = allowed(1, 1000);
  EXPECT_GE(count, 25u);
  EXPECT_LE(count, 120u);
  count = 0;
  for (int ms = 0; ms < 20'000; ++ms) {
    now_ = now_ + Duration::milliseconds(1);
    count += allowed(1, 3);
  }
  EXPECT_GT(count, 17'000u);
  EXPECT_LT(count, 23'000u);
}

TEST_F(IcmpLimitTest, B7_TheNumberOfErrorsInABurstIsNotPredictable) {
  rates_.per_destination_ms = 0;
  std::set<unsigned> bursts;
  for (int i = 0; i < 100; ++i) {
    now_ = now_ + Duration::seconds(10);
    bursts.insert(allowed(1, 1000));
  }
  EXPECT_GT(bursts.size(), 15u);
}

TEST_F(IcmpLimitTest, ARefusalCostsTheLaneNothing) {
  EXPECT_EQ(allowed(1, 10'000), 6u);
  EXPECT_EQ(allowed(2, 10), 6u);
}

TEST_F(IcmpLimitTest, NoRateMeansNoErrors) {
  rates_ = {0, 0, 0};
  EXPECT_EQ(allowed(1, 10), 0u);
}

TEST_F(IcmpLimitTest, HundredsOfDestinationsAreRemembered) {
  rates_.burst = 1'000'000;
  for (unsigned i = 0; i < 300; ++i)
    EXPECT_EQ(allowed(i, 10), 6u);
  unsigned forgotten = 0;
  for (unsigned i = 300; i-- > 0;)
    forgotten += allow(i) ? 1 : 0;
  EXPECT_LE(forgotten, 12u);
}

TEST_F(IcmpLimitTest, ManyDestinationsKeepTheTableBounded) {
  rates_.burst = 1'000'000;
  rates_.per_second = 1'000'000;
  for (unsigned i = 0; i < 100'000; ++i)
    EXPECT_TRUE(allow(i));
}

}  // namespace
}  // namespace linnet::ip
