// SPDX-License-Identifier: BSD-3-Clause
#include "hook/hook.hpp"

#include "support/lane_fixture.hpp"

namespace linnet::hook {
namespace {

using packet::Packet;
using packet::Turn;

class HookTest : public tests::LaneFixture {
 protected:
  // A function that notes its name and gives a fixed verdict.
  struct Judge {
    std::vector<int>* log;
    int name;
    Verdict verdict;
    static Verdict run(void* self, Turn&, Point, Packet&) {
      const auto& judge = *static_cast<Judge*>(self);
      judge.log->push_back(judge.name);
      return judge.verdict;
    }
  };
  packet::Burst& burst_of(int count) {
    for (int i = 0; i < count; ++i)
      burst_.push(receive(tests::Bytes(20, static_cast<std::uint8_t>(i))));
    return burst_;
  }
  void run(Point point) {
    Turn t = turn();
    hooks_.run(point, t, burst_);
  }
  void finish() {
    Turn t = turn();
    burst_.drain([&](Packet&& packet) { t.deliver(std::move(packet)); });
  }

  Hooks hooks_;
  packet::Burst burst_;
  std::vector<int> log_;
};

TEST_F(HookTest, FunctionsRunByPriorityAndEqualOnesInOrderOfRegistration) {
  Judge a{&log_, 1, Verdict::Accept}, b{&log_, 2, Verdict::Accept}, c{&log_, 3, Verdict::Accept};
  hooks_.add(Point::Forward, {100, Judge::run, &a});
  hooks_.add(Point::Forward, {-100, Judge::run, &b});
  hooks_.add(Point::Forward, {100, Judge::run, &c});
  burst_of(1);
  run(Point::Forward);
  EXPECT_EQ(log_, (std::vector<int>{2, 1, 3}));
  run(Point::Input);
  EXPECT_EQ(log_.size(), 3u) << "another point's functions ran";
  finish();
}

TEST_F(HookTest, DropEndsThePacketByNameAndTheChain) {
  Judge a{&log_, 1, Verdict::Drop}, b{&log_, 2, Verdict::Accept};
  hooks_.add(Point::Input, {0, Judge::run, &a});
  hooks_.add(Point::Input, {1, Judge::run, &b});
  burst_of(3);
  run(Point::Input);
  EXPECT_TRUE(burst_.empty());
  EXPECT_EQ(drops(Drop::Verdict), 3u);
  EXPECT_EQ(log_, (std::vector<int>{1, 1, 1}));
}

TEST_F(HookTest, AcceptedPacketsKeepTheirOrderAroundDroppedAndStolenOnes) {
  struct Odd {
    static Verdict run(void*, Turn& turn, Point, Packet& packet) {
      const auto value = std::to_integer<int>(packet.data()[0]);
      if (value % 3 == 1) return Verdict::Drop;
      if (value % 3 == 0) return Verdict::Accept;
      turn.deliver(std::move(packet));
      return Verdict::Stolen;
    }
  };
  hooks_.add(Point::PreRouting, {0, Odd::run, nullptr});
  burst_of(9);
  run(Point::PreRouting);
  ASSERT_EQ(burst_.size(), 3u);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(*rte_pktmbuf_mtod(burst_.peek(i), std::uint8_t*), i * 3);
  }
  EXPECT_EQ(ledger_.delivered.value(), 3u);
  finish();
}

TEST_F(HookTest, EndlessRepeatIsADrop) {
  Judge a{&log_, 1, Verdict::Repeat};
  hooks_.add(Point::Output, {0, Judge::run, &a});
  burst_of(1);
  run(Point::Output);
  EXPECT_EQ(log_.size(), 4u);
  EXPECT_EQ(drops(Drop::Verdict), 1u);
}

TEST_F(HookTest, RemovedFunctionsLeaveAnEmptyPoint) {
  Judge a{&log_, 1, Verdict::Drop};
  hooks_.add(Point::PostRouting, {0, Judge::run, &a});
  EXPECT_FALSE(hooks_.empty(Point::PostRouting));
  hooks_.remove(Point::PostRouting, &a);
  EXPECT_TRUE(hooks_.empty(Point::PostRouting));
  burst_of(1);
  run(Point::PostRouting);
  EXPECT_EQ(burst_.size(), 1u);
  finish();
}

}  // namespace
}  // namespace linnet::hook
