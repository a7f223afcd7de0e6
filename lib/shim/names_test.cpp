// SPDX-License-Identifier: BSD-3-Clause
// Names that no name server is asked for: numbers, services, the hosts file.
#include <gtest/gtest.h>
#include <linnet/embed.h>
#include <netdb.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <linnet/socket.hpp>
#include <string>
#include <thread>

#include "base/ipv4.hpp"
#include "shim/names.hpp"

namespace linnet::shim {
namespace {

struct Hints : addrinfo {
  explicit Hints(int flags = 0, int type = SOCK_STREAM, int protocol = 0, int family = AF_UNSPEC)
      : addrinfo{} {
    ai_flags = flags;
    ai_socktype = type;
    ai_protocol = protocol;
    ai_family = family;
  }
};

// "tcp 192.0.2.1:80 udp ...", with the canonical name in front; or the code's words.
std::string info_of(const char* host, const char* service, const addrinfo* hints) {
  addrinfo* list = nullptr;
  if (const int code = ln_getaddrinfo(host, service, hints, &list); code != 0)
    return ln_gai_strerror(code);
  std::string out;
  if (list->ai_canonname != nullptr) out = std::string(list->ai_canonname) + " ";
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    EXPECT_EQ(at->ai_family, AF_INET);
    EXPECT_EQ(at->ai_addrlen, sizeof(sockaddr_in));
    EXPECT_EQ(at->ai_socktype, at->ai_protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM);
    const auto* const name = reinterpret_cast<const sockaddr_in*>(at->ai_addr);
    out += at->ai_protocol == IPPROTO_TCP ? "tcp " : "udp ";
    out += Ipv4Address::from_host(ntohl(name->sin_addr.s_addr)).text() + ":" +
           std::to_string(ntohs(name->sin_port)) + (at->ai_next != nullptr ? " " : "");
  }
  ln_freeaddrinfo(list);
  return out;
}
std::string info_of(const char* host, const char* service, const Hints& hints = Hints()) {
  return info_of(host, service, static_cast<const addrinfo*>(&hints));
}
std::string code_words(int code) {
  return ln_gai_strerror(code);
}

TEST(Names, NumbersAreTakenAsTheyAre) {
  EXPECT_EQ(info_of("192.0.2.1", "80"), "tcp 192.0.2.1:80");
  EXPECT_EQ(info_of("192.0.2.1", "80", nullptr), "tcp 192.0.2.1:80 udp 192.0.2.1:80");
  EXPECT_EQ(info_of("192.0.2.1", nullptr), "tcp 192.0.2.1:0");
  EXPECT_EQ(info_of("127.1", "0"), "tcp 127.0.0.1:0");
  EXPECT_EQ(info_of("0x7f000001", "65535"), "tcp 127.0.0.1:65535");
  EXPECT_EQ(info_of("192.0.2.1", "80", Hints(AI_CANONNAME)), "192.0.2.1 tcp 192.0.2.1:80");
  EXPECT_EQ(info_of("192.0.2.1", "80", Hints(0, 0, IPPROTO_UDP)), "udp 192.0.2.1:80");
  EXPECT_EQ(info_of("192.0.2.1", "80", Hints(0, SOCK_DGRAM, 0, AF_INET)), "udp 192.0.2.1:80");
}

TEST(Names, NoHostMeansThisOne) {
  EXPECT_EQ(info_of(nullptr, "80"), "tcp 127.0.0.1:80");
  EXPECT_EQ(info_of(nullptr, "80", Hints(AI_PASSIVE)), "tcp 0.0.0.0:80");
  EXPECT_EQ(info_of("*", "80", Hints(AI_PASSIVE)), "tcp 0.0.0.0:80");
  EXPECT_EQ(info_of("192.0.2.1", "80", Hints(AI_PASSIVE)), "tcp 192.0.2.1:80");
}

TEST(Names, ServicesAreThoseOfTheirTransport) {
  EXPECT_EQ(info_of("192.0.2.1", "https"), "tcp 192.0.2.1:443");
  EXPECT_EQ(info_of("192.0.2.1", "domain", nullptr), "tcp 192.0.2.1:53 udp 192.0.2.1:53");
  EXPECT_EQ(info_of("192.0.2.1", "tftp", nullptr), "udp 192.0.2.1:69");
  EXPECT_EQ(info_of("192.0.2.1", "tftp"), code_words(EAI_SERVICE));
  EXPECT_EQ(info_of("192.0.2.1", "no-such-service", nullptr), code_words(EAI_SERVICE));
  EXPECT_EQ(info_of("192.0.2.1", "65536"), code_words(EAI_SERVICE));
  EXPECT_EQ(info_of("192.0.2.1", "99999999999999999999"), code_words(EAI_SERVICE));
  EXPECT_EQ(info_of("192.0.2.1", "http", Hints(AI_NUMERICSERV)), code_words(EAI_NONAME));
  EXPECT_EQ(info_of("192.0.2.1", "", Hints(AI_NUMERICSERV)), code_words(EAI_NONAME));
}

TEST(Names, WhatCannotBeAskedIsRefusedByItsCode) {
  EXPECT_EQ(info_of(nullptr, nullptr), code_words(EAI_NONAME));
  EXPECT_EQ(info_of("192.0.2.1", "80", Hints(0x4000)), code_words(EAI_BADFLAGS));
  EXPECT_EQ(info_of(nullptr, "80", Hints(AI_CANONNAME)), code_words(EAI_BADFLAGS));
  EXPECT_EQ(info_of("::1", "80", Hints(0, 0, 0, AF_INET6)), code_words(EAI_FAMILY));
  EXPECT_EQ(info_of("192.0.2.1", "80", Hints(0, 0, 0, AF_UNIX)), code_words(EAI_FAMILY));
  EXPECT_EQ(info_of("::1", "80"), code_words(EAI_ADDRFAMILY));
  EXPECT_EQ(info_of("www.test", "80", Hints(AI_NUMERICHOST)), code_words(EAI_NONAME));
  EXPECT_EQ(info_of("192.0.2.1 x", "80", Hints(AI_NUMERICHOST)), code_words(EAI_NONAME));
  EXPECT_EQ(info_of("192.0.2.1", "80", Hints(0, SOCK_RAW)), code_words(EAI_SOCKTYPE));
  EXPECT_EQ(info_of("192.0.2.1", "80", Hints(0, SOCK_STREAM, IPPROTO_UDP)),
            code_words(EAI_SOCKTYPE));
  EXPECT_EQ(info_of("192.0.2.1", "80", Hints(0, 0, IPPROTO_ICMP)), code_words(EAI_SERVICE));
}

TEST(Names, WithoutAStackOnlyQuestionsFail) {
  EXPECT_EQ(info_of("localhost", "80"), "tcp 127.0.0.1:80");
  errno = 0;
  EXPECT_EQ(info_of("no-such-name.test", "80"), code_words(EAI_SYSTEM));
  EXPECT_EQ(errno, ENETDOWN);
  EXPECT_EQ(ln_gethostbyname("no-such-name.test"), nullptr);
  EXPECT_EQ(h_errno, NETDB_INTERNAL);
  EXPECT_EQ(ln_resolver_set(nullptr), -1);
  EXPECT_EQ(errno, ENETDOWN);
}

TEST(Names, RefusesAddressesOfOtherFamilies) {
  char host[64];
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  const auto* const name = reinterpret_cast<const sockaddr*>(&six);
  EXPECT_EQ(ln_getnameinfo(name, sizeof six, host, sizeof host, nullptr, 0, 0), EAI_FAMILY);
  const SocketName four(0xc0000201, 80);
  EXPECT_EQ(ln_getnameinfo(four.get(), 8, host, sizeof host, nullptr, 0, 0), EAI_FAMILY);
  EXPECT_EQ(ln_getnameinfo(four.get(), SocketName::size(), nullptr, 0, nullptr, 0, 0), EAI_NONAME);
  EXPECT_EQ(ln_getnameinfo(four.get(), SocketName::size(), host, 64, nullptr, 0, 0x4000),
            EAI_BADFLAGS);
}

TEST(Names, ServersAreAddressesWithOrWithoutAPort) {
  const auto two = parse_servers("192.0.2.1, 192.0.2.2:5353");
  ASSERT_TRUE(two && two->size() == 2);
  EXPECT_EQ((*two)[0].port, 53);
  EXPECT_EQ((*two)[1].address, Ipv4Address(192, 0, 2, 2));
  EXPECT_EQ((*two)[1].port, 5353);
  for (const char* wrong : {"", ",", "192.0.2", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536",
                            "192.0.2.1:53x", "::1", "ns.test"})
    EXPECT_FALSE(parse_servers(wrong)) << wrong;
}

class HostsFile : public testing::Test {
 protected:
  void SetUp() override {
    stack_ = ln_embed_create(nullptr);
    ASSERT_NE(stack_, nullptr) << ln_embed_error();
    path_ = testing::TempDir() + "linnet_names_test_hosts." + std::to_string(getpid());
    std::ofstream(path_) << "# who is who\n"
                            "192.0.2.1\tgate.test gate  router # the first\n"
                            "\n"
                            "2001:db8::1 gate.test gate\n"
                            "192.0.2.2 gate.test other\n"
                            "nonsense gate\n"
                            "192.0.2.3\n"
                            "#192.0.2.4 gate\n"
                            "192.0.2.5 last.test";
    ln_resolver_options options{};
    options.size = sizeof options;
    options.servers = "192.0.2.53";
    options.hosts_file = path_.c_str();
    ASSERT_EQ(ln_resolver_set(&options), 0);
  }
  void TearDown() override {
    ln_embed_destroy(stack_);
    std::remove(path_.c_str());
  }
  ln_stack* stack_ = nullptr;
  std::string path_;
};

TEST_F(HostsFile, AnswersWithAllLinesOfAName) {
  EXPECT_EQ(info_of("gate.test", "80", Hints(AI_CANONNAME)),
            "gate.test tcp 192.0.2.1:80 tcp 192.0.2.2:80");
  EXPECT_EQ(info_of("ROUTER", "80", Hints(AI_CANONNAME)), "gate.test tcp 192.0.2.1:80");
  EXPECT_EQ(info_of("last.test", nullptr), "tcp 192.0.2.5:0");
  EXPECT_EQ(info_of("who", nullptr), code_words(EAI_AGAIN));
  const hostent* const host = ln_gethostbyname("gate");
  ASSERT_NE(host, nullptr);
  EXPECT_STREQ(host->h_name, "gate.test");
  EXPECT_STREQ(host->h_aliases[0], "gate");
  EXPECT_STREQ(host->h_aliases[1], "router");
  EXPECT_EQ(host->h_aliases[2], nullptr);
}

TEST_F(HostsFile, NamesAddresses) {
  char host[64] = "", service[64] = "";
  const SocketName name(0xc0000202, 80);
  EXPECT_EQ(
      ln_getnameinfo(name.get(), SocketName::size(), host, sizeof host, service, sizeof service, 0),
      0);
  EXPECT_STREQ(host, "gate.test");
  EXPECT_STREQ(service, "http");
}

TEST_F(HostsFile, IsNotNeededForLocalhost) {
  for (const char* name : {"localhost", "LocalHost.", "a.localhost"})
    EXPECT_EQ(info_of(name, "80"), "tcp 127.0.0.1:80") << name;
  EXPECT_EQ(info_of("notlocalhost", "80"), code_words(EAI_AGAIN));
  EXPECT_STREQ(ln_gethostbyname("127.0.0.1")->h_name, "127.0.0.1");
}

TEST_F(HostsFile, WrongServersLeaveTheSettingsAsTheyAre) {
  ln_resolver_options options{};
  options.size = sizeof options;
  options.servers = "ns.test";
  EXPECT_EQ(ln_resolver_set(&options), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(info_of("gate.test", nullptr), "tcp 192.0.2.1:0 tcp 192.0.2.2:0");
  // Fields beyond the size that the caller knows are defaults.
  options.size = offsetof(ln_resolver_options, servers);
  EXPECT_EQ(ln_resolver_set(&options), 0);
  EXPECT_EQ(info_of("gate", nullptr), code_words(EAI_AGAIN));
  // Each stack has its own.
  ln_stack* const other = ln_embed_create(nullptr);
  options = {};
  options.size = sizeof options;
  options.hosts_file = path_.c_str();
  EXPECT_EQ(ln_resolver_set(&options), 0);
  EXPECT_EQ(info_of("gate.test", nullptr), "tcp 192.0.2.1:0 tcp 192.0.2.2:0");
  ln_embed_use(stack_);
  EXPECT_EQ(info_of("gate", nullptr), code_words(EAI_AGAIN));
  ln_embed_destroy(other);
}

TEST_F(HostsFile, TheCppFaceGivesTheFirstAddress) {
  SocketName name;
  EXPECT_EQ(look_up("gate", "http", name), 0);
  EXPECT_EQ(name.address(), 0xc0000201u);
  EXPECT_EQ(name.port(), 80);
  EXPECT_EQ(look_up("::1", "http", name), EAI_ADDRFAMILY);
}

}  // namespace
}  // namespace linnet::shim
