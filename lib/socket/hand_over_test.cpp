// SPDX-License-Identifier: BSD-3-Clause
#include "socket/hand_over.hpp"

#include <gtest/gtest.h>

#include <array>

#include "support/lane_fixture.hpp"

namespace linnet::socket {
namespace {

// Lane 0 gives, lane 1 takes; each way takes 31 packets.
class GiverTest : public tests::LaneFixture {
 protected:
  void give(std::uint8_t first, unsigned count) {
    packet::Turn now = turn();
    for (unsigned i = 0; i < count; ++i)
      giver_.give(now, 1, receive(std::array{static_cast<std::uint8_t>(first + i)}));
  }
  void end_turn() {
    packet::Turn now = turn();
    giver_.go(now);
  }
  // The packets that went over, by their first bytes.
  tests::Bytes taken() {
    std::array<rte_mbuf*, 64> packets;
    packet::Turn now = turn();
    tests::Bytes out;
    const unsigned count = rings_.packets(0, 1).pop_some(packets.data(), packets.size());
    now.ledger.held.subtract(count);
    for (unsigned i = 0; i < count; ++i) {
      packet::Packet packet(packets[i]);
      out.push_back(bytes_of(packet).at(0));
      now.deliver(std::move(packet));
    }
    return out;
  }

  HandOver rings_{2, 31, 4};
  Giver giver_{rings_, 0};
};

TEST_F(GiverTest, WhatGatheredGoesOverInOrderWhenTheTurnEnds) {
  give(10, 3);
  EXPECT_TRUE(rings_.packets(0, 1).empty());
  EXPECT_EQ(giver_.take_given_to(), 0u);
  end_turn();
  EXPECT_EQ(ledger_.held.value(), 3u);
  EXPECT_EQ(giver_.packets(), 3u);
  EXPECT_EQ(giver_.take_given_to(), 2u) << "the lane that is to be woken";
  EXPECT_EQ(taken(), (tests::Bytes{10, 11, 12}));
  end_turn();
  EXPECT_EQ(giver_.take_given_to(), 0u) << "nothing more has gone";
}

TEST_F(GiverTest, AFullRingDropsTheLastOnesByNameAndKeepsThoseBefore) {
  give(0, 64);  // as many as go by themselves
  EXPECT_EQ(drops(Drop::HandOverFull), 33u);
  EXPECT_EQ(ledger_.held.value(), 31u);
  EXPECT_EQ(giver_.packets(), 31u);
  give(100, 2);
  end_turn();
  EXPECT_EQ(drops(Drop::HandOverFull), 35u);
  EXPECT_EQ(giver_.take_given_to(), 2u);
  const tests::Bytes first = taken();
  ASSERT_EQ(first.size(), 31u);
  EXPECT_EQ(first.front(), 0);
  EXPECT_EQ(first.back(), 30);
  give(120, 1);
  end_turn();
  EXPECT_EQ(taken(), (tests::Bytes{120})) << "there is room again";
}

}  // namespace
}  // namespace linnet::socket
