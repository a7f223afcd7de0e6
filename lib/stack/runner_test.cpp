// SPDX-License-Identifier: BSD-3-Clause
#include "stack/runner.hpp"

#include <gtest/gtest.h>
#include <rte_lcore.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "stack/stack.hpp"

namespace linnet::stack {
namespace {

using packet::Burst;
using packet::Packet;

// A port whose frames a test makes appear from another thread: runts, which end as one drop each.
class Source final : public device::Device {
 public:
  Source(packet::Pool& pool, bool wakes)
      : device::Device(device::Kind::Port, "src"),
        pool_(pool),
        fd_(wakes ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE) : -1) {
    publish_link(true);
  }
  ~Source() override {
    if (fd_ >= 0) ::close(fd_);
  }
  void offer(unsigned frames) {
    const std::uint64_t count = frames;
    if (fd_ >= 0) {
      EXPECT_EQ(::write(fd_, &count, sizeof count), ssize_t{sizeof count});
    }
    offered_.fetch_add(frames);
  }
  unsigned receive(unsigned, Burst& burst) override {
    if (during_receive) during_receive();
    unsigned count = 0;
    while (offered_.load() > 0 && !burst.full()) {
      Packet frame = pool_.allocate();
      if (!frame) break;
      offered_.fetch_sub(1);
      std::uint64_t one;
      if (fd_ >= 0) {
        EXPECT_EQ(::read(fd_, &one, sizeof one), ssize_t{sizeof one});
      }
      burst.push(std::move(frame));
      ++count;
    }
    return count;
  }
  unsigned transmit(unsigned, Burst&) override { return 0; }
  int receive_wakeup_fd(unsigned) override { return fd_; }
  bool arm_receive_wakeup(unsigned, bool) override { return true; }

  std::function<void()> during_receive;

 private:
  packet::Pool& pool_;
  const int fd_;
  std::atomic<unsigned> offered_{0};
};

class RunnerTest : public testing::Test {
 protected:
  void make(bool wakes, RunnerOptions options = {}) {
    static int serial = 0;
    Options stack;
    stack.pool.name = "runner" + std::to_string(serial++);
    stack.pool.packets = 1024;
    stack.pool.cache = 0;
    stack.seed = 1;
    stack.origin = clock_.now();
    stack_ = std::move(Stack::create(stack)).value();
    auto source = std::make_unique<Source>(stack_->pool(), wakes);
    source_ = source.get();
    ASSERT_TRUE(stack_->add_device(std::move(source)).ok());
    ASSERT_TRUE(stack_->set_link(*source_, true).ok());
    runner_ =
        std::make_unique<LaneRunner>(stack_->lane(0), stack_->rcu(), stack_->devices(), options);
  }
  void TearDown() override {
    runner_.reset();
    const Account account = stack_->account();
    EXPECT_TRUE(account.balanced());
  }
  static unsigned worker() { return rte_get_next_lcore(-1, 1, 0); }
  std::uint64_t packets() { return stack_->lane(0).statistics().packets.value(); }
  std::uint64_t sleeps() { return stack_->lane(0).statistics().sleeps.value(); }
  template <typename Condition>
  static void until(Condition&& condition) {
    while (!condition())
      std::this_thread::yield();
  }

  time::TscClock clock_;
  std::unique_ptr<Stack> stack_;
  Source* source_ = nullptr;
  std::unique_ptr<LaneRunner> runner_;
};

// A lost wake-up would end such a sleep only after an hour: the test hangs then.
RunnerOptions sleeps_long() {
  RunnerOptions options;
  options.rest.longest_sleep = time::Duration::seconds(3600);
  return options;
}

TEST_F(RunnerTest, ALaneOnAWorkerSleepsAndAFrameWakesIt) {
  make(true, sleeps_long());
  ASSERT_TRUE(runner_->start(worker()).ok());
  std::uint64_t slept = 0;
  for (unsigned round = 1; round <= 50; ++round) {
    until([&] { return sleeps() > slept; });
    slept = sleeps();
    source_->offer(1);
    until([&] { return packets() == round; });
  }
  runner_->stop();
  EXPECT_FALSE(runner_->running());
  EXPECT_EQ(stack_->account().dropped, 50u);
}

TEST_F(RunnerTest, AFullBurstIsFollowedByMoreInTheSameTurnWithinABudget) {
  make(false);
  Lane& lane = stack_->lane(0);
  constexpr unsigned kBurst = Burst::kCapacity;
  source_->offer(5 * kBurst + 3);
  EXPECT_TRUE(lane.turn(clock_.now()));
  EXPECT_EQ(packets(), 4 * kBurst) << "other devices have their turn then";
  EXPECT_EQ(lane.statistics().bursts.value(), 4u);
  unsigned polls = 0;
  source_->during_receive = [&polls] { ++polls; };
  EXPECT_TRUE(lane.turn(clock_.now()));
  EXPECT_EQ(packets(), 5 * kBurst + 3);
  EXPECT_EQ(polls, 2u) << "a burst with room left ends it";
}

TEST_F(RunnerTest, ALaneWhosePortCannotWakeItStillFindsFrames) {
  make(false);
  ASSERT_TRUE(runner_->start(worker()).ok());
  for (unsigned round = 1; round <= 20; ++round) {
    const std::uint64_t before = sleeps();
    until([&] { return sleeps() > before; });
    source_->offer(3);
    until([&] { return packets() == 3 * round; });
  }
}

TEST_F(RunnerTest, ASleepingLaneStopsAtOnceAndStartsAgain) {
  make(true, sleeps_long());
  for (unsigned round = 0; round < 3; ++round) {
    const std::uint64_t before = sleeps();
    ASSERT_TRUE(runner_->start(worker()).ok());
    until([&] { return sleeps() > before; });
    runner_->stop();
  }
  source_->offer(2);
  ASSERT_TRUE(runner_->start(worker()).ok());
  until([&] { return packets() == 2; });
}

TEST_F(RunnerTest, WhatIsDeferredIsReleasedThoughTheLaneSleeps) {
  make(true, sleeps_long());
  ASSERT_TRUE(runner_->start(worker()).ok());
  until([&] { return sleeps() > 0; });
  bool released = false;
  stack_->rcu().defer([&] { released = true; });
  until([&] {
    stack_->rcu().reclaim();
    return released;
  });
}

TEST_F(RunnerTest, ItEndsAfterSoManyPackets) {
  RunnerOptions options;
  options.stop_after_packets = 100;
  make(true, options);
  source_->offer(500);
  ASSERT_TRUE(runner_->start(worker()).ok());
  until([&] { return runner_->finished(); });
  runner_->stop();
  EXPECT_GE(packets(), 100u);
  EXPECT_LE(packets(), 4u * Burst::kCapacity) << "a turn is taken whole";
}

TEST_F(RunnerTest, ALaneOnTheControlCoreTakesTurnsAndSaysWhatItWaitsFor) {
  make(true);
  source_->offer(5);
  while (runner_->take_turns(clock_, 64)) {
  }
  EXPECT_EQ(packets(), 5u);
  LaneRunner::Wait wait = runner_->begin_wait(clock_);
  ASSERT_EQ(wait.descriptors.size(), 2u);
  EXPECT_GT(wait.at_most, time::Duration());
  pollfd watched[2] = {wait.descriptors[0], wait.descriptors[1]};
  EXPECT_EQ(::poll(watched, 2, 0), 0);
  source_->offer(1);
  EXPECT_EQ(::poll(watched, 2, -1), 1);
  runner_->end_wait();
  runner_->take_turns(clock_, 1);
  EXPECT_EQ(packets(), 6u);
  // A frame that comes before the ports are armed is found by the last look.
  while (runner_->take_turns(clock_, 64)) {
  }
  source_->offer(1);
  wait = runner_->begin_wait(clock_);
  EXPECT_EQ(wait.at_most, time::Duration());
  EXPECT_EQ(packets(), 7u);
  runner_->end_wait();
}

TEST_F(RunnerTest, ALaneThatFoundSomethingWakesTheFirstWhichItMayHaveHandedAPacket) {
  Waker first;
  RunnerOptions options;
  options.owner = &first;
  make(true, options);
  const auto signalled = [&] {
    pollfd descriptor{first.fd(), POLLIN, 0};
    return ::poll(&descriptor, 1, 0) == 1;
  };
  first.announce();
  runner_->take_turns(clock_, 1);
  EXPECT_FALSE(signalled());
  source_->offer(1);
  runner_->take_turns(clock_, 1);
  EXPECT_TRUE(signalled());
  first.awake();
  EXPECT_FALSE(signalled());
  source_->offer(1);
  runner_->take_turns(clock_, 1);
  EXPECT_FALSE(signalled());
}

TEST_F(RunnerTest, D7_AWatchdogSeesHowLongATurnLasts) {
  make(true);
  EXPECT_EQ(runner_->turn_lasts(clock_.now()), time::Duration());
  time::Duration seen;
  source_->during_receive = [&] {
    seen = runner_->turn_lasts(clock_.now() + time::Duration::seconds(2));
  };
  runner_->take_turns(clock_, 1);
  EXPECT_GE(seen, time::Duration::seconds(2));
  EXPECT_EQ(runner_->turn_lasts(clock_.now()), time::Duration());
}

TEST_F(RunnerTest, D7_AStallIsCountedThoughNobodyLookedWhileItLasted) {
  make(true);
  time::ManualClock clock(clock_.now());
  const auto stalls = [&] { return stack_->lane(0).statistics().stalls.value(); };
  source_->offer(1);
  runner_->take_turns(clock, 1);
  clock.advance(time::Duration::milliseconds(99));
  source_->offer(1);
  runner_->take_turns(clock, 1);
  EXPECT_EQ(stalls(), 0u);
  clock.advance(time::Duration::milliseconds(312));
  runner_->take_turns(clock, 1);
  EXPECT_EQ(stalls(), 1u);
  EXPECT_EQ(stack_->lane(0).statistics().last_stall_ns.value(), 312'000'000u);
  // A lane that has nothing to do stands still as long as it likes.
  clock.advance(time::Duration::milliseconds(500));
  runner_->take_turns(clock, 1);
  EXPECT_EQ(stalls(), 1u);
  // Its busy share: 411 of 911 ms.
  EXPECT_EQ(stack_->lane(0).statistics().busy_ns.value(), 411'000'000u);
  EXPECT_EQ(stack_->lane(0).statistics().ns.value(), 911'000'000u);
}

}  // namespace
}  // namespace linnet::stack
