// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_fixture.hpp"

namespace linnet::control {
namespace {

class RouteTest : public ControlFixture {
 protected:
  RouteTest() {
    ok("ip link set tap0 up");
    ok("ip link set tap1 up");
    ok("ip addr add 10.0.0.1/24 dev tap0");
  }
};

TEST_F(RouteTest, ShowsRoutesAsIproute2Does) {
  ok("ip route add default via 10.0.0.254");
  ok("ip route add blackhole 10.9.0.0/16 metric 7");
  ok("ip route add 10.8.0.0/16 mtu 1400 nexthop via 10.0.0.2 weight 1 nexthop via 10.0.0.3 dev "
     "tap0 "
     "weight 2 onlink");
  ok("ip route add unreachable 10.6.1.1");
  EXPECT_EQ(ok("ip route"),
            "default via 10.0.0.254 dev tap0 \n"
            "10.0.0.0/24 dev tap0 proto kernel scope link src 10.0.0.1 \n"
            "unreachable 10.6.1.1 \n"
            "10.8.0.0/16 mtu 1400 \n"
            "\tnexthop via 10.0.0.2 dev tap0 weight 1 \n"
            "\tnexthop via 10.0.0.3 dev tap0 weight 2 onlink \n"
            "blackhole 10.9.0.0/16 metric 7 \n");
  EXPECT_EQ(ok("ip -d route show exact default"),
            "unicast default via 10.0.0.254 dev tap0 proto boot scope global \n");
  EXPECT_EQ(ok("ip -o route show 10.8.0.0/16"),
            "10.8.0.0/16 mtu 1400 \\\tnexthop via 10.0.0.2 dev tap0 weight 1 \\\tnexthop via "
            "10.0.0.3 dev tap0 weight 2 onlink \n");
}

TEST_F(RouteTest, OctetsBehindAPrefixMayBeLeftOut) {
  ok("ip route add 172.16/12 via 10.0.0.2");
  EXPECT_EQ(ok("ip route show exact 172.16.0.0/12"), "172.16.0.0/12 via 10.0.0.2 dev tap0 \n");
  ok("ip route add blackhole 192.168.7/24");
  ok("ip route del 192.168.7.0/24");
  ok("ip route add prohibit 11/8");
  EXPECT_EQ(ok("ip route show 11/8"), "prohibit 11.0.0.0/8 \n");
  for (const char* wrong : {"ip route add 11 via 10.0.0.2", "ip route add 11./8 via 10.0.0.2",
                            "ip route add /8 via 10.0.0.2", "ip route add 1.2.3.4.5/8 dev tap0",
                            "ip route add 172.16/8 via 10.0.0.2"}) {
    const std::string answer = refused(wrong, kExitUsage);
    EXPECT_NE(answer.find("(word 4)"), std::string::npos) << answer;
  }
}

TEST_F(RouteTest, JsonHasIproute2sNames) {
  ok("ip route add default via 10.0.0.254");
  ok("ip route add blackhole 10.9.0.0/16 metric 7");
  ok("ip route add 10.8.0.0/16 mtu 1400 nexthop via 10.0.0.2 weight 1 nexthop via 10.0.0.3 dev "
     "tap0 "
     "weight 2 onlink");
  EXPECT_EQ(ok("ip -j route"),
            R"([{"dst":"default","gateway":"10.0.0.254","dev":"tap0","flags":[]},)"
            R"({"dst":"10.0.0.0/24","dev":"tap0","protocol":"kernel","scope":"link",)"
            R"("prefsrc":"10.0.0.1","flags":[]},)"
            R"({"dst":"10.8.0.0/16","flags":[],"metrics":[{"mtu":1400}],"nexthops":[)"
            R"({"gateway":"10.0.0.2","dev":"tap0","weight":1,"flags":[]},)"
            R"({"gateway":"10.0.0.3","dev":"tap0","weight":2,"flags":["onlink"]}]},)"
            R"({"type":"blackhole","dst":"10.9.0.0/16","metric":7,"flags":[]}])"
            "\n");
}

TEST_F(RouteTest, AllTablesNameTheirs) {
  ok("ip route add 10.7.0.0/16 via 10.0.0.4 dev tap0 proto static src 10.0.0.1 table 100 tos 0x10 "
     "onlink");
  const std::string all = ok("ip route show table all");
  for (const char* line :
       {"10.7.0.0/16 tos 0x10 via 10.0.0.4 dev tap0 table 100 proto static src 10.0.0.1 onlink \n",
        "10.0.0.0/24 dev tap0 proto kernel scope link src 10.0.0.1 \n",
        "local 10.0.0.1 dev tap0 table local proto kernel scope host src 10.0.0.1 \n",
        "broadcast 10.0.0.255 dev tap0 table local proto kernel scope link src 10.0.0.1 \n",
        "local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1 \n"})
    EXPECT_NE(all.find(line), std::string::npos) << line << "\nin\n" << all;
  EXPECT_EQ(ok("ip route show table 100"),
            "10.7.0.0/16 tos 0x10 via 10.0.0.4 dev tap0 proto static src 10.0.0.1 onlink \n");
  EXPECT_EQ(ok("ip route show table 77"), "");
}

TEST_F(RouteTest, FiltersChoose) {
  ok("ip addr add 10.0.1.1/24 dev tap1");
  ok("ip route add default via 10.0.0.254");
  ok("ip route add 10.20.0.0/16 via 10.0.1.2 proto static metric 5");
  ok("ip route add 10.20.1.0/24 dev tap1 scope link src 10.0.1.1");
  ok("ip route add prohibit 10.30.0.0/16 proto bgp");
  const auto chosen = [this](const std::string& filter) {
    std::string out;
    for (const Json& route : json("ip -j route show " + filter))
      out += route["dst"].get<std::string>() + ' ';
    return out;
  };
  EXPECT_EQ(chosen("dev tap1"), "10.0.1.0/24 10.20.0.0/16 10.20.1.0/24 ");
  EXPECT_EQ(chosen("via 10.0.1.2"), "10.20.0.0/16 ");
  EXPECT_EQ(chosen("proto bgp"), "10.30.0.0/16 ");
  EXPECT_EQ(chosen("proto 186"), "10.30.0.0/16 ");
  EXPECT_EQ(chosen("type prohibit"), "10.30.0.0/16 ");
  EXPECT_EQ(chosen("scope link src 10.0.1.1 proto boot"), "10.20.1.0/24 ");
  EXPECT_EQ(chosen("metric 5"), "10.20.0.0/16 ");
  EXPECT_EQ(chosen("root 10.20.0.0/16"), "10.20.0.0/16 10.20.1.0/24 ");
  EXPECT_EQ(chosen("match 10.20.1.7"), "default 10.20.0.0/16 10.20.1.0/24 ");
  EXPECT_EQ(chosen("exact 10.20.0.0/16"), "10.20.0.0/16 ");
  EXPECT_EQ(chosen("to 10.20.0.0/16"), "10.20.0.0/16 ");
}

TEST_F(RouteTest, AddReplaceAppendChangeDelete) {
  ok("ip r a 10.20.0.0/16 via 10.0.0.2");
  EXPECT_EQ(refused("ip route add 10.20.0.0/16 via 10.0.0.3", kExitRefused).substr(0, 18),
            "Error: File exists");
  ok("ip route append 10.20.0.0/16 via 10.0.0.3");
  EXPECT_EQ(ok("ip route show 10.20.0.0/16"),
            "10.20.0.0/16 via 10.0.0.2 dev tap0 \n10.20.0.0/16 via 10.0.0.3 dev tap0 \n");
  ok("ip route del 10.20.0.0/16 via 10.0.0.3");
  ok("ip route replace 10.20.0.0/16 via 10.0.0.4");
  EXPECT_EQ(ok("ip route show 10.20.0.0/16"), "10.20.0.0/16 via 10.0.0.4 dev tap0 \n");
  ok("ip route change 10.20.0.0/16 via 10.0.0.5");
  EXPECT_EQ(ok("ip route show 10.20.0.0/16"), "10.20.0.0/16 via 10.0.0.5 dev tap0 \n");
  EXPECT_EQ(refused("ip route change 10.21.0.0/16 via 10.0.0.5", kExitRefused),
            "Error: No such file or directory.\n");
  ok("ip route del 10.20.0.0/16");
  EXPECT_EQ(ok("ip route show 10.20.0.0/16"), "");
  EXPECT_EQ(refused("ip route del 10.20.0.0/16", kExitRefused),
            "Error: No such process: \"10.20.0.0/16\" (word 4).\n");
}

TEST_F(RouteTest, DeletionTakesOnlyWhatAgrees) {
  ok("ip route add blackhole 10.9.0.0/16 proto static");
  for (const char* line :
       {"ip route del unicast 10.9.0.0/16", "ip route del 10.9.0.0/16 proto boot",
        "ip route del 10.9.0.0/16 proto bgp", "ip route del prohibit 10.9.0.0/16",
        "ip route del 10.9.0.0/16 metric 3", "ip route del 10.9.0.0/16 dev tap0",
        "ip route del 10.9.0.0/16 table 7"})
    EXPECT_EQ(refused(line, kExitRefused).substr(0, 22), "Error: No such process") << line;
  ok("ip route del 10.9.0.0/16");
}

TEST_F(RouteTest, GetTellsTheWay) {
  ok("ip route add default via 10.0.0.254");
  ok("ip route add 10.8.0.0/16 via 10.0.0.3 mtu 1400");
  EXPECT_EQ(ok("ip route get 10.5.5.5"),
            "10.5.5.5 via 10.0.0.254 dev tap0 src 10.0.0.1 \n    cache \n");
  EXPECT_EQ(ok("ip route get 10.0.0.1"),
            "local 10.0.0.1 dev lo table local src 10.0.0.1 \n    cache <local> \n");
  EXPECT_EQ(ok("ip route get 10.0.0.255"),
            "broadcast 10.0.0.255 dev tap0 table local src 10.0.0.1 \n    cache <local,brd> \n");
  EXPECT_EQ(ok("ip route get 10.5.5.5 from 10.0.0.1 mark 5"),
            "10.5.5.5 from 10.0.0.1 via 10.0.0.254 dev tap0 mark 5 \n    cache \n");
  EXPECT_EQ(ok("ip route get 10.8.1.1"),
            "10.8.1.1 via 10.0.0.3 dev tap0 src 10.0.0.1 \n    cache mtu 1400 \n");
  EXPECT_EQ(ok("ip route get 10.0.0.7 from 192.0.2.1 iif tap1"),
            "10.0.0.7 from 192.0.2.1 dev tap0 \n    cache iif tap1 \n");
  EXPECT_EQ(ok("ip route get 10.5.5.5 oif tap0"), ok("ip route get 10.5.5.5"));
  // No route leads there by tap1 (Linux: it is taken to be on the link).
  EXPECT_EQ(ok("ip route get 10.5.5.5 oif tap1"), "10.5.5.5 dev tap1 src 10.0.0.1 \n    cache \n");
  EXPECT_EQ(ok("ip -j route get 10.5.5.5"),
            R"([{"dst":"10.5.5.5","gateway":"10.0.0.254","dev":"tap0","prefsrc":"10.0.0.1",)"
            R"("flags":[],"cache":[]}])"
            "\n");
}

TEST_F(RouteTest, GetFailsAsTheKernelDoes) {
  ok("ip route add blackhole 10.9.0.0/16");
  ok("ip route add unreachable 10.6.0.0/16");
  ok("ip route add prohibit 10.7.0.0/16");
  EXPECT_EQ(refused("ip route get 10.9.0.1", kExitRefused).substr(0, 23),
            "Error: Invalid argument");
  EXPECT_EQ(refused("ip route get 10.6.0.1", kExitRefused).substr(0, 23),
            "Error: No route to host");
  EXPECT_EQ(refused("ip route get 10.7.0.1", kExitRefused).substr(0, 24),
            "Error: Permission denied");
  EXPECT_EQ(refused("ip route get 10.5.0.1", kExitRefused).substr(0, 29),
            "Error: Network is unreachable");
}

TEST_F(RouteTest, FlushTakesWhatIsNamed) {
  ok("ip route add 10.20.0.0/16 via 10.0.0.2 proto static");
  ok("ip route add 10.21.0.0/16 via 10.0.0.2");
  ok("ip route add 10.22.0.0/16 via 10.0.0.2 table 100");
  ok("ip route flush proto static");
  EXPECT_EQ(ok("ip route show root 10.16.0.0/12"), "10.21.0.0/16 via 10.0.0.2 dev tap0 \n");
  ok("ip route flush table 100");
  EXPECT_EQ(ok("ip route show table 100"), "");
  ok("ip route flush table all");
  EXPECT_EQ(ok("ip route show"), "");
  EXPECT_NE(ok("ip route show table local").find("local 10.0.0.1"), std::string::npos);
}

TEST_F(RouteTest, DeadNextHopsAreMarked) {
  ok("ip addr add 10.0.1.1/24 dev tap1");
  ok("ip route add 10.8.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.1.2");
  dynamic_cast<device::MemoryPort*>(stack_->devices().find("tap1"))->set_link(false);
  stack_->control_turn(clock_.now());
  EXPECT_EQ(ok("ip route show 10.8.0.0/16"),
            "10.8.0.0/16 \n"
            "\tnexthop via 10.0.0.2 dev tap0 weight 1 \n"
            "\tnexthop via 10.0.1.2 dev tap1 weight 1 dead linkdown \n");
}

class RuleTest : public ControlFixture {};

TEST_F(RuleTest, ShowsRulesAsIproute2Does) {
  ok("ip rule add from 10.1.0.0/16 to 10.2.0.0/16 iif tap0 oif tap1 fwmark 0x5/0xff tos 0x10 "
     "table 100 prio 77");
  ok("ip rule add prohibit from 10.3.0.0/16");
  EXPECT_EQ(ok("ip rule"),
            "0:\tfrom all lookup local\n"
            "76:\tfrom 10.3.0.0/16 prohibit\n"
            "77:\tfrom 10.1.0.0/16 to 10.2.0.0/16 tos 0x10 fwmark 0x5/0xff iif tap0 oif tap1 "
            "lookup 100\n"
            "32766:\tfrom all lookup main\n"
            "32767:\tfrom all lookup default\n");
  EXPECT_EQ(ok("ip -j rule show"),
            R"([{"priority":0,"src":"all","table":"local"},)"
            R"({"priority":76,"src":"10.3.0.0","srclen":16,"action":"prohibit"},)"
            R"({"priority":77,"src":"10.1.0.0","srclen":16,"dst":"10.2.0.0","dstlen":16,)"
            R"("tos":"0x10","fwmark":"0x5","fwmask":"0xff","iif":"tap0","oif":"tap1",)"
            R"("table":"100"},)"
            R"({"priority":32766,"src":"all","table":"main"},)"
            R"({"priority":32767,"src":"all","table":"default"}])"
            "\n");
}

TEST_F(RuleTest, DeletionNeedsOnlyWhatTellsTheRule) {
  ok("ip rule add from 10.1.0.0/16 table 100 prio 77");
  ok("ip rule add from 10.1.0.0/16 table 101 prio 78");
  ok("ip rule del table 101");
  EXPECT_EQ(refused("ip rule del table 101", kExitRefused), "Error: No such file or directory.\n");
  ok("ip ru d from 10.1.0.0/16");
  EXPECT_EQ(ok("ip rule list"),
            "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup "
            "default\n");
  EXPECT_EQ(refused("ip rule add lookup main prio 32766", kExitRefused), "Error: File exists.\n");
}

}  // namespace
}  // namespace linnet::control
