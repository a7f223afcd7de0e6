// SPDX-License-Identifier: BSD-3-Clause
#include "route/tables.hpp"

#include "route/route_fixture.hpp"

namespace linnet::route {
namespace {

class TablesTest : public RouteFixture {
 protected:
  TablesTest() {
    address(1, "10.0.0.1/24");
    address(2, "10.0.1.1/24");
  }
};

TEST_F(TablesTest, TheLongestPrefixWins) {
  add(via("0.0.0.0/0", "10.0.0.2"));
  add(via("198.51.100.0/24", "10.0.1.2"));
  add(via("198.51.100.128/25", "10.0.0.3"));
  EXPECT_EQ(where("203.0.113.1"), "unicast via 10.0.0.2 dev 1");
  EXPECT_EQ(where("198.51.100.1"), "unicast via 10.0.1.2 dev 2");
  EXPECT_EQ(where("198.51.100.200"), "unicast via 10.0.0.3 dev 1");
  ASSERT_TRUE(tables.remove({.prefix = net("198.51.100.128/25")}).ok());
  EXPECT_EQ(where("198.51.100.200"), "unicast via 10.0.1.2 dev 2");
}

}  // namespace
}  // namespace linnet::route
