// SPDX-License-Identifier: BSD-3-Clause
// Forged ARP packets (reliability row L1).
#include "neigh/arp_input.hpp"
#include "neigh/neigh_fixture.hpp"

namespace linnet::neigh {
namespace {

using packet::LinkCast;
using time::Duration;

const MacAddress kZero{};
const MacAddress kGroup({0x01, 0x00, 0x5e, 0, 0, 1});
const MacAddress kAll = MacAddress::broadcast();
const MacAddress kEvil = kOtherMac;
const Ipv4Address kThird(192, 0, 2, 50);         // another host
const Ipv4Address kSubnetAll(192, 0, 2, 255);    // the subnet's broadcast
const Ipv4Address kElsewhere(198, 51, 100, 1);   // ours, on device 1
const Ipv4Address kLimited(255, 255, 255, 255);  // limited broadcast

struct Forged {
  const char* name;
  NeighFixture::ArpIn arp;
  std::optional<Drop> drop;  // none: taken in
  unsigned answers = 0;
};

Forged reply(const char* name, MacAddress mac, Ipv4Address ip, std::optional<Drop> drop) {
  return {name,
          {.operation = wire::kArpReply, .sender_mac = mac, .sender_ip = ip, .target_mac = kOurMac},
          drop};
}
Forged request(const char* name, MacAddress mac, Ipv4Address ip, Ipv4Address target, Drop drop) {
  return {name, {.sender_mac = mac, .sender_ip = ip, .target_ip = target}, drop};
}
// The row with something else in its packet.
template <typename Change>
Forged but(Forged row, Change change) {
  change(row.arp);
  return row;
}
Forged cast(Forged row, LinkCast to) {
  row.arp.cast = to;
  return row;
}
Forged from_frame(Forged row, MacAddress source) {
  row.arp.frame_source = source;
  return row;
}

void add_senders(std::vector<Forged>& rows) {
  const Drop mac = Drop::ArpSource;
  rows.push_back(reply("group sender in a reply", kGroup, kPeer, mac));
  rows.push_back(request("group sender in a request", kGroup, kPeer, kOurs, mac));
  rows.push_back(reply("broadcast sender in a reply", kAll, kPeer, mac));
  rows.push_back(request("broadcast sender in a request", kAll, kPeer, kOurs, mac));
  rows.push_back(reply("zero sender in a reply", kZero, kPeer, mac));
  rows.push_back(request("zero sender in a request", kZero, kPeer, kOurs, mac));
  rows.push_back(from_frame(reply("reply in another's frame", kEvil, kPeer, mac), kPeerMac));
  rows.push_back(
      from_frame(request("request in another's frame", kEvil, kPeer, kOurs, mac), kPeerMac));
  rows.push_back(
      from_frame(request("announcement in another's frame", kEvil, kPeer, kPeer, mac), kPeerMac));
  rows.push_back(reply("our own MAC in a reply", kOurMac, kPeer, Drop::ArpOwn));
  rows.push_back(request("our own MAC in a request", kOurMac, kPeer, kOurs, Drop::ArpOwn));
  rows.push_back(request("our own MAC and address", kOurMac, kOurs, kOurs, Drop::ArpOwn));

  const Drop ip = Drop::ArpSenderAddress;
  const Ipv4Address all_hosts(224, 0, 0, 1), high_group(239, 1, 2, 3), loopback(127, 0, 0, 1);
  rows.push_back(reply("multicast sender IP", kEvil, all_hosts, ip));
  rows.push_back(request("high multicast sender IP", kEvil, high_group, kOurs, ip));
  rows.push_back(reply("limited broadcast sender IP", kEvil, kLimited, ip));
  rows.push_back(reply("subnet broadcast replies", kEvil, kSubnetAll, ip));
  rows.push_back(request("subnet broadcast asks", kEvil, kSubnetAll, kOurs, ip));
  rows.push_back(reply("loopback replies", kEvil, loopback, ip));
  rows.push_back(request("loopback asks", kEvil, Ipv4Address(127, 9, 9, 9), kOurs, ip));
  rows.push_back(request("class E asks", kEvil, Ipv4Address(240, 0, 0, 1), kOurs, ip));
  rows.push_back(reply("0.0.0.0 replies", kEvil, kAny, ip));
  rows.push_back(request("0/8 asks", kEvil, Ipv4Address(0, 0, 0, 7), kOurs, ip));
  rows.push_back(reply("our address on another device", kEvil, kElsewhere, ip));
  rows.push_back(reply("our address", kEvil, kOurs, Drop::ArpConflict));
  rows.back().answers = 1;  // defended
}

void add_targets(std::vector<Forged>& rows) {
  const Drop bad = Drop::ArpTargetAddress, other = Drop::ArpNotForUs;
  rows.push_back(request("loopback target", kEvil, kStranger, Ipv4Address(127, 0, 0, 1), bad));
  rows.push_back(request("multicast target", kEvil, kStranger, Ipv4Address(224, 0, 0, 5), bad));
  rows.push_back(request("limited broadcast target", kEvil, kStranger, kLimited, other));
  rows.push_back(request("subnet broadcast target", kEvil, kStranger, kSubnetAll, other));
  rows.push_back(request("target 0.0.0.0", kEvil, kStranger, kAny, other));
  rows.push_back(request("another host's address", kEvil, kStranger, kThird, other));
  rows.push_back(request("probe for another host", kEvil, kAny, kThird, other));
}

void add_unsolicited(std::vector<Forged>& rows) {
  const Drop nobody = Drop::ArpUnsolicited;
  rows.push_back(reply("reply of a stranger", kEvil, kStranger, nobody));
  rows.push_back(
      cast(reply("broadcast reply of a stranger", kEvil, kStranger, nobody), LinkCast::Broadcast));
  rows.push_back(cast(request("announcement of a stranger", kEvil, kStranger, kStranger, nobody),
                      LinkCast::Broadcast));
  rows.push_back(but(reply("gratuitous reply of a stranger", kEvil, kStranger, nobody),
                     [](NeighFixture::ArpIn& arp) {
                       arp.target_mac = kEvil;
                       arp.target_ip = kStranger;
                       arp.cast = LinkCast::Broadcast;
                     }));
  rows.push_back(reply("second answer within locktime", kEvil, kPeer, std::nullopt));
  rows.push_back(cast(reply("broadcast answer within locktime", kEvil, kPeer, std::nullopt),
                      LinkCast::Broadcast));
  rows.push_back(but(reply("request to others within locktime", kEvil, kPeer, std::nullopt),
                     [](NeighFixture::ArpIn& arp) {
                       arp.operation = wire::kArpRequest;
                       arp.target_ip = kThird;
                     }));
  rows.push_back(but(reply("gratuitous reply whose MACs differ", kEvil, kPeer, std::nullopt),
                     [](NeighFixture::ArpIn& arp) { arp.target_ip = kPeer; }));
  rows.push_back(
      cast(reply("another station's frame", kEvil, kPeer, Drop::ArpDisabled), LinkCast::Other));
}

void add_malformed(std::vector<Forged>& rows) {
  using In = NeighFixture::ArpIn;
  const auto bad = [&](const char* name, Drop drop, auto change) {
    rows.push_back(but(reply(name, kEvil, kPeer, drop), change));
  };
  for (const unsigned operation : {0u, 3u, 4u, 8u, 0x0100u, 0x0200u, 65535u})
    bad("operation", Drop::ArpOperation,
        [&](In& arp) { arp.operation = static_cast<std::uint16_t>(operation); });
  bad("hardware type 0", Drop::ArpHardware, [](In& arp) { arp.hardware_type = 0; });
  bad("IEEE 802 hardware", Drop::ArpHardware, [](In& arp) { arp.hardware_type = 6; });
  bad("protocol IPv6", Drop::ArpHardware, [](In& arp) { arp.protocol_type = 0x86dd; });
  bad("hardware size 8", Drop::ArpHardware, [](In& arp) { arp.hardware_size = 8; });
  bad("hardware size 0", Drop::ArpHardware, [](In& arp) { arp.hardware_size = 0; });
  bad("protocol size 16", Drop::ArpHardware, [](In& arp) { arp.protocol_size = 16; });
  for (const std::size_t length : {0u, 1u, 8u, 27u})
    bad("too short", Drop::ArpTruncated, [&](In& arp) { arp.length = length; });
}

std::vector<Forged> all_rows() {
  std::vector<Forged> rows;
  add_senders(rows);
  add_targets(rows);
  add_unsolicited(rows);
  add_malformed(rows);
  return rows;
}

class ArpForged : public NeighFixture {
 protected:
  ArpForged() { host_.own.push_back({1, kElsewhere}); }
  static std::string text_of(Drop why) {
    return std::string(kDropTexts[static_cast<unsigned>(why)].name);
  }
  std::map<std::string, std::uint64_t> all_drops() {
    std::map<std::string, std::uint64_t> out;
    for (unsigned i = 0; i < std::size(kDropTexts); ++i) {
      if (const auto n = drops(static_cast<Drop>(i)); n > 0) out[text_of(static_cast<Drop>(i))] = n;
    }
    return out;
  }
};

TEST_F(ArpForged, L1_ForgedPacketsLeaveAFreshEntryUnchangedAndMakeNone) {
  const std::vector<Forged> rows = all_rows();
  ASSERT_GE(rows.size(), 40u);
  make_reachable();
  for (const Forged& row : rows) {
    SCOPED_TRACE(row.name);
    auto expected = all_drops();
    if (row.drop) ++expected[text_of(*row.drop)];
    arp_in(row.arp);
    EXPECT_EQ(all_drops(), expected);
    EXPECT_EQ(state(), Nud::Reachable);
    EXPECT_EQ(entry()->mac, kPeerMac);
    EXPECT_EQ(system_->counts().entries, 1u);
    EXPECT_EQ(sent().size(), row.answers);
  }
}

TEST_F(ArpForged, L1_NothingChangesAPermanentEntry) {
  set(Nud::Permanent);
  std::vector<Forged> rows = all_rows();
  rows.push_back({"announcement", {.sender_mac = kEvil, .target_ip = kPeer}, std::nullopt});
  rows.push_back({"request for us", {.sender_mac = kEvil}, std::nullopt});
  for (const Forged& row : rows) {
    SCOPED_TRACE(row.name);
    run_for(Duration::seconds(2), Duration::seconds(2));  // past locktime
    arp_in(row.arp);
    EXPECT_EQ(state(), Nud::Permanent);
    EXPECT_EQ(entry()->mac, kPeerMac);
  }
}

TEST_F(ArpForged, L1_WhileWeAskOnlyTheAskedAddressIsLearned) {
  for (const Forged& row : all_rows()) {
    SCOPED_TRACE(row.name);
    if (!row.drop) continue;
    send_to(kPeer);
    arp_in(row.arp);
    EXPECT_EQ(state(), Nud::Incomplete);
    EXPECT_EQ(system_->counts().entries, 1u);
  }
  sent();
}

TEST_F(ArpForged, L1_ChangedMacOutsideLocktimeMustBeProvenBeforeItIsReachable) {
  make_reachable();
  run_for(Duration::seconds(2));
  reply_in(kPeer, kEvil);
  EXPECT_EQ(state(), Nud::Stale);
  send_to(kPeer);
  EXPECT_EQ(state(), Nud::Delay);
  sent();
  run_for(Duration::milliseconds(5700));
  const auto frames = sent();
  ASSERT_EQ(arps(frames), 1u) << "one question to the new MAC";
  EXPECT_EQ(frames[0].link.destination, kEvil);
  run_for(Duration::seconds(4));
  EXPECT_EQ(state(), Nud::Failed) << "a station that does not answer loses the address";
}

}  // namespace
}  // namespace linnet::neigh
