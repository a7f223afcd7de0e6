// SPDX-License-Identifier: BSD-3-Clause
#include "socket/ports.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace linnet::socket {
namespace {

constexpr Ipv4Address kAny{};
constexpr Ipv4Address kOne(192, 0, 2, 1), kTwo(192, 0, 2, 2);

class PortsTest : public testing::Test {
 protected:
  static BindRequest request(Space space, Ipv4Address address, std::uint16_t port,
                             bool reuse_address = false, bool reuse_port = false) {
    BindRequest out;
    out.space = space;
    out.local.address = address;
    out.local.port = port;
    out.reuse_address = reuse_address;
    out.reuse_port = reuse_port;
    return out;
  }
  int error(const BindRequest& asked) { return ports_.bind(asked).error; }

  Settings settings_;
  Ports ports_{settings_, 2, 1};
};

TEST_F(PortsTest, WildcardAndSpecificAddressesMeet) {
  for (const Space space : {Space::Tcp, Space::Udp}) {
    EXPECT_EQ(error(request(space, kOne, 80)), 0);
    EXPECT_EQ(error(request(space, kOne, 80)), EADDRINUSE);
    EXPECT_EQ(error(request(space, kAny, 80)), EADDRINUSE);
    EXPECT_EQ(error(request(space, kTwo, 80)), 0);
    EXPECT_EQ(error(request(space, kAny, 81)), 0);
    EXPECT_EQ(error(request(space, kTwo, 81)), EADDRINUSE);
  }
}

TEST_F(PortsTest, DevicesKeepApart) {
  BindRequest first = request(Space::Udp, kAny, 67), second = first;
  first.local.device = 1;
  second.local.device = 2;
  EXPECT_EQ(error(first), 0);
  EXPECT_EQ(error(second), 0);
  EXPECT_EQ(error(request(Space::Udp, kAny, 67)), EADDRINUSE);
}

TEST_F(PortsTest, ReuseAddressSharesUntilSomebodyListens) {
  const auto asked = request(Space::Tcp, kAny, 80, true);
  const auto first = ports_.bind(asked), second = ports_.bind(asked);
  EXPECT_EQ(first.error, 0);
  EXPECT_EQ(second.error, 0);
  EXPECT_EQ(error(request(Space::Tcp, kAny, 80)), EADDRINUSE) << "both must want it";
  EXPECT_EQ(ports_.listen(first.ticket), 0);
  EXPECT_EQ(ports_.listen(first.ticket), 0);
  EXPECT_EQ(ports_.listen(second.ticket), EADDRINUSE);
  EXPECT_EQ(error(asked), EADDRINUSE);
}

TEST_F(PortsTest, UdpSocketsShareByReuseAddress) {
  const auto asked = request(Space::Udp, kAny, 5353, true);
  EXPECT_EQ(error(asked), 0);
  EXPECT_EQ(error(asked), 0);
}

TEST_F(PortsTest, ReusePortSharesListenersOfOneUser) {
  auto asked = request(Space::Tcp, kAny, 80, false, true);
  const auto first = ports_.bind(asked), second = ports_.bind(asked);
  EXPECT_EQ(second.error, 0);
  EXPECT_EQ(ports_.listen(first.ticket), 0);
  EXPECT_EQ(ports_.listen(second.ticket), 0);
  asked.user = 1000;
  EXPECT_EQ(error(asked), EADDRINUSE);
}

TEST_F(PortsTest, EphemeralPortsAreFreeInRangeAndScattered) {
  settings_.ip_local_port_min = 40000;
  settings_.ip_local_port_max = 40099;
  EXPECT_EQ(error(request(Space::Udp, kAny, 40050)), 0);
  std::set<std::uint16_t> got;
  unsigned neighbours = 0;
  std::uint16_t last = 0;
  for (int i = 0; i < 99; ++i) {
    const auto bound = ports_.bind(request(Space::Udp, kAny, 0));
    ASSERT_EQ(bound.error, 0);
    EXPECT_GE(bound.port, 40000);
    EXPECT_LE(bound.port, 40099);
    EXPECT_TRUE(got.insert(bound.port).second);
    neighbours += bound.port == last + 1 ? 1 : 0;
    last = bound.port;
  }
  EXPECT_LT(neighbours, 50u);
  EXPECT_EQ(error(request(Space::Udp, kAny, 0)), EADDRINUSE);
  EXPECT_EQ(error(request(Space::Tcp, kAny, 0)), 0) << "each protocol has ports of its own";
}

// Linux: inet_sk_get_local_port_range.
TEST_F(PortsTest, ASocketsOwnBoundsCountWhereTheyLieInTheCommonRange) {
  const auto range = [&](std::uint32_t low, std::uint32_t high) {
    const PortRange out = ephemeral_ports(settings_, low | high << 16);
    return std::pair(out.low, out.low + out.count - 1);
  };
  EXPECT_EQ(range(0, 0), std::pair(32768u, 60999u));
  EXPECT_EQ(range(40000, 40099), std::pair(40000u, 40099u));
  EXPECT_EQ(range(40000, 0), std::pair(40000u, 60999u));
  EXPECT_EQ(range(0, 40000), std::pair(32768u, 40000u));
  EXPECT_EQ(range(1000, 40000), std::pair(32768u, 40000u));
  EXPECT_EQ(range(40000, 65535), std::pair(40000u, 60999u));
  EXPECT_EQ(range(1000, 2000), std::pair(32768u, 60999u));
  settings_.ip_local_port_min = 50000;
  settings_.ip_local_port_max = 40000;
  EXPECT_EQ(ephemeral_ports(settings_, 0).count, 0u);
}

TEST_F(PortsTest, ConnectionsHoldTheirPort) {
  ports_.connection_began(1, 8080);
  EXPECT_EQ(error(request(Space::Tcp, kAny, 8080)), EADDRINUSE);
  EXPECT_EQ(error(request(Space::Udp, kAny, 8080)), 0);
  EXPECT_EQ(error(request(Space::Tcp, kAny, 8080, true)), 0);
  ports_.connection_ended(1, 8080);
  ports_.connection_began(0, 8081);
  ports_.connection_ended(0, 8081);
  EXPECT_EQ(error(request(Space::Tcp, kAny, 8081)), 0);
}

TEST_F(PortsTest, LanesSeeWhatIsBoundAndWhose) {
  auto asked = request(Space::Tcp, kOne, 443);
  asked.session = 5;
  const auto bound = ports_.bind(asked);
  EXPECT_TRUE(ports_.is_bound(Space::Tcp, 443));
  EXPECT_FALSE(ports_.is_bound(Space::Udp, 443));
  EXPECT_TRUE(ports_.holds(bound.ticket, 5, Space::Tcp, {kOne, 443}));
  EXPECT_FALSE(ports_.holds(bound.ticket, 6, Space::Tcp, {kOne, 443}));
  EXPECT_FALSE(ports_.holds(bound.ticket, 5, Space::Udp, {kOne, 443}));
  EXPECT_FALSE(ports_.holds(bound.ticket, 5, Space::Tcp, {kOne, 444}));
  EXPECT_FALSE(ports_.holds(bound.ticket, 5, Space::Tcp, {kTwo, 443}));
  EXPECT_FALSE(ports_.holds(bound.ticket, 5, Space::Tcp, {kAny, 443}));
  EXPECT_FALSE(ports_.holds(0, 0, Space::Tcp, {}));
  EXPECT_FALSE(ports_.holds(0xffffffff, 0, Space::Tcp, {}));
  ports_.release(bound.ticket);
  EXPECT_FALSE(ports_.is_bound(Space::Tcp, 443));
  EXPECT_FALSE(ports_.holds(bound.ticket, 5, Space::Tcp, {kOne, 443}));
}

TEST_F(PortsTest, AConnectionOfAnEarlierBindingLeavesTheNextOnesAcceptQueueAlone) {
  const auto first = ports_.bind(request(Space::Tcp, kAny, 80));
  const std::uint32_t generation = ports_.enter_backlog(first.ticket);
  EXPECT_EQ(ports_.backlog(first.ticket), 1u);
  ports_.release(first.ticket);
  const auto second = ports_.bind(request(Space::Tcp, kAny, 80));
  ASSERT_EQ(second.ticket, first.ticket) << "tickets are used again";
  EXPECT_EQ(ports_.backlog(second.ticket), 0u);
  ports_.leave_backlog(second.ticket, generation);
  EXPECT_EQ(ports_.backlog(second.ticket), 0u);
  const std::uint32_t mine = ports_.enter_backlog(second.ticket);
  ports_.leave_backlog(second.ticket, generation);
  EXPECT_EQ(ports_.backlog(second.ticket), 1u);
  ports_.leave_backlog(second.ticket, mine);
  ports_.leave_backlog(second.ticket, mine);
  EXPECT_EQ(ports_.backlog(second.ticket), 0u);
}

TEST_F(PortsTest, LanesTakeNoMoreThanTheBufferAndOnlyOfTheBindingThatIs) {
  const auto first = ports_.bind(request(Space::Udp, kAny, 53));
  const std::uint32_t before = ports_.generation(first.ticket);
  EXPECT_TRUE(ports_.take_space(first.ticket, before, 600, 1000));
  EXPECT_FALSE(ports_.take_space(first.ticket, before, 401, 1000));
  EXPECT_TRUE(ports_.take_space(first.ticket, before, 400, 1000));
  ports_.give_space(first.ticket, before, 600);
  EXPECT_TRUE(ports_.take_space(first.ticket, before, 600, 1000));
  EXPECT_FALSE(ports_.take_space(first.ticket, before, UINT32_MAX, UINT32_MAX)) << "no wrap";
  ports_.release(first.ticket);
  const auto second = ports_.bind(request(Space::Udp, kAny, 53));
  ASSERT_EQ(second.ticket, first.ticket) << "tickets are used again";
  const std::uint32_t now = ports_.generation(second.ticket);
  EXPECT_FALSE(ports_.take_space(second.ticket, before, 1, 1000));
  EXPECT_TRUE(ports_.take_space(second.ticket, now, 1000, 1000));
  ports_.give_space(second.ticket, before, 1000);
  EXPECT_FALSE(ports_.take_space(second.ticket, now, 1, 1000));
}

TEST_F(PortsTest, ADeadProgramsPortsComeBack) {
  auto asked = request(Space::Tcp, kAny, 1000);
  asked.session = 3;
  for (; asked.local.port < 1010; ++asked.local.port)
    ASSERT_EQ(error(asked), 0);
  EXPECT_EQ(error(request(Space::Tcp, kAny, 2000)), 0);
  ports_.release_session(3);
  EXPECT_EQ(ports_.size(), 1u);
  EXPECT_EQ(error(request(Space::Tcp, kAny, 1005)), 0);
}

}  // namespace
}  // namespace linnet::socket
