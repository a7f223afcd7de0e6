// SPDX-License-Identifier: BSD-3-Clause
// A name server for tests: on one embedded stack, asked by blocking calls on the other.
#pragma once

#include <netdb.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <thread>

#include "shim/test_wire.hpp"

namespace linnet::shim {

using DnsBytes = std::vector<std::uint8_t>;

struct DnsQuestion {
  std::string name;
  unsigned type = 0;
  bool tcp = false;
  std::uint16_t from_port = 0;
  const char* server = nullptr;
  int at_ms = 0;  // of the stack's time
  DnsBytes message{};
};

// The answer to a question, record by record (RFC 1035, 4).
class DnsReply {
 public:
  explicit DnsReply(const DnsQuestion& question, unsigned code = 0) : bytes_(question.message) {
    bytes_[2] = 0x81;
    bytes_[3] = static_cast<std::uint8_t>(0x80 | code);
  }
  DnsReply& address(const std::string& owner, const char* text) {
    const std::uint32_t number = Ipv4Address::parse(text)->host();
    DnsBytes data;
    for (int shift = 24; shift >= 0; shift -= 8)
      data.push_back(static_cast<std::uint8_t>(number >> shift));
    return record(owner, 1, data);
  }
  DnsReply& alias(const std::string& owner, const std::string& target) {
    return record(owner, 5, encode(target));
  }
  DnsReply& pointer(const std::string& owner, const std::string& target) {
    return record(owner, 12, encode(target));
  }
  DnsReply& truncated() {
    bytes_[2] |= 2;
    return *this;
  }
  DnsReply& other_id() {
    bytes_[0] ^= 0x55;
    return *this;
  }
  const DnsBytes& bytes() const { return bytes_; }
  operator std::vector<DnsBytes>() const { return {bytes_}; }

  static DnsBytes encode(const std::string& name) {
    DnsBytes out;
    for (std::size_t at = 0; at < name.size();) {
      const std::size_t end = std::min(name.find('.', at), name.size());
      out.push_back(static_cast<std::uint8_t>(end - at));
      out.insert(out.end(), name.begin() + static_cast<std::ptrdiff_t>(at),
                 name.begin() + static_cast<std::ptrdiff_t>(end));
      at = end + 1;
    }
    out.push_back(0);
    return out;
  }

 private:
  DnsReply& record(const std::string& owner, unsigned type, const DnsBytes& data) {
    const DnsBytes name = encode(owner);
    bytes_.insert(bytes_.end(), name.begin(), name.end());
    for (const unsigned byte : {0u, type, 0u, 1u, 0u, 0u, 0u, 60u, 0u})
      bytes_.push_back(static_cast<std::uint8_t>(byte));
    bytes_.push_back(static_cast<std::uint8_t>(data.size()));
    bytes_.insert(bytes_.end(), data.begin(), data.end());
    ++bytes_[7];
    return *this;
  }
  DnsBytes bytes_;
};

class DnsTest : public WireTest {
 protected:
  // Two servers on stack B.
  static constexpr const char* kSecond = "10.0.0.3";

  void SetUp() override {
    WireTest::SetUp();
    ASSERT_EQ(ln_embed_command(stack_[1], "ip addr add 10.0.0.3/24 dev tun0", nullptr, 0), 0);
    for (const char* address : {kB, kSecond}) {
      const int datagrams = socket_on(1, SOCK_DGRAM), listener = socket_on(1);
      ASSERT_EQ(bind_to(datagrams, address, 53), 0);
      ASSERT_EQ(bind_to(listener, address, 53), 0);
      ASSERT_EQ(ln_listen(listener, 8), 0);
      servers_.push_back({address, datagrams, listener, {}});
    }
    use_servers(kB);
  }
  void TearDown() override {
    for (const auto& server : servers_) {
      ln_close(server.datagrams);
      ln_close(server.listener);
      for (const auto& [fd, bytes] : server.streams)
        ln_close(fd);
    }
    WireTest::TearDown();
  }

  void use_servers(const char* servers, const char* search = "") {
    ln_resolver_options options{};
    options.size = sizeof options;
    options.servers = servers;
    options.search = search;
    options.hosts_file = "/dev/null";
    options.timeout_ms = 100;
    options.attempts = 2;
    set_resolver(options);
  }
  void set_resolver(const ln_resolver_options& options) {
    ln_embed_use(stack_[0]);
    ASSERT_EQ(ln_resolver_set(&options), 0);
  }

  // `call` on a thread of its own, which sleeps; the servers are asked meanwhile.
  template <typename Call>
  void sleeping(Call&& call, int threads = 1) {
    std::atomic<int> left{threads};
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back([&, i] {
        ln_embed_use(stack_[0]);
        if constexpr (std::is_invocable_v<Call, int>)
          call(i);
        else
          call();
        --left;
      });
    }
    while (left > 0) {
      if (ln_embed_await_sleepers(stack_[0], left, 1) != 0) continue;
      carry();
      serve();
    }
    for (std::thread& thread : all)
      thread.join();
  }
  // ln_getaddrinfo for TCP: the addresses with blanks between, or the code's words.
  std::string look_up(const std::string& name) {
    std::string out;
    sleeping([&] { out = look_up_here(name); });
    return out;
  }
  static std::string look_up_here(const std::string& name, int flags = AI_CANONNAME) {
    addrinfo hints{};
    hints.ai_flags = flags;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int code = ln_getaddrinfo(name.c_str(), "80", &hints, &list);
    if (code != 0) return ln_gai_strerror(code);
    std::string out;
    if (list->ai_canonname != nullptr) out = list->ai_canonname;
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
      const auto* const where = reinterpret_cast<const sockaddr_in*>(at->ai_addr);
      EXPECT_EQ(ntohs(where->sin_port), 80);
      out += " " + Ipv4Address::from_host(ntohl(where->sin_addr.s_addr)).text();
    }
    ln_freeaddrinfo(list);
    return out;
  }

  // What a question is answered with, message by message; none: nothing.
  std::function<std::vector<DnsBytes>(const DnsQuestion&)> answer;
  std::vector<DnsQuestion> asked;

 private:
  struct Running {
    const char* address;
    int datagrams, listener;
    std::map<int, DnsBytes> streams;
  };

  std::vector<DnsBytes> take(const DnsBytes& message, bool tcp, std::uint16_t port,
                             const char* server) {
    DnsQuestion question{"",     0,      tcp,
                         port,   server, static_cast<int>(ln_embed_now(stack_[0]) / kMillisecond),
                         message};
    std::size_t at = 12;
    for (; message.at(at) != 0; at += message[at] + 1u)
      question.name +=
          std::string(message.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                      message.begin() + static_cast<std::ptrdiff_t>(at) + 1 + message[at]) +
          ".";
    question.name.pop_back();
    question.type = message.at(at + 2);
    asked.push_back(question);
    return answer ? answer(question) : std::vector<DnsBytes>();
  }

  void serve() {
    std::uint8_t room[4096];
    for (auto& server : servers_) {
      sockaddr_in from{};
      socklen_t length = sizeof from;
      auto* const name = reinterpret_cast<sockaddr*>(&from);
      ssize_t count;
      while ((count = ln_recvfrom(server.datagrams, room, sizeof room, MSG_DONTWAIT, name,
                                  &length)) > 0)
        for (const DnsBytes& reply :
             take({room, room + count}, false, ntohs(from.sin_port), server.address))
          ln_sendto(server.datagrams, reply.data(), reply.size(), 0, name, length);
      int fd;
      while ((fd = ln_accept(server.listener, nullptr, nullptr)) >= 0)
        server.streams[fd];
      for (auto& [stream, bytes] : server.streams) {
        while ((count = ln_recv(stream, room, sizeof room, MSG_DONTWAIT)) > 0)
          bytes.insert(bytes.end(), room, room + count);
        answer_stream(stream, bytes, server.address);
      }
    }
  }
  // RFC 1035, 4.2.2: each message behind its length.
  void answer_stream(int stream, DnsBytes& bytes, const char* server) {
    const std::size_t need = bytes.size() < 2 ? 2 : bytes[0] * 256u + bytes[1] + 2u;
    if (bytes.size() < need || need == 2) return;
    const DnsBytes message(bytes.begin() + 2, bytes.begin() + static_cast<std::ptrdiff_t>(need));
    bytes.clear();
    for (const DnsBytes& reply : take(message, true, 0, server)) {
      const std::uint8_t size[2] = {static_cast<std::uint8_t>(reply.size() >> 8),
                                    static_cast<std::uint8_t>(reply.size())};
      // Byte by byte at the start: the reader may not take a length for granted.
      ln_send(stream, size, 1, MSG_NOSIGNAL);
      carry();
      ln_send(stream, size + 1, 1, MSG_NOSIGNAL);
      ln_send(stream, reply.data(), reply.size(), MSG_NOSIGNAL);
    }
  }

  std::vector<Running> servers_;
};

}  // namespace linnet::shim
