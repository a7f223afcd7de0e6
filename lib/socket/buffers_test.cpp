// SPDX-License-Identifier: BSD-3-Clause
#include "socket/buffers.hpp"

#include <set>

#include "support/lane_fixture.hpp"

namespace linnet::socket {
namespace {

class BuffersTest : public tests::LaneFixture {
 protected:
  Buffers buffers_{*pool_};
};

TEST_F(BuffersTest, EveryBufferHasANumberOfItsOwn) {
  std::vector<packet::Packet> all;
  std::set<std::uint32_t> numbers;
  while (packet::Packet packet = pool_->allocate(packet::Pool::Priority::Control)) {
    const std::uint32_t number = pool_->index_of(packet.mbuf());
    EXPECT_EQ(pool_->at(number), packet.mbuf());
    EXPECT_TRUE(numbers.insert(number).second);
    all.push_back(std::move(packet));
  }
  EXPECT_EQ(numbers.size(), pool_->size());
  for (packet::Packet& packet : all)
    rte_pktmbuf_free(packet.release());
  EXPECT_EQ(pool_->at(0xffffffff), nullptr);
}

TEST_F(BuffersTest, BytesOfAProgramReachTheLane) {
  auto ref = buffers_.take(3);
  ASSERT_TRUE(ref);
  EXPECT_GE(ref->length, 2048);
  std::memcpy(buffers_.address(*ref), "hello", 5);
  ref->length = 5;
  packet::Packet packet = buffers_.take_over(3, *ref);
  ASSERT_TRUE(packet);
  EXPECT_EQ(bytes_of(packet), (tests::Bytes{'h', 'e', 'l', 'l', 'o'}));
  EXPECT_FALSE(buffers_.take_over(3, *ref)) << "it is not the program's any more";
  rte_pktmbuf_free(packet.release());
}

TEST_F(BuffersTest, WhatIsNotTheProgramsIsNotBelieved) {
  auto ref = buffers_.take(3);
  ASSERT_TRUE(ref);
  EXPECT_FALSE(buffers_.take_over(4, *ref));
  EXPECT_FALSE(buffers_.free_returned(4, ref->index));
  EXPECT_FALSE(buffers_.free_returned(3, 0xffffffff));
  BufferRef outside = *ref;
  outside.offset = 0xffff;
  EXPECT_FALSE(buffers_.take_over(3, outside));
  outside = *ref;
  outside.length = 0xffff;
  EXPECT_FALSE(buffers_.take_over(3, outside));
  EXPECT_TRUE(buffers_.free_returned(3, ref->index));
  EXPECT_FALSE(buffers_.free_returned(3, ref->index));
}

TEST_F(BuffersTest, ReceivedSegmentsAreLentAndComeBack) {
  packet::Packet packet = receive(tests::Bytes{1, 2, 3, 4});
  packet.pull(1);
  ledger_.delivered.add();
  const BufferRef ref = buffers_.hand_out(0, packet.release());
  EXPECT_EQ(ref.length, 3);
  EXPECT_EQ(static_cast<int>(buffers_.address(ref)[0]), 2);
  EXPECT_TRUE(buffers_.free_returned(0, ref.index));
}

TEST_F(BuffersTest, ADeadProgramsBuffersComeBack) {
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(buffers_.take(7));
  const auto other = buffers_.take(8);
  EXPECT_EQ(buffers_.reclaim(7), 100u);
  EXPECT_EQ(buffers_.reclaim(7), 0u);
  buffers_.give_back(8, *other);
}

}  // namespace
}  // namespace linnet::socket
