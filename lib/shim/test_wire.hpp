// SPDX-License-Identifier: BSD-3-Clause
// Two embedded stacks joined by a wire without a link layer, for tests of calls over real lanes.
#pragma once

#include <gtest/gtest.h>
#include <linnet/embed.h>

#include <functional>
#include <string>
#include <vector>

#include "base/ipv4.hpp"

namespace linnet::shim {

inline sockaddr_in name_of(const char* address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(Ipv4Address::parse(address)->host());
  return out;
}

class WireTest : public testing::Test {
 protected:
  // 10.0.0.1 and 10.0.0.2; a packet is a millisecond on its way.
  static constexpr const char* kA = "10.0.0.1";
  static constexpr const char* kB = "10.0.0.2";
  static constexpr std::int64_t kMillisecond = 1'000'000;

  void SetUp() override { make(1); }
  void make(unsigned lanes) {
    for (unsigned i = 0; i < 2; ++i) {
      ln_embed_options options{};
      options.size = sizeof options;
      options.lanes = lanes;
      options.seed = 7 + i;
      stack_[i] = ln_embed_create(&options);
      ASSERT_NE(stack_[i], nullptr) << ln_embed_error();
      ASSERT_EQ(ln_embed_add_ip_port(stack_[i], "tun0", 1500), 0);
      const std::string line = "ip addr add " + std::string(i == 0 ? kA : kB) + "/24 dev tun0";
      ASSERT_EQ(ln_embed_command(stack_[i], line.c_str(), nullptr, 0), 0) << ln_embed_error();
    }
  }
  void TearDown() override {
    for (ln_stack*& stack : stack_) {
      if (stack == nullptr) continue;
      ln_embed_account account{};
      ln_embed_get_account(stack, &account);
      EXPECT_EQ(account.received + account.generated,
                account.sent + account.delivered + account.held + account.dropped);
      ln_embed_destroy(stack);
      stack = nullptr;
    }
  }

  int socket_on(unsigned side, int type = SOCK_STREAM, int protocol = 0) {
    ln_embed_use(stack_[side]);
    return ln_socket(AF_INET, type, protocol);
  }
  static int bind_to(int fd, const char* address, std::uint16_t port) {
    const sockaddr_in name = name_of(address, port);
    return ln_bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  }
  static int connect_to(int fd, const char* address, std::uint16_t port) {
    const sockaddr_in name = name_of(address, port);
    return ln_connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  }

  // Carries what both have sent to the other side, a millisecond later. How many packets.
  std::size_t carry() {
    std::vector<std::pair<unsigned, std::vector<std::uint8_t>>> packets;
    for (unsigned i = 0; i < 2; ++i) {
      std::vector<std::uint8_t> bytes(65536);
      ssize_t length;
      while ((length = ln_embed_take(stack_[i], 0, bytes.data(), bytes.size(), nullptr)) >= 0) {
        if (!lose || !lose(i, bytes.data(), static_cast<std::size_t>(length)))
          packets.emplace_back(1 - i, std::vector(bytes.begin(), bytes.begin() + length));
      }
    }
    for (ln_stack* stack : stack_)
      ln_embed_advance(stack, kMillisecond);
    for (const auto& [side, bytes] : packets)
      ln_embed_inject(stack_[side], 0, bytes.data(), bytes.size());
    return packets.size();
  }
  // Until nothing is on its way and for so long beyond.
  void run(int milliseconds = 300) {
    for (int quiet = 0; quiet < milliseconds;)
      quiet = carry() == 0 ? quiet + 1 : 0;
  }
  // A connection: first of the connecting side A, then of the listening side B.
  std::pair<int, int> join(std::uint16_t port = 80) {
    const int listener = socket_on(1);
    EXPECT_EQ(bind_to(listener, kB, port), 0);
    EXPECT_EQ(ln_listen(listener, 8), 0);
    const int client = socket_on(0);
    EXPECT_EQ(connect_to(client, kB, port), -1);
    EXPECT_EQ(errno, EINPROGRESS);
    run(3);
    EXPECT_EQ(connect_to(client, kB, port), 0);
    const int server = ln_accept(listener, nullptr, nullptr);
    EXPECT_GE(server, LN_FD_BASE);
    ln_close(listener);
    return {client, server};
  }

  std::function<bool(unsigned, const std::uint8_t*, std::size_t)> lose;
  ln_stack* stack_[2] = {};
};

}  // namespace linnet::shim
