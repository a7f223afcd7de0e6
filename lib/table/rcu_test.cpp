// SPDX-License-Identifier: BSD-3-Clause
#include "table/rcu.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace linnet::table {
namespace {

TEST(Rcu, ReleasesAtOnceWhenNoLaneIsOnline) {
  Rcu rcu(4);
  bool released = false;
  rcu.defer([&] { released = true; });
  EXPECT_FALSE(released);
  EXPECT_EQ(rcu.reclaim(), 0u);
  EXPECT_TRUE(released);
}

TEST(Rcu, WaitsForEveryOnlineLane) {
  Rcu rcu(3);
  rcu.online(0);
  rcu.online(2);
  bool released = false;
  rcu.defer([&] { released = true; });
  rcu.quiescent(0);
  EXPECT_EQ(rcu.reclaim(), 1u);
  EXPECT_FALSE(released);
  rcu.quiescent(2);
  EXPECT_EQ(rcu.reclaim(), 0u);
  EXPECT_TRUE(released);
  rcu.offline(0);
  rcu.offline(2);
}

TEST(Rcu, ASleepingLaneHoldsNothingUp) {
  Rcu rcu(2);
  rcu.online(0);
  rcu.online(1);
  bool released = false;
  rcu.defer([&] { released = true; });
  rcu.offline(1);
  EXPECT_EQ(rcu.reclaim(), 1u);
  rcu.offline(0);
  EXPECT_EQ(rcu.reclaim(), 0u);
  EXPECT_TRUE(released);
}

TEST(Rcu, ReleasesInOrderAndOnlyWhatIsOldEnough) {
  Rcu rcu(1);
  rcu.online(0);
  std::vector<int> released;
  rcu.defer([&] { released.push_back(1); });
  rcu.quiescent(0);
  rcu.defer([&] { released.push_back(2); });
  EXPECT_EQ(rcu.reclaim(), 1u);
  EXPECT_EQ(released, std::vector<int>({1}));
  rcu.quiescent(0);
  EXPECT_EQ(rcu.reclaim(), 0u);
  EXPECT_EQ(released, std::vector<int>({1, 2}));
  rcu.offline(0);
}

TEST(Rcu, AReleaseMayDeferAnother) {
  int released = 0;
  {
    Rcu rcu(1);
    rcu.defer([&] {
      ++released;
      rcu.defer([&] { ++released; });
    });
  }
  EXPECT_EQ(released, 2);
}

TEST(Rcu, WorksWithTheMostLanes) {
  Rcu rcu(128);
  for (unsigned lane = 0; lane < 128; ++lane)
    rcu.online(lane);
  bool released = false;
  rcu.defer([&] { released = true; });
  for (unsigned lane = 0; lane < 127; ++lane)
    rcu.quiescent(lane);
  EXPECT_EQ(rcu.reclaim(), 1u);
  rcu.quiescent(127);
  EXPECT_EQ(rcu.reclaim(), 0u);
  EXPECT_TRUE(released);
  for (unsigned lane = 0; lane < 128; ++lane)
    rcu.offline(lane);
}

// A reader on its own thread never sees a value that was released while it could still use it.
TEST(Rcu, AReaderNeverSeesWhatWasReleased) {
  Rcu rcu(1);
  std::atomic<std::atomic<int>*> current{new std::atomic<int>(1)};
  std::atomic<bool> stop{false};
  std::atomic<int> bad{0}, turns{0};
  std::thread lane([&] {
    rcu.online(0);
    while (!stop.load(std::memory_order_relaxed)) {
      const std::atomic<int>* seen = current.load(std::memory_order_acquire);
      for (int i = 0; i < 20; ++i) {
        if (seen->load(std::memory_order_relaxed) != 1) bad.fetch_add(1);
      }
      turns.fetch_add(1, std::memory_order_relaxed);
      rcu.quiescent(0);
    }
    rcu.offline(0);
  });
  std::vector<std::unique_ptr<std::atomic<int>>> released;
  std::size_t changes = 0;
  for (; changes < 20000 || turns.load() < 1000; ++changes) {
    std::atomic<int>* old = current.exchange(new std::atomic<int>(1), std::memory_order_acq_rel);
    rcu.defer([&released, old] {
      old->store(0, std::memory_order_relaxed);
      released.emplace_back(old);
    });
    rcu.reclaim();
  }
  stop = true;
  lane.join();
  EXPECT_EQ(rcu.reclaim(), 0u);
  EXPECT_EQ(bad.load(), 0);
  EXPECT_EQ(released.size(), changes);
  delete current.load();
}

}  // namespace
}  // namespace linnet::table
