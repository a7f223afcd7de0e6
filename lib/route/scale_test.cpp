// SPDX-License-Identifier: BSD-3-Clause
// Many routes: the memory of a million, and random changes against the definition of a look-up.
#include <map>
#include <set>

#include "route/route_fixture.hpp"
#include "support/resident.hpp"
#include "time/random.hpp"

namespace linnet::route {
namespace {

using tests::kResidentIsOurs;
using tests::resident_bytes;

class ScaleTest : public RouteFixture {
 protected:
  ScaleTest() {
    address(1, "10.0.0.1/16");
    address(2, "10.1.0.1/16");
  }

  // A prefix as the Internet's table has them: six in ten /24, most others /16 to /23, a few
  // longer.
  static Ipv4Prefix internet_prefix(time::Random& random) {
    static constexpr struct {
      unsigned upto, length;
    } kShares[] = {{600, 24}, {700, 23}, {810, 22}, {860, 21}, {900, 20},
                   {930, 19}, {950, 18}, {965, 17}, {985, 16}, {990, 14}};
    const auto host = static_cast<std::uint32_t>(random.next());
    const Ipv4Address address =
        Ipv4Address::from_host((16 + (host >> 24) % 200) << 24 | (host & 0xffffff));
    const auto draw = static_cast<unsigned>(random.below(1000));
    for (const auto& share : kShares) {
      if (draw < share.upto) return Ipv4Prefix(address, share.length);
    }
    return Ipv4Prefix(address, 25 + draw % 8);
  }
};

TEST_F(ScaleTest, AMillionRoutesTakeAtMost256Megabytes) {
  constexpr std::size_t kRoutes = 1'000'000;
  time::Random random(8);
  const std::size_t before = resident_bytes();
  RouteSpec spec;
  spec.hops.resize(1);
  for (std::size_t routes = 0; routes < kRoutes;) {
    spec.prefix = internet_prefix(random);
    spec.hops[0].gateway =
        Ipv4Address(10, random.below(2) != 0 ? 1 : 0, 2, static_cast<unsigned>(random.below(250)));
    routes += tables.add(spec).ok() ? 1 : 0;
  }
  EXPECT_GE(tables.size(kTableMain), kRoutes);
  EXPECT_LT(tables.memory_bytes(), 160U << 20);
  if (kResidentIsOurs) {
    EXPECT_LT(resident_bytes() - before, 256U << 20);
  }
  tables.remove_if([](const RouteSpec& its) { return its.protocol == Protocol::Boot; });
  EXPECT_EQ(tables.size(0), 6u);
  rcu.reclaim();
  EXPECT_LT(tables.memory_bytes(), 64U << 20);
}

TEST_F(ScaleTest, TablesOfTenRoutesTouchLessThanAMegabyte) {
  table::Rcu other_rcu(1);
  const std::size_t before = resident_bytes();
  Tables small(devices, other_rcu);
  for (unsigned i = 0; i < 10; ++i) {
    RouteSpec spec = on("0.0.0.0/0", 1);
    spec.prefix = Ipv4Prefix(Ipv4Address(20 * i, i, i, i), 2 * i + 8);
    ASSERT_TRUE(small.add(spec).ok());
  }
  EXPECT_LT(resident_bytes() - before, 1U << 20);
}

// What the tables must answer, worked out from the list of routes alone.
class Definition {
 public:
  struct Entry {
    RouteSpec spec;
    unsigned order;
  };
  explicit Definition(const device::DeviceTable& devices) : devices_(devices) {}

  void add(const RouteSpec& spec) { entries_.push_back({spec, next_++}); }
  void remove(std::size_t index) {
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  void device_down(std::uint16_t device) {
    std::erase_if(entries_, [&](const Entry& entry) {
      return !entry.spec.hops.empty() && entry.spec.hops[0].device == device;
    });
  }
  const std::vector<Entry>& entries() const { return entries_; }
  bool has(const RouteSpec& spec) const {
    for (const Entry& entry : entries_) {
      const RouteSpec& its = entry.spec;
      if (its.table == spec.table && its.prefix == spec.prefix && its.tos == spec.tos &&
          its.metric == spec.metric)
        return true;
    }
    return false;
  }
  // The route of some tables, seen as one, for a packet; nullptr for none or Throw.
  const RouteSpec* find(Ipv4Address address, std::uint8_t tos,
                        const std::vector<std::uint32_t>& tables) const {
    const RouteSpec* best = nullptr;
    for (const Entry& entry : entries_) {
      const RouteSpec& its = entry.spec;
      if (!its.prefix.contains(address) || (its.tos != 0 && its.tos != tos) || !alive(its))
        continue;
      if (std::find(tables.begin(), tables.end(), its.table) == tables.end()) continue;
      if (best == nullptr || rank(its) < rank(*best)) best = &its;
    }
    return best != nullptr && best->type == Type::Throw ? nullptr : best;
  }

 private:
  // Longest prefix, table local before main, larger TOS, smaller metric.
  static std::array<std::int64_t, 4> rank(const RouteSpec& spec) {
    return {-static_cast<std::int64_t>(spec.prefix.length()), -std::int64_t{spec.table},
            -std::int64_t{spec.tos}, spec.metric};
  }
  bool alive(const RouteSpec& spec) const {
    return spec.hops.empty() || devices_.at(*spec.hops[0].device)->running();
  }

  const device::DeviceTable& devices_;
  std::vector<Entry> entries_;
  unsigned next_ = 0;
};

class RandomChanges : public ScaleTest, public testing::WithParamInterface<std::uint64_t> {
 protected:
  RouteSpec random_route() {
    RouteSpec spec;
    const auto spread = static_cast<std::uint32_t>(random.next()) & 0x03070381;
    spec.prefix = Ipv4Prefix(Ipv4Address::from_host(0xc0000000 ^ spread),
                             static_cast<unsigned>(random.below(33)));
    static constexpr std::uint32_t kTables[] = {kTableLocal, kTableMain, kTableMain, kTableDefault,
                                                100};
    spec.table = kTables[random.below(5)];
    spec.metric = static_cast<std::uint32_t>(random.below(3));
    if (with_tos && random.below(4) == 0) spec.tos = random.below(2) != 0 ? 0x10 : 0x08;
    static constexpr Type kTypes[] = {Type::Blackhole, Type::Throw, Type::Prohibit};
    if (random.below(5) == 0) {
      spec.type = kTypes[random.below(3)];
    } else {
      spec.hops = {{.device = static_cast<std::uint16_t>(1 + random.below(3))}};
    }
    return spec;
  }
  void change() {
    const auto draw = random.below(100);
    if (draw < 3) {
      const auto device = static_cast<std::uint16_t>(1 + random.below(3));
      set_link(device, !devices.at(device)->link_up());
    } else if (draw < 4) {
      const auto device = static_cast<std::uint16_t>(1 + random.below(3));
      definition.device_down(device);
      set_up(device, false);
      set_up(device, true);
    } else if (draw < 45 && !definition.entries().empty()) {
      const std::size_t victim = random.below(definition.entries().size());
      // The metric 0 would name any.
      const RouteSpec spec = definition.entries()[victim].spec;
      ASSERT_EQ(tables.remove_if([&](const RouteSpec& its) {
        return its.protocol == Protocol::Boot && its.table == spec.table &&
               its.prefix == spec.prefix && its.tos == spec.tos && its.metric == spec.metric;
      }),
                1u);
      definition.remove(victim);
    } else {
      const RouteSpec spec = random_route();
      ASSERT_EQ(tables.add(spec).ok(), !definition.has(spec));
      if (!definition.has(spec)) definition.add(spec);
    }
  }
  void expect_agreement(Ipv4Address address) {
    const auto tos = static_cast<std::uint8_t>(random.below(3) * 8);
    Key key{.destination = address, .source = ip("172.16.0.1"), .tos = tos};
    const RouteSpec* wanted = nullptr;
    // A rule sends this source to table 100 first, where there is one.
    const std::vector<std::vector<std::uint32_t>> order =
        with_rule ? std::vector<std::vector<std::uint32_t>>{{kTableLocal},
                                                            {100},
                                                            {kTableMain},
                                                            {kTableDefault}}
        : needs_keys()
            ? std::vector<std::vector<std::uint32_t>>{{kTableLocal}, {kTableMain}, {kTableDefault}}
            : std::vector<std::vector<std::uint32_t>>{{kTableLocal, kTableMain}, {kTableDefault}};
    for (const auto& group : order) {
      if (wanted == nullptr) wanted = definition.find(address, tos, group);
    }
    const Route* const found = tables.lookup(key);
    if (wanted == nullptr) {
      ASSERT_EQ(text(found), "none") << address.text();
      return;
    }
    ASSERT_NE(found, nullptr) << address.text() << " wants " << wanted->prefix.text();
    ASSERT_EQ(found->type, wanted->type) << address.text() << " wants " << wanted->prefix.text();
    if (!wanted->hops.empty()) {
      ASSERT_EQ(found->choose(0)->device, wanted->hops[0].device) << address.text();
    }
    if (!with_rule && !needs_keys()) {
      const Route* bulk = nullptr;
      tables.lookup(&address, 1, &bulk);
      ASSERT_EQ(bulk, found);
    }
    ASSERT_EQ(tables.get(key).ok(), found->hop_count != 0);
  }

  time::Random random{GetParam()};
  Definition definition{devices};
  bool with_tos = GetParam() % 2 != 0;
  bool with_rule = GetParam() % 4 >= 2;
};

TEST_P(RandomChanges, LookUpsFollowTheDefinition) {
  if (with_rule) {
    ASSERT_TRUE(tables.add_rule({.priority = 10, .from = net("172.16.0.0/12"), .table = 100}).ok());
  }
  for (unsigned round = 0; round < 60; ++round) {
    for (unsigned i = 0; i < 20; ++i)
      ASSERT_NO_FATAL_FAILURE(change());
    for (const auto& entry : std::vector(definition.entries())) {
      const Ipv4Prefix prefix = entry.spec.prefix;
      for (const Ipv4Address address :
           {prefix.address(), prefix.last(), Ipv4Address::from_host(prefix.last().host() + 1)}) {
        if (address.host() >> 24 == 10) continue;  // the devices' own subnets
        ASSERT_NO_FATAL_FAILURE(expect_agreement(address));
      }
    }
    rcu.reclaim();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomChanges, testing::Range<std::uint64_t>(0, 8));

}  // namespace
}  // namespace linnet::route
