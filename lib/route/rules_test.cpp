// SPDX-License-Identifier: BSD-3-Clause
// Policy rules and routes with a TOS.
#include "route/rules.hpp"

#include "route/route_fixture.hpp"

namespace linnet::route {
namespace {

class RulesTest : public RouteFixture {
 protected:
  RulesTest() {
    address(0, "127.0.0.1/8");
    address(1, "10.0.0.1/24");
    address(2, "10.0.1.1/24");
    add(via("0.0.0.0/0", "10.0.0.2"));
    RouteSpec other = via("0.0.0.0/0", "10.0.1.2");
    other.table = 100;
    add(other);
  }
  void add_rule(const Rule& rule) {
    const auto done = tables.add_rule(rule);
    ASSERT_TRUE(done.ok()) << done.error().text();
  }
  std::string by(const Key& key) { return text(tables.lookup(key)); }

  static constexpr const char* kMain = "unicast via 10.0.0.2 dev 1";
  static constexpr const char* kOther = "unicast via 10.0.1.2 dev 2";
};

TEST_F(RulesTest, TheStandardThreeNeedNoKey) {
  EXPECT_FALSE(needs_keys());
  ASSERT_EQ(tables.rules().size(), 3u);
  EXPECT_EQ(tables.rules()[0], (Rule{.priority = 0, .table = kTableLocal}));
  EXPECT_EQ(tables.rules()[1], (Rule{.priority = 32766, .table = kTableMain}));
  EXPECT_EQ(tables.rules()[2], (Rule{.priority = 32767, .table = kTableDefault}));
}

TEST_F(RulesTest, ATableIsUsedOnlyThroughARule) {
  EXPECT_EQ(where("8.8.8.8"), kMain);
  add_rule({.priority = 100, .from = net("172.16.0.0/12"), .table = 100});
  EXPECT_TRUE(needs_keys());
  EXPECT_EQ(by({.destination = ip("8.8.8.8"), .source = ip("172.17.0.1")}), kOther);
  EXPECT_EQ(by({.destination = ip("8.8.8.8"), .source = ip("10.9.9.9")}), kMain);
  EXPECT_EQ(by({.destination = ip("10.0.0.1"), .source = ip("172.17.0.1")}), "local dev 1")
      << "table local comes first";
  EXPECT_EQ(where("8.8.8.8"), kMain);
  ASSERT_TRUE(tables.remove_rule({.priority = 100}).ok());
  EXPECT_FALSE(needs_keys());
  EXPECT_EQ(by({.destination = ip("8.8.8.8"), .source = ip("172.17.0.1")}), kMain);
}

TEST_F(RulesTest, EveryPartOfARuleMustMatch) {
  add_rule({.priority = 10, .to = net("198.18.0.0/15"), .table = 100});
  add_rule({.priority = 11, .tos = 0x10, .table = 100});
  add_rule({.priority = 12, .mark = 0x30, .mark_mask = 0xf0, .table = 100});
  add_rule({.priority = 13, .input_device = "eth1", .table = 100});
  add_rule({.priority = 14, .output_device = "eth1", .table = 100});
  Key key{.destination = ip("8.8.8.8")};
  EXPECT_EQ(by(key), kMain);
  EXPECT_EQ(by({.destination = ip("198.18.0.1")}), kOther);
  key.tos = 0x13;
  EXPECT_EQ(by(key), kOther) << "the ECN bits do not count";
  key.tos = 0x14;
  EXPECT_EQ(by(key), kMain);
  key.tos = 0;
  key.mark = 0xab3c;
  EXPECT_EQ(by(key), kOther);
  key.mark = 0x40;
  EXPECT_EQ(by(key), kMain);
  key.input_device = 2;
  EXPECT_EQ(by(key), kOther);
  key.input_device = 1;
  EXPECT_EQ(by(key), kMain);
  key.output_device = 1;
  EXPECT_EQ(by(key), kMain);
  key.output_device = 2;
  EXPECT_EQ(by(key), kOther);
}

TEST_F(RulesTest, IifLoMeansPacketsThatStartHere) {
  add_rule({.priority = 10, .input_device = "lo", .table = 100});
  EXPECT_EQ(by({.destination = ip("8.8.8.8")}), kOther);
  EXPECT_EQ(by({.destination = ip("8.8.8.8"), .input_device = 1}), kMain);
}

TEST_F(RulesTest, ARuleForAMissingDeviceMatchesNothing) {
  add_rule({.priority = 10, .input_device = "eth9", .table = 100});
  EXPECT_EQ(by({.destination = ip("8.8.8.8"), .input_device = 1}), kMain);
}

TEST_F(RulesTest, LowerPrioritiesGoFirstAndEqualOnesInTheirOrder) {
  add_rule({.priority = 20, .from = net("172.16.0.0/12"), .action = Type::Prohibit});
  add_rule({.priority = 10, .from = net("172.17.0.0/16"), .table = 100});
  add_rule({.priority = 20, .from = net("172.16.0.0/16"), .table = 100});
  EXPECT_EQ(by({.destination = ip("8.8.8.8"), .source = ip("172.17.0.1")}), kOther);
  EXPECT_EQ(by({.destination = ip("8.8.8.8"), .source = ip("172.16.0.1")}), "prohibit");
}

TEST_F(RulesTest, AnActionEndsTheLookUp) {
  add_rule({.priority = 1, .from = net("172.16.0.0/16"), .action = Type::Blackhole});
  add_rule({.priority = 2, .from = net("172.17.0.0/16"), .action = Type::Unreachable});
  add_rule({.priority = 3, .from = net("172.18.0.0/16"), .action = Type::Prohibit});
  const auto from = [&](const char* source) {
    return by({.destination = ip("8.8.8.8"), .source = ip(source)});
  };
  EXPECT_EQ(from("172.16.0.1"), "blackhole");
  EXPECT_EQ(from("172.17.0.1"), "unreachable");
  EXPECT_EQ(from("172.18.0.1"), "prohibit");
  const auto answer = tables.get({.destination = ip("8.8.8.8"), .source = ip("172.18.0.1")});
  EXPECT_EQ(answer.error().message, "Permission denied");
}

TEST_F(RulesTest, AMissOrThrowGoesOnToTheNextRule) {
  add_rule({.priority = 10, .table = 100});
  add_rule({.priority = 9, .table = 55});
  RouteSpec thrown = nowhere("198.18.0.0/15", Type::Throw);
  thrown.table = 100;
  add(thrown);
  EXPECT_EQ(by({.destination = ip("8.8.8.8")}), kOther) << "table 55 is empty";
  EXPECT_EQ(by({.destination = ip("198.18.0.1")}), kMain);
  RouteSpec first = via("8.8.8.0/24", "10.0.1.9");
  first.table = 55;
  add(first);
  EXPECT_EQ(by({.destination = ip("8.8.8.8")}), "unicast via 10.0.1.9 dev 2");
  ASSERT_TRUE(tables.remove(first).ok());
  EXPECT_EQ(by({.destination = ip("8.8.8.8")}), kOther);
}

TEST_F(RulesTest, GetFollowsTheRules) {
  add_rule({.priority = 10, .mark = 7, .table = 100});
  const auto marked = tables.get({.destination = ip("8.8.8.8"), .mark = 7});
  ASSERT_TRUE(marked.ok());
  EXPECT_EQ(marked->route.table, 100u);
  EXPECT_EQ(marked->hop.device, 2);
  EXPECT_EQ(tables.get({.destination = ip("8.8.8.8")})->route.table, kTableMain);
}

TEST_F(RulesTest, WhatIsWrongChangesNothing) {
  add_rule({.priority = 10, .mark = 7, .table = 100});
  const auto before = tables.rules();
  EXPECT_EQ(error(tables.add_rule({.priority = 10, .mark = 7, .table = 100})), "File exists");
  EXPECT_EQ(error(tables.add_rule({.priority = 11, .table = 0})), "Invalid argument");
  EXPECT_EQ(error(tables.add_rule({.priority = 11, .action = Type::Local})), "Invalid argument");
  EXPECT_EQ(error(tables.add_rule({.priority = 11, .tos = 3, .table = 100})),
            "Invalid dsfield (tos): ECN bits must be 0");
  EXPECT_EQ(error(tables.remove_rule({.priority = 12})), "No such file or directory");
  EXPECT_EQ(error(tables.remove_rule({.priority = 10, .mark = 8, .table = 100})),
            "No such file or directory");
  EXPECT_EQ(tables.rules(), before);
}

TEST_F(RulesTest, ARuleWithoutPriorityStandsBeforeTheSecond) {
  add_rule({.mark = 1, .table = 100});
  EXPECT_EQ(tables.rules()[1].priority, 32765u);
  add_rule({.mark = 2, .table = 100});
  EXPECT_EQ(tables.rules()[1].priority, 32764u);
  EXPECT_EQ(tables.rules()[1].mark, 2u);
  ASSERT_TRUE(tables.remove_rule({.mark = 1, .table = 100}).ok());
  EXPECT_EQ(tables.rules().size(), 4u);
}

TEST_F(RulesTest, WithoutTheMainRuleMainIsNotAsked) {
  ASSERT_TRUE(tables.remove_rule({.priority = 32766, .table = kTableMain}).ok());
  EXPECT_TRUE(needs_keys());
  EXPECT_EQ(by({.destination = ip("8.8.8.8")}), "none");
  EXPECT_EQ(by({.destination = ip("10.0.0.1")}), "local dev 1");
  add_rule({.priority = 32766, .table = kTableMain});
  EXPECT_FALSE(needs_keys());
  EXPECT_EQ(where("8.8.8.8"), kMain);
}

TEST_F(RulesTest, ARouteWithTosComesBeforeOneWithoutInItsPrefix) {
  RouteSpec special = via("198.51.100.0/24", "10.0.1.7");
  special.tos = 0x10;
  add(special);
  add(via("198.51.100.0/24", "10.0.0.7"));
  EXPECT_TRUE(needs_keys());
  const auto with = [&](const char* destination, std::uint8_t tos) {
    return by({.destination = ip(destination), .tos = tos});
  };
  EXPECT_EQ(with("198.51.100.1", 0x10), "unicast via 10.0.1.7 dev 2");
  EXPECT_EQ(with("198.51.100.1", 0x12), "unicast via 10.0.1.7 dev 2") << "ECN does not count";
  EXPECT_EQ(with("198.51.100.1", 0), "unicast via 10.0.0.7 dev 1");
  EXPECT_EQ(with("198.51.100.1", 0x08), "unicast via 10.0.0.7 dev 1");
  ASSERT_TRUE(tables.remove({.prefix = net("198.51.100.0/24")}).ok());
  EXPECT_EQ(with("198.51.100.1", 0), kMain) << "a shorter prefix, for want of another";
  EXPECT_EQ(with("198.51.100.1", 0x10), "unicast via 10.0.1.7 dev 2");
  // A longer prefix without TOS is still longer.
  add(via("198.51.100.128/25", "10.0.0.8"));
  EXPECT_EQ(with("198.51.100.200", 0x10), "unicast via 10.0.0.8 dev 1");
  ASSERT_TRUE(tables.remove(special).ok());
  EXPECT_FALSE(needs_keys());
}

TEST_F(RulesTest, TosRoutesWorkInTablesOfRules) {
  add_rule({.priority = 10, .from = net("172.16.0.0/12"), .table = 100});
  RouteSpec special = via("0.0.0.0/0", "10.0.1.7");
  special.tos = 0x08;
  special.table = 100;
  add(special);
  Key key{.destination = ip("8.8.8.8"), .source = ip("172.16.0.1"), .tos = 0x08};
  EXPECT_EQ(by(key), "unicast via 10.0.1.7 dev 2");
  key.tos = 0x10;
  EXPECT_EQ(by(key), kOther);
  set_link(2, false);
  EXPECT_EQ(by(key), kMain);
  key.tos = 0x08;
  EXPECT_EQ(by(key), kMain);
}

}  // namespace
}  // namespace linnet::route
