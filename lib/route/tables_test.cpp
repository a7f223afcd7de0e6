// SPDX-License-Identifier: BSD-3-Clause
#include "route/tables.hpp"

#include <utility>

#include "route/route_fixture.hpp"

namespace linnet::route {
namespace {

class TablesTest : public RouteFixture {
 protected:
  TablesTest() {
    address(0, "127.0.0.1/8");
    address(1, "10.0.0.1/24");
    address(2, "10.0.1.1/24");
  }
  // The error of adding, which must have changed nothing.
  std::string refused(const RouteSpec& spec) {
    const Lines main = routes(kTableMain), local = routes(kTableLocal);
    const std::string message = error(tables.add(spec));
    EXPECT_EQ(routes(kTableMain), main);
    EXPECT_EQ(routes(kTableLocal), local);
    return message;
  }
};

TEST_F(TablesTest, TheLongestPrefixWins) {
  add(via("0.0.0.0/0", "10.0.0.2"));
  add(via("198.51.100.0/24", "10.0.1.2"));
  add(via("198.51.100.128/25", "10.0.0.3"));
  EXPECT_EQ(where("203.0.113.1"), "unicast via 10.0.0.2 dev 1");
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.1.2 dev 2");
  EXPECT_EQ(where("198.51.100.200"), "unicast via 10.0.0.3 dev 1");
  ASSERT_TRUE(tables.remove({.prefix = net("198.51.100.128/25")}).ok());
  EXPECT_EQ(where("198.51.100.200"), "unicast via 10.0.1.2 dev 2");
}

// Whoever remembers an answer looks at it; it is odd while a change is on.
TEST_F(TablesTest, TheGenerationMovesWithEveryChange) {
  std::uint64_t last = tables.generation();
  const auto moved = [&] {
    const std::uint64_t before = std::exchange(last, tables.generation());
    return last % 2 == 0 && last > before;
  };
  RouteSpec spec;
  spec.prefix = *Ipv4Prefix::parse("198.18.0.0/15");
  spec.type = Type::Blackhole;
  ASSERT_TRUE(tables.add(spec).ok());
  EXPECT_TRUE(moved());
  spec.type = Type::Prohibit;
  ASSERT_TRUE(tables.replace(spec).ok());
  EXPECT_TRUE(moved());
  EXPECT_EQ(tables.remove_if([&](const RouteSpec& each) {
    EXPECT_EQ(tables.generation() % 2, 1u);
    return each.prefix == spec.prefix;
  }),
            1u);
  EXPECT_TRUE(moved());
  const Rule rule{.priority = 10, .action = Type::Blackhole};
  ASSERT_TRUE(tables.add_rule(rule).ok());
  EXPECT_TRUE(moved());
  ASSERT_TRUE(tables.remove_rule(rule).ok());
  EXPECT_TRUE(moved());
  tables.device_changed(0);
  EXPECT_TRUE(moved());
}

TEST_F(TablesTest, ABurstIsAnsweredAddressByAddress) {
  add(via("198.51.100.0/24", "10.0.1.2"));
  add(nowhere("203.0.113.0/24", Type::Blackhole));
  Ipv4Address destinations[64];
  for (unsigned i = 0; i < 64; ++i)
    destinations[i] = i % 3 == 0   ? ip("198.51.100.7")
                      : i % 3 == 1 ? ip("203.0.113.9")
                                   : ip("9.9.9.9");
  const Route* answers[64];
  EXPECT_EQ(tables.lookup(destinations, 64, answers), Looked::Mixed);
  for (unsigned i = 0; i < 64; ++i) {
    EXPECT_EQ(text(answers[i]), i % 3 == 0   ? "unicast via 10.0.1.2 dev 2"
                                : i % 3 == 1 ? "blackhole"
                                             : "none");
  }
}

TEST_F(TablesTest, EveryTypeIsAnsweredAsItIs) {
  add(nowhere("198.18.1.0/24", Type::Blackhole));
  add(nowhere("198.18.2.0/24", Type::Unreachable));
  add(nowhere("198.18.3.0/24", Type::Prohibit));
  RouteSpec local = on("198.18.4.0/24", 0);
  local.type = Type::Local;
  local.table = kTableLocal;
  add(local);
  RouteSpec broadcast = on("198.18.5.255/32", 1);
  broadcast.type = Type::Broadcast;
  add(broadcast);
  RouteSpec multicast = on("224.0.0.0/4", 2);
  multicast.type = Type::Multicast;
  add(multicast);
  EXPECT_EQ(where("198.18.1.1"), "blackhole");
  EXPECT_EQ(where("198.18.2.1"), "unreachable");
  EXPECT_EQ(where("198.18.3.1"), "prohibit");
  EXPECT_EQ(where("198.18.4.1"), "local dev 0");
  EXPECT_EQ(where("198.18.5.255"), "broadcast dev 1");
  EXPECT_EQ(where("224.1.2.3"), "multicast dev 2");
}

TEST_F(TablesTest, ThrowLeavesTheAnswerToTheNextTable) {
  add(via("0.0.0.0/0", "10.0.0.2"));
  add(nowhere("198.18.0.0/15", Type::Throw));
  EXPECT_EQ(where("198.18.0.1"), "none") << "main ends here, and default is empty";
  RouteSpec later = via("0.0.0.0/0", "10.0.1.9");
  later.table = kTableDefault;
  add(later);
  EXPECT_EQ(where("198.18.0.1"), "unicast via 10.0.1.9 dev 2");
  EXPECT_EQ(where("198.20.0.1"), "unicast via 10.0.0.2 dev 1");
}

TEST_F(TablesTest, TableDefaultIsAskedOnlyWhereMainHasNothing) {
  RouteSpec longer = via("198.18.1.0/24", "10.0.1.9");
  longer.table = kTableDefault;
  add(longer);
  EXPECT_EQ(where("198.18.1.1"), "unicast via 10.0.1.9 dev 2");
  add(via("0.0.0.0/0", "10.0.0.2"));
  EXPECT_EQ(where("198.18.1.1"), "unicast via 10.0.0.2 dev 1") << "however long its prefix is";
  ASSERT_TRUE(tables.remove(longer).ok());
  ASSERT_TRUE(tables.remove({.prefix = net("0.0.0.0/0")}).ok());
  EXPECT_EQ(where("198.18.1.1"), "none");
}

TEST_F(TablesTest, LocalComesBeforeMainForTheSamePrefix) {
  add(on("10.0.0.1/32", 2));
  EXPECT_EQ(where("10.0.0.1"), "local dev 1");
  ASSERT_TRUE(addresses.remove(1, *Ipv4Interface::parse("10.0.0.1/24")).ok());
  EXPECT_EQ(where("10.0.0.1"), "unicast dev 2");
}

TEST_F(TablesTest, TheLowestMetricOfAPrefixWins) {
  add(via("198.51.100.0/24", "10.0.0.2", 200));
  add(via("198.51.100.0/24", "10.0.0.3", 100));
  add(via("198.51.100.0/24", "10.0.0.4", 300));
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.0.3 dev 1");
  ASSERT_TRUE(tables.remove(via("198.51.100.0/24", "10.0.0.3")).ok());
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.0.2 dev 1");
  EXPECT_EQ(routes(kTableMain).back(), "198.51.100.0/24 via 10.0.0.4 dev 1 metric 300");
}

TEST_F(TablesTest, AddRefusesAnEqualPrefixTosAndMetric) {
  add(via("198.51.100.0/24", "10.0.0.2"));
  EXPECT_EQ(refused(via("198.51.100.0/24", "10.0.0.3")), "File exists");
  EXPECT_EQ(refused(nowhere("198.51.100.0/24", Type::Blackhole)), "File exists");
  add(via("198.51.100.0/24", "10.0.0.3", 5));
}

TEST_F(TablesTest, ReplaceTakesTheFirstRoutesPlace) {
  ASSERT_TRUE(tables.replace(via("198.51.100.0/24", "10.0.0.2")).ok());
  ASSERT_TRUE(tables.replace(via("198.51.100.0/24", "10.0.0.3")).ok());
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.0.3 dev 1");
  EXPECT_TRUE(tables.replace(via("198.51.100.0/24", "10.0.0.3")).ok());
  ASSERT_TRUE(tables.append(via("198.51.100.0/24", "10.0.0.4")).ok());
  EXPECT_EQ(error(tables.replace(via("198.51.100.0/24", "10.0.0.4"))), "File exists");
  EXPECT_EQ(tables.size(kTableMain), 4u);
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.0.3 dev 1");
}

TEST_F(TablesTest, AppendStandsBehindItsEquals) {
  ASSERT_TRUE(tables.append(via("198.51.100.0/24", "10.0.0.2")).ok());
  ASSERT_TRUE(tables.append(via("198.51.100.0/24", "10.0.0.3")).ok());
  EXPECT_EQ(error(tables.append(via("198.51.100.0/24", "10.0.0.2"))), "File exists");
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.0.2 dev 1");
  ASSERT_TRUE(tables.remove(via("198.51.100.0/24", "10.0.0.2")).ok());
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.0.3 dev 1");
}

TEST_F(TablesTest, RemoveTakesTheFirstRouteThatAgreesWithAllThatIsNamed) {
  add(via("198.51.100.0/24", "10.0.0.2", 1));
  add(via("198.51.100.0/24", "10.0.1.2", 2));
  add(nowhere("203.0.113.0/24", Type::Prohibit));
  EXPECT_EQ(error(tables.remove(via("198.51.100.0/24", "10.0.0.9"))), "No such process");
  EXPECT_EQ(error(tables.remove(via("198.51.100.0/24", "10.0.0.2", 2))), "No such process");
  EXPECT_EQ(error(tables.remove({.prefix = net("198.51.100.0/25")})), "No such process");
  EXPECT_EQ(error(tables.remove({.prefix = net("198.51.100.0/24"), .table = 77})),
            "No such process");
  EXPECT_EQ(error(tables.remove({.prefix = net("198.51.100.0/24"), .tos = 0x10})),
            "No such process");
  EXPECT_EQ(error(tables.remove({.prefix = net("203.0.113.0/24"), .type = Type::Blackhole})),
            "No such process");
  EXPECT_EQ(error(tables.remove({.prefix = net("198.51.100.0/24"), .protocol = Protocol::Static})),
            "No such process");
  EXPECT_TRUE(tables.remove(on("198.51.100.0/24", 2)).ok());
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.0.2 dev 1");
  EXPECT_TRUE(tables.remove({.prefix = net("203.0.113.0/24")}).ok()) << "no type named";
  EXPECT_EQ(where("203.0.113.1"), "none");
}

TEST_F(TablesTest, AGatewayMustBeANeighbour) {
  EXPECT_EQ(refused(via("198.51.100.0/24", "172.16.0.1")), "Nexthop has invalid gateway");
  EXPECT_EQ(refused(via("198.51.100.0/24", "10.0.0.255")), "Nexthop has invalid gateway");
  // Reached through another gateway: not a neighbour.
  add(via("172.16.0.0/16", "10.0.0.2"));
  EXPECT_EQ(refused(via("198.51.100.0/24", "172.16.0.1")), "Nexthop has invalid gateway");
  RouteSpec wrong_device = via("198.51.100.0/24", "10.0.0.2");
  wrong_device.hops[0].device = 2;
  EXPECT_EQ(refused(wrong_device), "Nexthop has invalid gateway");
  // A more specific route that is no neighbour's does not hide the link that is.
  add(via("10.0.0.128/25", "10.0.1.7"));
  add(via("198.51.100.0/24", "10.0.0.200"));
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.0.200 dev 1");
}

TEST_F(TablesTest, OnlinkTakesTheGatewayUnasked) {
  RouteSpec spec = via("198.51.100.0/24", "172.16.0.1");
  spec.hops[0].onlink = true;
  EXPECT_EQ(refused(spec), "Nexthop device required for onlink");
  spec.hops[0].device = 2;
  add(spec);
  EXPECT_EQ(where("198.51.100.1"), "unicast via 172.16.0.1 dev 2");
  spec.prefix = net("198.51.101.0/24");
  spec.hops[0].gateway = ip("10.0.0.1");
  EXPECT_EQ(refused(spec), "Nexthop has invalid gateway") << "our own address";
  spec.hops[0].gateway.reset();
  EXPECT_EQ(refused(spec), "Invalid flags for nexthop - PERVASIVE and ONLINK can not be set");
}

TEST_F(TablesTest, WhatLinuxRefusesIsRefusedInItsWords) {
  EXPECT_EQ(refused(on("198.51.100.0/24", 63)), "No such device");
  EXPECT_EQ(refused({.prefix = net("198.51.100.0/24")}), "No such device");
  RouteSpec spec = nowhere("198.51.100.0/24", Type::Blackhole);
  spec.hops = {{.device = 1}};
  EXPECT_EQ(refused(spec),
            "Gateway, device and multipath can not be specified for this route type");
  spec = on("198.51.100.0/24", 1);
  spec.scope = Scope::Nowhere;
  EXPECT_EQ(refused(spec), "Invalid scope");
  spec.type = Type::Local;
  spec.scope = Scope::Link;
  EXPECT_EQ(refused(spec), "Invalid scope");
  spec.scope = Scope::Host;
  spec.hops[0].gateway = ip("10.0.0.2");
  EXPECT_EQ(refused(spec), "Route with host scope can not have a gateway");
  spec.hops = {{.device = 1}, {.device = 2}};
  EXPECT_EQ(refused(spec), "Route with host scope can not have multiple nexthops");
  spec = via("198.51.100.0/24", "10.0.0.2");
  spec.source = ip("192.0.2.1");
  EXPECT_EQ(refused(spec), "Invalid prefsrc address");
  spec.source = ip("10.0.1.1");
  spec.tos = 0x11;
  EXPECT_EQ(refused(spec), "Invalid dsfield (tos): ECN bits must be 0");
  spec.tos = 0;
  spec.hops[0].weight = 257;
  EXPECT_EQ(refused(spec), "Invalid weight");
  spec.hops[0].weight = 1;
  set_up(1, false);
  EXPECT_EQ(refused(on("198.51.100.0/24", 1)), "Network is down");
}

TEST_F(TablesTest, ScopesAreThoseThatIpRouteChooses) {
  const auto scope_of = [&](const RouteSpec& spec) {
    add(spec);
    std::optional<Scope> scope;
    tables.list(spec.table, [&](const RouteSpec& listed) {
      if (listed.prefix == spec.prefix) scope = listed.scope;
    });
    return *scope;
  };
  EXPECT_EQ(scope_of(on("198.18.1.0/24", 1)), Scope::Link);
  EXPECT_EQ(scope_of(via("198.18.2.0/24", "10.0.0.2")), Scope::Universe);
  EXPECT_EQ(scope_of(nowhere("198.18.3.0/24", Type::Prohibit)), Scope::Universe);
  RouteSpec spec = on("198.18.4.0/24", 0);
  spec.type = Type::Local;
  EXPECT_EQ(scope_of(spec), Scope::Host);
  spec = on("198.18.5.0/24", 1);
  spec.type = Type::Broadcast;
  EXPECT_EQ(scope_of(spec), Scope::Link);
}

TEST_F(TablesTest, ListTellsWhatWasSaid) {
  RouteSpec spec = via("198.51.100.0/24", "10.0.0.2", 7);
  spec.hops[0].device = 1;
  spec.hops.push_back({.gateway = ip("10.0.1.2"), .device = 2, .weight = 9});
  spec.protocol = Protocol::Static;
  spec.source = ip("10.0.1.1");
  spec.mtu = 1400;
  spec.scope = Scope::Universe;
  add(spec);
  std::vector<RouteSpec> listed;
  tables.list(kTableMain, [&](const RouteSpec& its) { listed.push_back(its); });
  ASSERT_EQ(listed.size(), 3u);
  EXPECT_EQ(listed[2], spec);
  EXPECT_EQ(lookup("198.51.100.1")->mtu, 1400);
  EXPECT_EQ(lookup("198.51.100.1")->preferred_source, ip("10.0.1.1"));
}

TEST_F(TablesTest, ListGoesByPrefixThenMetric) {
  add(via("198.51.100.0/24", "10.0.0.2", 9));
  add(via("198.51.100.0/24", "10.0.0.2", 3));
  add(via("198.51.100.0/25", "10.0.0.2"));
  add(via("0.0.0.0/0", "10.0.0.2"));
  EXPECT_EQ(
      routes(kTableMain),
      Lines({"0.0.0.0/0 via 10.0.0.2 dev 1", "10.0.0.0/24 dev 1 src 10.0.0.1",
             "10.0.1.0/24 dev 2 src 10.0.1.1", "198.51.100.0/24 via 10.0.0.2 dev 1 metric 3",
             "198.51.100.0/24 via 10.0.0.2 dev 1 metric 9", "198.51.100.0/25 via 10.0.0.2 dev 1"}));
  EXPECT_EQ(tables.size(kTableMain), 6u);
  EXPECT_EQ(tables.size(0), 6u + routes(kTableLocal).size());
}

TEST_F(TablesTest, RemoveIfTakesWhatItIsToldTo) {
  add(via("198.51.100.0/24", "10.0.0.2"));
  add(via("198.51.101.0/24", "10.0.1.2"));
  const auto through_eth0 = [](const RouteSpec& spec) {
    return spec.protocol != Protocol::Kernel && spec.hops[0].device == 1;
  };
  EXPECT_EQ(tables.remove_if(through_eth0), 1u);
  EXPECT_EQ(where("198.51.100.1"), "none");
  EXPECT_EQ(where("198.51.101.1"), "unicast via 10.0.1.2 dev 2");
}

TEST_F(TablesTest, GetTellsTheRouteAndTheHop) {
  add(via("198.51.100.0/24", "10.0.1.2", 4));
  const auto answer = tables.get({.destination = ip("198.51.100.77")});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->route.prefix, net("198.51.100.0/24"));
  EXPECT_EQ(answer->route.metric, 4u);
  EXPECT_EQ(answer->hop, (HopSpec{.gateway = ip("10.0.1.2"), .device = 2}));
  const auto local = tables.get({.destination = ip("127.1.2.3")});
  ASSERT_TRUE(local.ok());
  EXPECT_EQ(local->route.type, Type::Local);
  EXPECT_EQ(local->route.table, kTableLocal);
}

TEST_F(TablesTest, GetSaysWhyThereIsNoWay) {
  add(nowhere("198.18.1.0/24", Type::Blackhole));
  add(nowhere("198.18.2.0/24", Type::Unreachable));
  add(nowhere("198.18.3.0/24", Type::Prohibit));
  add(nowhere("198.18.4.0/24", Type::Throw));
  const auto why = [&](const char* destination) {
    return tables.get({.destination = ip(destination)}).error().message;
  };
  EXPECT_EQ(why("198.18.1.1"), "Invalid argument");
  EXPECT_EQ(why("198.18.2.1"), "No route to host");
  EXPECT_EQ(why("198.18.3.1"), "Permission denied");
  EXPECT_EQ(why("198.18.4.1"), "Network is unreachable");
  EXPECT_EQ(why("8.8.8.8"), "Network is unreachable");
}

TEST_F(TablesTest, EqualRoutesShareOneRecord) {
  add(via("198.51.100.0/24", "10.0.0.2"));
  add(via("198.51.101.0/24", "10.0.0.2"));
  EXPECT_EQ(lookup("198.51.100.1"), lookup("198.51.101.1"));
}

TEST_F(TablesTest, AnAnswerStaysValidUntilTheLaneIsQuiescent) {
  add(via("198.51.100.0/24", "10.0.0.2"));
  rcu.online(0);
  const Route* const answer = lookup("198.51.100.1");
  ASSERT_TRUE(tables.remove({.prefix = net("198.51.100.0/24")}).ok());
  EXPECT_GT(rcu.reclaim(), 0u);
  EXPECT_EQ(answer->choose(0)->gateway, ip("10.0.0.2"));
  rcu.offline(0);
  EXPECT_EQ(rcu.reclaim(), 0u);
}

}  // namespace
}  // namespace linnet::route
