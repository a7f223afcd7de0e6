// SPDX-License-Identifier: BSD-3-Clause
#include "support/poison.hpp"

#include "support/lane_fixture.hpp"

#ifdef LINNET_ADDRESS_SANITIZER
namespace linnet::tests {
namespace {

class PoisonDeathTest : public LaneFixture {
 protected:
  PoisonDeathTest() { packet_ = receive(Bytes(21)); }
  ~PoisonDeathTest() override {
    packet::Turn t = turn();
    if (packet_) t.deliver(std::move(packet_));
  }
  volatile std::uint8_t* bytes() const {
    return reinterpret_cast<volatile std::uint8_t*>(packet_.data());
  }
  packet::Packet packet_;
};

TEST_F(PoisonDeathTest, TheByteBehindTheFrameIsOutOfBounds) {
  EXPECT_EQ(bytes()[20], 0);
  EXPECT_DEATH(bytes()[21] = 1, "use-after-poison");
}

TEST_F(PoisonDeathTest, HeadroomIsOutOfBoundsUntilItIsPushed) {
  EXPECT_DEATH(bytes()[-1] = 1, "use-after-poison");
  ASSERT_NE(packet_.push(8), nullptr);
  bytes()[0] = 1;
}

TEST_F(PoisonDeathTest, WhatWasTrimmedIsOutOfBounds) {
  packet_.trim(13);
  EXPECT_DEATH(bytes()[13] = 1, "use-after-poison");
}

TEST_F(PoisonDeathTest, APacketThatWasDeliveredIsOutOfBounds) {
  volatile std::uint8_t* const old = bytes();
  packet::Turn t = turn();
  t.deliver(std::move(packet_));
  EXPECT_DEATH(old[0] = 1, "use-after-poison");
}

TEST_F(PoisonDeathTest, APacketFreedTwiceIsFound) {
  rte_mbuf* const mbuf = packet_.mbuf();
  EXPECT_DEATH(
      {
        rte_mempool_put(pool_->raw(), mbuf);
        rte_mempool_put(pool_->raw(), mbuf);
      },
      "twice|check|CHECK");
}

}  // namespace
}  // namespace linnet::tests
#endif
