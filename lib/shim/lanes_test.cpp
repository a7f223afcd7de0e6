// SPDX-License-Identifier: BSD-3-Clause
// Calls over stacks of several lanes. A port in memory gives all packets to whichever lane looks
// first: most come to the wrong one and are handed over.
#include <cstdio>
#include <map>

#include "shim/test_wire.hpp"

namespace linnet::shim {
namespace {

class LanesTest : public WireTest, public testing::WithParamInterface<unsigned> {
 protected:
  void SetUp() override { make(GetParam()); }
};

constexpr unsigned kFlows = 256;

TEST_P(LanesTest, ManyDatagramFlowsAllAnswered) {
  const int server = socket_on(1, SOCK_DGRAM);
  ASSERT_EQ(bind_to(server, "0.0.0.0", 7), 0);
  std::map<int, std::string> sent;
  char text[64];
  sockaddr_in from{};
  socklen_t length = sizeof from;
  auto* const name = reinterpret_cast<sockaddr*>(&from);
  ssize_t count;
  for (unsigned i = 0; i < kFlows; ++i) {
    const int client = socket_on(0, SOCK_DGRAM);
    ASSERT_EQ(connect_to(client, kB, 7), 0);
    sent[client] = "flow " + std::to_string(i);
    ASSERT_GT(ln_send(client, sent[client].data(), sent[client].size(), 0), 0);
    if (i % 32 != 31) continue;  // more would not fit into net.core.rmem_default
    run(3);
    while ((count = ln_recvfrom(server, text, sizeof text, 0, name, &length)) > 0)
      ASSERT_EQ(ln_sendto(server, text, static_cast<std::size_t>(count), 0, name, length), count);
  }
  run(3);
  for (const auto& [socket, expected] : sent) {
    count = ln_recv(socket, text, sizeof text, 0);
    EXPECT_EQ(std::string(text, static_cast<std::size_t>(std::max<ssize_t>(count, 0))), expected);
    ln_close(socket);
  }
  ln_close(server);
}

// Linux: sk_rmem_alloc, one for the socket. One flow may fill it, 256 flows on all lanes fit no
// more into it, and what the program has read is free for any of them.
TEST_P(LanesTest, OneReceiveBufferHoldsWhateverLanesDatagramsComeBy) {
  const int server = socket_on(1, SOCK_DGRAM);
  const int space = 100'000;  // the kernel's rule: twice as much of truesize
  ASSERT_EQ(ln_setsockopt(server, SOL_SOCKET, SO_RCVBUF, &space, sizeof space), 0);
  ASSERT_EQ(bind_to(server, "0.0.0.0", 7), 0);
  std::vector<int> clients;
  for (unsigned i = 0; i < kFlows; ++i) {
    clients.push_back(socket_on(0, SOCK_DGRAM));
    ASSERT_EQ(connect_to(clients.back(), kB, 7), 0);
  }
  char text[64];
  const auto read_all = [&] {
    unsigned count = 0;
    while (ln_recv(server, text, sizeof text, 0) > 0)
      ++count;
    run(1);  // the buffers go back to their lanes
    return count;
  };
  const auto send_by = [&](unsigned flows, unsigned datagrams) {
    for (unsigned i = 0; i < datagrams; ++i) {
      ASSERT_EQ(ln_send(clients[i % flows], "x", 1, 0), 1);
      if (i % 32 == 31) run(1);
    }
    run(3);
  };
  send_by(1, 256);
  const unsigned by_one_flow = read_all();
  // Packets of a pool are all as large.
  const unsigned fits = by_one_flow, lanes = GetParam();
  EXPECT_GT(fits, 50u);
  EXPECT_LT(fits, 128u);
  for (unsigned round = 0; round < 3; ++round) {
    send_by(kFlows, 256);
    const unsigned by_all = read_all();
    EXPECT_LE(by_all, fits + lanes);
    EXPECT_GE(by_all, fits - fits / 8);
  }
  send_by(1, 256);
  EXPECT_GE(read_all(), fits - fits / 8);
  char counters[65536];
  ASSERT_EQ(ln_embed_command(stack_[1], "nstat -az", counters, sizeof counters), 0);
  unsigned in = 0, errors = 0;
  const std::string told(counters);
  std::sscanf(told.c_str() + told.find("UdpInDatagrams"), "UdpInDatagrams %u", &in);
  std::sscanf(told.c_str() + told.find("UdpRcvbufErrors"), "UdpRcvbufErrors %u", &errors);
  EXPECT_EQ(in + errors, 5 * 256u) << told;
  EXPECT_GE(errors, 5 * (256 - fits - lanes));
  for (const int client : clients)
    ln_close(client);
  ln_close(server);
}

// The pieces of a datagram and the datagrams of a flow come together on one lane.
TEST_P(LanesTest, LongDatagramsInFragmentsAreSharedOutAndWhole) {
  const int server = socket_on(1, SOCK_DGRAM);
  ASSERT_EQ(bind_to(server, "0.0.0.0", 7), 0);
  constexpr unsigned kLong = 64, kBytes = 5000;
  std::map<int, std::string> sent;
  std::string text(kBytes + 1, '\0');
  sockaddr_in from{};
  socklen_t length = sizeof from;
  auto* const name = reinterpret_cast<sockaddr*>(&from);
  for (unsigned i = 0; i < kLong; ++i) {
    const int client = socket_on(0, SOCK_DGRAM);
    ASSERT_EQ(connect_to(client, kB, 7), 0);
    sent[client] = std::string(kBytes, static_cast<char>('a' + i % 26));
    ASSERT_EQ(ln_send(client, sent[client].data(), kBytes, 0), kBytes);
    run(3);
    ASSERT_EQ(ln_recvfrom(server, text.data(), text.size(), 0, name, &length), kBytes);
    ASSERT_EQ(ln_sendto(server, text.data(), kBytes, 0, name, length), kBytes);
    run(3);
    EXPECT_EQ(ln_recv(client, text.data(), text.size(), 0), kBytes);
    EXPECT_EQ(text.substr(0, kBytes), sent[client]);
  }
  // A port in memory has one queue: what it brings is given to the lane of its flow.
  char lanes[4096];
  ASSERT_EQ(ln_embed_command(stack_[1], "show -j lanes", lanes, sizeof lanes), 0);
  const std::string_view told(lanes);
  unsigned giving = 0;
  for (std::size_t at = 0; (at = told.find("\"handovers\":", at)) != told.npos; ++at)
    giving += told.substr(at + 12, 2) != "0," ? 1 : 0;
  EXPECT_EQ(giving > 0, GetParam() > 1) << told;
  for (const auto& [client, bytes] : sent)
    ln_close(client);
  ln_close(server);
}

TEST_P(LanesTest, ManyConnectionsComeToOneAcceptQueueAndEcho) {
  const int listener = socket_on(1);
  ASSERT_EQ(bind_to(listener, kB, 80), 0);
  ASSERT_EQ(ln_listen(listener, kFlows), 0);
  std::map<int, std::string> clients;
  for (unsigned i = 0; i < kFlows; ++i) {
    const int client = socket_on(0);
    EXPECT_EQ(connect_to(client, kB, 80), -1);
    clients[client] = "connection " + std::to_string(i);
  }
  run(5);
  for (const auto& [client, text] : clients)
    ASSERT_EQ(ln_send(client, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  run(5);
  std::vector<int> servers;
  char text[64];
  for (int server; (server = ln_accept(listener, nullptr, nullptr)) >= 0;) {
    servers.push_back(server);
    const ssize_t count = ln_recv(server, text, sizeof text, 0);
    ASSERT_GT(count, 0);
    ASSERT_EQ(ln_send(server, text, static_cast<std::size_t>(count), 0), count);
  }
  EXPECT_EQ(servers.size(), kFlows);
  run(5);
  for (const auto& [client, expected] : clients) {
    const ssize_t count = ln_recv(client, text, sizeof text, 0);
    EXPECT_EQ(std::string(text, static_cast<std::size_t>(std::max<ssize_t>(count, 0))), expected);
    ln_close(client);
  }
  for (const int server : servers)
    ln_close(server);
  ln_close(listener);
  run(5);
}

INSTANTIATE_TEST_SUITE_P(Lanes, LanesTest, testing::Values(1u, 2u, 4u));

}  // namespace
}  // namespace linnet::shim
