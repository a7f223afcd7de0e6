// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/resolver.hpp"

#include "neigh/drops.hpp"
#include "neigh/neigh_fixture.hpp"

namespace linnet::neigh {
namespace {

using time::Duration;

class ResolverTest : public NeighFixture, public testing::WithParamInterface<bool> {
 protected:
  ResolverTest() { one_by_one_ = GetParam(); }
  // Sends a burst and expects its tags, in order, at the peer and at the other neighbour.
  void expect_at(packet::Burst& burst, const std::vector<std::uint8_t>& expected_peer,
                 const std::vector<std::uint8_t>& expected_other) {
    packet::Turn now = turn();
    resolver_->output(now, burst);
    EXPECT_TRUE(burst.empty());
    settle();
    std::vector<std::uint8_t> to_peer, to_other;
    for (const Sent& frame : sent())
      (frame.link.destination == kPeerMac ? to_peer : to_other).push_back(frame.payload.at(20));
    EXPECT_EQ(to_peer, expected_peer);
    EXPECT_EQ(to_other, expected_other);
  }
};

TEST_P(ResolverTest, UnknownNeighbourIsAskedForByBroadcast) {
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

TEST_P(ResolverTest, WaitingPacketsLeaveInOrderWhenTheAnswerComes) {
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

TEST_P(ResolverTest, NoAnswerMakesWaitingPacketsUnresolvedAfterThreeQuestions) {
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

// --- Next hops that need no neighbour.

TEST_P(ResolverTest, LoopbackDeviceNeedsNoNeighbour) {
  send_to(Ipv4Address(127, 0, 0, 1), 4, 2);
  packet::Burst looped;
  ASSERT_EQ(devices_.at(2)->receive(0, looped), 1u);
  packet::Packet frame = looped.take(0);
  looped.clear();
  const auto& link = *frame.header<wire::EthernetHeader>();
  EXPECT_TRUE(link.destination.is_zero());
  EXPECT_TRUE(link.source.is_zero());
  EXPECT_EQ(link.ethertype.host(), wire::ethertype::kIpv4);
  rte_pktmbuf_free(frame.release());
  EXPECT_EQ(system_->counts().entries, 0u);
}

TEST_P(ResolverTest, MulticastNextHopIsMappedAsRfc1112Says) {
  send_to(Ipv4Address(239, 129, 2, 3), 1);
  send_to(Ipv4Address(224, 0, 0, 5), 2);
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].link.destination, MacAddress({0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}));
  EXPECT_EQ(frames[1].link.destination, MacAddress({0x01, 0x00, 0x5e, 0x00, 0x00, 0x05}));
}

TEST_P(ResolverTest, LimitedBroadcastNextHopIsTheLinksBroadcast) {
  send_to(Ipv4Address(255, 255, 255, 255), 1);
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_TRUE(frames[0].link.destination.is_broadcast());
  EXPECT_EQ(frames[0].link.source, kOurMac);
}

// --- Ways to the entry.

TEST_P(ResolverTest, GatewaysHintIsStoredAndWrongHintsDoNoHarm) {
  make_reachable();
  make_reachable(Ipv4Address(192, 0, 2, 8), kOtherMac);
  route::NextHop hop;
  hop.gateway = kPeer;
  send_to(kPeer, 1, 0, &hop);
  const std::uint32_t right = hop.neighbour_hint.load();
  EXPECT_NE(right, route::NextHop::kNoHint);
  const std::uint32_t other = system_->table().find(key_of(0, Ipv4Address(192, 0, 2, 8)));
  for (const std::uint32_t wrong : {other, 4095u, 4096u, 0xfffffffeu}) {
    hop.neighbour_hint = wrong;
    send_to(kPeer, 2, 0, &hop);
    EXPECT_EQ(hop.neighbour_hint.load(), right);
  }
  for (const Sent& frame : sent())
    EXPECT_EQ(frame.link.destination, kPeerMac);
}

TEST_P(ResolverTest, SlotThatIsAnothersNowIsNotBelieved) {
  route::NextHop hop;
  hop.gateway = kPeer;
  make_reachable();
  send_to(kPeer, 1, 0, &hop);  // the hint
  send_to(kPeer, 1);           // the lane's cache
  sent();
  ASSERT_TRUE(system_->remove(0, kPeer).ok());
  run();
  const Ipv4Address heir(192, 0, 2, 8);
  make_reachable(heir, kOtherMac);
  ASSERT_EQ(system_->table().find(key_of(0, heir)), hop.neighbour_hint.load());
  send_to(kPeer, 2, 0, &hop);
  send_to(kPeer, 3);
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_TRUE(frames[0].arp()) << "it must ask, not send to another's MAC";
}

TEST_P(ResolverTest, SameAddressOnAnotherDeviceIsAnotherNeighbour) {
  make_reachable();
  send_to(kPeer, 1, 1);
  EXPECT_TRUE(sent(0).empty());
  EXPECT_EQ(arps(sent(1)), 1u);
}

// Rows are told by hop: each of these is one of its own, though two ways lead to one neighbour.
TEST_P(ResolverTest, RowsOfManyHopsReachTheirNeighboursInOrder) {
  const Ipv4Address other(192, 0, 2, 8);
  make_reachable();
  make_reachable(other, kOtherMac);
  route::NextHop peers, others, on_link;
  peers.gateway = kPeer;
  others.gateway = other;
  const struct {
    const route::NextHop* hop;
    Ipv4Address next_hop;
  } ways[] = {
      {&peers, kPeer}, {&others, other}, {&on_link, kPeer}, {&on_link, other}, {nullptr, kPeer}};
  packet::Burst burst;
  std::vector<std::uint8_t> expected_peer, expected_other;
  for (std::uint8_t i = 0; i < 60; ++i) {
    const auto& way = ways[(i / 2 + i / 7) % std::size(ways)];
    (way.next_hop == kPeer ? expected_peer : expected_other).push_back(i);
    packet::Packet packet = ip_packet(i);
    packet.meta().output_device = 0;
    packet.meta().hop = way.hop;
    packet.meta().next_hop = way.next_hop;
    burst.push(std::move(packet));
  }
  expect_at(burst, expected_peer, expected_other);
}

TEST_P(ResolverTest, MixedBurstReachesEveryNeighbourInOrder) {
  const Ipv4Address other(192, 0, 2, 8);
  make_reachable();
  make_reachable(other, kOtherMac);
  packet::Burst burst;
  std::vector<std::uint8_t> expected_peer, expected_other;
  for (std::uint8_t i = 0; i < 64; ++i) {
    packet::Packet packet = ip_packet(i);
    const bool to_peer = i % 3 != 0;
    (to_peer ? expected_peer : expected_other).push_back(i);
    packet.meta().output_device = 0;
    packet.meta().next_hop = to_peer ? kPeer : other;
    burst.push(std::move(packet));
  }
  expect_at(burst, expected_peer, expected_other);
}

TEST_P(ResolverTest, PacketThatMustWaitLeavesNoHeaderToTheNextOfTheBurst) {
  const Ipv4Address asked(192, 0, 2, 8);
  make_reachable();
  send_to(asked);
  sent();
  packet::Burst burst;
  for (const Ipv4Address next_hop : {kPeer, asked, kPeer, asked, asked, kPeer}) {
    packet::Packet packet = ip_packet(1);
    packet.meta().output_device = 0;
    packet.meta().next_hop = next_hop;
    burst.push(std::move(packet));
  }
  packet::Turn now = turn();
  resolver_->output(now, burst);
  settle();
  const auto frames = sent();
  EXPECT_EQ(frames.size(), 3u);
  for (const Sent& frame : frames) {
    EXPECT_EQ(frame.link.destination, kPeerMac);
    EXPECT_EQ(frame.link.source, kOurMac);
  }
  EXPECT_EQ(ledger_.held.value(), 4u);
}

TEST_P(ResolverTest, UnresolvedStageMaySendAgainFromWithin) {
  struct Again {
    Resolver& resolver;
    unsigned calls = 0;
    void run(packet::Turn& turn, packet::Burst& burst) {
      ++calls;
      burst.drain([&](packet::Packet&& packet) { turn.deliver(std::move(packet)); });
      // An ICMP error to a host that must be asked for as well.
      packet::Packet error = turn.generate();
      error.put(21);
      error.meta().output_device = 0;
      error.meta().next_hop = Ipv4Address(192, 0, 2, 77);
      packet::Burst out;
      out.push(std::move(error));
      resolver.output(turn, out);
    }
  } again{*resolver_};
  resolver_->connect_unresolved(packet::Stage::of<&Again::run>(again));
  send_to(kPeer);
  run_for(Duration::seconds(4));
  EXPECT_EQ(again.calls, 1u);
  EXPECT_EQ(state(Ipv4Address(192, 0, 2, 77)), Nud::Incomplete);
  resolver_->connect_unresolved(packet::Stage{});
  run_for(Duration::seconds(4));
  EXPECT_EQ(drops(Drop::ResolutionFailed), 1u);
  sent();
}

// --- Two lanes.

class TwoLanes : public NeighFixture {
 protected:
  void send_from_other(Ipv4Address next_hop, std::uint8_t tag) {
    send_to(next_hop, tag, 0, nullptr, other_.get());
  }
  std::uint64_t held() { return ledger_.held.value() + other_ledger_.held.value(); }
};

TEST_F(TwoLanes, PacketWithoutNeighbourIsHandedToTheOwnerAndHeldOnTheWay) {
  send_from_other(kPeer, 1);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(held(), 1u);
  EXPECT_TRUE(other_ledger_.balanced());
  EXPECT_TRUE(system_->work_for_owner());
  run();
  EXPECT_FALSE(system_->work_for_owner());
  EXPECT_EQ(held(), 1u);
  EXPECT_TRUE(ledger_.balanced());
  EXPECT_EQ(arps(sent()), 1u);
  reply_in();
  EXPECT_EQ(tags(sent()), (std::vector<std::uint8_t>{1}));
  EXPECT_EQ(held(), 0u);
  send_from_other(kPeer, 2);
  EXPECT_EQ(tags(sent()), (std::vector<std::uint8_t>{2})) << "now the lane sends itself";
  EXPECT_EQ(other_ledger_.sent.value(), 1u);
}

TEST_F(TwoLanes, ArpOfAnotherLaneIsTheOwners) {
  send_to(kPeer, 1);
  sent();
  arp_in({.operation = wire::kArpReply, .target_mac = kOurMac}, other_.get());
  EXPECT_EQ(state(), Nud::Incomplete);
  run();
  EXPECT_EQ(state(), Nud::Reachable);
  EXPECT_EQ(tags(sent()), (std::vector<std::uint8_t>{1}));
}

TEST_F(TwoLanes, UseOfAStaleEntryIsToldOnce) {
  set(Nud::Stale);
  for (std::uint8_t i = 0; i < 5; ++i)
    send_from_other(kPeer, i);
  EXPECT_EQ(tags(sent()).size(), 5u) << "sent at once";
  EXPECT_EQ(state(), Nud::Stale);
  unsigned messages = 0;
  system_->mailbox().drain(100, [&](const Message& message) {
    ++messages;
    EXPECT_EQ(message.kind, MessageKind::Used);
  });
  EXPECT_EQ(messages, 1u);
}

TEST_F(TwoLanes, OwnerMovesAStaleEntryThatAnotherLaneUses) {
  for (int round = 0; round < 3; ++round) {
    set(Nud::Stale);
    send_from_other(kPeer, 1);
    run();
    EXPECT_EQ(state(), Nud::Delay);
  }
  sent();
}

TEST_F(TwoLanes, ConfirmationOfAnotherLaneReachesTheOwner) {
  set(Nud::Delay);
  packet::Turn now = other_turn();
  other_->confirm(now, 0, kPeer);
  run();
  EXPECT_EQ(state(), Nud::Reachable);
}

TEST_F(TwoLanes, FullRingDropsByNameAndRecovers) {
  for (unsigned i = 0; i < 2500; ++i)
    send_from_other(Ipv4Address(192, 0, 2, 7), 1);
  const auto dropped = other_ledger_.dropped(packet::reason_of(Drop::HandOffFull));
  EXPECT_GT(dropped, 0u);
  EXPECT_EQ(held(), 2500 - dropped);
  EXPECT_TRUE(other_ledger_.balanced());
  while (system_->work_for_owner())
    run();
  EXPECT_LE(held(), 64u);
  EXPECT_TRUE(ledger_.balanced());
  reply_in();
  sent();
}

TEST_F(TwoLanes, WhatIsInTheRingAtTheEndIsDropped) {
  send_from_other(kPeer, 1);
  arp_in({}, other_.get());
  packet::Turn now = turn();
  packet::Turn other_now = other_turn();
  other_->clear(other_now);
  resolver_->clear(now);
  EXPECT_EQ(held(), 0u);
  EXPECT_EQ(drops(Drop::EntryDeleted), 2u);
}

// By `output`, and by `output_one`.
INSTANTIATE_TEST_SUITE_P(Both, ResolverTest, testing::Bool());

}  // namespace
}  // namespace linnet::neigh
