// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_fixture.hpp"

namespace linnet::control {
namespace {

class NeighbourTest : public ControlFixture {
 protected:
  NeighbourTest() {
    ok("ip link set tap0 up");
    ok("ip addr add 10.0.0.1/24 dev tap0");
  }
};

TEST_F(NeighbourTest, ShowsNeighboursAsIproute2Does) {
  ok("ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev tap0");
  ok("ip neigh add 10.0.0.78 lladdr 02:00:00:00:00:78 dev tap0 nud reachable");
  ok("ip neigh add proxy 10.0.0.88 dev tap0");
  EXPECT_EQ(ok("ip neigh show 10.0.0.77"),
            "10.0.0.77 dev tap0 lladdr 02:00:00:00:00:77 PERMANENT \n");
  EXPECT_EQ(ok("ip n s nud reachable"), "10.0.0.78 dev tap0 lladdr 02:00:00:00:00:78 REACHABLE \n");
  EXPECT_EQ(ok("ip neigh show proxy"), "10.0.0.88 dev tap0 proxy \n");
  EXPECT_EQ(ok("ip -j neigh show to 10.0.0.77"),
            R"([{"dst":"10.0.0.77","dev":"tap0","lladdr":"02:00:00:00:00:77",)"
            R"("state":["PERMANENT"]}])"
            "\n");
  EXPECT_EQ(ok("ip -j neigh show proxy"), R"([{"dst":"10.0.0.88","dev":"tap0","proxy":null}])"
                                          "\n");
  EXPECT_EQ(ok("ip -br neigh show 10.0.0.77"),
            "10.0.0.77                               tap0             02:00:00:00:00:77\n");
  clock_.advance(time::Duration::seconds(5));
  EXPECT_EQ(ok("ip -s neigh show 10.0.0.77"),
            "10.0.0.77 dev tap0 lladdr 02:00:00:00:00:77  used 5/5/5probes 0 PERMANENT \n");
  EXPECT_EQ(json("ip -j -s neigh show 10.0.0.77")[0]["updated"], 5);
}

TEST_F(NeighbourTest, AddChangeReplaceDelete) {
  ok("ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev tap0");
  EXPECT_EQ(refused("ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:08 dev tap0", kExitRefused)
                .substr(0, 18),
            "Error: File exists");
  ok("ip neigh change 10.0.0.7 lladdr 02:00:00:00:00:08 dev tap0 nud noarp");
  EXPECT_EQ(ok("ip neigh show 10.0.0.7"), "");
  EXPECT_EQ(ok("ip neigh show 10.0.0.7 nud noarp"),
            "10.0.0.7 dev tap0 lladdr 02:00:00:00:00:08 NOARP \n");
  ok("ip neigh replace 10.0.0.7 lladdr 02:00:00:00:00:09 dev tap0 nud stale");
  EXPECT_EQ(ok("ip neigh show 10.0.0.7"), "10.0.0.7 dev tap0 lladdr 02:00:00:00:00:09 STALE \n");
  ok("ip neigh del 10.0.0.7 dev tap0");
  EXPECT_EQ(ok("ip neigh show nud reachable"), "");
  ok("ip neigh add proxy 10.0.0.88 dev tap0");
  ok("ip neigh del proxy 10.0.0.88 dev tap0");
  EXPECT_EQ(ok("ip neigh show proxy"), "");
}

TEST_F(NeighbourTest, GetTellsOneWhateverItsState) {
  ok("ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev tap0 nud noarp");
  EXPECT_EQ(ok("ip neigh get 10.0.0.7 dev tap0"),
            "10.0.0.7 dev tap0 lladdr 02:00:00:00:00:07 NOARP \n");
  EXPECT_EQ(json("ip -j neigh get to 10.0.0.7 dev tap0")[0]["dst"], "10.0.0.7");
  ok("ip neigh add proxy 10.0.0.88 dev tap0");
  EXPECT_EQ(ok("ip neigh get proxy 10.0.0.88 dev tap0"), "10.0.0.88 dev tap0 proxy \n");
  for (const char* missing : {"ip neigh get 10.0.0.88 dev tap0", "ip neigh get 10.0.0.99 dev tap0",
                              "ip neigh get proxy 10.0.0.7 dev tap0"}) {
    EXPECT_EQ(refused(missing, kExitRefused).substr(0, 32), "Error: No such file or directory");
  }
}

TEST_F(NeighbourTest, FlushLeavesWhatIsPermanent) {
  ok("ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev tap0");
  ok("ip neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev tap0 nud reachable");
  ok("ip neigh flush dev tap0");
  EXPECT_EQ(ok("ip neigh show 10.0.0.8 nud reachable"), "");
  EXPECT_EQ(ok("ip neigh show 10.0.0.7"),
            "10.0.0.7 dev tap0 lladdr 02:00:00:00:00:07 PERMANENT \n");
  ok("ip neigh flush all");
  EXPECT_NE(ok("ip neigh show 10.0.0.7"), "");
  ok("ip neigh flush nud permanent");
  EXPECT_EQ(ok("ip neigh show nud permanent"), "");
}

}  // namespace
}  // namespace linnet::control
