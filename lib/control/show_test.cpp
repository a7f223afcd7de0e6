// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_fixture.hpp"
#include "link/drops.hpp"

namespace linnet::control {
namespace {

class ShowTest : public ControlFixture {
 protected:
  // A frame that is too short for an Ethernet header.
  void receive_runt() {
    packet::Packet frame = stack_->pool().allocate();
    std::memset(frame.put(10), 0, 10);
    dynamic_cast<device::MemoryPort*>(stack_->devices().find("tap0"))->inject(std::move(frame));
    turn();
  }
};

TEST_F(ShowTest, DropsTellEveryReasonWithItsSentence) {
  ok("ip link set tap0 up");
  EXPECT_EQ(json("show -j drops nonzero").size(), 0u);
  receive_runt();
  const Json nonzero = json("show -j drops nonzero");
  ASSERT_EQ(nonzero.size(), 1u);
  EXPECT_EQ(nonzero[0]["count"], 1);
  EXPECT_EQ(json("-j show drops").size(), stack::all_drop_reasons().size());
  const std::string text = ok("show drops nonzero");
  EXPECT_TRUE(text.starts_with("reason"));
  EXPECT_NE(text.find(nonzero[0]["text"].get<std::string>() + "\n"), std::string::npos);
}

TEST_F(ShowTest, AccountBalances) {
  ok("ip link set tap0 up");
  receive_runt();
  const Json account = json("show -j account");
  EXPECT_EQ(account["received"], 1);
  EXPECT_EQ(account["dropped"], 1);
  EXPECT_EQ(account["balanced"], true);
  EXPECT_NE(ok("show account").find("received                     1\n"), std::string::npos);
  EXPECT_NE(ok("show account").find("balanced: "), std::string::npos);
}

TEST_F(ShowTest, LanesPoolsPortsAndVersionAreToldInBothForms) {
  ok("ip link set tap0 up");
  receive_runt();
  EXPECT_EQ(json("-j show lanes")[0]["packets"], 1);
  EXPECT_EQ(json("-j show pools")[0]["size"], 512);
  EXPECT_EQ(json("-j show ports")[1]["name"], "tap0");
  EXPECT_EQ(json("-j show version")["linnet"], LINNET_VERSION);
  EXPECT_NE(ok("show lanes").find("1.00"), std::string::npos);  // the bursts' fill
  EXPECT_EQ(json("-j show lanes")[0]["ports"][0]["name"], "tap0");
  EXPECT_EQ(json("-j show lanes")[0]["ports"][0]["trusted"], true);
  EXPECT_NE(ok("show lanes").find("yes  there is one lane"), std::string::npos);
  EXPECT_NE(ok("show lanes").find("joined  bad requests"), std::string::npos);
  EXPECT_EQ(json("-j show lanes")[0]["joined"], 0);
  EXPECT_TRUE(ok("show pools").starts_with("pool"));
  EXPECT_TRUE(ok("show ports").starts_with("device"));
  EXPECT_TRUE(ok("show version").starts_with("Linnet " LINNET_VERSION ", DPDK 2"));
}

TEST_F(ShowTest, ConfigSetsTheSameStateAgain) {
  furnish();
  for (const char* line :
       {"sysctl net.ipv4.ip_forward=1", "sysctl 'net.ipv4.tcp_rmem=4096\t87380\t6291456'",
        "sysctl net.ipv4.tcp_congestion_control=reno", "sysctl net.ipv4.neigh.default.locktime=7",
        "ip addr add 10.0.0.2/24 brd 10.0.0.3 noprefixroute dev tap0",
        "ip addr add 192.0.2.1/32 dev lo", "ip link set tap1 mtu 9000 promisc on",
        "ip route add 10.8.0.0/16 mtu 1400 nexthop via 10.0.0.2 nexthop via 10.0.1.3 weight 9 "
        "onlink "
        "dev tap1",
        "ip route add 10.7.0.0/16 tos 0x10 dev tap1 scope link table 100 proto static",
        "ip route add 10.7.5.0/24 via 10.0.1.2 src 10.0.0.1", "ip rule del priority 32767",
        "ip rule add fwmark 0x5/0xff iif tap0 prohibit priority 5",
        "ip neigh add 10.0.1.9 lladdr 02:00:00:00:00:09 dev tap1 nud noarp"})
    ok(line);
  const std::string before = digest();
  const std::string config = ok("show config");
  // A fresh stack of the same ports.
  stack_.reset();
  stack::Options options;
  options.pool.name = "control_again";
  options.pool.packets = 512;
  options.pool.cache = 0;
  options.neighbour_capacity = 64;
  options.seed = 7;
  options.origin = clock_.now();
  stack_ = std::move(stack::Stack::create(options)).value();
  add_port("tap0", 1);
  add_port("tap1", 2);
  std::istringstream lines(config);
  for (std::string line; std::getline(lines, line);)
    ok(line);
  EXPECT_EQ(digest(), before) << config;
  EXPECT_EQ(ok("show config"), config);
}

TEST_F(ShowTest, HelpTellsHowCommandsAreWritten) {
  const std::string all = ok("help");
  for (const char* words : {"ip route add", "ip link set", "show drops", "sysctl"})
    EXPECT_NE(all.find(words), std::string::npos) << words;
  EXPECT_EQ(ok("ip help"), all);
  const std::string route = ok("ip route help");
  EXPECT_EQ(ok("help ip route"), route);
  EXPECT_TRUE(route.starts_with("Usage: ip route show "));
  EXPECT_EQ(ok("show help"), ok("help show"));
}

}  // namespace
}  // namespace linnet::control
