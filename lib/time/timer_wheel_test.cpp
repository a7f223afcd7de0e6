// SPDX-License-Identifier: BSD-3-Clause
#include "time/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "time/random.hpp"

namespace linnet::time {
namespace {

struct Probe {
  Timer timer{[](Timer& t, Instant now, void* context) {
    auto* const self =
        reinterpret_cast<Probe*>(reinterpret_cast<char*>(&t) - offsetof(Probe, timer));
    self->fired_at = now;
    ++self->fired;
    if (context != nullptr) static_cast<std::vector<Probe*>*>(context)->push_back(self);
  }};
  Instant fired_at;
  int fired = 0;
};

Instant at_ms(std::int64_t ms) {
  return Instant::from_ns(ms * 1'000'000);
}

TEST(TimerWheel, FiresNeverEarlyAndAtMostAnEighthLate) {
  Random random(7);
  for (int round = 0; round < 2000; ++round) {
    TimerWheel wheel(at_ms(0));
    const auto start = static_cast<std::int64_t>(random.below(100'000));
    wheel.advance(at_ms(start), 1, nullptr);
    Probe probe;
    const auto distance = static_cast<std::int64_t>(random.below(1ULL << random.below(31)));
    const Instant deadline = at_ms(start) + Duration::milliseconds(distance);
    wheel.arm(probe.timer, deadline);
    while (probe.fired == 0) {
      const Instant next = wheel.next_deadline();
      ASSERT_NE(next, Instant::never());
      wheel.advance(next, 10, nullptr);
    }
    ASSERT_GE(probe.fired_at, deadline);
    const std::int64_t late = (probe.fired_at - deadline).count_ms();
    ASSERT_LE(late, distance / 7 + 1) << "distance " << distance << " from " << start;
    ASSERT_EQ(wheel.next_deadline(), Instant::never());
  }
}

TEST(TimerWheel, CancelledTimerNeverFires) {
  TimerWheel wheel(at_ms(0));
  Probe a;
  Probe b;
  wheel.arm(a.timer, at_ms(10));
  wheel.arm(b.timer, at_ms(10));
  wheel.cancel(a.timer);
  wheel.cancel(a.timer);
  wheel.advance(at_ms(1000), 100, nullptr);
  EXPECT_EQ(a.fired, 0);
  EXPECT_EQ(b.fired, 1);
  EXPECT_EQ(wheel.armed(), 0u);
}

TEST(TimerWheel, RearmingMovesTheDeadline) {
  TimerWheel wheel(at_ms(0));
  Probe a;
  wheel.arm(a.timer, at_ms(10));
  wheel.arm(a.timer, at_ms(50));
  wheel.advance(at_ms(49), 100, nullptr);
  EXPECT_EQ(a.fired, 0);
  wheel.advance(at_ms(50), 100, nullptr);
  EXPECT_EQ(a.fired, 1);
}

TEST(TimerWheel, BudgetLeavesTheRestForTheNextCall) {
  TimerWheel wheel(at_ms(0));
  std::vector<std::unique_ptr<Probe>> probes;
  for (int i = 0; i < 1000; ++i) {
    probes.push_back(std::make_unique<Probe>());
    wheel.arm(probes.back()->timer, at_ms(5));
  }
  EXPECT_EQ(wheel.advance(at_ms(5), 300, nullptr), 300u);
  EXPECT_LE(wheel.next_deadline(), at_ms(5));
  wheel.cancel(probes[999]->timer);
  EXPECT_EQ(wheel.advance(at_ms(5), 300, nullptr), 300u);
  EXPECT_EQ(wheel.advance(at_ms(5), 3000, nullptr), 399u);
  EXPECT_EQ(wheel.next_deadline(), Instant::never());
}

TEST(TimerWheel, DeadlineInThePastIsDueAtTheNextAdvance) {
  TimerWheel wheel(at_ms(0));
  wheel.advance(at_ms(500), 1, nullptr);
  Probe a;
  wheel.arm(a.timer, at_ms(3));
  EXPECT_EQ(wheel.advance(at_ms(500), 10, nullptr), 1u);
  EXPECT_EQ(a.fired, 1);
}

TEST(TimerWheel, DeadlineBeyondTheLastLevelStillFiresNotEarly) {
  TimerWheel wheel(at_ms(0));
  Probe a;
  const Instant deadline = at_ms(40LL * 24 * 3600 * 1000);
  wheel.arm(a.timer, deadline);
  for (int i = 0; i < 1000 && a.fired == 0; ++i)
    wheel.advance(wheel.next_deadline(), 10, nullptr);
  ASSERT_EQ(a.fired, 1);
  EXPECT_GE(a.fired_at, deadline);
}

TEST(TimerWheel, TimeThatGoesBackwardsIsNoTime) {
  TimerWheel wheel(at_ms(0));
  Probe a;
  wheel.advance(at_ms(100), 1, nullptr);
  wheel.arm(a.timer, at_ms(110));
  wheel.advance(at_ms(5), 10, nullptr);
  EXPECT_EQ(a.fired, 0);
  wheel.advance(at_ms(110), 10, nullptr);
  EXPECT_EQ(a.fired, 1);
}

TEST(TimerWheel, AgreesWithAModelUnderRandomUse) {
  Random random(11);
  TimerWheel wheel(at_ms(0));
  std::vector<std::unique_ptr<Probe>> probes;
  std::vector<Instant> wanted;
  for (int i = 0; i < 300; ++i) {
    probes.push_back(std::make_unique<Probe>());
    wanted.push_back(Instant::never());
  }
  std::int64_t now = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::size_t i = random.below(probes.size());
    switch (random.below(4)) {
      case 0:
      case 1:
        wanted[i] = at_ms(now + static_cast<std::int64_t>(random.below(5000)));
        wheel.arm(probes[i]->timer, wanted[i]);
        break;
      case 2:
        wanted[i] = Instant::never();
        wheel.cancel(probes[i]->timer);
        break;
      default: {
        now += static_cast<std::int64_t>(random.below(300));
        std::vector<Probe*> fired;
        wheel.advance(at_ms(now), 1'000'000, &fired);
        for (const Probe* probe : fired) {
          const auto which =
              static_cast<std::size_t>(std::find_if(probes.begin(), probes.end(),
                                                    [&](auto& p) { return p.get() == probe; }) -
                                       probes.begin());
          ASSERT_LE(wanted[which], at_ms(now));
          wanted[which] = Instant::never();
        }
        for (std::size_t k = 0; k < probes.size(); ++k) {
          ASSERT_EQ(probes[k]->timer.armed(), wanted[k] != Instant::never());
          // Late by an eighth of at most five seconds.
          if (wanted[k] == Instant::never()) continue;
          ASSERT_GE(wanted[k] + Duration::milliseconds(720), at_ms(now));
        }
      }
    }
  }
  for (auto& probe : probes)
    wheel.cancel(probe->timer);
}

}  // namespace
}  // namespace linnet::time
