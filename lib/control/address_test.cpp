// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_fixture.hpp"

namespace linnet::control {
namespace {

class AddressTest : public ControlFixture {};

TEST_F(AddressTest, ShowsAddressesAsIproute2Does) {
  ok("ip link set tap0 up");
  ok("ip addr add 10.0.0.1/24 brd + dev tap0");
  ok("ip addr add 10.0.0.9/24 brd + dev tap0 noprefixroute");
  EXPECT_EQ(ok("ip addr show"),
            "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65535 qdisc noqueue state UNKNOWN group default \n"
            "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
            "    inet 127.0.0.1/8 scope host lo\n"
            "       valid_lft forever preferred_lft forever\n"
            "2: tap0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group "
            "default \n"
            "    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n"
            "    inet 10.0.0.1/24 brd 10.0.0.255 scope global tap0\n"
            "       valid_lft forever preferred_lft forever\n"
            "    inet 10.0.0.9/24 brd 10.0.0.255 scope global secondary noprefixroute tap0\n"
            "       valid_lft forever preferred_lft forever\n"
            "3: tap1: <BROADCAST,MULTICAST> mtu 1500 qdisc noqueue state DOWN group default \n"
            "    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n");
  EXPECT_EQ(
      ok("ip -4 -o a"),
      "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft "
      "forever\n"
      "2: tap0    inet 10.0.0.1/24 brd 10.0.0.255 scope global tap0\\       valid_lft forever "
      "preferred_lft forever\n"
      "2: tap0    inet 10.0.0.9/24 brd 10.0.0.255 scope global secondary noprefixroute "
      "tap0\\       valid_lft forever preferred_lft forever\n");
  EXPECT_EQ(ok("ip -br -4 addr"),
            "lo               UNKNOWN        127.0.0.1/8 \n"
            "tap0             UP             10.0.0.1/24 10.0.0.9/24 \n");
}

TEST_F(AddressTest, JsonHasIproute2sNames) {
  ok("ip link set tap0 up");
  ok("ip addr add 10.0.0.1/24 dev tap0");
  EXPECT_EQ(ok("ip -j addr show tap0"),
            R"([{"ifindex":2,"ifname":"tap0","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],)"
            R"("mtu":1500,"qdisc":"noqueue","operstate":"UP","group":"default",)"
            R"("link_type":"ether","address":"02:00:00:00:00:01","broadcast":"ff:ff:ff:ff:ff:ff",)"
            R"("addr_info":[{"family":"inet","local":"10.0.0.1","prefixlen":24,)"
            R"("broadcast":"10.0.0.255","scope":"global","label":"tap0",)"
            R"("valid_life_time":4294967295,"preferred_life_time":4294967295}]}])"
            "\n");
}

TEST_F(AddressTest, BroadcastSignsAndScopesAreTaken) {
  ok("ip addr add 10.0.0.1/24 broadcast - dev tap0");
  ok("ip addr add 10.0.1.1/24 brd 10.0.1.77 scope link dev tap0");
  ok("ip addr add 127.1.1.1/32 dev lo");
  EXPECT_NE(ok("ip a s tap0").find("inet 10.0.0.1/24 brd 10.0.0.0 scope global tap0"),
            std::string::npos);
  EXPECT_NE(ok("ip a s tap0").find("inet 10.0.1.1/24 brd 10.0.1.77 scope link tap0"),
            std::string::npos);
  EXPECT_NE(ok("ip a s lo").find("inet 127.1.1.1/32 scope host lo"), std::string::npos);
}

TEST_F(AddressTest, FiltersChoose) {
  furnish();
  ok("ip addr add 10.0.0.2/24 dev tap0");
  ok("ip addr add 192.0.2.1/32 scope host dev tap0");
  const auto locals = [this](const std::string& line) {
    std::string out;
    for (const Json& device : json(line)) {
      for (const Json& address : device["addr_info"])
        out += address["local"].get<std::string>() + ' ';
    }
    return out;
  };
  EXPECT_EQ(locals("ip -j addr show dev tap0 secondary"), "10.0.0.2 ");
  EXPECT_EQ(locals("ip -j addr show dev tap0 primary scope global"), "10.0.0.1 ");
  EXPECT_EQ(locals("ip -j addr show to 10.0.0.0/8 primary"), "10.0.0.1 10.0.1.1 ");
  EXPECT_EQ(locals("ip -j addr show scope host"), "127.0.0.1 192.0.2.1 ");
  ok("ip link set tap1 down");
  EXPECT_EQ(locals("ip -j addr show up scope global"), "10.0.0.1 10.0.0.2 ");
  EXPECT_EQ(locals("ip -j addr show tentative"), "");
}

TEST_F(AddressTest, DeleteAndFlushTakeAway) {
  furnish();
  ok("ip addr add 10.0.0.2/24 dev tap0");
  ok("ip addr add 192.0.2.1/24 dev tap0");
  ok("ip addr del 192.0.2.1/24 dev tap0");
  EXPECT_EQ(ok("ip -br addr show tap0"),
            "tap0             UP             10.0.0.1/24 10.0.0.2/24 \n");
  EXPECT_EQ(refused("ip addr del 192.0.2.1/24 dev tap0", kExitRefused),
            "Error: Cannot assign requested address: \"192.0.2.1/24\" (word 4).\n");
  ok("ip addr flush dev tap0");
  EXPECT_EQ(ok("ip -br addr show tap0"), "tap0             UP             \n");
}

TEST_F(AddressTest, AnAddressThatExistsIsRefused) {
  furnish();
  const std::string before = digest();
  EXPECT_EQ(refused("ip addr add 10.0.0.1/24 dev tap0", kExitRefused),
            "Error: File exists: \"10.0.0.1/24\" (word 4).\n");
  EXPECT_EQ(digest(), before);
}

}  // namespace
}  // namespace linnet::control
