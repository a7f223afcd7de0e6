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

}  // namespace
}  // namespace linnet::route
