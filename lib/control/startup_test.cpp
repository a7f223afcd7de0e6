// SPDX-License-Identifier: BSD-3-Clause
// Files of commands.
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "control/control_fixture.hpp"

namespace linnet::control {
namespace {

class StartupTest : public ControlFixture {
 protected:
  StartupTest() : path_(testing::TempDir() + "linnet_startup_" + std::to_string(getpid())) {}
  ~StartupTest() override { std::remove(path_.c_str()); }

  void write(const std::string& text) { std::ofstream(path_) << text; }
  std::string path_;
};

TEST_F(StartupTest, RunsALineAtATime) {
  write(
      "# the first port\n\nip link set tap0 up   # now\n  ip addr add 10.0.0.1/24 dev \"tap0\"\n"
      "sysctl -w net.ipv4.ip_forward=1");
  const auto result = run_file(*stack_, clock_.now(), path_);
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_EQ(ok("ip -br -4 addr show tap0"), "tap0             UP             10.0.0.1/24 \n");
  EXPECT_EQ(ok("sysctl -n net.ipv4.ip_forward"), "1\n");
}

TEST_F(StartupTest, StopsAtTheFirstErrorWithItsPlace) {
  write("ip link set tap0 up\nip link set tap9 up\nip link set tap1 up\n");
  const auto result = run_file(*stack_, clock_.now(), path_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text(),
            path_ +
                ":2: there is no such device: \"tap9\" (word 4), expected a device that `ip "
                "link` lists");
  EXPECT_FALSE(stack_->devices().find("tap1")->admin_up());
}

TEST_F(StartupTest, TheStacksRefusalHasItsPlaceToo) {
  write("\nip route add 10.0.0.0/8 via 10.0.0.1\n");
  const auto result = run_file(*stack_, clock_.now(), path_);
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().text().starts_with(path_ + ":2: Nexthop has invalid gateway"))
      << result.error().text();
}

TEST_F(StartupTest, CheckingActsOnNothing) {
  const std::string before = digest();
  write("ip link set tap0 up\nip addr add 10.0.0.1/24 dev tap0\nip rule add table 7\n");
  EXPECT_TRUE(check_file(path_).ok());
  EXPECT_TRUE(check_file(path_, std::vector<std::string>{"tap0"}).ok());
  EXPECT_EQ(check_file(path_, std::vector<std::string>{"eth0"}).error().text(),
            path_ +
                ":1: there is no such device: \"tap0\" (word 4), expected a device that `ip "
                "link` lists");
  write("ip link set tap0 up\nip adr add 10.0.0.1/24 dev tap0\n");
  EXPECT_TRUE(check_file(path_).error().text().starts_with(
      path_ + ":2: unknown command: \"adr\" (word 2)"));
  write("ip link set tap0 'up\n");
  EXPECT_TRUE(check_file(path_).error().text().starts_with(path_ + ":1: a quote is not closed"));
  EXPECT_EQ(digest(), before);
}

TEST_F(StartupTest, AMissingFileIsNamed) {
  EXPECT_EQ(run_file(*stack_, clock_.now(), "/nonexistent/file").error().word, "/nonexistent/file");
  EXPECT_FALSE(check_file("/nonexistent/file"));
  // A directory opens and cannot be read.
  EXPECT_FALSE(check_file(testing::TempDir()));
}

}  // namespace
}  // namespace linnet::control
