// SPDX-License-Identifier: BSD-3-Clause
// Many connections, most of them idle: those rest, and nobody can tell.
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

#include "shim/embed.hpp"
#include "shim/test_wire.hpp"
#include "socket/lane_sockets.hpp"
#include "stack/lane_state.hpp"

namespace linnet::shim {
namespace {

class RestTest : public WireTest {
 protected:
  static constexpr unsigned kMany = 200;

  void SetUp() override {
    WireTest::SetUp();
    listener_ = socket_on(1);
    ASSERT_EQ(bind_to(listener_, kB, 80), 0);
    ASSERT_EQ(ln_listen(listener_, 64), 0);
  }
  // Some at a time, with pauses in which those that are there fall silent.
  void open(unsigned count, bool keep_alive = false) {
    for (unsigned i = 0; i < count; ++i) {
      const int client = socket_on(0);
      const int on = 1, seconds = 5;
      if (keep_alive) {
        ln_setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        ln_setsockopt(client, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
      }
      ASSERT_EQ(connect_to(client, kB, 80), -1);
      clients_.push_back(client);
      if (i % 8 != 7 && i + 1 != count) continue;
      run(120);
      for (int fd; (fd = ln_accept(listener_, nullptr, nullptr)) >= 0;)
        servers_.push_back(fd);
    }
    run(200);
    ASSERT_EQ(servers_.size(), clients_.size());
  }
  socket::TcpSockets::Sizes sizes(unsigned side) {
    return stack_[side]->stack().lane(0).state().sockets.tcp().sizes();
  }
  static bool says(int from, int to, const std::function<void()>& carry) {
    char got[8] = {};
    if (ln_send(from, "knock", 5, 0) != 5) return false;
    carry();
    return ln_recv(to, got, sizeof got, MSG_DONTWAIT) == 5 && std::string(got) == "knock";
  }
  void TearDown() override {
    for (const auto* side : {&clients_, &servers_})
      for (const int fd : *side)
        ln_close(fd);
    ln_close(listener_);
    run(300);
    for (const unsigned side : {0u, 1u}) {
      EXPECT_EQ(sizes(side).connections, 0u);
      EXPECT_EQ(sizes(side).resting, 0u);
    }
    WireTest::TearDown();
  }

  int listener_ = -1;
  std::vector<int> clients_, servers_;  // in the order in which they came to be
};

// Twenty a millisecond: one that says nothing is awake for little longer than it must be.
TEST_F(RestTest, WhileManyOpenThoseBeforeRestSoon) {
  constexpr unsigned kAtOnce = 20, kRounds = 150;
  unsigned most = 0;
  for (unsigned round = 0; round < kRounds; ++round) {
    for (unsigned i = 0; i < kAtOnce; ++i) {
      clients_.push_back(socket_on(0));
      ASSERT_EQ(connect_to(clients_.back(), kB, 80), -1);
    }
    carry();
    for (int fd; (fd = ln_accept(listener_, nullptr, nullptr)) >= 0;)
      servers_.push_back(fd);
    most = std::max(most, sizes(1).connections - sizes(1).resting);
  }
  run(3);
  for (int fd; (fd = ln_accept(listener_, nullptr, nullptr)) >= 0;)
    servers_.push_back(fd);
  ASSERT_EQ(servers_.size(), kAtOnce * kRounds);
  EXPECT_LT(most, kAtOnce * 75);
}

TEST_F(RestTest, IdleConnectionsRestAndSpeakAgain) {
  open(kMany);
  EXPECT_GT(sizes(0).resting, kMany / 4);
  EXPECT_GT(sizes(1).resting, kMany / 4);
  const auto carried = [this] { run(3); };
  for (unsigned round = 0; round < 3; ++round) {
    for (unsigned i = 0; i < kMany; ++i) {
      ASSERT_TRUE(says(clients_[i], servers_[i], carried)) << i;
      ASSERT_TRUE(says(servers_[i], clients_[i], carried)) << i;
    }
    run(300);
  }
}

// More wake in one turn than there are places: programs' requests wait for the next turn, packets
// are dropped by name and come again.
TEST_F(RestTest, AllSpeakAtOnce) {
  open(kMany);
  const unsigned resting = sizes(0).resting;
  ASSERT_GT(resting, kMany / 4);
  for (const auto& [from, to] :
       {std::pair(&servers_, &clients_), std::pair(&clients_, &servers_)}) {
    for (const int fd : *from)
      ASSERT_EQ(ln_send(fd, "knock", 5, 0), 5);
    run(2000);
    for (const int fd : *to) {
      char got[8] = {};
      ASSERT_EQ(ln_recv(fd, got, sizeof got, MSG_DONTWAIT), 5);
    }
  }
  EXPECT_LT(sizes(0).resting, resting);
}

TEST_F(RestTest, WhatIsAskedOfAConnectionThatRestsIsAsItWas) {
  open(kMany);
  for (unsigned i = 0; i < kMany; ++i) {
    struct tcp_info info{};
    socklen_t length = sizeof info;
    ASSERT_EQ(ln_getsockopt(clients_[i], IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    EXPECT_EQ(info.tcpi_state, TCP_ESTABLISHED);
    EXPECT_EQ(info.tcpi_snd_cwnd, 10u);
    EXPECT_GT(info.tcpi_rtt, 1000u);
    int unread = 1;
    ASSERT_EQ(ln_ioctl(clients_[i], FIONREAD, &unread), 0);
    EXPECT_EQ(unread, 0);
  }
  EXPECT_GT(sizes(0).resting, kMany / 4) << "looking wakes nobody";
  std::vector<char> text(1 << 20);
  ASSERT_GT(ln_embed_command(stack_[0], "ss -tnH", text.data(), text.size()), -1);
  const std::string rows(text.data());
  EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), kMany);
  // A shorter timeout wakes it, and is its own.
  const int one = 1, user_timeout = 1234;
  ASSERT_EQ(
      ln_setsockopt(clients_[3], IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout),
      0);
  ASSERT_EQ(ln_setsockopt(clients_[3], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
  EXPECT_TRUE(says(clients_[3], servers_[3], [this] { run(3); }));
}

TEST_F(RestTest, KeepAliveGoesOnAtRest) {
  open(kMany, true);
  ASSERT_GT(sizes(0).resting, kMany / 4);
  // The peers answer no more: who rests finds out as well as who is awake.
  lose = [](unsigned side, const std::uint8_t*, std::size_t) { return side == 1; };
  for (int i = 0; i < 800'000; i += 1000) {
    for (ln_stack* stack : stack_)
      ln_embed_advance(stack, 1000 * kMillisecond);
    carry();
  }
  for (const int fd : clients_) {
    char byte;
    EXPECT_EQ(ln_recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
  }
  lose = nullptr;
}

TEST_F(RestTest, ConnectionsThatRestAreClosedAndReset) {
  open(kMany);
  ASSERT_GT(sizes(0).resting, kMany / 4);
  for (unsigned i = 0; i < kMany; i += 2)
    ln_close(std::exchange(clients_[i], -1));
  const struct linger hard{1, 0};
  for (unsigned i = 1; i < kMany; i += 2) {
    ln_setsockopt(clients_[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ln_close(std::exchange(clients_[i], -1));
  }
  run(20);
  for (unsigned i = 0; i < kMany; ++i) {
    char byte;
    const ssize_t got = ln_recv(servers_[i], &byte, 1, MSG_DONTWAIT);
    EXPECT_EQ(got, i % 2 == 0 ? 0 : -1) << i;
    if (i % 2 != 0) {
      EXPECT_EQ(errno, ECONNRESET);
    }
  }
}

}  // namespace
}  // namespace linnet::shim
