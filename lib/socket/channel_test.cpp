// SPDX-License-Identifier: BSD-3-Clause
#include "socket/channel.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "socket/sessions.hpp"

namespace linnet::socket {
namespace {

bool readable(int fd) {
  pollfd poller{fd, POLLIN, 0};
  return poll(&poller, 1, 0) == 1;
}

class SessionTest : public testing::Test {
 protected:
  static Message numbered(std::uint64_t n) {
    Message message;
    message.value = n;
    return message;
  }
  Sessions sessions_{2};
  Session& session_ = **sessions_.create({16, 16});
};

TEST_F(SessionTest, MessagesComeInOrderOverManyRounds) {
  std::uint64_t sent = 0, seen = 0;
  Message out;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 11; ++i)
      ASSERT_TRUE(session_.requests(1).push(numbered(sent++)));
    while (session_.lane_requests(1).pop(out))
      ASSERT_EQ(out.value, seen++);
  }
  EXPECT_EQ(seen, sent);
  EXPECT_TRUE(session_.lane_requests(0).empty()) << "lanes have rings of their own";
}

TEST_F(SessionTest, AFullRingRefusesAndLosesNothing) {
  for (std::uint64_t i = 0; i < 16; ++i)
    ASSERT_TRUE(session_.lane_events(0).push(numbered(i)));
  EXPECT_FALSE(session_.lane_events(0).push(numbered(99)));
  EXPECT_FALSE(session_.lane_events(0).has_room(1));
  Message out;
  ASSERT_TRUE(session_.events(0).pop(out));
  EXPECT_TRUE(session_.lane_events(0).push(numbered(16)));
  for (std::uint64_t i = 1; i <= 16; ++i) {
    ASSERT_TRUE(session_.events(0).pop(out));
    EXPECT_EQ(out.value, i);
  }
  EXPECT_FALSE(session_.events(0).pop(out));
}

TEST_F(SessionTest, ALiarAboutCountersGetsNothingAndHarmsNothing) {
  const auto& header = *reinterpret_cast<SessionHeader*>(session_.block());
  auto& shared = *reinterpret_cast<RingShared*>(session_.block() + header.request_offset[0]);
  shared.written.store(1000);
  Message out;
  EXPECT_FALSE(session_.lane_requests(0).pop(out));
  EXPECT_TRUE(session_.lane_requests(0).broken());
  auto& events = *reinterpret_cast<RingShared*>(session_.block() + header.event_offset[0]);
  events.read.store(77);
  EXPECT_EQ(session_.lane_events(0).room(), 0u);
  EXPECT_FALSE(session_.lane_events(0).push(out));
}

TEST_F(SessionTest, TheBlockHoldsNoPointersAndNamesItsPartsByOffset) {
  const auto& header = *reinterpret_cast<SessionHeader*>(session_.block());
  EXPECT_EQ(header.magic, SessionHeader::kMagic);
  EXPECT_EQ(header.lanes, 2u);
  std::uint32_t at = header.request_offset[0];
  EXPECT_GE(at, sizeof(SessionHeader));
  for (unsigned lane = 0; lane < 2; ++lane) {
    EXPECT_EQ(header.request_offset[lane], at);
    at += 128 + 16 * 64;
    EXPECT_EQ(header.event_offset[lane], at);
    at += 128 + 16 * 64;
  }
  EXPECT_EQ(header.bytes, at);
}

TEST_F(SessionTest, OnlyASleeperIsSignalled) {
  session_.wake_if_asleep();
  EXPECT_FALSE(readable(session_.wake_fd()));
  session_.begin_sleep();
  session_.wake_if_asleep();
  EXPECT_TRUE(readable(session_.wake_fd()));
  session_.end_sleep();
  EXPECT_FALSE(readable(session_.wake_fd()));
}

// A program that sleeps whenever it finds nothing gets all of what a lane writes.
TEST_F(SessionTest, NoWakeUpIsLost) {
  constexpr std::uint64_t kMessages = 20000;
  std::thread program([this] {
    Message out;
    for (std::uint64_t seen = 0; seen < kMessages;) {
      if (session_.events(0).pop(out)) {
        ASSERT_EQ(out.value, seen++);
        continue;
      }
      session_.begin_sleep();
      if (session_.events(0).empty()) {
        pollfd poller{session_.wake_fd(), POLLIN, 0};
        ASSERT_EQ(poll(&poller, 1, 10'000), 1) << "slept over message " << seen;
      }
      session_.end_sleep();
    }
  });
  for (std::uint64_t i = 0; i < kMessages;) {
    if (!session_.lane_events(0).push(numbered(i))) {
      std::this_thread::yield();
      continue;
    }
    session_.wake_if_asleep();
    ++i;
  }
  program.join();
}

TEST(SessionsTest, AClosedSessionStaysUntilEveryLaneLetGo) {
  Sessions sessions(2);
  Session& first = **sessions.create();
  const std::uint16_t number = first.number();
  const std::uint32_t version = sessions.version();
  sessions.close(first);
  EXPECT_NE(sessions.version(), version);
  std::vector<std::uint16_t> gone;
  const auto reap = [&] { sessions.reap([&](std::uint16_t n) { gone.push_back(n); }); };
  sessions.let_go(first, 0);
  reap();
  EXPECT_EQ(sessions.at(number), &first);
  EXPECT_TRUE(gone.empty());
  sessions.let_go(first, 1);
  reap();
  EXPECT_EQ(sessions.at(number), nullptr);
  EXPECT_EQ(gone, std::vector<std::uint16_t>{number});
  const std::uint32_t generation = sessions.generation(number);
  EXPECT_EQ((*sessions.create())->number(), number);
  EXPECT_NE(sessions.generation(number), generation);
}

TEST(SessionsTest, WhatLanesLetGoOfIsItsProgramsUntilThatClosesIt) {
  Sessions sessions(1);
  Session& broken = **sessions.create();
  sessions.let_go(broken, 0);
  unsigned gone = 0;
  sessions.reap([&](std::uint16_t) { ++gone; });
  EXPECT_EQ(gone, 0u);
  EXPECT_EQ(sessions.at(broken.number()), &broken);
  sessions.close(broken);
  sessions.reap([&](std::uint16_t) { ++gone; });
  EXPECT_EQ(gone, 1u);
}

TEST(SessionsTest, TooManyAndOddSizesAreRefused) {
  Sessions sessions(1);
  EXPECT_FALSE(sessions.create({100, 16}).ok());
  EXPECT_FALSE(sessions.create({16, 8}).ok());
  for (unsigned i = 0; i < Sessions::kMax; ++i)
    ASSERT_TRUE(sessions.create({16, 16}).ok());
  EXPECT_FALSE(sessions.create({16, 16}).ok());
}

}  // namespace
}  // namespace linnet::socket
