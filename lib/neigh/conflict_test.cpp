// SPDX-License-Identifier: BSD-3-Clause
// RFC 5227: probing, announcing, defending.
#include "neigh/conflict.hpp"

#include "neigh/neigh_fixture.hpp"

namespace linnet::neigh {
namespace {

using packet::LinkCast;
using time::Duration;
using time::Instant;

const Ipv4Address kNew(192, 0, 2, 42);

class ConflictTest : public NeighFixture {
 protected:
  struct Timed {
    Duration at;
    wire::ArpPacket arp;
    MacAddress destination;
  };
  // Everything that leaves within `span`, with when.
  std::vector<Timed> watch(Duration span) {
    std::vector<Timed> out;
    const Instant start = clock_.now();
    while (clock_.now() - start < span) {
      advance(Duration::milliseconds(1));
      run();
      for (const Sent& frame : sent())
        out.push_back({clock_.now() - start, frame.arp_packet(), frame.link.destination});
    }
    return out;
  }
  std::vector<Event> events() {
    std::vector<Event> out;
    Event event{};
    while (system_->next_event(event))
      out.push_back(event);
    return out;
  }
  void probe() {
    ASSERT_TRUE(system_->probe_address(0, kNew).ok());
    run();
  }
};

TEST_F(ConflictTest, FreeAddressIsProbedThreeTimesThenAnnouncedTwice) {
  probe();
  const auto frames = watch(Duration::seconds(12));
  ASSERT_EQ(frames.size(), 5u);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_TRUE(frames[i].destination.is_broadcast());
    EXPECT_EQ(frames[i].arp.operation.host(), wire::kArpRequest);
    EXPECT_TRUE(frames[i].arp.sender_ip.is_any());
    EXPECT_EQ(frames[i].arp.target_ip, kNew);
    EXPECT_TRUE(frames[i].arp.target_mac.is_zero());
  }
  const Duration slack = Duration::milliseconds(300);  // the wheel's eighth
  EXPECT_LE(frames[0].at, Duration::seconds(1) + slack);
  for (unsigned i = 1; i < 3; ++i) {
    EXPECT_GE(frames[i].at - frames[i - 1].at, Duration::seconds(1));
    EXPECT_LE(frames[i].at - frames[i - 1].at, Duration::seconds(2) + slack);
  }
  EXPECT_GE(frames[3].at - frames[2].at, Duration::seconds(2));
  EXPECT_GE(frames[4].at - frames[3].at, Duration::seconds(2));
  for (unsigned i = 3; i < 5; ++i) {
    EXPECT_EQ(frames[i].arp.sender_ip, kNew);
    EXPECT_EQ(frames[i].arp.target_ip, kNew);
    EXPECT_EQ(frames[i].arp.operation.host(), wire::kArpRequest);
  }
  const auto told = events();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, EventKind::AddressFree);
  EXPECT_EQ(told[0].address, kNew);
}

TEST_F(ConflictTest, ProbesOfManyAddressesAreSpread) {
  std::vector<Duration> first;
  for (unsigned i = 0; i < 50; ++i)
    ASSERT_TRUE(system_->probe_address(0, Ipv4Address(192, 0, 2, 100 + i)).ok());
  run();
  const auto frames = watch(Duration::milliseconds(500));
  EXPECT_GT(frames.size(), 10u);
  EXPECT_LT(frames.size(), 40u);
}

class ProbeContested : public ConflictTest, public testing::WithParamInterface<int> {};

TEST_P(ProbeContested, AddressIsDuplicateAndProbingStops) {
  probe();
  watch(Duration::milliseconds(1200));
  switch (GetParam()) {
    case 0:  // an answer
      arp_in({.operation = wire::kArpReply,
              .sender_ip = kNew,
              .target_mac = kOurMac,
              .target_ip = Ipv4Address()});
      break;
    case 1:  // any request of its holder
      arp_in(
          {.sender_ip = kNew, .target_ip = Ipv4Address(192, 0, 2, 9), .cast = LinkCast::Broadcast});
      break;
    case 2:  // an announcement
      arp_in({.sender_ip = kNew, .target_ip = kNew, .cast = LinkCast::Broadcast});
      break;
    case 3:  // another host probes for it at the same time
      arp_in({.sender_ip = Ipv4Address(), .target_ip = kNew, .cast = LinkCast::Broadcast});
      break;
  }
  const auto told = events();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, EventKind::AddressDuplicate);
  EXPECT_EQ(told[0].device, 0);
  EXPECT_EQ(told[0].address, kNew);
  EXPECT_EQ(told[0].mac, kPeerMac);
  EXPECT_EQ(drops(Drop::ArpConflict), 1u);
  EXPECT_TRUE(watch(Duration::seconds(10)).empty());
  EXPECT_EQ(system_->counts().entries, 0u);
}
INSTANTIATE_TEST_SUITE_P(Ways, ProbeContested, testing::Range(0, 4));

TEST_F(ConflictTest, OurOwnProbeComingBackIsNoConflict) {
  probe();
  arp_in({.sender_mac = kOurMac,
          .sender_ip = Ipv4Address(),
          .target_ip = kNew,
          .cast = LinkCast::Broadcast});
  EXPECT_TRUE(events().empty());
  EXPECT_EQ(drops(Drop::ArpOwn), 1u);
}

TEST_F(ConflictTest, QuestionAboutAProbedAddressIsNoConflictAndNotAnswered) {
  host_.own.push_back({0, kNew});  // tentative: the tables know it already
  probe();
  arp_in({.target_ip = kNew, .cast = LinkCast::Broadcast});
  EXPECT_TRUE(sent().empty());
  EXPECT_TRUE(events().empty());
  EXPECT_EQ(drops(Drop::ArpNotForUs), 1u);
}

TEST_F(ConflictTest, TheSameOnAnotherDeviceIsNoConflict) {
  probe();
  arp_in({.operation = wire::kArpReply, .sender_ip = kNew, .device = 1});
  EXPECT_TRUE(events().empty());
}

TEST_F(ConflictTest, AddressInUseIsDefendedOncePerTenSeconds) {
  for (int i = 0; i < 95; ++i) {
    arp_in(
        {.sender_ip = kOurs, .target_ip = Ipv4Address(192, 0, 2, 9), .cast = LinkCast::Broadcast});
    run_for(Duration::milliseconds(100));
  }
  auto frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_TRUE(frames[0].link.destination.is_broadcast());
  EXPECT_EQ(frames[0].arp_packet().sender_ip, kOurs);
  EXPECT_EQ(frames[0].arp_packet().target_ip, kOurs);
  EXPECT_EQ(drops(Drop::ArpConflict), 95u);
  const auto told = events();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, EventKind::AddressConflict);
  EXPECT_EQ(told[0].mac, kPeerMac);
  run_for(Duration::seconds(2));
  arp_in({.sender_ip = kOurs, .target_ip = kOurs, .cast = LinkCast::Broadcast});
  EXPECT_EQ(sent().size(), 1u) << "the interval is over";
  EXPECT_EQ(system_->counts().entries, 0u) << "our own address is never learned";
}

TEST_F(ConflictTest, AddedAddressIsAnnouncedTwiceAndArpNotifySwitchesItOff) {
  ASSERT_TRUE(system_->announce_address(0, kNew).ok());
  run();
  auto frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].arp_packet().sender_ip, kNew);
  const auto later = watch(Duration::seconds(10));
  ASSERT_EQ(later.size(), 1u);
  EXPECT_GE(later[0].at, Duration::seconds(2));
  EXPECT_TRUE(events().empty());
  system_->settings().arp_notify = 0;
  ASSERT_TRUE(system_->announce_address(0, kNew).ok());
  run();
  EXPECT_TRUE(watch(Duration::seconds(5)).empty());
}

TEST_F(ConflictTest, RemovedAddressIsForgotten) {
  probe();
  ASSERT_TRUE(system_->forget_address(0, kNew).ok());
  run();
  EXPECT_TRUE(watch(Duration::seconds(10)).empty());
  EXPECT_TRUE(events().empty());
}

TEST_F(ConflictTest, DeviceThatGoesDownStopsProbes) {
  probe();
  ASSERT_TRUE(system_->device_changed(0, System::DeviceEvent::AdminDown).ok());
  run();
  EXPECT_TRUE(watch(Duration::seconds(10)).empty());
}

TEST_F(ConflictTest, MoreAddressesThanWatchesAreRefusedAndCounted) {
  for (unsigned i = 0; i < ConflictDetector::kWatches + 3; ++i)
    ASSERT_TRUE(system_->probe_address(0, Ipv4Address::from_host(0x0a000001 + i)).ok());
  for (int i = 0; i < 5; ++i)
    run();
  EXPECT_EQ(system_->counts().refused_changes, 3u);
}

}  // namespace
}  // namespace linnet::neigh
