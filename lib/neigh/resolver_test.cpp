// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/resolver.hpp"

#include "neigh/drops.hpp"
#include "neigh/neigh_fixture.hpp"

namespace linnet::neigh {
namespace {

using time::Duration;

class ResolverTest : public NeighFixture {};

TEST_F(ResolverTest, UnknownNeighbourIsAskedForByBroadcast) {
  send_to(kPeer, 1);
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  ASSERT_TRUE(frames[0].arp());
  EXPECT_TRUE(frames[0].link.destination.is_broadcast());
  EXPECT_EQ(frames[0].link.source, kOurMac);
  const wire::ArpPacket arp = frames[0].arp_packet();
  EXPECT_EQ(arp.operation.host(), wire::kArpRequest);
  EXPECT_EQ(arp.sender_mac, kOurMac);
  EXPECT_EQ(arp.sender_ip, kOurs);
  EXPECT_EQ(arp.target_ip, kPeer);
  EXPECT_TRUE(arp.target_mac.is_zero());
  EXPECT_EQ(state(), Nud::Incomplete);
  EXPECT_EQ(ledger_.held.value(), 1u);
}

TEST_F(ResolverTest, WaitingPacketsLeaveInOrderWhenTheAnswerComes) {
  for (std::uint8_t tag = 1; tag <= 5; ++tag)
    send_to(kPeer, tag);
  EXPECT_EQ(arps(sent()), 1u);
  reply_in();
  const auto frames = sent();
  EXPECT_EQ(tags(frames), (std::vector<std::uint8_t>{1, 2, 3, 4, 5}));
  for (const Sent& frame : frames) {
    EXPECT_EQ(frame.link.destination, kPeerMac);
    EXPECT_EQ(frame.link.source, kOurMac);
    EXPECT_EQ(frame.link.ethertype.host(), wire::ethertype::kIpv4);
  }
  EXPECT_EQ(state(), Nud::Reachable);
  send_to(kPeer, 6);
  EXPECT_EQ(tags(sent()), (std::vector<std::uint8_t>{6}));
}

TEST_F(ResolverTest, NoAnswerMakesWaitingPacketsUnresolvedAfterThreeQuestions) {
  send_to(kPeer, 1);
  send_to(kPeer, 2);
  run_for(Duration::milliseconds(2900));
  EXPECT_EQ(arps(sent()), 3u);
  EXPECT_TRUE(unresolved_.packets.empty());
  run_for(Duration::milliseconds(600));
  EXPECT_EQ(arps(sent()), 0u);
  ASSERT_EQ(unresolved_.packets.size(), 2u);
  EXPECT_EQ(bytes_of(unresolved_.packets[0]).at(20), 1);
  EXPECT_EQ(bytes_of(unresolved_.packets[1]).at(20), 2);
  EXPECT_EQ(state(), Nud::Failed);
  EXPECT_EQ(ledger_.held.value(), 0u);
}

}  // namespace
}  // namespace linnet::neigh
