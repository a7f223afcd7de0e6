// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_fixture.hpp"
#include "tcp/congestion.hpp"

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
  for (const auto& [name, value] : all.items()) {
    if (name == "net.ipv4.tcp_available_congestion_control") continue;
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    ok("sysctl '" + name + '=' + text + "'");
  }
  EXPECT_EQ(json("-j sysctl -a"), all);
}

TEST_F(SysctlTest, SeveralNumbersOfOneNameAreOneLineAsInLinux) {
  EXPECT_EQ(ok("sysctl net.ipv4.tcp_rmem"), "net.ipv4.tcp_rmem = 4096\t131072\t6291456\n");
  EXPECT_EQ(ok("sysctl -n net.ipv4.tcp_wmem"), "4096\t16384\t4194304\n");
  EXPECT_EQ(ok("sysctl -w net.ipv4.tcp_rmem='8192 87380 16777216'"),
            "net.ipv4.tcp_rmem = 8192\t87380\t16777216\n");
  EXPECT_EQ(stack_->sockets().tcp_settings.tcp_rmem_min.get(), 8192u);
  EXPECT_EQ(stack_->sockets().tcp_settings.tcp_rmem_default.get(), 87380u);
  EXPECT_EQ(stack_->sockets().tcp_settings.tcp_rmem_max.get(), 16777216u);
  EXPECT_EQ(ok("sysctl net.ipv4.ip_local_port_range = 61000 65000"),
            "net.ipv4.ip_local_port_range = 61000\t65000\n");
  EXPECT_EQ(stack_->sockets().settings.ip_local_port_min.load(), 61000u);
  EXPECT_EQ(stack_->sockets().settings.ip_local_port_max.load(), 65000u);
  EXPECT_EQ(ok("sysctl -n net.ipv4.ip_local_port_range='1024 2000'"), "1024\t2000\n");
}

TEST_F(SysctlTest, CongestionControlIsANameOfThoseThatThereAre) {
  EXPECT_EQ(ok("sysctl -n net.ipv4.tcp_congestion_control"), "cubic\n");
  EXPECT_EQ(ok("sysctl -n net.ipv4.tcp_available_congestion_control"), "reno cubic bbr dctcp\n");
  EXPECT_EQ(ok("sysctl -w net.ipv4.tcp_congestion_control=bbr"),
            "net.ipv4.tcp_congestion_control = bbr\n");
  EXPECT_EQ(stack_->sockets().tcp_settings.congestion_control.load()->name(), "bbr");
  EXPECT_EQ(json("-j sysctl net.ipv4.tcp_congestion_control")["net.ipv4.tcp_congestion_control"],
            "bbr");
}

TEST_F(SysctlTest, SeveralAreWrittenTogetherOrNotAtAll) {
  refused("sysctl net.ipv4.ip_forward=1 net.ipv4.ip_default_ttl=0", kExitUsage);
  EXPECT_EQ(ok("sysctl -n net.ipv4.ip_forward"), "0\n");
}

}  // namespace
}  // namespace linnet::control
