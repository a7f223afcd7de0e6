// SPDX-License-Identifier: BSD-3-Clause
// What ARP packets do to us: requests, proxies, settings. Forged ones: arp_forged_test.cpp.
#include "neigh/arp_input.hpp"

#include "neigh/neigh_fixture.hpp"

namespace linnet::neigh {
namespace {

using packet::LinkCast;
using time::Duration;

constexpr std::uint16_t kRequest = wire::kArpRequest;
constexpr std::uint16_t kReply = wire::kArpReply;

class ArpInputTest : public NeighFixture {};

// --- Requests for us.

TEST_F(ArpInputTest, RequestForOurAddressIsAnsweredAndTeachesItsSender) {
  arp_in({.cast = LinkCast::Broadcast});
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].link.destination, kPeerMac);
  EXPECT_EQ(frames[0].link.source, kOurMac);
  const wire::ArpPacket arp = frames[0].arp_packet();
  EXPECT_EQ(arp.operation.host(), kReply);
  EXPECT_EQ(arp.sender_mac, kOurMac);
  EXPECT_EQ(arp.sender_ip, kOurs);
  EXPECT_EQ(arp.target_mac, kPeerMac);
  EXPECT_EQ(arp.target_ip, kPeer);
  EXPECT_EQ(state(), Nud::Stale);
  EXPECT_EQ(ledger_.delivered.value(), 1u);
}

TEST_F(ArpInputTest, RequestForUsWithANewMacIsTakenButMustBeProven) {
  make_reachable();
  arp_in({.sender_mac = kOtherMac, .cast = LinkCast::Broadcast});
  EXPECT_EQ(entry()->mac, kOtherMac);
  EXPECT_EQ(state(), Nud::Stale);
}

TEST_F(ArpInputTest, FullTableStillAnswers) {
  system_->settings().gc_thresh3 = 1;
  make_reachable();
  arp_in({.sender_ip = kStranger});
  EXPECT_EQ(sent().size(), 1u);
  EXPECT_EQ(state(kStranger), Nud::None);
}

TEST_F(ArpInputTest, ProbeForOurAddressIsAnsweredAndTeachesNothing) {
  arp_in({.sender_ip = kAny, .cast = LinkCast::Broadcast});
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].arp_packet().operation.host(), kReply);
  EXPECT_TRUE(frames[0].arp_packet().target_ip.is_any());
  EXPECT_EQ(system_->counts().entries, 0u);
}

TEST_F(ArpInputTest, NothingIsHeardOnTheLoopbackDevice) {
  arp_in({.device = 2});
  EXPECT_EQ(drops(Drop::ArpDisabled), 1u);
}

// --- Gratuitous ARP and arp_accept.

TEST_F(ArpInputTest, GratuitousArpUpdatesAnEntryThatExists) {
  make_reachable();
  arp_in({.sender_mac = kOtherMac, .target_ip = kPeer, .cast = LinkCast::Broadcast});
  EXPECT_EQ(entry()->mac, kOtherMac) << "also within locktime";
  EXPECT_EQ(state(), Nud::Stale);
}

TEST_F(ArpInputTest, ArpAcceptMakesEntriesOfGratuitousArpAndReplies) {
  system_->settings().arp_accept = 1;
  arp_in({.target_ip = kPeer, .cast = LinkCast::Broadcast});
  EXPECT_EQ(state(), Nud::Stale);
  reply_in(kStranger);
  EXPECT_EQ(state(kStranger), Nud::Stale);
  arp_in({.sender_ip = Ipv4Address(192, 0, 2, 98),
          .target_ip = Ipv4Address(192, 0, 2, 50),
          .cast = LinkCast::Broadcast});
  EXPECT_EQ(state(Ipv4Address(192, 0, 2, 98)), Nud::None) << "not by a request to another host";
}

TEST_F(ArpInputTest, ArpAcceptTwoTakesOnlyOurSubnet) {
  system_->settings().arp_accept = 2;
  arp_in({.target_ip = kPeer, .cast = LinkCast::Broadcast});
  const Ipv4Address far(10, 9, 8, 7);
  arp_in({.sender_ip = far, .target_ip = far, .cast = LinkCast::Broadcast});
  EXPECT_EQ(state(), Nud::Stale);
  EXPECT_EQ(state(far), Nud::None);
}

TEST_F(ArpInputTest, BroadcastReplyDoesNotProveReachability) {
  send_to(kPeer);
  arp_in({.operation = kReply, .target_mac = kOurMac, .cast = LinkCast::Broadcast});
  EXPECT_NE(state(), Nud::Reachable);
  sent();
}

// --- arp_ignore: which of our addresses is answered for, by setting.

struct IgnoreRow {
  std::uint32_t level;
  Ipv4Address target, sender;
  bool answered;
};
class ArpIgnore : public ArpInputTest, public testing::WithParamInterface<IgnoreRow> {};

const Ipv4Address kOnOther(198, 51, 100, 1);   // ours, on device 1
const Ipv4Address kHostScope(192, 0, 2, 200);  // ours, on device 0, scope host
const Ipv4Address kFar(10, 9, 8, 7);

TEST_P(ArpIgnore, AnswersAsLinux) {
  host_.own.push_back({1, kOnOther});
  host_.own.push_back({0, kHostScope, 32, true});
  system_->settings().arp_ignore = GetParam().level;
  arp_in({.sender_ip = GetParam().sender,
          .target_ip = GetParam().target,
          .cast = LinkCast::Broadcast});
  EXPECT_EQ(sent().size(), GetParam().answered ? 1u : 0u);
  EXPECT_EQ(drops(Drop::ArpDisabled), GetParam().answered ? 0u : 1u);
  const bool learns = GetParam().answered && !GetParam().sender.is_any();
  EXPECT_EQ(system_->counts().entries, learns ? 1u : 0u);
}
INSTANTIATE_TEST_SUITE_P(
    Levels, ArpIgnore,
    testing::Values(IgnoreRow{0, kOurs, kPeer, true}, IgnoreRow{0, kOnOther, kPeer, true},
                    IgnoreRow{0, kHostScope, kPeer, true}, IgnoreRow{0, kOurs, kFar, true},
                    IgnoreRow{0, kOurs, kAny, true}, IgnoreRow{1, kOurs, kPeer, true},
                    IgnoreRow{1, kOnOther, kPeer, false}, IgnoreRow{1, kOurs, kFar, true},
                    IgnoreRow{1, kOnOther, kAny, false}, IgnoreRow{2, kOurs, kPeer, true},
                    IgnoreRow{2, kOurs, kFar, false}, IgnoreRow{2, kOnOther, kPeer, false},
                    IgnoreRow{2, kOurs, kAny, true}, IgnoreRow{3, kOurs, kPeer, true},
                    IgnoreRow{3, kOnOther, kPeer, true}, IgnoreRow{3, kHostScope, kPeer, false},
                    IgnoreRow{4, kOurs, kPeer, true}, IgnoreRow{7, kOnOther, kPeer, true},
                    IgnoreRow{8, kOurs, kPeer, false}, IgnoreRow{8, kOurs, kAny, false}));

// --- arp_announce: the sender address of our questions.

struct AnnounceRow {
  std::uint32_t level;
  Ipv4Address packet_source, expected;
};
class ArpAnnounce : public ArpInputTest, public testing::WithParamInterface<AnnounceRow> {};

const Ipv4Address kSecond(192, 0, 2, 2);  // ours, same subnet

TEST_P(ArpAnnounce, SenderAddressIsChosenAsLinux) {
  host_.own.push_back({0, kSecond});
  host_.own.push_back({1, kOnOther});
  system_->settings().arp_announce = GetParam().level;
  packet_source_ = GetParam().packet_source;
  send_to(kPeer);
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].arp_packet().sender_ip, GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Levels, ArpAnnounce,
    testing::Values(AnnounceRow{0, kSecond, kSecond}, AnnounceRow{0, kOnOther, kOnOther},
                    AnnounceRow{0, kFar, kOurs},  // forwarded: not ours
                    AnnounceRow{1, kSecond, kSecond}, AnnounceRow{1, kOnOther, kOurs},
                    AnnounceRow{1, kFar, kOurs}, AnnounceRow{2, kSecond, kOurs},
                    AnnounceRow{2, kOnOther, kOurs}, AnnounceRow{2, kFar, kOurs}));

// --- Proxy ARP.

struct ProxyRow {
  const char* name;
  bool forwards, setting, entry;
  std::uint16_t way;
  bool answered;
};
class ProxyArp : public ArpInputTest, public testing::WithParamInterface<ProxyRow> {};

TEST_P(ProxyArp, AnswersForHostsBehindAnotherDeviceOnly) {
  const ProxyRow& row = GetParam();
  host_.forward = row.forwards;
  system_->settings().proxy_arp = row.setting ? 1 : 0;
  if (row.way != packet::kNoDevice) host_.ways[kFar] = row.way;
  if (row.entry) {
    ASSERT_TRUE(system_->add_proxy(0, kFar).ok());
    run();
  }
  arp_in({.target_ip = kFar, .cast = LinkCast::Broadcast});
  const auto frames = sent();
  ASSERT_EQ(frames.size(), row.answered ? 1u : 0u);
  EXPECT_EQ(state(), row.answered ? Nud::Stale : Nud::None);
  if (!row.answered) {
    EXPECT_EQ(drops(Drop::ArpNotForUs), 1u);
    return;
  }
  EXPECT_EQ(frames[0].arp_packet().sender_ip, kFar);
  EXPECT_EQ(frames[0].arp_packet().sender_mac, kOurMac);
}
INSTANTIATE_TEST_SUITE_P(Rows, ProxyArp,
                         testing::Values(ProxyRow{"Setting", true, true, false, 1, true},
                                         ProxyRow{"Entry", true, false, true, 1, true},
                                         ProxyRow{"Neither", true, false, false, 1, false},
                                         ProxyRow{"NotForwarding", false, true, true, 1, false},
                                         ProxyRow{"SameDevice", true, true, true, 0, false},
                                         ProxyRow{"NoRoute", true, true, true, packet::kNoDevice,
                                                  false}),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace linnet::neigh
