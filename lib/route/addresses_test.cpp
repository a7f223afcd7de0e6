// SPDX-License-Identifier: BSD-3-Clause
#include "route/addresses.hpp"

#include "route/route_fixture.hpp"

namespace linnet::route {
namespace {

using AddressesTest = RouteFixture;

TEST_F(AddressesTest, AnAddressBringsLocalConnectedAndBroadcastRoutes) {
  address(1, "192.0.2.5/24");
  EXPECT_EQ(routes(kTableMain), Lines({"192.0.2.0/24 dev 1 src 192.0.2.5"}));
  // Not 192.0.2.0: Linux dropped the network's own address as a broadcast address in 5.14.
  EXPECT_EQ(routes(kTableLocal),
            Lines({"192.0.2.5/32 dev 1 src 192.0.2.5", "192.0.2.255/32 dev 1 src 192.0.2.5"}));
  EXPECT_EQ(where("192.0.2.5"), "local dev 1");
  EXPECT_EQ(where("192.0.2.255"), "broadcast dev 1");
  EXPECT_EQ(where("192.0.2.0"), "unicast dev 1");
  EXPECT_EQ(where("192.0.2.77"), "unicast dev 1");
  EXPECT_EQ(lookup("192.0.2.77")->preferred_source, ip("192.0.2.5"));
  EXPECT_EQ(where("192.0.3.1"), "none");
}

TEST_F(AddressesTest, OurAddressesAreKnownAndAlmostNoOthersAreSuspected) {
  address(1, "192.0.2.1/24");
  address(2, "198.51.100.1/24");
  EXPECT_TRUE(addresses.is_ours(ip("192.0.2.1")));
  EXPECT_TRUE(addresses.may_be_ours(ip("192.0.2.1")));
  EXPECT_TRUE(addresses.is_ours(ip("198.51.100.1")));
  EXPECT_FALSE(addresses.is_ours(ip("192.0.2.2")));
  EXPECT_TRUE(addresses.is_our_broadcast(ip("192.0.2.255")));
  EXPECT_TRUE(addresses.may_be_ours(ip("192.0.2.255")));
  EXPECT_FALSE(addresses.is_our_broadcast(ip("192.0.2.1")));
  unsigned suspected = 0;
  for (unsigned i = 0; i < 65536; ++i)
    suspected += addresses.may_be_ours(Ipv4Address::from_host(0x0a000000 + i)) ? 1 : 0;
  EXPECT_LT(suspected, 65536u / 500);
  ASSERT_TRUE(addresses.remove(1, *Ipv4Interface::parse("192.0.2.1/24")).ok());
  EXPECT_FALSE(addresses.is_ours(ip("192.0.2.1")));
  EXPECT_FALSE(addresses.may_be_ours(ip("192.0.2.1")));
}

TEST_F(AddressesTest, LoopbackHasItsWholeNetLocal) {
  address(0, "127.0.0.1/8");
  EXPECT_EQ(routes(kTableMain), Lines{});
  EXPECT_EQ(routes(kTableLocal),
            Lines({"127.0.0.0/8 dev 0 src 127.0.0.1", "127.0.0.1/32 dev 0 src 127.0.0.1",
                   "127.255.255.255/32 dev 0 src 127.0.0.1"}));
  EXPECT_EQ(where("127.9.9.9"), "local dev 0");
  EXPECT_EQ(addresses.list(0)[0].scope, Scope::Host);
}

TEST_F(AddressesTest, HostAddressesAndPointToPointLinksHaveNoBroadcast) {
  address(1, "192.0.2.1/32");
  address(2, "198.51.100.0/31");
  EXPECT_EQ(routes(kTableMain), Lines({"198.51.100.0/31 dev 2 src 198.51.100.0"}));
  EXPECT_EQ(routes(kTableLocal),
            Lines({"192.0.2.1/32 dev 1 src 192.0.2.1", "198.51.100.0/32 dev 2 src 198.51.100.0"}));
  EXPECT_FALSE(addresses.list(2)[0].broadcast.has_value());
}

TEST_F(AddressesTest, TheSubnetsBroadcastIsTakenWhereNoneIsNamed) {
  address(1, "192.0.2.1/24");
  EXPECT_EQ(addresses.list(1)[0].broadcast, ip("192.0.2.255"));
  ASSERT_TRUE(addresses
                  .add(2, {.interface = *Ipv4Interface::parse("198.51.100.1/24"),
                           .broadcast = ip("198.51.100.0")})
                  .ok());
  EXPECT_EQ(where("198.51.100.0"), "broadcast dev 2");
  EXPECT_EQ(where("198.51.100.255"), "broadcast dev 2");
}

TEST_F(AddressesTest, NoPrefixRouteLeavesTheConnectedRouteOut) {
  ASSERT_TRUE(
      addresses
          .add(1, {.interface = *Ipv4Interface::parse("192.0.2.1/24"), .no_prefix_route = true})
          .ok());
  EXPECT_EQ(routes(kTableMain), Lines{});
  EXPECT_EQ(where("192.0.2.1"), "local dev 1");
}

TEST_F(AddressesTest, AnotherAddressOfASubnetIsSecondary) {
  address(1, "192.0.2.1/24");
  address(1, "192.0.2.9/24");
  address(1, "192.0.2.17/28");
  const std::vector<Address> list = addresses.list(1);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].interface.text(), "192.0.2.1/24");
  EXPECT_EQ(list[1].interface.text(), "192.0.2.17/28") << "primaries stand before secondaries";
  EXPECT_FALSE(list[1].secondary) << "another length is another subnet";
  EXPECT_EQ(list[2].interface.text(), "192.0.2.9/24");
  EXPECT_TRUE(list[2].secondary);
  EXPECT_EQ(routes(kTableMain),
            Lines({"192.0.2.0/24 dev 1 src 192.0.2.1", "192.0.2.16/28 dev 1 src 192.0.2.17"}));
  EXPECT_EQ(where("192.0.2.9"), "local dev 1");
  EXPECT_EQ(lookup("192.0.2.9")->preferred_source, ip("192.0.2.1"));
}

TEST_F(AddressesTest, DeletingASecondaryLeavesTheRest) {
  address(1, "192.0.2.1/24");
  address(1, "192.0.2.9/24");
  const Lines main = routes(kTableMain);
  ASSERT_TRUE(addresses.remove(1, *Ipv4Interface::parse("192.0.2.9/24")).ok());
  EXPECT_EQ(routes(kTableMain), main);
  EXPECT_EQ(where("192.0.2.9"), "unicast dev 1");
  EXPECT_EQ(where("192.0.2.255"), "broadcast dev 1");
}

TEST_F(AddressesTest, DeletingAPrimaryTakesItsSecondariesAlong) {
  address(1, "192.0.2.1/24");
  address(1, "192.0.2.9/24");
  address(1, "198.51.100.1/24");
  ASSERT_TRUE(addresses.remove(1, *Ipv4Interface::parse("192.0.2.1/24")).ok());
  ASSERT_EQ(addresses.list(1).size(), 1u);
  EXPECT_EQ(routes(kTableMain), Lines({"198.51.100.0/24 dev 1 src 198.51.100.1"}));
  EXPECT_EQ(where("192.0.2.9"), "none");
  EXPECT_EQ(where("192.0.2.255"), "none");
}

TEST_F(AddressesTest, AnAddressThatStaysElsewhereStaysLocal) {
  address(1, "192.0.2.1/24");
  address(2, "192.0.2.1/32");
  ASSERT_TRUE(addresses.remove(1, *Ipv4Interface::parse("192.0.2.1/24")).ok());
  EXPECT_EQ(where("192.0.2.1"), "local dev 2");
}

// Linux: fib_sync_down_addr and, with the last address, fib_disable_ip.
TEST_F(AddressesTest, RoutesThatLeanOnADeletedAddressGo) {
  address(1, "192.0.2.1/24");
  address(1, "198.51.100.1/24");
  address(2, "203.0.113.1/24");
  RouteSpec sourced = via("8.8.8.0/24", "203.0.113.2");
  sourced.source = ip("192.0.2.1");
  add(sourced);
  add(via("9.9.9.0/24", "198.51.100.2"));
  ASSERT_TRUE(addresses.remove(1, *Ipv4Interface::parse("192.0.2.1/24")).ok());
  EXPECT_EQ(where("8.8.8.8"), "none");
  EXPECT_EQ(where("9.9.9.9"), "unicast via 198.51.100.2 dev 1");
  ASSERT_TRUE(addresses.remove(1, *Ipv4Interface::parse("198.51.100.1/24")).ok());
  EXPECT_EQ(where("9.9.9.9"), "none");
  EXPECT_EQ(routes(kTableMain), Lines({"203.0.113.0/24 dev 2 src 203.0.113.1"}));
}

TEST_F(AddressesTest, WhatIsWrongChangesNothing) {
  address(1, "192.0.2.1/24");
  const auto refused = [&](std::uint16_t device, const char* interface) {
    const std::string message =
        error(addresses.add(device, {.interface = *Ipv4Interface::parse(interface)}));
    EXPECT_EQ(addresses.list(1).size(), 1u);
    EXPECT_EQ(tables.size(0), 3u);
    return message;
  };
  EXPECT_EQ(refused(1, "192.0.2.1/24"), "File exists");
  EXPECT_EQ(refused(9, "192.0.2.1/24"), "No such device");
  EXPECT_EQ(refused(1, "0.0.0.0/8"), "Invalid argument");
  EXPECT_EQ(refused(1, "224.0.0.1/24"), "Invalid argument");
  EXPECT_EQ(refused(1, "255.255.255.255/32"), "Invalid argument");
  EXPECT_EQ(error(addresses.add(
                1, {.interface = *Ipv4Interface::parse("192.0.2.5/24"), .scope = Scope::Link})),
            "Invalid argument")
      << "a secondary has its primary's scope";
  EXPECT_EQ(error(addresses.remove(1, *Ipv4Interface::parse("192.0.2.1/25"))),
            "Cannot assign requested address");
  EXPECT_EQ(error(addresses.remove(9, *Ipv4Interface::parse("192.0.2.1/24"))), "No such device");
  EXPECT_EQ(addresses.list(1).size(), 1u);
}

TEST_F(AddressesTest, AnAddressOfADeviceThatIsDownIsLocalAtOnceAndConnectedLater) {
  set_up(1, false);
  address(1, "192.0.2.1/24");
  EXPECT_EQ(where("192.0.2.1"), "local dev 1");
  EXPECT_EQ(where("192.0.2.2"), "none");
  set_up(1, true);
  EXPECT_EQ(where("192.0.2.2"), "unicast dev 1");
  EXPECT_EQ(where("192.0.2.255"), "broadcast dev 1");
}

// Whichever of the two hears of a change first.
TEST_F(AddressesTest, TheOrderOfTheNewsDoesNotMatter) {
  address(1, "192.0.2.1/24");
  const Lines main = routes(kTableMain), local = routes(kTableLocal);
  for (unsigned round = 0; round < 3; ++round) {
    ASSERT_TRUE(devices.at(1)->set_admin_up(false).ok());
    addresses.device_changed(1);
    tables.device_changed(1);
    EXPECT_EQ(routes(kTableMain), Lines{});
    EXPECT_EQ(where("192.0.2.1"), "local dev 1");
    ASSERT_TRUE(devices.at(1)->set_admin_up(true).ok());
    addresses.device_changed(1);
    tables.device_changed(1);
    EXPECT_EQ(routes(kTableMain), main);
    EXPECT_EQ(routes(kTableLocal), local);
  }
}

TEST_F(AddressesTest, TheSourceIsThePrimaryOfTheDestinationsSubnet) {
  address(0, "127.0.0.1/8");
  address(1, "192.0.2.1/24");
  address(1, "198.51.100.1/24");
  address(1, "198.51.100.9/24");
  EXPECT_EQ(addresses.source_for(1, ip("198.51.100.7")), ip("198.51.100.1"));
  EXPECT_EQ(addresses.source_for(1, ip("192.0.2.7")), ip("192.0.2.1"));
  EXPECT_EQ(addresses.source_for(1, ip("8.8.8.8")), ip("192.0.2.1"));
  EXPECT_EQ(addresses.source_for(1, {}), ip("192.0.2.1"));
  EXPECT_EQ(addresses.source_for(2, ip("8.8.8.8")), ip("192.0.2.1")) << "another device's";
  EXPECT_EQ(addresses.source_for(0, ip("127.0.0.1"), Scope::Host), ip("127.0.0.1"));
  EXPECT_EQ(addresses.source_for(0, ip("127.0.0.1"), Scope::Link), ip("192.0.2.1"))
      << "an address of the host does not leave it";
}

TEST_F(AddressesTest, ALinkScopedAddressIsASourceOnItsLinkOnly) {
  ASSERT_TRUE(
      addresses.add(1, {.interface = *Ipv4Interface::parse("169.254.7.7/16"), .scope = Scope::Link})
          .ok());
  EXPECT_EQ(addresses.source_for(1, ip("169.254.1.1"), Scope::Link), ip("169.254.7.7"));
  EXPECT_EQ(addresses.source_for(1, ip("8.8.8.8"), Scope::Universe), Ipv4Address());
  EXPECT_EQ(addresses.source_for(2, ip("169.254.1.1"), Scope::Link), Ipv4Address());
}

// RFC 5227: not used before it is checked, nor while another station has it.
TEST_F(AddressesTest, TentativeAndDuplicateAddressesAreNoSources) {
  ASSERT_TRUE(
      addresses.add(1, {.interface = *Ipv4Interface::parse("192.0.2.1/24"), .tentative = true})
          .ok());
  EXPECT_EQ(addresses.source_for(1, ip("192.0.2.7")), Ipv4Address());
  addresses.mark_duplicate(1, ip("192.0.2.1"), false);
  EXPECT_FALSE(addresses.list(1)[0].tentative);
  EXPECT_EQ(addresses.source_for(1, ip("192.0.2.7")), ip("192.0.2.1"));
  addresses.mark_duplicate(1, ip("192.0.2.1"), true);
  EXPECT_EQ(addresses.source_for(1, ip("192.0.2.7")), Ipv4Address());
  EXPECT_TRUE(addresses.of_device(1)[0].duplicate);
}

TEST_F(AddressesTest, LanesKeepTheAddressesTheySawUntilTheyAreQuiescent) {
  address(1, "192.0.2.1/24");
  rcu.reclaim();
  rcu.online(0);
  const auto seen = addresses.of_device(1);
  ASSERT_TRUE(addresses.remove(1, *Ipv4Interface::parse("192.0.2.1/24")).ok());
  EXPECT_GT(rcu.reclaim(), 0u);
  EXPECT_EQ(seen[0].interface.address, ip("192.0.2.1"));
  EXPECT_TRUE(addresses.of_device(1).empty());
  EXPECT_FALSE(addresses.on_device(1, ip("192.0.2.1")));
  EXPECT_TRUE(addresses.of_device(999).empty());
  rcu.offline(0);
}

}  // namespace
}  // namespace linnet::route
