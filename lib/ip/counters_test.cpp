// SPDX-License-Identifier: BSD-3-Clause
// What each datagram counts: as a kernel (6.18) counted the same ones, sent to it over a tap.
#include "ip/counters.hpp"

#include <gtest/gtest.h>

#include <map>

#include "ip/forward.hpp"
#include "ip/host_fixture.hpp"
#include "ip/input.hpp"
#include "ip/local.hpp"
#include "ip/reassembly.hpp"

namespace linnet::ip {
namespace {

using tests::Bytes;
using Counted = std::map<Count, std::uint64_t>;

class CountersTest : public HostFixture {
 protected:
  CountersTest() { settings_.ip_forward = 1; }

  // What has been counted since the last call.
  Counted counted() {
    Counted out;
    for (std::size_t i = 0; i < std::size(kCounterNames); ++i) {
      const auto which = static_cast<Count>(i);
      const std::uint64_t now = input_.counters().value(which) + output_.counters().value(which) +
                                reassembly_.counters().value(which);
      if (now != before_[which]) out[which] = now - before_[which];
      before_[which] = now;
    }
    return out;
  }
  Counted take(const std::vector<Bytes>& datagrams,
               packet::LinkCast cast = packet::LinkCast::Host) {
    packet::Burst burst;
    for (const Bytes& bytes : datagrams) {
      packet::Packet packet = arrived(bytes);
      packet.meta().cast = cast;
      burst.push(std::move(packet));
    }
    packet::Turn now = turn();
    input_.input(now, burst);
    return counted();
  }
  static Bytes to(Ipv4Address destination, std::size_t bytes, const Bytes& padding = {}) {
    HeaderSpec spec;
    spec.destination = destination;
    Bytes out = datagram(spec, pattern(bytes));
    out.insert(out.end(), padding.begin(), padding.end());
    return out;
  }
  Counted send(Ipv4Address destination, std::size_t bytes) {
    packet::Turn now = turn();
    packet::Packet packet = now.generate(packet::Pool::Priority::Data);
    packet.put(static_cast<std::uint32_t>(bytes));
    SendRequest request{.destination = destination, .protocol = wire::protocol::kUdp};
    if (destination.is_multicast()) request.output_device = 1;
    if (destination.is_multicast()) request.source = kHost;
    EXPECT_EQ(output_.send(now, std::move(packet), request), SendResult::Sent);
    return counted();
  }

  time::TimerWheel wheel_{clock_.now()};
  Reassembly reassembly_{wheel_, settings_, SipKey{}, packet::Stage{}};
  Local local_{host_.hooks, reassembly_, icmp_};
  Forward forward_{devices_, host_.addresses, host_.hooks, output_, icmp_, settings_, SipKey{}};
  Input input_{tables_, host_.addresses, host_.hooks, local_, forward_, icmp_, settings_};
  std::map<Count, std::uint64_t> before_;
};

const Ipv4Address kBeyond(203, 0, 113, 9);

TEST_F(CountersTest, WhatIsForwardedCountsWithItsPaddingInAndWithoutItOut) {
  EXPECT_EQ(take({to(kBeyond, 10, Bytes(16))}), (Counted{{Count::InReceives, 1},
                                                         {Count::ForwDatagrams, 1},
                                                         {Count::OutTransmits, 1},
                                                         {Count::InOctets, 46},
                                                         {Count::OutOctets, 30}}));
  EXPECT_EQ(take({to(kBeyond, 100), to(kBeyond, 50), to(kBeyond, 10, Bytes(16))}),
            (Counted{{Count::InReceives, 3},
                     {Count::ForwDatagrams, 3},
                     {Count::OutTransmits, 3},
                     {Count::InOctets, 120 + 70 + 46},
                     {Count::OutOctets, 120 + 70 + 30}}));
  // In fragments of 1,500 octets at most.
  EXPECT_EQ(take({to(kBeyond, 3008), to(kBeyond, 10)}), (Counted{{Count::InReceives, 2},
                                                                 {Count::ForwDatagrams, 2},
                                                                 {Count::OutTransmits, 4},
                                                                 {Count::InOctets, 3028 + 30},
                                                                 {Count::OutOctets, 3068 + 30}}));
}

TEST_F(CountersTest, RefusedOnesCountAsReceivedAndUnderTheirReason) {
  route::RouteSpec way;
  way.hops = {{.gateway = Ipv4Address(192, 0, 2, 254)}};
  ASSERT_TRUE(tables_.remove(way).ok());
  EXPECT_EQ(take({to(Ipv4Address(198, 18, 0, 1), 10)}),
            (Counted{{Count::InReceives, 1}, {Count::InNoRoutes, 1}, {Count::InOctets, 30}}));
  Bytes cut = to(kBeyond, 10);
  cut.resize(28);
  EXPECT_EQ(take({cut}),
            (Counted{{Count::InReceives, 1}, {Count::InTruncatedPkts, 1}, {Count::InOctets, 28}}));
  Bytes wrong = to(kBeyond, 10);
  wrong[10] ^= 1;
  EXPECT_EQ(take({wrong, to(kBeyond, 20)}), (Counted{{Count::InReceives, 2},
                                                     {Count::ForwDatagrams, 1},
                                                     {Count::OutTransmits, 1},
                                                     {Count::InOctets, 70},
                                                     {Count::OutOctets, 40}}));
}

TEST_F(CountersTest, BroadcastsAndGroupsCountOnceMore) {
  for (const Ipv4Address all : {Ipv4Address(192, 0, 2, 255), Ipv4Address(255, 255, 255, 255)}) {
    EXPECT_EQ(take({to(all, 10)}), (Counted{{Count::InReceives, 1},
                                            {Count::InBcastPkts, 1},
                                            {Count::InOctets, 30},
                                            {Count::InBcastOctets, 30}}));
  }
  EXPECT_EQ(take({to(Ipv4Address(224, 0, 0, 1), 10)}), (Counted{{Count::InReceives, 1},
                                                                {Count::InMcastPkts, 1},
                                                                {Count::InOctets, 30},
                                                                {Count::InMcastOctets, 30}}));
  // Of a group that nobody joined.
  EXPECT_EQ(take({to(Ipv4Address(224, 0, 0, 77), 10)}),
            (Counted{{Count::InReceives, 1}, {Count::InOctets, 30}}));
}

// RFC 1812 section 5.3.5.1: with a default route and forwarding on, too; others of the burst go on.
TEST_F(CountersTest, WhatIsForAllOfALinkIsHeardAndNeverForwarded) {
  using packet::LinkCast;
  for (const Ipv4Address all : {Ipv4Address(224, 0, 0, 1), Ipv4Address(255, 255, 255, 255)}) {
    for (const LinkCast cast : {LinkCast::Host, LinkCast::Broadcast, LinkCast::Multicast}) {
      const Counted one = take({to(all, 10), to(kBeyond, 10)}, cast);
      EXPECT_EQ(one.contains(Count::InMcastPkts) || one.contains(Count::InBcastPkts), true);
      EXPECT_EQ(one.contains(Count::ForwDatagrams), cast == LinkCast::Host);
    }
  }
}

TEST_F(CountersTest, FragmentsThatOverlapCountAsSuch) {
  const auto fragment = [](std::uint16_t offset, std::uint16_t id, bool more) {
    HeaderSpec spec;
    spec.destination = kHost;
    spec.id = id;
    spec.offset = offset;
    spec.more = more;
    return datagram(spec, pattern(24));
  };
  EXPECT_EQ(take({fragment(0, 7, true), fragment(16, 7, false)}),
            (Counted{{Count::InReceives, 2},
                     {Count::ReasmReqds, 2},
                     {Count::ReasmFails, 1},
                     {Count::ReasmOverlaps, 1},
                     {Count::InOctets, 88}}));
  Counted whole = take({fragment(0, 8, true), fragment(24, 8, false)});
  EXPECT_EQ(whole[Count::ReasmOKs], 1u);
  EXPECT_FALSE(whole.contains(Count::ReasmFails));
}

TEST_F(CountersTest, WhatIsSentCountsByFragments) {
  EXPECT_EQ(send(Ipv4Address(192, 0, 2, 9), 38),
            (Counted{{Count::OutRequests, 1}, {Count::OutTransmits, 1}, {Count::OutOctets, 58}}));
  EXPECT_EQ(send(Ipv4Address(192, 0, 2, 9), 1608),
            (Counted{{Count::OutRequests, 1}, {Count::OutTransmits, 2}, {Count::OutOctets, 1648}}));
  EXPECT_EQ(send(Ipv4Address(192, 0, 2, 255), 1608), (Counted{{Count::OutRequests, 1},
                                                              {Count::OutTransmits, 2},
                                                              {Count::OutBcastPkts, 2},
                                                              {Count::OutOctets, 1648},
                                                              {Count::OutBcastOctets, 1648}}));
  EXPECT_EQ(send(Ipv4Address(224, 0, 0, 77), 38), (Counted{{Count::OutRequests, 1},
                                                           {Count::OutTransmits, 1},
                                                           {Count::OutMcastPkts, 1},
                                                           {Count::OutOctets, 58},
                                                           {Count::OutMcastOctets, 58}}));
}

}  // namespace
}  // namespace linnet::ip
