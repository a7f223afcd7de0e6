// SPDX-License-Identifier: BSD-3-Clause
// Look-ups that are bound to a device (Linux: fib_table_lookup with flowi4_oif).
#include <set>

#include "route/device_routes.hpp"
#include "route/route_fixture.hpp"
#include "time/random.hpp"

namespace linnet::route {
namespace {

class ByDeviceTest : public RouteFixture {
 protected:
  ByDeviceTest() {
    address(1, "10.0.0.1/24");
    address(2, "10.0.1.1/24");
    address(3, "10.0.2.1/24");
  }
  const Route* look_up(const char* destination, std::uint16_t device, std::uint8_t tos = 0) {
    return tables.lookup({.destination = ip(destination), .tos = tos, .output_device = device});
  }
  // As `where`, by the hop on the device.
  std::string where_on(const char* destination, std::uint16_t device, std::uint8_t tos = 0) {
    const Route* const route = look_up(destination, device, tos);
    if (route == nullptr || route->hop_count == 0) return text(route);
    const NextHop* const hop = route->hop_on(device);
    if (hop == nullptr) return "no hop";
    std::string out = route->type == Type::Local ? "local" : "unicast";
    if (!hop->gateway.is_any()) out += " via " + hop->gateway.text();
    return out + " dev " + std::to_string(hop->device);
  }
  std::string told(const char* destination, std::uint16_t device) {
    const auto answer = tables.get({.destination = ip(destination), .output_device = device});
    if (!answer) return answer.error().message;
    std::string out = answer->route.prefix.text();
    if (answer->hop.gateway) out += " via " + answer->hop.gateway->text();
    return out + " dev " + std::to_string(answer->hop.device.value());
  }
};

TEST_F(ByDeviceTest, AShorterRouteThroughTheDeviceIsTakenOverALongerOneElsewhere) {
  add(via("0.0.0.0/0", "10.0.0.2"));
  add(via("198.51.0.0/16", "10.0.1.2"));
  add(via("198.51.100.0/24", "10.0.2.2"));
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.2.2 dev 3");
  EXPECT_EQ(where_on("198.51.100.1", 1), "unicast via 10.0.0.2 dev 1");
  EXPECT_EQ(where_on("198.51.100.1", 2), "unicast via 10.0.1.2 dev 2");
  EXPECT_EQ(where_on("198.51.100.1", 3), "unicast via 10.0.2.2 dev 3");
  EXPECT_EQ(where_on("203.0.113.1", 2), "none");
  EXPECT_EQ(told("198.51.100.1", 1), "0.0.0.0/0 via 10.0.0.2 dev 1");
}

TEST_F(ByDeviceTest, ALargerMetricThroughTheDeviceIsTakenOverASmallerOneElsewhere) {
  add(via("0.0.0.0/0", "10.0.0.2", 1));
  add(via("0.0.0.0/0", "10.0.1.2", 2));
  add(via("0.0.0.0/0", "10.0.1.3", 3));
  EXPECT_EQ(where_on("198.51.100.1", 2), "unicast via 10.0.1.2 dev 2");
  ASSERT_TRUE(tables.remove(via("0.0.0.0/0", "10.0.1.2", 2)).ok());
  EXPECT_EQ(where_on("198.51.100.1", 2), "unicast via 10.0.1.3 dev 2");
  RouteSpec other = via("0.0.0.0/0", "10.0.2.3", 3);
  ASSERT_TRUE(tables.replace(other).ok());
  EXPECT_EQ(where_on("198.51.100.1", 2), "none");
  EXPECT_EQ(where_on("198.51.100.1", 3), "unicast via 10.0.2.3 dev 3");
}

// The first, whatever the weights (Linux: fib_select_path does not spread where a device is given).
TEST_F(ByDeviceTest, OfSeveralHopsThoseOfTheDeviceCount) {
  RouteSpec spec;
  spec.prefix = net("198.51.100.0/24");
  spec.hops = {{.gateway = ip("10.0.0.2"), .weight = 200},
               {.gateway = ip("10.0.1.2")},
               {.gateway = ip("10.0.1.3"), .weight = 9}};
  add(spec);
  EXPECT_EQ(where_on("198.51.100.1", 2), "unicast via 10.0.1.2 dev 2");
  EXPECT_EQ(where_on("198.51.100.1", 3), "none");
  EXPECT_EQ(told("198.51.100.1", 2), "198.51.100.0/24 via 10.0.1.2 dev 2");
  set_link(2, false);
  EXPECT_EQ(where_on("198.51.100.1", 2), "none");
  EXPECT_EQ(where_on("198.51.100.1", 1), "unicast via 10.0.0.2 dev 1");
  set_link(2, true);
  EXPECT_EQ(where_on("198.51.100.1", 2), "unicast via 10.0.1.2 dev 2");
}

TEST_F(ByDeviceTest, OursIsOursOnItsDeviceAlone) {
  EXPECT_EQ(where_on("10.0.0.1", 1), "local dev 1");
  EXPECT_EQ(where_on("10.0.0.1", 2), "none");
  add(via("0.0.0.0/0", "10.0.1.2"));
  EXPECT_EQ(where_on("10.0.0.1", 2), "unicast via 10.0.1.2 dev 2");
}

TEST_F(ByDeviceTest, ARouteThatLeadsNowhereAnswersForEveryDevice) {
  add(via("0.0.0.0/0", "10.0.1.2"));
  add(nowhere("198.51.0.0/16", Type::Blackhole));
  add(via("198.51.100.0/24", "10.0.0.2"));
  EXPECT_EQ(where_on("198.51.100.1", 2), "blackhole");
  EXPECT_EQ(where_on("198.51.100.1", 1), "unicast via 10.0.0.2 dev 1");
  // By metric, beside a route through the device.
  add(via("198.51.0.0/16", "10.0.1.3", 5));
  EXPECT_EQ(where_on("198.51.100.1", 2), "blackhole");
  ASSERT_TRUE(tables.remove(nowhere("198.51.0.0/16", Type::Blackhole)).ok());
  EXPECT_EQ(where_on("198.51.100.1", 2), "unicast via 10.0.1.3 dev 2");
}

TEST_F(ByDeviceTest, WithoutARouteTheDestinationIsToldOnTheLink) {
  add(nowhere("203.0.113.0/24", Type::Prohibit));
  EXPECT_EQ(told("198.51.100.1", 2), "198.51.100.1/32 dev 2");
  EXPECT_EQ(told("203.0.113.1", 2), "203.0.113.1/32 dev 2");
  EXPECT_EQ(told("10.0.0.1", 2), "10.0.0.1/32 dev 2");
  set_up(2, false);
  EXPECT_EQ(told("198.51.100.1", 2), "Network is unreachable");
}

TEST_F(ByDeviceTest, RulesAndTableDefaultAreAskedInTheirOrder) {
  RouteSpec last = via("0.0.0.0/0", "10.0.2.2");
  last.table = kTableDefault;
  add(last);
  add(via("0.0.0.0/0", "10.0.0.2"));
  EXPECT_EQ(where_on("198.51.100.1", 3), "unicast via 10.0.2.2 dev 3");
  RouteSpec own = via("198.51.100.0/24", "10.0.1.2");
  own.table = 100;
  add(own);
  ASSERT_TRUE(tables.add_rule({.priority = 100, .table = 100}).ok());
  EXPECT_EQ(where_on("198.51.100.1", 1), "unicast via 10.0.0.2 dev 1");
  EXPECT_EQ(where_on("198.51.100.1", 2), "unicast via 10.0.1.2 dev 2");
  EXPECT_EQ(where_on("198.51.100.1", 3), "unicast via 10.0.2.2 dev 3");
  RouteSpec skip = nowhere("198.51.100.0/25", Type::Throw);
  skip.table = 100;
  add(skip);
  EXPECT_EQ(where_on("198.51.100.1", 2), "none");
}

// Against a walk over all routes, while they come, go and are replaced.
TEST_F(ByDeviceTest, LookUpsAgreeWithAWalkOverAllRoutes) {
  time::Random random(11);
  const auto route = [&] {
    RouteSpec spec;
    const unsigned length = static_cast<unsigned>(random.below(5)) * 4 + 8;
    spec.prefix = Ipv4Prefix(
        Ipv4Address::from_host(0xc6336400U | static_cast<std::uint32_t>(random.below(256))),
        length);
    spec.metric = static_cast<std::uint32_t>(random.below(3));
    spec.tos = random.below(4) == 0 ? 0x10 : 0;
    if (random.below(8) == 0) {
      spec.type = Type::Unreachable;
      return spec;
    }
    for (std::size_t hops = 1 + random.below(2); hops != 0; --hops) {
      spec.hops.push_back({.gateway = Ipv4Address(10, 0, static_cast<std::uint8_t>(random.below(3)),
                                                  static_cast<std::uint8_t>(2 + random.below(3)))});
    }
    return spec;
  };
  // As Linux walks a trie: longest prefix, then larger TOS, then smaller metric.
  const auto walk = [&](Ipv4Address to, std::uint16_t device, std::uint8_t tos) {
    std::optional<RouteSpec> best;
    tables.list(kTableMain, [&](const RouteSpec& spec) {
      bool fits = spec.prefix.contains(to) && (spec.tos == 0 || spec.tos == tos);
      bool leads = spec.hops.empty();
      for (const HopSpec& hop : spec.hops)
        leads = leads || hop.device == device;
      if (!fits || !leads) return;
      const auto rank = [](const RouteSpec& one) {
        return std::tuple(one.prefix.length(), one.tos, ~one.metric);
      };
      if (!best || rank(spec) > rank(*best)) best = spec;
    });
    if (!best) return std::string("none");
    if (best->hops.empty()) return std::string("unreachable");
    for (const HopSpec& hop : best->hops) {
      if (hop.device != device) continue;
      return "unicast" + (hop.gateway ? " via " + hop.gateway->text() : std::string()) + " dev " +
             std::to_string(device);
    }
    return std::string();
  };
  std::vector<RouteSpec> there;
  std::set<std::string> seen;
  for (unsigned round = 0; round < 3000; ++round) {
    if (there.size() > 60 || (random.below(3) == 0 && !there.empty())) {
      const std::size_t which = random.below(there.size());
      static_cast<void>(tables.remove(there[which]));
      there.erase(there.begin() + static_cast<std::ptrdiff_t>(which));
    } else {
      const RouteSpec spec = route();
      if (random.below(2) == 0 ? tables.add(spec).ok() : tables.replace(spec).ok())
        there.push_back(spec);
    }
    const Ipv4Address to =
        Ipv4Address::from_host(0xc6336400U | static_cast<std::uint32_t>(random.below(256)));
    for (std::uint16_t device = 1; device <= 3; ++device) {
      for (const std::uint8_t tos : {std::uint8_t{0}, std::uint8_t{0x10}}) {
        const std::string expected = walk(to, device, tos);
        ASSERT_EQ(where_on(to.text().c_str(), device, tos), expected) << round;
        seen.insert(expected);
      }
    }
    if (round % 64 == 0) rcu.reclaim();
  }
  EXPECT_GT(seen.size(), 8u);
}

TEST(DeviceRoutes, GrowsAndForgets) {
  table::Rcu rcu(1);
  DeviceRoutes routes(rcu);
  const auto prefix = [](std::uint32_t i) {
    return Ipv4Prefix(Ipv4Address::from_host(i << 8), 24);
  };
  const auto found = [&](std::uint32_t i, unsigned device) {
    std::uint32_t value = 0;
    routes.search(Ipv4Address::from_host(i << 8 | 7), device, [&](std::uint32_t its) {
      value = its;
      return true;
    });
    return value;
  };
  constexpr std::uint32_t kCount = 20000;
  for (unsigned round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < kCount; ++i)
      ASSERT_TRUE(routes.set(prefix(i), i % 3, i + 1 + round));
    for (std::uint32_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(found(i, i % 3), i + 1 + round);
      ASSERT_EQ(found(i, 3), 0u);
    }
    const std::size_t most = routes.memory_bytes();
    EXPECT_LE(most, kCount * 8 * 4);
    for (std::uint32_t i = 0; i < kCount; ++i)
      ASSERT_TRUE(routes.set(prefix(i), i % 3, 0));
    for (std::uint32_t i = 0; i < kCount; ++i)
      ASSERT_EQ(found(i, i % 3), 0u);
    rcu.reclaim();
  }
}

}  // namespace
}  // namespace linnet::route
