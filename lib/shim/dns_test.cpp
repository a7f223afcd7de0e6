// SPDX-License-Identifier: BSD-3-Clause
// Names asked of name servers, over two stacks in virtual time.
#include "shim/test_dns.hpp"

namespace linnet::shim {
namespace {

std::string words(int code) {
  return ln_gai_strerror(code);
}

std::vector<DnsBytes> address_of(const DnsQuestion& question) {
  return DnsReply(question).address(question.name, "192.0.2.1");
}

TEST_F(DnsTest, AddressesComeInTheOrderOfTheAnswer) {
  answer = [](const DnsQuestion& question) {
    return DnsReply(question)
        .address(question.name, "192.0.2.9")
        .address(question.name, "192.0.2.1")
        .address(question.name, "192.0.2.5");
  };
  EXPECT_EQ(look_up("www.example.net"), "www.example.net 192.0.2.9 192.0.2.1 192.0.2.5");
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].name, "www.example.net");
  EXPECT_EQ(asked[0].type, 1u);
  EXPECT_FALSE(asked[0].tcp);
}

TEST_F(DnsTest, AliasesLeadToTheCanonicalName) {
  answer = [](const DnsQuestion& question) {
    return DnsReply(question)
        .alias(question.name, "web.example.net")
        .alias("web.example.net", "host7.example.org")
        .address("host7.example.org", "192.0.2.7");
  };
  EXPECT_EQ(look_up("www.example.net"), "host7.example.org 192.0.2.7");
}

TEST_F(DnsTest, CodesTellWhyThereIsNoAddress) {
  const std::map<std::string, std::pair<unsigned, int>> cases = {
      {"nxdomain.test", {3, EAI_NONAME}}, {"nodata.test", {0, EAI_NODATA}},
      {"servfail.test", {2, EAI_AGAIN}},  {"refused.test", {5, EAI_AGAIN}},
      {"notimp.test", {4, EAI_AGAIN}},    {"formerr.test", {1, EAI_FAIL}}};
  answer = [&](const DnsQuestion& question) {
    return DnsReply(question, cases.at(question.name).first);
  };
  for (const auto& [name, row] : cases)
    EXPECT_EQ(look_up(name), words(row.second)) << name;
  answer = [](const DnsQuestion& question) {
    return DnsReply(question).alias(question.name, "nowhere.test");
  };
  EXPECT_EQ(look_up("only-an-alias.test"), words(EAI_NODATA));
  asked.clear();
  EXPECT_EQ(look_up(std::string(64, 'a') + ".test"), words(EAI_NONAME));
  EXPECT_EQ(look_up(""), words(EAI_NONAME));
  EXPECT_TRUE(asked.empty());
}

TEST_F(DnsTest, AnswersThatMakeNoSenseAreAnErrorAndNothingElse) {
  answer = [](const DnsQuestion& question) -> std::vector<DnsBytes> {
    DnsBytes loop = DnsReply(question).bytes();
    loop[7] = 1;  // one record, whose name points to itself
    const auto here = static_cast<std::uint8_t>(loop.size());
    for (const unsigned byte : {0xc0u, unsigned{here}, 0u, 1u, 0u, 1u, 0u, 0u, 0u, 60u, 0u, 4u})
      loop.push_back(static_cast<std::uint8_t>(byte));
    loop.resize(loop.size() + 4);
    return {loop};
  };
  EXPECT_EQ(look_up("loop.test"), words(EAI_FAIL));
  answer = [](const DnsQuestion& question) -> std::vector<DnsBytes> {
    DnsBytes cut = DnsReply(question).address(question.name, "192.0.2.1").bytes();
    cut.resize(cut.size() - 3);
    return {cut};
  };
  EXPECT_EQ(look_up("cut.test"), words(EAI_FAIL));
}

TEST_F(DnsTest, ATruncatedAnswerIsAskedForAgainByTcp) {
  answer = [](const DnsQuestion& question) -> std::vector<DnsBytes> {
    DnsReply reply(question);
    if (!question.tcp) return reply.truncated();
    for (unsigned i = 1; i <= 100; ++i)
      reply.address(question.name, ("192.0.2." + std::to_string(i)).c_str());
    return reply;
  };
  const std::string found = look_up("many.test");
  EXPECT_TRUE(found.starts_with("many.test 192.0.2.1 192.0.2.2 ")) << found;
  EXPECT_TRUE(found.ends_with(" 192.0.2.100")) << found;
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_TRUE(asked[1].tcp);
}

TEST_F(DnsTest, ATcpServerThatSaysNothingIsGivenUp) {
  answer = [](const DnsQuestion& question) -> std::vector<DnsBytes> {
    if (question.tcp) return {};
    return DnsReply(question).truncated();
  };
  EXPECT_EQ(look_up("mute.test"), words(EAI_AGAIN));
  EXPECT_EQ(asked.size(), 4u);  // two rounds
}

TEST_F(DnsTest, EachServerIsAskedInEachRoundUntilOneAnswers) {
  use_servers("10.0.0.2,10.0.0.3");
  EXPECT_EQ(look_up("silent.test"), words(EAI_AGAIN));
  ASSERT_EQ(asked.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_STREQ(asked[i].server, i % 2 == 0 ? kB : kSecond);
    EXPECT_NEAR(asked[i].at_ms - asked[0].at_ms, 100 * static_cast<int>(i), 4);
  }
  asked.clear();
  answer = [&](const DnsQuestion& question) -> std::vector<DnsBytes> {
    if (asked.size() < 3) return {};
    return address_of(question);
  };
  EXPECT_EQ(look_up("late.test"), "late.test 192.0.2.1");
}

TEST_F(DnsTest, AServerThatCannotAnswerIsNotAskedAgain) {
  use_servers("10.0.0.2,10.0.0.3");
  answer = [](const DnsQuestion& question) -> std::vector<DnsBytes> {
    return question.server == kSecond ? address_of(question) : DnsReply(question, 2);
  };
  EXPECT_EQ(look_up("half.test"), "half.test 192.0.2.1");
  asked.clear();
  answer = [](const DnsQuestion& question) { return DnsReply(question, 5); };
  EXPECT_EQ(look_up("refused.test"), words(EAI_AGAIN));
  EXPECT_EQ(asked.size(), 2u);
}

TEST_F(DnsTest, AServerThatIsNotThereIsKnownByItsIcmpError) {
  use_servers("10.0.0.2:54,10.0.0.3");
  answer = address_of;
  const std::int64_t began = ln_embed_now(stack_[0]);
  EXPECT_EQ(look_up("www.test"), "www.test 192.0.2.1");
  EXPECT_LT(ln_embed_now(stack_[0]) - began, 10 * kMillisecond);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_STREQ(asked[0].server, kSecond);
  use_servers("203.0.113.1");  // no route leads there
  EXPECT_EQ(look_up("www.test"), words(EAI_AGAIN));
}

TEST_F(DnsTest, ForgedAnswersAreIgnored) {
  answer = [](const DnsQuestion& question) -> std::vector<DnsBytes> {
    DnsQuestion other = question;
    other.message[13] ^= 1;  // of the name
    return {DnsReply(question).address(question.name, "203.0.113.1").other_id().bytes(),
            DnsReply(other).address(question.name, "203.0.113.2").bytes(),
            {},
            {question.message[0]},
            DnsReply(question).address(question.name, "192.0.2.1").bytes()};
  };
  EXPECT_EQ(look_up("www.example.net"), "www.example.net 192.0.2.1");
  EXPECT_EQ(asked.size(), 1u);
}

TEST_F(DnsTest, PortsAndNumbersOfQuestionsAreNotGuessed) {
  answer = address_of;
  std::map<std::uint16_t, int> ports, numbers;
  for (int i = 0; i < 16; ++i)
    look_up("www.test");
  for (const DnsQuestion& question : asked) {
    ++ports[question.from_port];
    ++numbers[static_cast<std::uint16_t>(question.message[0] << 8 | question.message[1])];
  }
  ASSERT_EQ(asked.size(), 16u);
  EXPECT_GE(ports.size(), 15u);
  EXPECT_GE(numbers.size(), 15u);
  unsigned neighbours = 0;
  for (std::size_t i = 1; i < asked.size(); ++i)
    neighbours += std::abs(asked[i].from_port - asked[i - 1].from_port) < 3 ? 1 : 0;
  EXPECT_LE(neighbours, 1u);
}

TEST_F(DnsTest, SearchedDomainsComeFirstForNamesWithoutDots) {
  use_servers(kB, "one.test, two.test");
  answer = [](const DnsQuestion& question) -> std::vector<DnsBytes> {
    if (question.name == "www.two.test") return address_of(question);
    return DnsReply(question, 3);
  };
  const auto names = [&] {
    std::string out;
    for (const DnsQuestion& question : asked)
      out += question.name + " ";
    asked.clear();
    return out;
  };
  EXPECT_EQ(look_up("www"), "www.two.test 192.0.2.1");
  EXPECT_EQ(names(), "www.one.test www.two.test ");
  EXPECT_EQ(look_up("a.b"), words(EAI_NONAME));
  EXPECT_EQ(names(), "a.b a.b.one.test a.b.two.test ");
  EXPECT_EQ(look_up("www."), words(EAI_NONAME));
  EXPECT_EQ(names(), "www ");
}

TEST_F(DnsTest, ResolvConfNamesServersSearchAndTimes) {
  const std::string path =
      testing::TempDir() + "linnet_dns_test_resolv." + std::to_string(getpid());
  std::ofstream(path) << "# a comment\nnameserver 10.0.0.3\nsearch lan.test\n"
                         "options timeout:1 attempts:3\n";
  ln_resolver_options options{};
  options.size = sizeof options;
  options.resolv_file = path.c_str();
  options.hosts_file = "/dev/null";
  set_resolver(options);
  EXPECT_EQ(look_up("printer"), words(EAI_AGAIN));
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_EQ(asked[0].name, "printer.lan.test");
  EXPECT_STREQ(asked[0].server, kSecond);
  EXPECT_NEAR(asked[1].at_ms - asked[0].at_ms, 1000, 2);
  setenv("LINNET_NAMESERVERS", "10.0.0.2", 1);
  setenv("LOCALDOMAIN", "other.test", 1);
  setenv("RES_OPTIONS", "attempts:1 ndots:0", 1);
  asked.clear();
  EXPECT_EQ(look_up("printer"), words(EAI_AGAIN));
  for (const char* name : {"LINNET_NAMESERVERS", "LOCALDOMAIN", "RES_OPTIONS"})
    unsetenv(name);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].name, "printer");
  EXPECT_STREQ(asked[0].server, kB);
  std::ofstream(path) << "options rotate\nnameserver fe80::1\nnameserver 10.0.0.2\n"
                         "nameserver 10.0.0.3\ndomain lan.test\n";
  answer = address_of;
  asked.clear();
  EXPECT_EQ(look_up("www.test"), "www.test 192.0.2.1");
  EXPECT_EQ(look_up("printer"), "printer.lan.test 192.0.2.1");
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_STRNE(asked[0].server, asked[1].server);
  std::remove(path.c_str());
}

TEST_F(DnsTest, AddressesHaveNamesOrAreToldByNumber) {
  use_servers(kB, "example.net");
  answer = [](const DnsQuestion& question) -> std::vector<DnsBytes> {
    if (question.type != 12 || question.name != "7.2.0.192.in-addr.arpa")
      return DnsReply(question, 3);
    return DnsReply(question).pointer(question.name, "host7.example.net");
  };
  const auto name = [&](const char* address, int flags, unsigned room = 64) {
    std::string out;
    sleeping([&] {
      const sockaddr_in who = name_of(address, 53);
      char host[64] = "", service[64] = "";
      const int code = ln_getnameinfo(reinterpret_cast<const sockaddr*>(&who), sizeof who, host,
                                      room, service, sizeof service, flags);
      out = code != 0 ? words(code) : std::string(host) + " " + service;
    });
    return out;
  };
  EXPECT_EQ(name("192.0.2.7", 0), "host7.example.net domain");
  EXPECT_EQ(name("192.0.2.7", NI_NOFQDN | NI_DGRAM), "host7 domain");
  EXPECT_EQ(name("192.0.2.7", NI_NUMERICHOST | NI_NUMERICSERV), "192.0.2.7 53");
  EXPECT_EQ(name("192.0.2.8", 0), "192.0.2.8 domain");
  EXPECT_EQ(name("192.0.2.8", NI_NAMEREQD), words(EAI_NONAME));
  EXPECT_EQ(name("192.0.2.7", 0, 17), words(EAI_OVERFLOW));
  EXPECT_EQ(name("192.0.2.7", 0, 18), "host7.example.net domain");
  answer = nullptr;
  EXPECT_EQ(name("192.0.2.7", 0), words(EAI_AGAIN));
}

TEST_F(DnsTest, GethostbynameTellsByHErrno) {
  answer = [](const DnsQuestion& question) -> std::vector<DnsBytes> {
    if (question.name == "nodata.test") return DnsReply(question);
    if (question.name == "servfail.test") return DnsReply(question, 2);
    if (question.name == "formerr.test") return DnsReply(question, 1);
    if (question.name != "www.test") return DnsReply(question, 3);
    return DnsReply(question)
        .alias("www.test", "host.test")
        .address("host.test", "192.0.2.1")
        .address("host.test", "192.0.2.2");
  };
  sleeping([] {
    const hostent* const host = ln_gethostbyname("www.test");
    ASSERT_NE(host, nullptr);
    EXPECT_STREQ(host->h_name, "host.test");
    EXPECT_STREQ(host->h_aliases[0], "www.test");
    EXPECT_EQ(host->h_aliases[1], nullptr);
    EXPECT_EQ(host->h_addrtype, AF_INET);
    EXPECT_EQ(host->h_length, 4);
    EXPECT_EQ(std::memcmp(host->h_addr_list[1], "\300\0\2\2", 4), 0);
    EXPECT_EQ(host->h_addr_list[2], nullptr);
    const std::pair<const char*, int> cases[] = {{"none.test", HOST_NOT_FOUND},
                                                 {"nodata.test", NO_DATA},
                                                 {"servfail.test", TRY_AGAIN},
                                                 {"formerr.test", NO_RECOVERY}};
    for (const auto& [name, code] : cases) {
      h_errno = 0;
      EXPECT_EQ(ln_gethostbyname(name), nullptr);
      EXPECT_EQ(h_errno, code) << name;
    }
    hostent own;
    hostent* result = &own;
    int error = 0;
    std::vector<char> room(256);
    for (std::size_t size = 0; size < 64; ++size)
      EXPECT_EQ(ln_gethostbyname_r("www.test", &own, room.data(), size, &result, &error), ERANGE);
    EXPECT_EQ(result, nullptr);
    EXPECT_EQ(error, NETDB_INTERNAL);
    EXPECT_EQ(ln_gethostbyname_r("www.test", &own, room.data(), room.size(), &result, &error), 0);
    EXPECT_EQ(result, &own);
    EXPECT_EQ(ln_gethostbyname_r("none.test", &own, room.data(), room.size(), &result, &error), 0);
    EXPECT_EQ(result, nullptr);
    EXPECT_EQ(error, HOST_NOT_FOUND);
  });
}

TEST_F(DnsTest, TheDrivingThreadAsksNothing) {
  ln_embed_use(stack_[0]);
  EXPECT_EQ(look_up_here("www.test"), words(EAI_AGAIN));
  EXPECT_EQ(ln_embed_waiting(stack_[0], 0), 0);
  EXPECT_EQ(look_up_here("192.0.2.1"), "192.0.2.1 192.0.2.1");
}

TEST_F(DnsTest, ThreadsLookUpAtOnce) {
  answer = [](const DnsQuestion& question) {
    return DnsReply(question).address(question.name, question.name.substr(1).c_str());
  };
  std::vector<std::string> found(8);
  sleeping([&](int i) { found[i] = look_up_here("h192.0.2." + std::to_string(i)); }, 8);
  for (int i = 0; i < 8; ++i) {
    const std::string address = "192.0.2." + std::to_string(i);
    EXPECT_EQ(found[i], "h" + address + " " + address);
  }
}

}  // namespace
}  // namespace linnet::shim
