// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_fixture.hpp"

namespace linnet::control {
namespace {

class LinkTest : public ControlFixture {};

TEST_F(LinkTest, ShowsDevicesAsIproute2Does) {
  ok("ip link set tap0 up");
  EXPECT_EQ(ok("ip link show"),
            "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65535 qdisc noqueue state UNKNOWN mode DEFAULT "
            "group default\n"
            "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
            "2: tap0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode "
            "DEFAULT group default\n"
            "    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n"
            "3: tap1: <BROADCAST,MULTICAST> mtu 1500 qdisc noqueue state DOWN mode DEFAULT group "
            "default\n"
            "    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n");
}

TEST_F(LinkTest, StatisticsStandInIproute2sColumns) {
  auto& counters = stack_->devices().find("tap0")->counters(0);
  counters.rx_bytes.add(12345678901);
  counters.rx_packets.add(90);
  counters.tx_dropped.add(3);
  EXPECT_EQ(ok("ip -s link show dev tap0"),
            "2: tap0: <BROADCAST,MULTICAST> mtu 1500 qdisc noqueue state DOWN mode DEFAULT group "
            "default\n"
            "    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n"
            "    RX:   bytes packets errors dropped  missed   mcast           \n"
            "    12345678901      90      0       0       0       0 \n"
            "    TX:   bytes packets errors dropped carrier collsns           \n"
            "              0       0      0       3       0       0 \n");
  EXPECT_NE(ok("ip -s -s link show tap0").find("queue 0: RX 90 packets 12345678901 bytes"),
            std::string::npos);
}

TEST_F(LinkTest, BriefAndOnelineAreIproute2s) {
  ok("ip link set tap0 up");
  EXPECT_EQ(
      ok("ip -br link show tap0"),
      "tap0             UP             02:00:00:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP> \n");
  EXPECT_EQ(ok("ip -o link show tap1"),
            "3: tap1: <BROADCAST,MULTICAST> mtu 1500 qdisc noqueue state DOWN mode DEFAULT group "
            "default\\    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n");
}

TEST_F(LinkTest, JsonHasIproute2sNames) {
  ok("ip link set tap0 up");
  EXPECT_EQ(ok("ip -j link show tap0"),
            R"([{"ifindex":2,"ifname":"tap0","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],)"
            R"("mtu":1500,"qdisc":"noqueue","operstate":"UP","linkmode":"DEFAULT",)"
            R"("group":"default","link_type":"ether","address":"02:00:00:00:00:01",)"
            R"("broadcast":"ff:ff:ff:ff:ff:ff"}])"
            "\n");
  const Json statistics = json("ip -j -s link show tap0");
  EXPECT_EQ(statistics[0]["stats64"]["rx"]["packets"], 0);
  EXPECT_EQ(statistics, json("ip -j -p -s link show tap0"));
}

TEST_F(LinkTest, DetailsTellOfLargeSegments) {
  EXPECT_NE(ok("ip -d link show tap0").find(" gso_max_size 65536 gso_max_segs 65535 tso off "),
            std::string::npos);
  const Json details = json("ip -j -d link show tap0");
  EXPECT_EQ(details[0]["gso_max_size"], 65536);
  EXPECT_EQ(details[0]["gso_max_segs"], 65535);
  EXPECT_EQ(details[0]["tso"], false);
}

TEST_F(LinkTest, CarrierLossIsShown) {
  auto* port = dynamic_cast<device::MemoryPort*>(stack_->devices().find("tap0"));
  ok("ip link set tap0 up");
  port->set_link(false);
  EXPECT_TRUE(ok("ip link show tap0")
                  .starts_with("2: tap0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc "
                               "noqueue state DOWN"));
}

TEST_F(LinkTest, SetChangesAllThatIsNamed) {
  ok("ip l s tap1 mtu 9000 addr 02:00:00:00:00:22 promisc on allmulticast on up");
  const auto& device = *stack_->devices().find("tap1");
  EXPECT_EQ(device.mtu(), 9000u);
  EXPECT_EQ(device.mac().text(), "02:00:00:00:00:22");
  EXPECT_TRUE(device.promiscuous());
  EXPECT_TRUE(device.all_multicast());
  EXPECT_TRUE(device.admin_up());
  EXPECT_TRUE(
      ok("ip link show tap1 up")
          .starts_with("3: tap1: <BROADCAST,MULTICAST,ALLMULTI,PROMISC,UP,LOWER_UP> mtu 9000"));
  ok("ip link set dev tap1 promisc off down");
  EXPECT_FALSE(device.promiscuous());
  EXPECT_FALSE(device.admin_up());
}

// A port whose driver refuses to change its state.
class StubbornPort final : public device::Device {
 public:
  StubbornPort() : Device(device::Kind::Memory, "stub0") {
    publish_mac(MacAddress({2, 0, 0, 0, 0, 9}));
    publish_link(true);
  }
  Result<> set_admin_up(bool) override { return Error{"Device or resource busy"}; }
  unsigned receive(unsigned, packet::Burst&) override { return 0; }
  unsigned transmit(unsigned, packet::Burst&) override { return 0; }
};

TEST_F(LinkTest, ARefusedPartTakesTheOthersBack) {
  ASSERT_TRUE(stack_->add_device(std::make_unique<StubbornPort>()).ok());
  const std::string before = digest();
  EXPECT_EQ(refused("ip link set stub0 mtu 1400 address 02:00:00:00:00:33 promisc on "
                    "allmulticast on up",
                    kExitRefused),
            "Error: Device or resource busy.\n");
  turn();
  EXPECT_EQ(digest(), before);
}

}  // namespace
}  // namespace linnet::control
