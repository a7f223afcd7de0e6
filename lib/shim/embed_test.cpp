// SPDX-License-Identifier: BSD-3-Clause
// The embedding face without sockets: ports, configuration, packets and time.
#include <gtest/gtest.h>
#include <linnet/embed.h>

#include <cerrno>
#include <string>
#include <vector>

#include "support/frames.hpp"

namespace {

using linnet::tests::Bytes;

class Embed : public testing::Test {
 protected:
  void SetUp() override {
    stack_ = ln_embed_create(nullptr);
    ASSERT_NE(stack_, nullptr) << ln_embed_error();
  }
  void TearDown() override {
    ln_embed_account account{};
    ASSERT_EQ(ln_embed_get_account(stack_, &account), 0);
    EXPECT_EQ(account.received + account.generated,
              account.sent + account.delivered + account.held + account.dropped);
    ln_embed_destroy(stack_);
  }
  void ok(const std::string& line) {
    EXPECT_EQ(ln_embed_command(stack_, line.c_str(), nullptr, 0), 0) << ln_embed_error();
  }
  Bytes take(int port, int64_t* at = nullptr) {
    Bytes out(65536);
    const ssize_t length = ln_embed_take(stack_, port, out.data(), out.size(), at);
    out.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
    return out;
  }
  Bytes ping(const std::string& from, const std::string& to, std::size_t payload = 8) {
    linnet::tests::Ip ip;
    ip.source = linnet::tests::ip(from);
    ip.destination = linnet::tests::ip(to);
    ip.protocol = 1;
    return ip.with(linnet::tests::Icmp{}.with(linnet::tests::pattern(payload)));
  }

  ln_stack* stack_ = nullptr;
};

TEST_F(Embed, RawIpPortAnswersWithoutLinkLayerOrNeighbours) {
  const int port = ln_embed_add_ip_port(stack_, "tun0", 1500);
  ASSERT_EQ(port, 0) << ln_embed_error();
  ok("ip addr add 192.0.2.1/24 dev tun0");
  const Bytes request = ping("192.0.2.9", "192.0.2.1");
  ASSERT_EQ(ln_embed_inject(stack_, port, request.data(), request.size()), 0);
  int64_t at = 0;
  const auto answer = linnet::tests::parse_ip(take(port, &at));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->destination.text(), "192.0.2.9");
  EXPECT_EQ(at, ln_embed_now(stack_));
  EXPECT_EQ(ln_embed_waiting(stack_, port), 0);
}

TEST_F(Embed, RawIpPortDropsByNameWhatIsNoIpv4) {
  const int port = ln_embed_add_ip_port(stack_, "tun0", 1500);
  ok("ip addr add 192.0.2.1/24 dev tun0");
  Bytes version_six = ping("192.0.2.9", "192.0.2.1");
  version_six[0] = 0x65;
  ASSERT_EQ(ln_embed_inject(stack_, port, version_six.data(), version_six.size()), 0);
  ASSERT_EQ(ln_embed_inject(stack_, port, nullptr, 0), 0);
  char drops[4096];
  ASSERT_EQ(ln_embed_command(stack_, "show drops nonzero", drops, sizeof drops), 0);
  const std::string text = drops;
  for (const char* name : {"UnknownVersion", "Runt"})
    EXPECT_NE(text.find(name), std::string::npos) << text;
  EXPECT_EQ(ln_embed_waiting(stack_, port), 0);
}

TEST_F(Embed, RawIpPortTakesWhatIsLongerThanItsMtuAndSendsFragments) {
  const int port = ln_embed_add_ip_port(stack_, "tun0", 1500);
  ok("ip addr add 192.0.2.1/24 dev tun0");
  const Bytes request = ping("192.0.2.9", "192.0.2.1", 1473);
  ASSERT_EQ(ln_embed_inject(stack_, port, request.data(), request.size()), 0);
  ASSERT_EQ(ln_embed_waiting(stack_, port), 2);
  EXPECT_EQ(take(port).size(), 1500u);
  EXPECT_EQ(take(port).size(), 20u + 1u);
}

TEST_F(Embed, EthernetPortResolvesItsNeighboursInVirtualTime) {
  const int port = ln_embed_add_ethernet_port(stack_, "eth0", nullptr, 1500);
  ASSERT_GE(port, 0) << ln_embed_error();
  const int out = ln_embed_add_ip_port(stack_, "tun0", 1500);
  ok("ip addr add 10.0.0.1/24 dev eth0");
  ok("ip addr add 10.0.1.1/24 dev tun0");
  ok("sysctl -w net.ipv4.ip_forward=1");
  ok("sysctl -w net.ipv4.conf.all.arp_notify=0");
  while (ln_embed_waiting(stack_, port) > 0)
    take(port);
  const int64_t began = ln_embed_now(stack_);
  const Bytes packet = ping("10.0.1.9", "10.0.0.7");
  ASSERT_EQ(ln_embed_inject(stack_, out, packet.data(), packet.size()), 0);
  int64_t first = 0, second = 0;
  EXPECT_TRUE(linnet::tests::parse_frame(take(port, &first)).arp.has_value());
  EXPECT_EQ(first, began);
  EXPECT_EQ(ln_embed_advance(stack_, 3'000'000'000), 0);
  EXPECT_TRUE(linnet::tests::parse_frame(take(port, &second)).arp.has_value());
  EXPECT_GT(second, first);
  EXPECT_LT(second, ln_embed_now(stack_));
}

TEST_F(Embed, PacketsLongerThanABufferGoThroughWhole) {
  const int port = ln_embed_add_ip_port(stack_, "tun0", 9000);
  ok("ip addr add 192.0.2.1/24 dev tun0");
  const Bytes request = ping("192.0.2.9", "192.0.2.1", 8900);
  ASSERT_EQ(ln_embed_inject(stack_, port, request.data(), request.size()), 0);
  const Bytes answer = take(port);
  ASSERT_EQ(answer.size(), request.size());
  EXPECT_TRUE(std::equal(answer.begin() + 28, answer.end(), request.begin() + 28));
}

TEST_F(Embed, ErrorsAreErrnoAndASentence) {
  EXPECT_EQ(ln_embed_command(stack_, "ip adr add", nullptr, 0), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_NE(std::string(ln_embed_error()).find("adr"), std::string::npos) << ln_embed_error();
  EXPECT_EQ(ln_embed_sysctl_set(stack_, "net.ipv4.no_such", "1"), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(ln_embed_sysctl_set(stack_, "net.ipv4.ip_forward", "7"), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(ln_embed_inject(stack_, 3, "x", 1), -1);
  EXPECT_EQ(errno, ENODEV);
  EXPECT_EQ(ln_embed_take(stack_, 0, nullptr, 0, nullptr), -1);
  EXPECT_EQ(ln_embed_advance_to(stack_, 1), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(ln_embed_add_ip_port(stack_, "a name", 1500), -1);
  EXPECT_EQ(ln_embed_add_ip_port(stack_, "tun0", 20), -1);
  EXPECT_NE(std::string(ln_embed_error()).find("20"), std::string::npos) << ln_embed_error();
}

TEST_F(Embed, SettingsAreReadAndWrittenByLinuxNames) {
  char value[32];
  EXPECT_EQ(ln_embed_sysctl_set(stack_, "net.ipv4.ip_default_ttl", "77"), 0);
  EXPECT_EQ(ln_embed_sysctl_get(stack_, "net.ipv4.ip_default_ttl", value, sizeof value), 0);
  EXPECT_STREQ(value, "77");
  EXPECT_EQ(ln_embed_sysctl_set(stack_, "net.ipv4.tcp_rmem", "4096 65536 131072"), 0);
  EXPECT_EQ(ln_embed_sysctl_get(stack_, "net.ipv4.tcp_rmem", value, sizeof value), 0);
  EXPECT_STREQ(value, "4096\t65536\t131072");
}

TEST_F(Embed, SeveralStacksLiveInOneProcess) {
  for (int i = 0; i < 3; ++i) {
    ln_stack* const other = ln_embed_create(nullptr);
    ASSERT_NE(other, nullptr) << ln_embed_error();
    EXPECT_EQ(ln_embed_add_ip_port(other, "tun0", 1500), 0);
    ln_embed_destroy(other);
  }
}

}  // namespace
