// SPDX-License-Identifier: BSD-3-Clause
// Local delivery: bursts of one protocol go to its handler as they are, others in rows.
#include "ip/local.hpp"

#include <gtest/gtest.h>

#include "ip/host_fixture.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::ip {
namespace {

class LocalTest : public HostFixture {
 protected:
  LocalTest() {
    local_.handle(wire::protocol::kTcp, packet::Stage::of<&LocalTest::take_tcp>(*this));
    local_.handle(wire::protocol::kUdp, packet::Stage::of<&LocalTest::take_udp>(*this));
  }
  void take_tcp(packet::Turn& turn, packet::Burst& burst) {
    take(turn, burst, wire::protocol::kTcp);
  }
  void take_udp(packet::Turn& turn, packet::Burst& burst) {
    take(turn, burst, wire::protocol::kUdp);
  }
  // Notes the handler and the first byte of what it gets.
  void take(packet::Turn& turn, packet::Burst& burst, std::uint8_t by) {
    ++bursts_;
    burst.drain([&](packet::Packet&& packet) {
      EXPECT_EQ(packet.meta().transport_offset, packet.data_offset());
      const auto* const ip = packet.header_at<wire::Ipv4Header>(packet.meta().network_offset);
      EXPECT_EQ(ip->protocol, by);
      EXPECT_EQ(ip->header_length(), packet.data_offset() - packet.meta().network_offset);
      taken_.emplace_back(by, static_cast<unsigned>(packet.data()[0]));
      turn.deliver(std::move(packet));
    });
  }
  packet::Packet of(std::uint8_t protocol, std::uint8_t tag, const tests::Bytes& options = {}) {
    return arrived(datagram({.protocol = protocol, .options = options}, {tag, 0, 0, 0}));
  }
  void deliver(packet::Burst& burst) {
    packet::Turn now = turn();
    local_.deliver(now, burst);
    EXPECT_TRUE(burst.empty());
  }

  time::TimerWheel wheel_{clock_.now()};
  Reassembly reassembly_{wheel_, settings_, SipKey{7, 8}, collector_.stage()};
  Local local_{host_.hooks, reassembly_, icmp_};
  unsigned bursts_ = 0;
  std::vector<std::pair<std::uint8_t, unsigned>> taken_;
};

TEST_F(LocalTest, ABurstOfOneProtocolGoesToItsHandlerAtOnce) {
  packet::Burst burst;
  burst.push(of(wire::protocol::kTcp, 1));
  burst.push(of(wire::protocol::kTcp, 2, {1, 1, 1, 0}));
  burst.push(of(wire::protocol::kTcp, 3));
  deliver(burst);
  EXPECT_EQ(bursts_, 1u);
  EXPECT_EQ(taken_, (std::vector<std::pair<std::uint8_t, unsigned>>{{6, 1}, {6, 2}, {6, 3}}));
}

TEST_F(LocalTest, OthersGoToTheirsInOrder) {
  packet::Burst burst;
  burst.push(of(wire::protocol::kTcp, 1));
  burst.push(of(wire::protocol::kUdp, 2));
  burst.push(of(wire::protocol::kTcp, 3));
  deliver(burst);
  EXPECT_EQ(taken_, (std::vector<std::pair<std::uint8_t, unsigned>>{{6, 1}, {17, 2}, {6, 3}}));
}

// A raw socket sees the IP header of each.
TEST_F(LocalTest, WhoeverListensInIsShownEveryDatagram) {
  unsigned shown = 0;
  local_.set_raw(
      [](void* self, packet::Turn& /*turn*/, packet::PacketRef packet) {
        *static_cast<unsigned*>(self) += packet.header<wire::Ipv4Header>()->version();
        return false;
      },
      &shown);
  packet::Burst burst;
  burst.push(of(wire::protocol::kTcp, 1));
  burst.push(of(wire::protocol::kTcp, 2));
  deliver(burst);
  EXPECT_EQ(shown, 8u);
  EXPECT_EQ(taken_.size(), 2u);
}

}  // namespace
}  // namespace linnet::ip
