// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/host.hpp"

#include <gtest/gtest.h>

#include "device/memory_port.hpp"
#include "route/addresses.hpp"
#include "route/tables.hpp"

namespace linnet::neigh {
namespace {

using Kind = Host::Kind;

// Two ports with an address each, a route behind the second one.
class RoutedHostTest : public testing::Test {
 protected:
  RoutedHostTest() {
    for (const char* const name : {"p0", "p1"}) {
      device::Device* const device =
          devices_.add(std::make_unique<device::MemoryPort>(name, MacAddress({2, 0, 0, 0, 0, 1})))
              .value();
      EXPECT_TRUE(device->set_admin_up(true).ok());
    }
    add(0, "192.0.2.1/24");
    add(0, "192.0.2.2/24");
    add(1, "198.51.100.1/24");
    add(0, "192.0.2.200/32", route::Scope::Host);
    route::RouteSpec spec;
    spec.prefix = *Ipv4Prefix::parse("10.0.0.0/8");
    spec.hops = {route::HopSpec{.gateway = Ipv4Address(198, 51, 100, 9)}};
    EXPECT_TRUE(tables_.add(spec).ok());
  }
  void add(std::uint16_t device, const char* text, route::Scope scope = route::Scope::Universe) {
    route::Address address;
    address.interface = *Ipv4Interface::parse(text);
    address.scope = scope;
    const Result<> added = addresses_.add(device, address);
    EXPECT_TRUE(added.ok()) << text;
  }

  device::DeviceTable devices_;
  table::Rcu rcu_{1};
  route::Tables tables_{devices_, rcu_};
  route::Addresses addresses_{devices_, tables_, rcu_};
  std::atomic<std::uint32_t> ip_forward_{0};
  RoutedHost host_{tables_, addresses_, ip_forward_};
};

TEST_F(RoutedHostTest, KindsFollowTheLocalTable) {
  EXPECT_EQ(host_.kind_of(Ipv4Address(192, 0, 2, 1)), Kind::Local);
  EXPECT_EQ(host_.kind_of(Ipv4Address(198, 51, 100, 1)), Kind::Local);
  EXPECT_EQ(host_.kind_of(Ipv4Address(192, 0, 2, 255)), Kind::Broadcast);
  EXPECT_EQ(host_.kind_of(Ipv4Address(255, 255, 255, 255)), Kind::Broadcast);
  EXPECT_EQ(host_.kind_of(Ipv4Address(224, 0, 0, 1)), Kind::Multicast);
  EXPECT_EQ(host_.kind_of(Ipv4Address(192, 0, 2, 7)), Kind::Unicast);
  EXPECT_EQ(host_.kind_of(Ipv4Address(8, 8, 8, 8)), Kind::Unicast) << "no route";
}

TEST_F(RoutedHostTest, AddressesBelongToDevicesAndSubnets) {
  EXPECT_TRUE(host_.on_device(0, Ipv4Address(192, 0, 2, 2)));
  EXPECT_FALSE(host_.on_device(1, Ipv4Address(192, 0, 2, 2)));
  EXPECT_TRUE(host_.same_subnet(0, Ipv4Address(192, 0, 2, 2), Ipv4Address(192, 0, 2, 77)));
  EXPECT_FALSE(host_.same_subnet(1, Ipv4Address(192, 0, 2, 2), Ipv4Address(192, 0, 2, 77)));
  EXPECT_FALSE(host_.same_subnet(0, Ipv4Address(192, 0, 2, 2), Ipv4Address(10, 0, 0, 1)));
  EXPECT_TRUE(host_.beyond_host(Ipv4Address(198, 51, 100, 1)));
  EXPECT_FALSE(host_.beyond_host(Ipv4Address(192, 0, 2, 200)));
  EXPECT_FALSE(host_.beyond_host(Ipv4Address(192, 0, 2, 77)));
}

TEST_F(RoutedHostTest, SourceIsOfTheDevice) {
  EXPECT_EQ(host_.source_for(0, Ipv4Address(192, 0, 2, 77)), Ipv4Address(192, 0, 2, 1));
  EXPECT_EQ(host_.source_for(1, Ipv4Address(198, 51, 100, 9)), Ipv4Address(198, 51, 100, 1));
}

TEST_F(RoutedHostTest, WayIsTheDeviceOfAUnicastRoute) {
  const Ipv4Address asker(192, 0, 2, 77);
  EXPECT_EQ(host_.way_to(Ipv4Address(10, 1, 2, 3), asker, 0), 1);
  EXPECT_EQ(host_.way_to(Ipv4Address(192, 0, 2, 9), asker, 0), 0);
  EXPECT_EQ(host_.way_to(Ipv4Address(192, 0, 2, 1), asker, 0), packet::kNoDevice) << "local";
  EXPECT_EQ(host_.way_to(Ipv4Address(8, 8, 8, 8), asker, 0), packet::kNoDevice) << "no route";
  EXPECT_FALSE(host_.forwards());
  ip_forward_ = 1;
  EXPECT_TRUE(host_.forwards());
}

}  // namespace
}  // namespace linnet::neigh
