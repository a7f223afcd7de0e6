// SPDX-License-Identifier: BSD-3-Clause
// A way that is remembered makes the packets that one looked up anew would make, and is left as
// soon as it is no longer that.
#include <gtest/gtest.h>

#include <array>

#include "ip/drops.hpp"
#include "ip/host_fixture.hpp"
#include "ip/output.hpp"

namespace linnet::ip {
namespace {

using packet::Packet;
using tests::Bytes;

class ReadyWayTest : public HostFixture {
 protected:
  ReadyWayTest() {
    output_.connect(collector_.stage(), {this, [](void* self, packet::Turn& turn, Packet&& packet) {
                                           auto& test = *static_cast<ReadyWayTest*>(self);
                                           ++test.ones_;
                                           packet::Burst burst;
                                           burst.push(std::move(packet));
                                           test.collector_.stage()(turn, burst);
                                         }});
  }
  static SendRequest request() {
    return {.destination = kPeer,
            .source = kHost,
            .protocol = wire::protocol::kTcp,
            .dont_fragment = true};
  }
  SendResult send(const SendRequest& what, std::size_t bytes = 100) {
    packet::Turn now = turn();
    return output_.send(now, receive(pattern(bytes)), what, output_.way_for(what));
  }
  // Where the packet that was sent last leaves.
  const packet::Meta& last() { return collector_.packets.back().meta(); }
  std::vector<std::uint64_t> counted() const {
    std::vector<std::uint64_t> out;
    for (const Count what : {Count::OutRequests, Count::OutTransmits, Count::OutOctets})
      out.push_back(output_.counters().value(what));
    return out;
  }
  void at(hook::Point point, hook::Function run) {
    host_.hooks.add(point, {.run = run, .self = this});
  }

  static hook::Verdict count(void* self, packet::Turn& /*turn*/, hook::Point /*point*/,
                             Packet& /*packet*/) {
    ++static_cast<ReadyWayTest*>(self)->hooked_;
    return hook::Verdict::Accept;
  }

  unsigned ones_ = 0;
  unsigned hooked_ = 0;
};

TEST_F(ReadyWayTest, PacketsAndCountersAreThoseOfAWayLookedUpAnew) {
  SendRequest what = request();
  for (const std::uint8_t tos : std::array<std::uint8_t, 5>{0, 2, 3, 0x10, 0xfd}) {
    for (const std::uint8_t ttl : std::array<std::uint8_t, 4>{0, 1, 77, 0}) {
      what.tos = tos;
      what.ttl = ttl;
      what.mark = tos;
      settings_.ip_default_ttl.store(static_cast<std::uint8_t>(50 + tos % 7));
      const auto before = counted();
      ASSERT_EQ(send(what), SendResult::Sent);
      const auto once = counted();
      packet::Turn now = turn();
      ASSERT_EQ(output_.send(now, receive(pattern(100)), what), SendResult::Sent);
      const auto twice = counted();
      for (std::size_t i = 0; i < once.size(); ++i)
        EXPECT_EQ(twice[i] - once[i], once[i] - before[i]) << i;
      const Packet &ready = collector_.packets[0], &anew = collector_.packets[1];
      EXPECT_EQ(bytes_of(ready), bytes_of(anew));
      EXPECT_TRUE(header_checksum_good(bytes_of(ready)));
      EXPECT_EQ(std::memcmp(&ready.meta(), &anew.meta(), sizeof(packet::Meta)), 0);
      collector_.clear();
    }
  }
  EXPECT_EQ(ones_, 40u);
}

TEST_F(ReadyWayTest, ARouteThatCameOrWentCountsForTheNextPacket) {
  ASSERT_EQ(send(request()), SendResult::Sent);
  EXPECT_EQ(last().output_device, 1);
  EXPECT_EQ(last().next_hop, Ipv4Address(192, 0, 2, 254));
  route::RouteSpec nearer;
  nearer.prefix = Ipv4Prefix(kPeer, 32);
  nearer.hops = {{.gateway = Ipv4Address(203, 0, 113, 7)}};
  ASSERT_TRUE(tables_.add(nearer).ok());
  ASSERT_EQ(send(request()), SendResult::Sent);
  EXPECT_EQ(last().output_device, 2);
  EXPECT_EQ(last().next_hop, Ipv4Address(203, 0, 113, 7));
  ASSERT_TRUE(tables_.remove(nearer).ok());
  ASSERT_EQ(send(request()), SendResult::Sent);
  EXPECT_EQ(last().output_device, 1);
  ASSERT_TRUE(devices_.at(1)->set_admin_up(false).ok());
  tables_.device_changed(1);
  EXPECT_EQ(send(request()), SendResult::NoRoute);
  EXPECT_EQ(drops(Drop::NoRoute), 1u);
}

TEST_F(ReadyWayTest, ARuleCountsForTheNextPacket) {
  ASSERT_EQ(send(request()), SendResult::Sent);
  route::Rule rule;
  rule.priority = 10;
  rule.to = Ipv4Prefix(kPeer, 32);
  rule.action = route::Type::Prohibit;
  ASSERT_TRUE(tables_.add_rule(rule).ok());
  EXPECT_EQ(send(request()), SendResult::Prohibited);
  ASSERT_TRUE(tables_.remove_rule(rule).ok());
  EXPECT_EQ(send(request()), SendResult::Sent);
}

TEST_F(ReadyWayTest, ADevicesMtuIsTheOneOfNow) {
  ASSERT_EQ(send(request(), 1000), SendResult::Sent);
  ASSERT_TRUE(devices_.at(1)->set_mtu(600).ok());
  EXPECT_EQ(send(request(), 1000), SendResult::TooLong);
  EXPECT_EQ(drops(Drop::FragmentationNeeded), 1u);
  EXPECT_EQ(output_.way_for(request()).route.mtu, 600u);
  SendRequest what = request();
  what.dont_fragment = false;
  collector_.clear();
  ASSERT_EQ(send(what, 1000), SendResult::Sent);
  EXPECT_EQ(collector_.packets.size(), 2u) << "fragments";
}

TEST_F(ReadyWayTest, WithoutDfADatagramHasAnIdOfItsOwn) {
  SendRequest what = request();
  what.dont_fragment = false;
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(send(what), SendResult::Sent);
  const auto sent_now = sent();
  for (std::size_t i = 1; i < 3; ++i) {
    EXPECT_NE(sent_now[i].ip().id.host(), sent_now[i - 1].ip().id.host());
    EXPECT_EQ(sent_now[i].ip().fragment.host(), 0);
  }
}

// Ways of one pair of addresses have one place.
TEST_F(ReadyWayTest, WhatAnotherAskedForIsNotTheAnswer) {
  route::RouteSpec other;
  other.table = 100;
  other.hops = {{.gateway = Ipv4Address(203, 0, 113, 7)}};
  ASSERT_TRUE(tables_.add(other).ok());
  route::Rule rule;
  rule.priority = 10;
  rule.mark = 5;
  rule.table = 100;
  ASSERT_TRUE(tables_.add_rule(rule).ok());
  SendRequest marked = request();
  marked.mark = 5;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(send(request()), SendResult::Sent);
    EXPECT_EQ(last().output_device, 1);
    ASSERT_EQ(send(marked), SendResult::Sent);
    EXPECT_EQ(last().output_device, 2);
    EXPECT_EQ(last().mark, 5u);
  }
  SendRequest udp = request();
  udp.protocol = wire::protocol::kUdp;
  collector_.clear();
  ASSERT_EQ(send(udp), SendResult::Sent);
  EXPECT_EQ(sent().at(0).ip().protocol, wire::protocol::kUdp);
}

TEST_F(ReadyWayTest, HooksThatComeSeeEveryPacket) {
  ASSERT_EQ(send(request()), SendResult::Sent);
  EXPECT_EQ(ones_, 1u);
  for (const hook::Point point : {hook::Point::Output, hook::Point::PostRouting}) {
    at(point, &ReadyWayTest::count);
    ASSERT_EQ(send(request()), SendResult::Sent);
    host_.hooks.remove(point, this);
  }
  EXPECT_EQ(hooked_, 2u);
  EXPECT_EQ(ones_, 1u) << "they go as bursts, which hooks see";
  at(hook::Point::PostRouting,
     [](void*, packet::Turn&, hook::Point, Packet&) { return hook::Verdict::Drop; });
  ASSERT_EQ(send(request()), SendResult::Sent);
  EXPECT_EQ(collector_.packets.size(), 3u);
  host_.hooks.remove(hook::Point::PostRouting, this);
  ASSERT_EQ(send(request()), SendResult::Sent);
  EXPECT_EQ(ones_, 2u);
}

TEST_F(ReadyWayTest, NoSourceAndNoWayAreRefusedEachTime) {
  SendRequest what = request();
  what.destination = Ipv4Address(198, 18, 0, 1);
  route::RouteSpec hole;
  hole.prefix = *Ipv4Prefix::parse("198.18.0.0/15");
  hole.type = route::Type::Blackhole;
  ASSERT_TRUE(tables_.add(hole).ok());
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(send(what), SendResult::NoRoute);
  EXPECT_EQ(drops(Drop::NoRoute), 2u);
}

}  // namespace
}  // namespace linnet::ip
