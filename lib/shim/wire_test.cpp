// SPDX-License-Identifier: BSD-3-Clause
// Calls over two whole stacks, in virtual time.
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "shim/test_wire.hpp"

namespace linnet::shim {
namespace {

std::string pattern(std::size_t count) {
  std::string out(count, '\0');
  std::uint32_t state = 1;
  for (char& byte : out) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  return out;
}

TEST_F(WireTest, UdpGoesThereAndBack) {
  const int server = socket_on(1, SOCK_DGRAM), client = socket_on(0, SOCK_DGRAM);
  ASSERT_EQ(bind_to(server, kB, 7), 0);
  ASSERT_EQ(connect_to(client, kB, 7), 0);
  ASSERT_EQ(ln_send(client, "hello", 5, 0), 5);
  run(3);
  char text[16] = {};
  sockaddr_in from{};
  socklen_t length = sizeof from;
  ASSERT_EQ(ln_recvfrom(server, text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &length),
            5);
  EXPECT_EQ(ntohl(from.sin_addr.s_addr), Ipv4Address::parse(kA)->host());
  ASSERT_EQ(ln_sendto(server, "world!", 6, 0, reinterpret_cast<sockaddr*>(&from), length), 6);
  run(3);
  EXPECT_EQ(ln_recv(client, text, sizeof text, 0), 6);
  ln_close(server);
  ln_close(client);
}

TEST_F(WireTest, UdpToAClosedPortIsRefusedOnTheConnectedSocket) {
  const int client = socket_on(0, SOCK_DGRAM);
  ASSERT_EQ(connect_to(client, kB, 9), 0);
  ASSERT_EQ(ln_send(client, "x", 1, 0), 1);
  run(3);
  char text[4];
  EXPECT_EQ(ln_recv(client, text, sizeof text, 0), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  EXPECT_EQ(ln_recv(client, text, sizeof text, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
  ln_close(client);
}

TEST_F(WireTest, LongDatagramsTravelInFragments) {
  const int server = socket_on(1, SOCK_DGRAM), client = socket_on(0, SOCK_DGRAM);
  ASSERT_EQ(bind_to(server, "0.0.0.0", 7), 0);
  ASSERT_EQ(connect_to(client, kB, 7), 0);
  const std::string sent = pattern(9000);
  ASSERT_EQ(ln_send(client, sent.data(), sent.size(), 0), 9000);
  run(3);
  std::string got(10000, '\0');
  ASSERT_EQ(ln_recv(server, got.data(), got.size(), 0), 9000);
  got.resize(9000);
  EXPECT_EQ(got, sent);
  ln_close(server);
  ln_close(client);
}

// Linux: __udp_disconnect, inet_autobind.
TEST_F(WireTest, ADissolvedUdpSocketSendsFromANewPort) {
  const int server = socket_on(1, SOCK_DGRAM), client = socket_on(0, SOCK_DGRAM);
  ASSERT_EQ(bind_to(server, kB, 7), 0);
  ASSERT_EQ(connect_to(client, kB, 7), 0);
  const auto port_of = [&] {
    sockaddr_in name{};
    socklen_t length = sizeof name;
    ln_getsockname(client, reinterpret_cast<sockaddr*>(&name), &length);
    return ntohs(name.sin_port);
  };
  const unsigned before = port_of();
  EXPECT_NE(before, 0);
  sockaddr_in nobody{};
  nobody.sin_family = AF_UNSPEC;
  ASSERT_EQ(ln_connect(client, reinterpret_cast<sockaddr*>(&nobody), sizeof nobody), 0);
  EXPECT_EQ(port_of(), 0);
  const sockaddr_in to = name_of(kB, 7);
  ASSERT_EQ(ln_sendto(client, "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to), 1);
  run(3);
  const unsigned after = port_of();
  EXPECT_NE(after, 0);
  char text[4];
  sockaddr_in from{};
  socklen_t length = sizeof from;
  ASSERT_EQ(ln_recvfrom(server, text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &length),
            1);
  EXPECT_EQ(ntohs(from.sin_port), after) << "what getsockname says is what the peer sees";
  // And the answer comes.
  ASSERT_EQ(ln_sendto(server, "y", 1, 0, reinterpret_cast<sockaddr*>(&from), length), 1);
  run(3);
  EXPECT_EQ(ln_recv(client, text, sizeof text, 0), 1);
  ln_close(server);
  ln_close(client);
}

// An ACK tells that the neighbour answers: no probes of it while a stream flows (Linux:
// dst_confirm).
class EthernetWireTest : public WireTest {
 protected:
  void SetUp() override {
    for (unsigned i = 0; i < 2; ++i) {
      stack_[i] = ln_embed_create(nullptr);
      ASSERT_EQ(ln_embed_add_ethernet_port(stack_[i], "eth0", nullptr, 1500), 0);
      const std::string line = "ip addr add " + std::string(i == 0 ? kA : kB) + "/24 dev eth0";
      ASSERT_EQ(ln_embed_command(stack_[i], line.c_str(), nullptr, 0), 0) << ln_embed_error();
    }
    run(5000);  // both have announced their addresses, and again after two seconds
  }
};

TEST_F(EthernetWireTest, AStreamKeepsItsNeighbourWithoutProbes) {
  const auto [client, server] = join();
  unsigned probes = 0;
  lose = [&](unsigned, const std::uint8_t* frame, std::size_t) {
    probes += frame[12] == 8 && frame[13] == 6 ? 1 : 0;
    return false;
  };
  char text[16];
  for (unsigned second = 0; second < 200; ++second) {
    ASSERT_EQ(ln_send(client, "a", 1, 0), 1);
    run(3);
    ASSERT_EQ(ln_recv(server, text, sizeof text, 0), 1);
    ASSERT_EQ(ln_send(server, "b", 1, 0), 1);
    run(3);
    ASSERT_EQ(ln_recv(client, text, sizeof text, 0), 1);
    run(900);
  }
  EXPECT_EQ(probes, 0u);
  ln_close(client);
  ln_close(server);
}

TEST_F(WireTest, TcpConnectsCarriesAndCloses) {
  const auto [client, server] = join();
  ASSERT_EQ(ln_send(client, "hello", 5, 0), 5);
  run(3);
  char text[16] = {};
  EXPECT_EQ(ln_recv(server, text, sizeof text, 0), 5);
  ASSERT_EQ(ln_send(server, "world!", 6, 0), 6);
  run(3);
  EXPECT_EQ(ln_recv(client, text, sizeof text, 0), 6);
  EXPECT_EQ(ln_shutdown(client, SHUT_WR), 0);
  run(3);
  EXPECT_EQ(ln_recv(server, text, sizeof text, 0), 0);
  EXPECT_EQ(ln_close(server), 0);
  run(3);
  EXPECT_EQ(ln_recv(client, text, sizeof text, 0), 0);
  EXPECT_EQ(ln_close(client), 0);
  run(3);
}

// SO_SNDBUF after the connection stands: what is writable is judged by the buffer as it is now, and
// what a call had no room for does not hold back what it had (Linux: tcp_push before it waits).
TEST_F(WireTest, AStreamWithASmallSendBufferKeepsMoving) {
  const auto [client, server] = join();
  const int small = 8192;
  ASSERT_EQ(ln_setsockopt(server, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  const std::string sent = pattern(1 << 18);
  std::string got;
  std::size_t at = 0;
  std::vector<char> buffer(1 << 16);
  int milliseconds = 0;
  for (; milliseconds < 20'000 && got.size() < sent.size(); ++milliseconds) {
    pollfd poll{server, POLLOUT, 0};
    if (ln_poll(&poll, 1, 0) == 1 && at < sent.size()) {
      const ssize_t went = ln_send(server, sent.data() + at, sent.size() - at, 0);
      if (went > 0) at += static_cast<std::size_t>(went);
    }
    carry();
    ssize_t came;
    while ((came = ln_recv(client, buffer.data(), buffer.size(), 0)) > 0)
      got.append(buffer.data(), static_cast<std::size_t>(came));
  }
  EXPECT_TRUE(got == sent);
  EXPECT_LT(milliseconds, 150) << "16 buffers, a round trip of 2 ms";
  ln_close(server);
  ln_close(client);
}

TEST_F(WireTest, MegabytesArriveWholeThroughLoss) {
  const auto [client, server] = join();
  unsigned packets = 0;
  lose = [&](unsigned, const std::uint8_t*, std::size_t) { return ++packets % 50 == 0; };
  const std::string sent = pattern(1 << 20);
  std::string got;
  std::size_t at = 0;
  std::vector<char> buffer(1 << 16);
  for (int rounds = 0; rounds < 200'000 && got.size() < sent.size(); ++rounds) {
    const ssize_t went = ln_send(client, sent.data() + at, sent.size() - at, 0);
    if (went > 0) at += static_cast<std::size_t>(went);
    carry();
    ssize_t came;
    while ((came = ln_recv(server, buffer.data(), buffer.size(), 0)) > 0)
      got.append(buffer.data(), static_cast<std::size_t>(came));
  }
  EXPECT_EQ(got.size(), sent.size());
  EXPECT_TRUE(got == sent);
  tcp_info info{};
  socklen_t length = sizeof info;
  ASSERT_EQ(ln_getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  EXPECT_EQ(info.tcpi_state, TCP_ESTABLISHED);
  EXPECT_GT(info.tcpi_total_retrans, 0u);
  ln_close(client);
  ln_close(server);
  run(3);
}

TEST_F(WireTest, ConnectToAClosedPortIsRefused) {
  const int client = socket_on(0);
  EXPECT_EQ(connect_to(client, kB, 81), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  run(3);
  pollfd poll{client, POLLOUT, 0};
  EXPECT_EQ(ln_poll(&poll, 1, 0), 1);
  EXPECT_EQ(poll.revents, POLLOUT | POLLERR | POLLHUP);
  int error = 0;
  socklen_t length = sizeof error;
  EXPECT_EQ(ln_getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length), 0);
  EXPECT_EQ(error, ECONNREFUSED);
  ln_close(client);
}

// Linux (inet_csk_listen_stop): what was half open goes with its listener.
TEST_F(WireTest, WhatWasHalfOpenForAClosedListenerIsTheNextOnes) {
  const int first = socket_on(1);
  ASSERT_EQ(bind_to(first, kB, 80), 0);
  ASSERT_EQ(ln_listen(first, 8), 0);
  const int client = socket_on(0);
  ASSERT_EQ(connect_to(client, kB, 80), -1);
  std::vector<std::uint8_t> syn;
  lose = [&](unsigned from, const std::uint8_t* bytes, std::size_t length) {
    if (from == 0) syn.assign(bytes, bytes + length);
    return from == 1;
  };
  run(10);
  ln_close(first);
  const int second = socket_on(1);
  const int on = 1;
  ASSERT_EQ(ln_setsockopt(second, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
  ASSERT_EQ(bind_to(second, kB, 80), 0);
  ASSERT_EQ(ln_listen(second, 8), 0);
  lose = nullptr;
  ASSERT_EQ(ln_embed_inject(stack_[1], 0, syn.data(), syn.size()), 0);  // the SYN comes again
  run(10);
  EXPECT_EQ(connect_to(client, kB, 80), 0) << errno;
  EXPECT_GE(ln_accept(second, nullptr, nullptr), LN_FD_BASE);
}

TEST_F(WireTest, CloseWithUnreadDataResetsThePeer) {
  const auto [client, server] = join();
  ASSERT_EQ(ln_send(client, "unread", 6, 0), 6);
  run(3);
  EXPECT_EQ(ln_close(server), 0);
  run(3);
  char text[4];
  EXPECT_EQ(ln_recv(client, text, sizeof text, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(ln_recv(client, text, sizeof text, 0), 0);
  EXPECT_EQ(ln_send(client, "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  ln_close(client);
}

TEST_F(WireTest, WhatWasResetInTheQueueIsAcceptedWithItsPeersName) {
  const int listener = socket_on(1);
  ASSERT_EQ(bind_to(listener, kB, 80), 0);
  ASSERT_EQ(ln_listen(listener, 4), 0);
  const int client = socket_on(0);
  EXPECT_EQ(connect_to(client, kB, 80), -1);
  run(3);
  ASSERT_EQ(ln_send(client, "late", 4, 0), 4);
  run(3);
  const linger now{1, 0};
  ASSERT_EQ(ln_setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
  ln_close(client);
  run(3);
  sockaddr_in from{};
  socklen_t length = sizeof from;
  const int server = ln_accept(listener, reinterpret_cast<sockaddr*>(&from), &length);
  ASSERT_GE(server, 0) << errno;
  EXPECT_EQ(from.sin_addr.s_addr, name_of(kA, 0).sin_addr.s_addr);
  EXPECT_EQ(ln_getpeername(server, reinterpret_cast<sockaddr*>(&from), &length), -1);
  EXPECT_EQ(errno, ENOTCONN);
  char text[8];
  EXPECT_EQ(ln_recv(server, text, sizeof text, 0), 4);
  EXPECT_EQ(ln_recv(server, text, sizeof text, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(ln_recv(server, text, sizeof text, 0), 0);
  ln_close(server);
  ln_close(listener);
}

TEST_F(WireTest, WhatComesBehindShutdownForReadingIsReadAllTheSame) {
  const auto [client, server] = join();
  ASSERT_EQ(ln_shutdown(server, SHUT_RD), 0);
  char text[8];
  EXPECT_EQ(ln_recv(server, text, sizeof text, 0), 0);
  ASSERT_EQ(ln_send(client, "more", 4, 0), 4);
  run(3);
  EXPECT_EQ(ln_recv(server, text, sizeof text, 0), 4);
  EXPECT_EQ(ln_recv(server, text, sizeof text, 0), 0);
  ln_close(client);
  ln_close(server);
  run(3);
}

TEST_F(WireTest, TheSegmentSizeOfAnOpenConnectionIsWhatItUses) {
  const auto [client, server] = join();
  for (const int fd : {client, server}) {
    int used = 0;
    socklen_t length = sizeof used;
    ASSERT_EQ(ln_getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &used, &length), 0);
    EXPECT_EQ(length, sizeof used);
    EXPECT_EQ(used, 1448);
  }
  ln_close(client);
  ln_close(server);
  run(3);
}

TEST_F(WireTest, ReadingTellsHowMuchIsLeft) {
  const auto [client, server] = join();
  const int on = 1, two = 2;
  ASSERT_EQ(ln_setsockopt(server, IPPROTO_TCP, TCP_INQ, &on, sizeof on), 0);
  EXPECT_EQ(ln_setsockopt(server, IPPROTO_TCP, TCP_INQ, &two, sizeof two), -1);
  EXPECT_EQ(errno, EINVAL);
  const auto left_after = [&, fd = server](std::size_t count) {
    char text[16], control[64];
    iovec part{text, count};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (ln_recvmsg(fd, &message, 0) < 0) return -1;
    const cmsghdr* const first = CMSG_FIRSTHDR(&message);
    if (first == nullptr || first->cmsg_level != IPPROTO_TCP || first->cmsg_type != TCP_CM_INQ)
      return -2;
    int left = 0;
    std::memcpy(&left, CMSG_DATA(first), sizeof left);
    return left;
  };
  ASSERT_EQ(ln_send(client, "0123456789", 10, 0), 10);
  run(3);
  EXPECT_EQ(left_after(4), 6);
  EXPECT_EQ(left_after(6), 0);
  EXPECT_EQ(left_after(6), -1);  // nothing was read, nothing is told
  EXPECT_EQ(errno, EAGAIN);
  ASSERT_EQ(ln_send(client, "end", 3, 0), 3);
  ln_close(client);
  run(3);
  EXPECT_EQ(left_after(3), 1);  // the end is there to be read
  ln_close(server);
  run(3);
}

TEST_F(WireTest, ConnectTimesOutInVirtualTime) {
  const int client = socket_on(0);
  ASSERT_EQ(ln_embed_command(stack_[0], "ip route add 10.9.0.0/16 dev tun0", nullptr, 0), 0);
  EXPECT_EQ(connect_to(client, "10.9.0.1", 80), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  const std::int64_t began = ln_embed_now(stack_[0]);
  std::vector<std::int64_t> sent;
  while (ln_embed_advance_to_deadline(stack_[0]) == 1) {
    std::int64_t at;
    std::uint8_t bytes[128];
    while (ln_embed_take(stack_[0], 0, bytes, sizeof bytes, &at) >= 0)
      sent.push_back((at - began) / 1'000'000'000);
    pollfd poll{client, POLLOUT, 0};
    if (ln_poll(&poll, 1, 0) == 1) break;
  }
  EXPECT_GE(sent.size(), 7u);  // tcp_syn_retries = 6 and those of tcp_syn_linear_timeouts
  EXPECT_GE(sent.back(), 60);
  int error = 0;
  socklen_t length = sizeof error;
  EXPECT_EQ(ln_getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length), 0);
  EXPECT_EQ(error, ETIMEDOUT);
  ln_close(client);
}

TEST_F(WireTest, ConnectionIsDissolvedAndMadeAgainAsOftenAsOneLikes) {
  const int listener = socket_on(1);
  ASSERT_EQ(bind_to(listener, kB, 80), 0);
  ASSERT_EQ(ln_listen(listener, 8), 0);
  const int client = socket_on(0);
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  for (int round = 0; round < 4; ++round) {
    const bool whole = round % 2 == 0;  // else it is dissolved in SYN_SENT
    EXPECT_EQ(connect_to(client, kB, 80), -1);
    EXPECT_EQ(errno, EINPROGRESS);
    sockaddr_in here{};
    socklen_t length = sizeof here;
    EXPECT_EQ(ln_getsockname(client, reinterpret_cast<sockaddr*>(&here), &length), 0);
    EXPECT_NE(here.sin_port, 0);
    if (whole) {
      run(3);
      ASSERT_EQ(connect_to(client, kB, 80), 0);
      const int server = ln_accept(listener, nullptr, nullptr);
      ASSERT_GE(server, LN_FD_BASE);
      char text[8];
      ASSERT_EQ(ln_send(client, "hello", 5, 0), 5);
      run(3);
      EXPECT_EQ(ln_recv(server, text, sizeof text, 0), 5);
      EXPECT_EQ(ln_recv(client, text, sizeof text, 0), -1);
      EXPECT_EQ(errno, EAGAIN);
      ln_close(server);
    }
    EXPECT_EQ(ln_connect(client, &nobody, sizeof nobody), 0);
    EXPECT_EQ(ln_getsockname(client, reinterpret_cast<sockaddr*>(&here), &length), 0);
    EXPECT_EQ(here.sin_port, 0);
    int error = 0;
    length = sizeof error;
    EXPECT_EQ(ln_getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length), 0);
  }
  ln_close(client);
  ln_close(listener);
  run(3);
}

TEST_F(WireTest, BlockingCallsSleepInAnotherThread) {
  const int listener = socket_on(1);
  ASSERT_EQ(bind_to(listener, kB, 80), 0);
  ASSERT_EQ(ln_listen(listener, 8), 0);
  const int client = socket_on(0);
  std::atomic<int> connected{-7};
  std::atomic<ssize_t> got{-7};
  std::thread program([&] {
    connected = connect_to(client, kB, 80);
    char text[16];
    got = ln_recv(client, text, sizeof text, 0);
  });
  ASSERT_EQ(ln_embed_await_sleepers(stack_[0], 1, 10'000), 0);
  EXPECT_EQ(ln_embed_waiting(stack_[0], 0), 1);  // the SYN
  EXPECT_EQ(connected, -7);
  run(3);
  const int server = ln_accept(listener, nullptr, nullptr);
  ASSERT_GE(server, 0);
  ASSERT_EQ(ln_embed_await_sleepers(stack_[0], 1, 10'000), 0);  // in recv now
  EXPECT_EQ(connected, 0);
  ASSERT_EQ(ln_send(server, "hello", 5, 0), 5);
  run(3);
  ASSERT_EQ(ln_embed_await_returns(stack_[0], 0, 10'000), 0);
  program.join();
  EXPECT_EQ(got, 5);
  for (const int fd : {listener, client, server})
    ln_close(fd);
}

TEST_F(WireTest, PingSocketGetsItsEcho) {
  const int fd = socket_on(0, SOCK_DGRAM, IPPROTO_ICMP);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(connect_to(fd, kB, 0), 0);
  const std::uint8_t request[12] = {8, 0, 0, 0, 0, 0, 0, 1, 'p', 'i', 'n', 'g'};
  ASSERT_EQ(ln_send(fd, request, sizeof request, 0), 12) << strerror(errno);
  run(3);
  std::uint8_t answer[64];
  ASSERT_EQ(ln_recv(fd, answer, sizeof answer, 0), 12);
  EXPECT_EQ(answer[0], 0);
  ln_close(fd);
}

TEST_F(WireTest, OneStackTalksToItself) {
  const int listener = socket_on(0);
  ASSERT_EQ(bind_to(listener, "127.0.0.1", 80), 0);
  ASSERT_EQ(ln_listen(listener, 8), 0);
  const int client = socket_on(0);
  ASSERT_EQ(connect_to(client, "127.0.0.1", 80), 0);  // within the call
  const int server = ln_accept(listener, nullptr, nullptr);
  ASSERT_GE(server, 0);
  ASSERT_EQ(ln_send(client, "hello", 5, 0), 5);
  char text[16];
  EXPECT_EQ(ln_recv(server, text, sizeof text, 0), 5);
  for (const int fd : {listener, client, server})
    ln_close(fd);
  run(3);
}

}  // namespace
}  // namespace linnet::shim
