// SPDX-License-Identifier: BSD-3-Clause
// Routes with several next hops, and what devices that come and go do to routes.
#include <cmath>
#include <map>

#include "route/route_fixture.hpp"
#include "time/random.hpp"

namespace linnet::route {
namespace {

class MultipathTest : public RouteFixture {
 protected:
  MultipathTest() {
    address(1, "10.0.0.1/24");
    address(2, "10.0.1.1/24");
    address(3, "10.0.2.1/24");
  }
  // Hops 10.0.0.2, 10.0.1.2, 10.0.2.2 ... with these weights.
  RouteSpec multipath(const char* prefix, const std::vector<std::uint16_t>& weights) {
    RouteSpec spec;
    spec.prefix = net(prefix);
    for (unsigned i = 0; i < weights.size(); ++i)
      spec.hops.push_back({.gateway = Ipv4Address(10, 0, i % 3, 2 + i / 3), .weight = weights[i]});
    return spec;
  }
  // Which share of flows each gateway gets.
  std::map<std::string, double> shares(const char* destination) {
    constexpr unsigned kFlows = 100000;
    time::Random random(5);
    std::map<std::string, double> out;
    const Route* const route = lookup(destination);
    for (unsigned i = 0; i < kFlows; ++i)
      out[route->choose(static_cast<std::uint32_t>(random.next()))->gateway.text()] += 1.0 / kFlows;
    return out;
  }
};

TEST_F(MultipathTest, FlowsSpreadByWeight) {
  add(multipath("198.51.100.0/24", {1, 1, 1, 1}));
  for (const auto& [gateway, share] : shares("198.51.100.1"))
    EXPECT_NEAR(share, 0.25, 0.25 * 0.03) << gateway;
  add(multipath("198.51.101.0/24", {1, 4, 5}));
  auto weighted = shares("198.51.101.1");
  EXPECT_NEAR(weighted["10.0.0.2"], 0.1, 0.1 * 0.03);
  EXPECT_NEAR(weighted["10.0.1.2"], 0.4, 0.4 * 0.03);
  EXPECT_NEAR(weighted["10.0.2.2"], 0.5, 0.5 * 0.03);
  add(multipath("198.51.102.0/24", {1, 256}));
  EXPECT_NEAR(shares("198.51.102.1")["10.0.1.2"], 256.0 / 257, 0.03);
}

// Even where all flows of a lane share the hash bits that chose the lane.
TEST_F(MultipathTest, FlowsSpreadWithinEveryEighthOfTheHash) {
  add(multipath("198.51.100.0/24", {1, 1}));
  const Route* const route = lookup("198.51.100.1");
  time::Random random(6);
  for (std::uint32_t lane = 0; lane < 8; ++lane) {
    unsigned low = 0, high = 0;
    for (unsigned i = 0; i < 20000; ++i) {
      const auto hash = static_cast<std::uint32_t>(random.next());
      low += route->choose(hash << 3 | lane) == route->hops ? 1U : 0U;
      high += route->choose(hash >> 3 | lane << 29) == route->hops ? 1U : 0U;
    }
    EXPECT_NEAR(low / 20000.0, 0.5, 0.03) << lane;
    EXPECT_NEAR(high / 20000.0, 0.5, 0.03) << lane;
  }
}

TEST_F(MultipathTest, AFlowKeepsItsHopWhileTheSetIsUnchanged) {
  add(multipath("198.51.100.0/24", {3, 1, 2}));
  std::vector<Ipv4Address> before;
  time::Random hashes(7);
  for (unsigned i = 0; i < 1000; ++i)
    before.push_back(
        lookup("198.51.100.1")->choose(static_cast<std::uint32_t>(hashes.next()))->gateway);
  add(via("198.51.101.0/24", "10.0.0.9"));
  tables.device_changed(1);  // its MTU, say
  time::Random again(7);
  for (const Ipv4Address gateway : before)
    ASSERT_EQ(lookup("198.51.100.1")->choose(static_cast<std::uint32_t>(again.next()))->gateway,
              gateway);
}

TEST_F(MultipathTest, HopsWithoutLinkAreSkippedAndTakenAgain) {
  add(multipath("198.51.100.0/24", {1, 1, 1}));
  set_link(2, false);
  const Route* route = lookup("198.51.100.1");
  EXPECT_EQ(route->hop_count, 3);
  EXPECT_EQ(route->live_hops, 2);
  EXPECT_TRUE(route->has_dead_hops);
  EXPECT_EQ(route->total_weight, 2u);
  auto now = shares("198.51.100.1");
  EXPECT_EQ(now.count("10.0.1.2"), 0u);
  EXPECT_NEAR(now["10.0.0.2"], 0.5, 0.02);
  set_link(2, true);
  now = shares("198.51.100.1");
  EXPECT_NEAR(now["10.0.1.2"], 1.0 / 3, 0.02);
  EXPECT_FALSE(lookup("198.51.100.1")->has_dead_hops);
}

TEST_F(MultipathTest, ARouteWhoseHopsAreAllDeadGivesWayToTheNext) {
  add(via("0.0.0.0/0", "10.0.2.2"));
  add(via("198.51.100.0/24", "10.0.0.2", 1));
  add(via("198.51.100.0/24", "10.0.1.2", 2));
  set_link(1, false);
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.1.2 dev 2");
  set_link(2, false);
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.2.2 dev 3");
  const Lines all = routes(kTableMain);
  EXPECT_EQ(all[all.size() - 2], "198.51.100.0/24 via 10.0.0.2 dev 1 metric 1 dead");
  set_link(2, true);
  set_link(1, true);
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.0.2 dev 1");
}

TEST_F(MultipathTest, OurAddressesAnswerWithoutLink) {
  set_link(1, false);
  EXPECT_EQ(where("10.0.0.1"), "local dev 1");
  EXPECT_EQ(where("10.0.0.7"), "none");
}

TEST_F(MultipathTest, ARouteAddedWithoutLinkWaitsForIt) {
  set_link(1, false);
  add(via("198.51.100.0/24", "10.0.0.2"));
  EXPECT_EQ(where("198.51.100.1"), "none");
  set_link(1, true);
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.0.2 dev 1");
}

// Linux: fib_disable_ip on NETDEV_DOWN; what the addresses stand for returns, the rest does not.
TEST_F(MultipathTest, AdminDownFlushesTheDevicesRoutes) {
  add(via("198.51.100.0/24", "10.0.0.2"));
  add(multipath("198.51.101.0/24", {1, 1}));
  const Lines before = routes(kTableLocal);
  set_up(1, false);
  EXPECT_EQ(where("198.51.100.1"), "none");
  EXPECT_EQ(where("10.0.0.7"), "none");
  EXPECT_EQ(where("10.0.0.255"), "none");
  EXPECT_EQ(where("10.0.0.1"), "local dev 1") << "local routes stay, as in Linux";
  EXPECT_EQ(lookup("198.51.101.1")->live_hops, 1);
  set_up(1, true);
  EXPECT_EQ(where("198.51.100.1"), "none");
  EXPECT_EQ(where("10.0.0.7"), "unicast dev 1");
  EXPECT_EQ(lookup("198.51.101.1")->live_hops, 2);
  EXPECT_EQ(routes(kTableLocal), before);
}

TEST_F(MultipathTest, ARouteOfManyHopsNeedsNoInlinePlace) {
  RouteSpec spec = multipath("198.51.100.0/24", std::vector<std::uint16_t>(255, 256));
  add(spec);
  EXPECT_EQ(lookup("198.51.100.1")->hop_count, 255);
  EXPECT_EQ(shares("198.51.100.1").size(), 255u);
  set_link(1, false);
  EXPECT_EQ(lookup("198.51.100.1")->live_hops, 170);
  spec.hops.push_back(spec.hops.back());
  spec.prefix = net("198.51.101.0/24");
  EXPECT_EQ(error(tables.add(spec)), "Too many nexthops");
}

TEST_F(MultipathTest, D5_AThousandFlapsLeaveEverythingAsItWas) {
  add(via("0.0.0.0/0", "10.0.2.2"));
  add(multipath("198.51.100.0/24", {1, 2, 3}));
  add(via("198.51.101.0/24", "10.0.0.2"));
  const Lines main = routes(kTableMain), local = routes(kTableLocal);
  rcu.reclaim();
  const std::size_t memory = tables.memory_bytes();
  for (unsigned flap = 0; flap < 1000; ++flap) {
    set_link(1, false);
    ASSERT_EQ(where("198.51.101.1"), "unicast via 10.0.2.2 dev 3");
    set_link(1, true);
    ASSERT_EQ(where("198.51.101.1"), "unicast via 10.0.0.2 dev 1");
    rcu.reclaim();
  }
  EXPECT_EQ(routes(kTableMain), main);
  EXPECT_EQ(routes(kTableLocal), local);
  EXPECT_EQ(tables.memory_bytes(), memory);
}

}  // namespace
}  // namespace linnet::route
