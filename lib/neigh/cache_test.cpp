// SPDX-License-Identifier: BSD-3-Clause
// The machine at work: timers, questions, waiting packets.
#include "neigh/cache.hpp"

#include <set>

#include "neigh/neigh_fixture.hpp"

namespace linnet::neigh {
namespace {

using time::Duration;
using time::Instant;

class CacheTest : public NeighFixture {
 protected:
  // Runs until a frame leaves (at most `limit`) and returns when.
  Instant when_next_frame(Duration limit) {
    const Instant end = clock_.now() + limit;
    while (clock_.now() < end && port(0).outbound() == 0) {
      advance(Duration::milliseconds(1));
      run();
    }
    return clock_.now();
  }
  // Sends a packet every 100 ms, for a neighbour in use.
  void keep_using(Duration span) {
    const Instant end = clock_.now() + span;
    while (clock_.now() < end) {
      send_to(kPeer);
      run_for(Duration::milliseconds(100));
    }
  }
};

TEST_F(CacheTest, QuestionsAreRetransTimeApart) {
  const Instant start = clock_.now();
  send_to(kPeer);
  EXPECT_EQ(sent().size(), 1u);
  for (int question = 1; question < 3; ++question) {
    const Duration after = when_next_frame(Duration::seconds(3)) - start;
    EXPECT_GE(after, Duration::seconds(question));
    EXPECT_LE(after, Duration::milliseconds(question * 1130));  // the wheel's eighth
    EXPECT_EQ(sent().size(), 1u);
  }
  EXPECT_EQ(entry()->probes, 3u);
}

TEST_F(CacheTest, RetransTimeAndCountAreSettings) {
  system_->settings().retrans_time_ms = 200;
  system_->settings().mcast_solicit = 5;
  send_to(kPeer);
  run_for(Duration::milliseconds(950));
  EXPECT_EQ(arps(sent()), 5u);
  run_for(Duration::milliseconds(300));
  EXPECT_EQ(state(), Nud::Failed);
}

TEST_F(CacheTest, WithoutQuestionsAPacketIsUnresolvedAtOnce) {
  system_->settings().mcast_solicit = 0;
  send_to(kPeer);
  EXPECT_EQ(unresolved_.packets.size(), 1u);
  EXPECT_EQ(state(), Nud::None);
}

TEST_F(CacheTest, FailedNeighbourIsAskedForAgainByTheNextPacketAndNoSooner) {
  send_to(kPeer);
  run_for(Duration::seconds(4));
  ASSERT_EQ(state(), Nud::Failed);
  sent();
  send_to(kPeer);
  EXPECT_EQ(state(), Nud::Incomplete);
  EXPECT_EQ(arps(sent()), 1u);
  run_for(Duration::milliseconds(2900));
  EXPECT_EQ(arps(sent()), 2u) << "as often as the first time";
  EXPECT_EQ(state(), Nud::Incomplete);
}

TEST_F(CacheTest, ReachableTimeIsDrawnBetweenHalfAndOneAndAHalfOfTheBase) {
  constexpr unsigned kCount = 100;
  for (unsigned i = 0; i < kCount; ++i)
    make_reachable(Ipv4Address(192, 0, 2, 10 + i));
  const Instant start = clock_.now();
  std::map<unsigned, Duration> ended;
  while (ended.size() < kCount && clock_.now() - start < Duration::seconds(60)) {
    run_for(Duration::milliseconds(250), Duration::milliseconds(250));
    for (unsigned i = 0; i < kCount; ++i) {
      if (state(Ipv4Address(192, 0, 2, 10 + i)) != Nud::Reachable)
        ended.emplace(i, clock_.now() - start);
    }
  }
  ASSERT_EQ(ended.size(), kCount);
  std::set<std::int64_t> distinct;
  for (const auto& [i, after] : ended) {
    EXPECT_GE(after, Duration::seconds(15));
    EXPECT_LE(after, Duration::milliseconds(45000 * 9 / 8 + 250));
    distinct.insert(after.count_ms() / 1000);
  }
  EXPECT_GT(distinct.size(), 10u) << "not random";
}

TEST_F(CacheTest, IdleReachableNeighbourBecomesStaleWithoutAQuestion) {
  make_reachable();
  run_for(Duration::seconds(52), Duration::milliseconds(50));
  EXPECT_EQ(state(), Nud::Stale);
  EXPECT_TRUE(sent().empty());
}

TEST_F(CacheTest, ReachableNeighbourInUseIsDelayedThenProbedByUnicast) {
  system_->settings().base_reachable_time_ms = 2000;
  make_reachable();
  while (state() == Nud::Reachable)
    keep_using(Duration::milliseconds(100));
  EXPECT_EQ(state(), Nud::Delay);
  sent();
  keep_using(Duration::milliseconds(4800));
  EXPECT_EQ(arps(sent()), 0u);
  keep_using(Duration::milliseconds(900));
  EXPECT_EQ(state(), Nud::Probe);
  unsigned questions = 0;
  for (const Sent& frame : sent()) {
    if (!frame.arp()) continue;
    ++questions;
    EXPECT_EQ(frame.link.destination, kPeerMac);
    EXPECT_EQ(frame.arp_packet().target_mac, kPeerMac);
  }
  EXPECT_EQ(questions, 1u);
  reply_in();
  EXPECT_EQ(state(), Nud::Reachable);
}

TEST_F(CacheTest, UnansweredProbesFailAfterThreeAndPacketsFlowUntilThen) {
  set(Nud::Probe);
  EXPECT_EQ(arps(sent()), 1u);
  run_for(Duration::milliseconds(2500));
  EXPECT_EQ(arps(sent()), 2u);
  send_to(kPeer, 9);
  EXPECT_EQ(tags(sent()), (std::vector<std::uint8_t>{9}));
  run_for(Duration::seconds(1));
  EXPECT_EQ(state(), Nud::Failed);
  EXPECT_FALSE(entry()->mac.has_value());
}

TEST_F(CacheTest, StaleNeighbourTakesThePacketAtOnceAndIsDelayed) {
  set(Nud::Stale);
  send_to(kPeer, 3);
  EXPECT_EQ(tags(sent()), (std::vector<std::uint8_t>{3}));
  EXPECT_EQ(state(), Nud::Delay);
}

TEST_F(CacheTest, UpperLayersConfirmationMakesReachable) {
  for (const Nud from : {Nud::Stale, Nud::Delay, Nud::Probe}) {
    set(from);
    packet::Turn now = turn();
    resolver_->confirm(now, 0, kPeer);
    EXPECT_EQ(state(), Nud::Reachable) << name_of(from);
    EXPECT_EQ(entry()->confirmed_ago, Duration());
    settle();
  }
}

TEST_F(CacheTest, ConfirmationsKeepANeighbourReachableWithoutQuestions) {
  make_reachable();
  for (int i = 0; i < 200; ++i) {
    send_to(kPeer);
    packet::Turn now = turn();
    resolver_->confirm(now, 0, kPeer);
    run_for(Duration::seconds(1), Duration::milliseconds(100));
  }
  EXPECT_EQ(state(), Nud::Reachable);
  EXPECT_EQ(arps(sent()), 0u);
}

TEST_F(CacheTest, ConfirmationOfAnUnknownNeighbourDoesNothing) {
  packet::Turn now = turn();
  resolver_->confirm(now, 0, kPeer);
  EXPECT_EQ(state(), Nud::None);
  send_to(kPeer);
  resolver_->confirm(now, 0, kPeer);
  EXPECT_EQ(state(), Nud::Incomplete);
}

TEST_F(CacheTest, RequestFromTheNeighbourWeAskForLetsPacketsGo) {
  send_to(kPeer, 1);
  send_to(kPeer, 2);
  sent();
  arp_in({.cast = packet::LinkCast::Broadcast});
  const auto frames = sent();
  EXPECT_EQ(tags(frames), (std::vector<std::uint8_t>{1, 2}));
  EXPECT_EQ(arps(frames), 1u);  // our answer
  EXPECT_EQ(state(), Nud::Delay);
}

TEST_F(CacheTest, PermanentNeighbourNeverChanges) {
  set(Nud::Permanent);
  arp_in({.sender_mac = kOtherMac});
  reply_in(kPeer, kOtherMac);
  sent();
  run_for(Duration::seconds(120), Duration::milliseconds(100));
  send_to(kPeer, 1);
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].link.destination, kPeerMac);
  EXPECT_EQ(state(), Nud::Permanent);
}

TEST_F(CacheTest, FirstOfSeveralAnswersCountsWithinLocktime) {
  send_to(kPeer);
  reply_in(kPeer, kPeerMac);
  reply_in(kPeer, kOtherMac);
  EXPECT_EQ(entry()->mac, kPeerMac);
  EXPECT_EQ(state(), Nud::Reachable);
  run_for(Duration::milliseconds(1001));
  reply_in(kPeer, kOtherMac);
  EXPECT_EQ(entry()->mac, kOtherMac);
  EXPECT_EQ(state(), Nud::Stale) << "an answer nobody asked for must be proven";
  sent();
}

// --- Waiting packets.

TEST_F(CacheTest, OldestWaitingPacketGoesWhenTheCountIsFull) {
  system_->settings().unres_packets = 4;
  for (std::uint8_t tag = 1; tag <= 6; ++tag)
    send_to(kPeer, tag);
  EXPECT_EQ(drops(Drop::PendingFull), 2u);
  EXPECT_EQ(system_->counts().pending_packets, 4u);
  sent();
  reply_in();
  EXPECT_EQ(tags(sent()), (std::vector<std::uint8_t>{3, 4, 5, 6}));
  EXPECT_EQ(system_->counts().pending_packets, 0u);
  EXPECT_EQ(system_->counts().pending_bytes, 0u);
}

TEST_F(CacheTest, WaitingBytesAreBoundedByTruesize) {
  packet::Packet probe = ip_packet(0);
  const std::uint32_t truesize = probe.truesize();
  packet::Turn now = turn();
  now.drop(std::move(probe), Drop::PendingFull);
  system_->settings().unres_qlen_bytes = truesize * 3 + 1;
  for (std::uint8_t tag = 1; tag <= 5; ++tag)
    send_to(kPeer, tag);
  EXPECT_EQ(ledger_.held.value(), 3u);
  system_->settings().unres_qlen_bytes = truesize - 1;
  send_to(kPeer, 6);
  EXPECT_EQ(ledger_.held.value(), 0u) << "one too large for the limit takes nobody's place";
  EXPECT_EQ(drops(Drop::PendingFull), 7u);
  reply_in();
  sent();
}

TEST_F(CacheTest, DeletedEntryDropsWhatWaits) {
  send_to(kPeer);
  send_to(kPeer);
  ASSERT_TRUE(system_->remove(0, kPeer).ok());
  run();
  EXPECT_EQ(drops(Drop::EntryDeleted), 2u);
  EXPECT_EQ(state(), Nud::None);
  run_for(Duration::seconds(2));
  EXPECT_EQ(arps(sent()), 1u) << "its timer must be gone";
}

TEST_F(CacheTest, SettingAMacByHandLetsWaitingPacketsGo) {
  send_to(kPeer, 7);
  sent();
  set(Nud::Permanent, kPeer, kOtherMac);
  const auto frames = sent();
  ASSERT_EQ(tags(frames), (std::vector<std::uint8_t>{7}));
  EXPECT_EQ(frames[0].link.destination, kOtherMac);
}

TEST_F(CacheTest, PacketForADeviceThatIsDownOrUnknownIsDropped) {
  ASSERT_TRUE(devices_.at(0)->set_admin_up(false).ok());
  send_to(kPeer);
  EXPECT_EQ(drops(device::Drop::DeviceDown), 1u);
  send_to(kPeer, 0, 60);
  EXPECT_EQ(drops(device::Drop::NoSuchDevice), 1u);
  EXPECT_EQ(system_->counts().entries, 0u);
}

TEST_F(CacheTest, EmptyPoolCostsAQuestionAndNothingElse) {
  std::vector<packet::Packet> all;
  packet::Packet waiting = ip_packet(5);
  waiting.meta().output_device = 0;
  waiting.meta().next_hop = kPeer;
  while (packet::Packet packet = pool_->allocate(packet::Pool::Priority::Control))
    all.push_back(std::move(packet));
  packet::Burst burst;
  burst.push(std::move(waiting));
  packet::Turn now = turn();
  resolver_->output(now, burst);
  settle();
  EXPECT_EQ(sent().size(), 0u);
  for (packet::Packet& packet : all)
    rte_pktmbuf_free(packet.release());
  run_for(Duration::milliseconds(1200));
  EXPECT_EQ(arps(sent()), 1u) << "the next question goes when there are buffers again";
  reply_in();
  EXPECT_EQ(tags(sent()), (std::vector<std::uint8_t>{5}));
}

}  // namespace
}  // namespace linnet::neigh
