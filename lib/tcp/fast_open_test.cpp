// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/fast_open.hpp"

#include <gtest/gtest.h>

namespace linnet::tcp {
namespace {

using time::Duration;

constexpr SipKey kOne{1, 2}, kTwo{3, 4};
const Ipv4Address kClient(192, 0, 2, 1), kServer(192, 0, 2, 2), kOther(192, 0, 2, 3);
constexpr auto kBegin = time::Instant::from_ns(500'000'000'000);

TEST(FastOpenKeys, ACookieIsOfOneClientOneServerAndOneKey) {
  const FastOpenKeySet keys{kOne, {}, false};
  const FastOpenCookie cookie = keys.make(kClient, kServer);
  EXPECT_EQ(cookie.length, 8);
  EXPECT_EQ(keys.check(cookie, kClient, kServer), FastOpenKeySet::Verdict::Good);
  EXPECT_EQ(keys.check(cookie, kOther, kServer), FastOpenKeySet::Verdict::Bad);
  EXPECT_EQ(keys.check(cookie, kClient, kOther), FastOpenKeySet::Verdict::Bad);
  EXPECT_EQ(keys.check({}, kClient, kServer), FastOpenKeySet::Verdict::Bad);
  FastOpenCookie shorter = cookie;
  shorter.length = 4;
  EXPECT_EQ(keys.check(shorter, kClient, kServer), FastOpenKeySet::Verdict::Bad);
}

TEST(FastOpenKeys, TheKeyBeforeStillCountsWhileItIsTheBackup) {
  const FastOpenCookie old = FastOpenKeySet{kOne, {}, false}.make(kClient, kServer);
  FastOpenKeys shared;
  shared.store({kTwo, kOne, true});
  EXPECT_EQ(shared.load().check(old, kClient, kServer), FastOpenKeySet::Verdict::Old);
  shared.store({kTwo, kOne, false});
  EXPECT_EQ(shared.load().check(old, kClient, kServer), FastOpenKeySet::Verdict::Bad);
}

TEST(FastOpenQueue, WhatARstEndedCountsForAMinuteMore) {
  FastOpenQueue queue;
  EXPECT_FALSE(queue.admits(0, kBegin));
  ASSERT_TRUE(queue.admits(2, kBegin));
  queue.enter();
  ASSERT_TRUE(queue.admits(2, kBegin));
  queue.enter();
  EXPECT_FALSE(queue.admits(2, kBegin));
  queue.leave();
  EXPECT_TRUE(queue.admits(2, kBegin));
  queue.enter();
  queue.leave_by_reset(kBegin);
  queue.leave_by_reset(kBegin + Duration::seconds(30));
  EXPECT_EQ(queue.pending(), 0u);
  EXPECT_FALSE(queue.admits(2, kBegin + Duration::seconds(59)));
  EXPECT_TRUE(queue.admits(2, kBegin + Duration::seconds(71)));
  EXPECT_FALSE(queue.admits(1, kBegin + Duration::seconds(89)));
  EXPECT_TRUE(queue.admits(1, kBegin + Duration::seconds(101)));
  EXPECT_TRUE(queue.admits(1, kBegin + Duration::seconds(100'000)));
}

FastOpenNews answer(std::uint8_t first, std::uint16_t mss) {
  FastOpenNews news;
  news.cookie = FastOpenCookie{8, {first}};
  news.mss = mss;
  return news;
}

TEST(FastOpenCache, KeepsCookieAndMssOfEachServer) {
  FastOpenCache cache;
  EXPECT_EQ(cache.look(kClient, kServer, kBegin).cookie.length, 0);
  cache.learn(kClient, kServer, answer(7, 1400), kBegin);
  cache.learn(kClient, kOther, answer(8, 1300), kBegin);
  EXPECT_EQ(cache.look(kClient, kServer, kBegin).cookie.bytes[0], 7);
  EXPECT_EQ(cache.look(kClient, kOther, kBegin).mss, 1300);
  // A SYN-ACK without a cookie takes none away (RFC 7413 section 4.2.1).
  cache.learn(kClient, kServer, {}, kBegin);
  EXPECT_EQ(cache.look(kClient, kServer, kBegin).cookie.bytes[0], 7);
  EXPECT_EQ(cache.look(kClient, kServer, kBegin).mss, 1400);
}

TEST(FastOpenKeys, CountInEitherFormOfTheOption) {
  const FastOpenKeySet keys{kTwo, kOne, true};
  FastOpenCookie cookie = keys.make(kClient, kServer);
  cookie.experiment = true;
  EXPECT_EQ(keys.check(cookie, kClient, kServer), FastOpenKeySet::Verdict::Good);
  cookie = FastOpenKeySet{kOne, {}, false}.make(kClient, kServer);
  cookie.experiment = true;
  EXPECT_EQ(keys.check(cookie, kClient, kServer), FastOpenKeySet::Verdict::Old);
}

FastOpenNews unanswered(bool by_experiment) {
  FastOpenNews news;
  news.unanswered = true;
  news.asked_by_experiment = by_experiment;
  return news;
}

TEST(FastOpenCache, TriesTheExperimentOnceWhereTheOptionIsNotAnswered) {
  FastOpenCache cache;
  const auto asks_by_experiment = [&] {
    const FastOpenCookie asked = cache.look(kClient, kServer, kBegin).cookie;
    EXPECT_EQ(asked.length, 0);
    return asked.experiment;
  };
  EXPECT_FALSE(asks_by_experiment());
  cache.learn(kClient, kServer, unanswered(false), kBegin);
  EXPECT_TRUE(asks_by_experiment());
  EXPECT_FALSE(cache.look(kClient, kOther, kBegin).cookie.experiment);
  cache.learn(kClient, kServer, unanswered(true), kBegin);
  EXPECT_FALSE(asks_by_experiment());
  cache.learn(kClient, kServer, unanswered(false), kBegin);
  EXPECT_FALSE(asks_by_experiment());
}

TEST(FastOpenCache, KeepsACookieInTheFormInWhichItCame) {
  FastOpenCache cache;
  FastOpenNews news = answer(7, 1400);
  news.cookie->experiment = true;
  cache.learn(kClient, kServer, news, kBegin);
  EXPECT_TRUE(cache.look(kClient, kServer, kBegin).cookie.experiment);
  cache.learn(kClient, kServer, unanswered(false), kBegin);
  EXPECT_TRUE(cache.look(kClient, kServer, kBegin).cookie.experiment);
  cache.learn(kClient, kServer, answer(8, 1400), kBegin);
  EXPECT_FALSE(cache.look(kClient, kServer, kBegin).cookie.experiment);
}

TEST(FastOpenCache, IsBoundedAndForgetsWhatWasUsedLongestAgo) {
  FastOpenCache cache;
  unsigned kept = 0;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    cache.learn(kClient, Ipv4Address::from_host(i), answer(1, 1400),
                kBegin + Duration::microseconds(i));
    ASSERT_EQ(cache.look(kClient, Ipv4Address::from_host(i), kBegin).mss, 1400);
  }
  for (std::uint32_t i = 0; i < 10'000; ++i)
    kept += cache.look(kClient, Ipv4Address::from_host(i), kBegin).mss != 0 ? 1 : 0;
  EXPECT_GT(kept, 300u);
  EXPECT_LE(kept, 512u);
}

TEST(FastOpenCache, ForgetsAllWhenItIsFlushed) {
  FastOpenCache cache;
  cache.follow(0);
  cache.learn(kClient, kServer, answer(7, 1400), kBegin);
  cache.follow(0);
  EXPECT_EQ(cache.look(kClient, kServer, kBegin).mss, 1400);
  cache.follow(1);
  EXPECT_EQ(cache.look(kClient, kServer, kBegin).cookie.length, 0);
  EXPECT_EQ(cache.look(kClient, kServer, kBegin).mss, 0);
  cache.learn(kClient, kServer, answer(7, 1400), kBegin);
  cache.follow(1);
  EXPECT_EQ(cache.look(kClient, kServer, kBegin).mss, 1400);
}

TEST(FastOpenCache, RefrainsLongerWithEachSynThatWasLost) {
  FastOpenCache cache;
  FastOpenNews lost;
  lost.syn_dropped = true;
  cache.learn(kClient, kServer, answer(7, 1400), kBegin);
  cache.learn(kClient, kServer, lost, kBegin);
  EXPECT_TRUE(cache.look(kClient, kServer, kBegin + Duration::seconds(119)).refrains);
  EXPECT_FALSE(cache.look(kClient, kServer, kBegin + Duration::seconds(121)).refrains);
  cache.learn(kClient, kServer, lost, kBegin);
  EXPECT_TRUE(cache.look(kClient, kServer, kBegin + Duration::seconds(239)).refrains);
  cache.learn(kClient, kServer, answer(7, 1400), kBegin);
  EXPECT_FALSE(cache.look(kClient, kServer, kBegin).refrains);
}

TEST(FastOpenCache, ABlackHolePausesAllForTheSpanAndTwiceAsLongTheNextTime) {
  FastOpenCache cache;
  EXPECT_FALSE(cache.disabled(100, kBegin));
  cache.black_hole(kBegin);
  EXPECT_FALSE(cache.disabled(0, kBegin));
  EXPECT_TRUE(cache.disabled(100, kBegin + Duration::seconds(99)));
  EXPECT_FALSE(cache.disabled(100, kBegin + Duration::seconds(101)));
  cache.black_hole(kBegin);
  EXPECT_TRUE(cache.disabled(100, kBegin + Duration::seconds(199)));
  cache.works();
  EXPECT_FALSE(cache.disabled(100, kBegin));
}

}  // namespace
}  // namespace linnet::tcp
