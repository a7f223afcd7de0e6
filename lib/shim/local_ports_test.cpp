// SPDX-License-Identifier: BSD-3-Clause
// Which local ports sockets are given (IP_LOCAL_PORT_RANGE, IP_BIND_ADDRESS_NO_PORT).
#include <netinet/in.h>

#include <cerrno>
#include <set>

#include "shim/options.hpp"
#include "shim/test_wire.hpp"

namespace linnet::shim {
namespace {

class LocalPortsTest : public WireTest {
 protected:
  static int set_range(int fd, std::uint32_t low, std::uint32_t high) {
    const std::uint32_t range = low | high << 16;
    return ln_setsockopt(fd, IPPROTO_IP, kLocalPortRange, &range, sizeof range);
  }
  static std::uint16_t port_of(int fd) {
    sockaddr_in name{};
    socklen_t length = sizeof name;
    ln_getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length);
    return ntohs(name.sin_port);
  }
};

TEST_F(LocalPortsTest, ASocketsOwnRangeBoundsBindAndConnect) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    std::set<std::uint16_t> got;
    std::vector<int> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(socket_on(0, type));
      ASSERT_EQ(set_range(all.back(), 50000, 50002), 0);
      ASSERT_EQ(bind_to(all.back(), kA, 0), 0);
      EXPECT_TRUE(got.insert(port_of(all.back())).second);
    }
    EXPECT_EQ(*got.begin(), 50000);
    EXPECT_EQ(*got.rbegin(), 50002);
    all.push_back(socket_on(0, type));
    ASSERT_EQ(set_range(all.back(), 50000, 50002), 0);
    EXPECT_EQ(bind_to(all.back(), kA, 0), -1);
    EXPECT_EQ(errno, EADDRINUSE);
    if (type == SOCK_STREAM) {
      EXPECT_EQ(connect_to(all.back(), kB, 80), -1);
      EXPECT_EQ(errno, EADDRNOTAVAIL) << "known at once, and said by the call";
      ASSERT_EQ(set_range(all.back(), 50003, 50003), 0);
      EXPECT_EQ(connect_to(all.back(), kB, 80), -1);
      EXPECT_EQ(errno, EINPROGRESS);
      EXPECT_EQ(port_of(all.back()), 50003);
    }
    for (const int fd : all)
      ln_close(fd);
    run(3);
  }
}

// Linux: inet_bind leaves the port to connect, which looks at all four numbers.
TEST_F(LocalPortsTest, BoundWithoutAPortTheFlowDecides) {
  const int on = 1;
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    std::vector<int> all;
    for (std::uint16_t i = 0; i < 2; ++i) {
      all.push_back(socket_on(0, type));
      ASSERT_EQ(ln_setsockopt(all.back(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on), 0);
      const std::uint16_t own = type == SOCK_STREAM ? 50000 : static_cast<std::uint16_t>(50000 + i);
      ASSERT_EQ(set_range(all.back(), own, own), 0);
      ASSERT_EQ(bind_to(all.back(), kA, 0), 0);
      EXPECT_EQ(port_of(all.back()), 0);
      connect_to(all.back(), kB, static_cast<std::uint16_t>(80 + i));
      EXPECT_EQ(port_of(all.back()), own);
    }
    for (const int fd : all)
      ln_close(fd);
    run(3);
  }
  const int listener = socket_on(0);
  ASSERT_EQ(ln_setsockopt(listener, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on), 0);
  ASSERT_EQ(bind_to(listener, kA, 0), 0);
  ASSERT_EQ(ln_listen(listener, 1), 0);
  EXPECT_NE(port_of(listener), 0);
  ln_close(listener);
}

}  // namespace
}  // namespace linnet::shim
