// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_fixture.hpp"

namespace linnet::control {
namespace {

class SysctlTest : public ControlFixture {};

TEST_F(SysctlTest, ReadsAndWritesByLinuxsNames) {
  EXPECT_EQ(ok("sysctl net.ipv4.ip_forward"), "net.ipv4.ip_forward = 0\n");
  EXPECT_EQ(ok("sysctl -w net.ipv4.ip_forward=1"), "net.ipv4.ip_forward = 1\n");
  EXPECT_EQ(stack_->ip_settings().ip_forward.load(), 1u);
  EXPECT_EQ(ok("sysctl -n net.ipv4.ip_forward"), "1\n");
  EXPECT_EQ(ok("sysctl net/ipv4/ip_forward=0 net.ipv4.ip_default_ttl=32"),
            "net.ipv4.ip_forward = 0\nnet.ipv4.ip_default_ttl = 32\n");
  EXPECT_EQ(ok("sysctl net.ipv4.ip_forward = 1"), "net.ipv4.ip_forward = 1\n");
}

TEST_F(SysctlTest, UnitsAreLinuxs) {
  ok("sysctl net.ipv4.ipfrag_time=15");
  EXPECT_EQ(stack_->ip_settings().ipfrag_time_ms.load(), 15000u);
  ok("sysctl net.ipv4.neigh.default.base_reachable_time=20");
  EXPECT_EQ(ok("sysctl -n net.ipv4.neigh.default.base_reachable_time_ms"), "20000\n");
  EXPECT_EQ(ok("sysctl -n net.ipv4.neigh.default.locktime"), "100\n");
  EXPECT_EQ(ok("sysctl -n net.ipv4.neigh.default.gc_stale_time"), "60\n");
}

TEST_F(SysctlTest, AllSettingsHaveLinuxsDefaults) {
  const Json all = json("-j sysctl -a");
  EXPECT_GE(all.size(), 30u);
  EXPECT_EQ(all["net.ipv4.ip_default_ttl"], 64);
  EXPECT_EQ(all["net.ipv4.neigh.default.delay_first_probe_time"], 5);
  EXPECT_EQ(all["net.ipv4.neigh.default.gc_thresh3"], 1024);
  // Each can be set to what it is.
  for (const auto& [name, value] : all.items())
    ok("sysctl " + name + '=' + std::to_string(value.get<unsigned>()));
  EXPECT_EQ(json("-j sysctl -a"), all);
}

TEST_F(SysctlTest, SeveralAreWrittenTogetherOrNotAtAll) {
  refused("sysctl net.ipv4.ip_forward=1 net.ipv4.ip_default_ttl=0", kExitUsage);
  EXPECT_EQ(ok("sysctl -n net.ipv4.ip_forward"), "0\n");
}

}  // namespace
}  // namespace linnet::control
