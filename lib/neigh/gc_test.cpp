// SPDX-License-Identifier: BSD-3-Clause
// Bounds of the cache: thresholds, the periodic walk, sweeps (reliability row L2, RFC 6583).
#include "neigh/neigh_fixture.hpp"

namespace linnet::neigh {
namespace {

using time::Duration;

System::Options bounded(System::Options options) {
  options.capacity = 256;
  options.pending_packets = 64;
  return options;
}

class GcTest : public NeighFixture {
 protected:
  GcTest() : NeighFixture(bounded(default_options())) {
    Settings& settings = system_->settings();
    settings.gc_thresh1 = 8;
    settings.gc_thresh2 = 32;
    settings.gc_thresh3 = 64;
  }
  static Ipv4Address nth(unsigned i) { return Ipv4Address::from_host(0x0a000000 + i); }
  // Hosts that ask us: STALE entries that we never used.
  void strangers(unsigned first, unsigned count) {
    for (unsigned i = first; i < first + count; ++i)
      arp_in({.sender_ip = nth(i), .cast = packet::LinkCast::Broadcast});
    sent();
  }
  std::uint32_t entries() { return system_->counts().entries; }
};

TEST_F(GcTest, BelowThresh1NothingIsCollected) {
  strangers(0, 6);
  send_to(nth(100));
  run_for(Duration::seconds(200), Duration::milliseconds(100));
  EXPECT_EQ(entries(), 6u + 1) << "6 stale and one failed entry";
}

TEST_F(GcTest, AboveThresh1FailedAndLongUnusedEntriesGo) {
  strangers(0, 12);
  send_to(nth(100));
  set(Nud::Permanent, nth(101));
  run_for(Duration::seconds(20), Duration::milliseconds(100));
  EXPECT_EQ(state(nth(100)), Nud::None) << "failed entries go at the next walk";
  EXPECT_EQ(entries(), 13u);
  run_for(Duration::seconds(80), Duration::milliseconds(100));
  EXPECT_EQ(entries(), 1u);
  EXPECT_EQ(state(nth(101)), Nud::Permanent);
}

TEST_F(GcTest, EntryThatIsUsedStaysThroughWalks) {
  strangers(0, 20);
  make_reachable();
  for (int i = 0; i < 30; ++i) {
    run_for(Duration::seconds(10), Duration::milliseconds(100));
    send_to(kPeer);
    run_for(Duration::milliseconds(6500), Duration::milliseconds(100));
    reply_in();
  }
  sent();
  EXPECT_NE(state(), Nud::None);
  EXPECT_EQ(entries(), 1u);
}

TEST_F(GcTest, Thresh2MayBeExceededForFiveSecondsThenUnusedEntriesMakeRoom) {
  run_for(Duration::seconds(6));
  strangers(0, 32);
  EXPECT_EQ(entries(), 32u);
  strangers(32, 1);  // the first above: a sweep starts and finds old unused ones
  const std::uint32_t after_sweep = entries();
  EXPECT_LE(after_sweep, 33u);
  strangers(100, 20);
  EXPECT_GT(entries(), 32u) << "within 5 s after a sweep the cache may grow";
  EXPECT_LE(entries(), 64u);
  run_for(Duration::seconds(6));
  strangers(200, 3);
  EXPECT_LE(entries(), 32u + 3);
}

TEST_F(GcTest, Thresh3IsNeverExceededAndPermanentEntriesDoNotCount) {
  for (unsigned i = 0; i < 100; ++i)
    set(Nud::Permanent, nth(1000 + i));
  strangers(0, 500);
  EXPECT_LE(entries(), 100u + 64);
  for (unsigned i = 0; i < 100; ++i)
    EXPECT_EQ(state(nth(1000 + i)), Nud::Permanent);
}

TEST_F(GcTest, FullTableOfConfirmedNeighboursRefusesTheNewcomer) {
  for (unsigned i = 0; i < 64; ++i)
    make_reachable(nth(i));
  ASSERT_EQ(entries(), 64u);
  send_to(nth(100));
  EXPECT_EQ(drops(Drop::TableFull), 1u);
  strangers(200, 5);
  for (unsigned i = 0; i < 64; ++i)
    EXPECT_EQ(state(nth(i)), Nud::Reachable);
}

TEST_F(GcTest, CapacityBoundsPermanentEntries) {
  for (unsigned i = 0; i < 300; ++i) {
    ASSERT_TRUE(system_->change({0, nth(i), kPeerMac, Nud::Permanent}, System::Change::Add).ok());
  }
  run();
  run();
  EXPECT_EQ(entries(), 256u);
  EXPECT_EQ(system_->counts().refused_changes, 44u);
}

TEST_F(GcTest, L2_IncompleteEntriesHaveAQuotaOfHalfThresh3) {
  for (unsigned i = 0; i < 200; ++i)
    send_to(nth(i));
  EXPECT_EQ(system_->counts().incomplete, 32u);
  EXPECT_EQ(drops(Drop::TableFull), 200u - 32u);
  // A host that asks us gets in all the same.
  arp_in({.cast = packet::LinkCast::Broadcast});
  EXPECT_EQ(state(), Nud::Stale);
  run_for(Duration::seconds(4));
  EXPECT_EQ(system_->counts().incomplete, 0u);
  sent();
}

TEST_F(GcTest, L2_SweepOfAHundredThousandAddressesHurtsNoConfirmedNeighbour) {
  constexpr unsigned kGood = 20;
  constexpr unsigned kSwept = 100000;
  for (unsigned i = 0; i < kGood; ++i)
    make_reachable(Ipv4Address(192, 0, 2, 100 + i));
  std::uint64_t questions = 0, delivered = 0, offered = 0, most_held = 0;
  std::map<Ipv4Address, time::Instant> last_asked;
  for (unsigned i = 0; i < kSwept; ++i) {
    send_to(nth(i));
    send_to(Ipv4Address(192, 0, 2, 100 + i % kGood), 77);
    ++offered;
    most_held = std::max(most_held, ledger_.held.value());
    if (i % 100 == 0) run_for(Duration::milliseconds(10));  // 10,000 a second
    for (const Sent& frame : sent()) {
      if (!frame.arp()) {
        ++delivered;
        continue;
      }
      ++questions;
      const Ipv4Address target = frame.arp_packet().target_ip;
      const auto asked = last_asked.find(target);
      if (asked != last_asked.end()) {
        ASSERT_GE(clock_.now() - asked->second, Duration::seconds(1)) << target.text();
      }
      last_asked[target] = clock_.now();
    }
    if (unresolved_.packets.size() > 1000) unresolved_.clear();
  }
  EXPECT_EQ(delivered, offered);
  EXPECT_LE(most_held, 64u);
  EXPECT_LE(entries(), 64u);
  // 10 s, at most 32 entries at a time with 3 questions in 3 s.
  EXPECT_LE(questions, 32u * 12);
}

TEST_F(GcTest, L2_WaitingPacketsOfAllNeighboursAreBounded) {
  for (unsigned i = 0; i < 30; ++i) {
    for (unsigned n = 0; n < 10; ++n)
      send_to(nth(i));
  }
  EXPECT_LE(ledger_.held.value(), 64u);
  EXPECT_GT(drops(Drop::PendingMemory) + drops(Drop::PendingFull), 0u);
  // Under pressure a neighbour keeps fewer: nobody is without any.
  for (unsigned i = 0; i < 30; ++i) {
    sent();
    reply_in(nth(i));
    EXPECT_GE(tags(sent()).size(), 1u) << i;
  }
}

}  // namespace
}  // namespace linnet::neigh
