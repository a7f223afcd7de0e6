// SPDX-License-Identifier: BSD-3-Clause
#include <cstring>

#include "control/control_fixture.hpp"
#include "socket/lane_sockets.hpp"
#include "stack/lane_state.hpp"

namespace linnet::control {
namespace {

class SsTest : public ControlFixture {
 protected:
  SsTest() {
    ok("ip link set lo up");
    session_ = *stack_->sockets().sessions.create();
  }
  ~SsTest() override { stack_->sockets().sessions.close(*session_); }

  std::uint32_t bind(socket::Space space, std::uint16_t port) {
    socket::BindRequest asked;
    asked.space = space;
    asked.local.port = port;
    asked.session = session_->number();
    return stack_->sockets().ports.bind(asked).ticket;
  }
  void request(socket::RequestKind kind, std::uint32_t program,
               const std::function<void(socket::Message&)>& fill) {
    socket::Message message;
    message.kind = static_cast<std::uint8_t>(kind);
    message.program = program;
    fill(message);
    ASSERT_TRUE(session_->requests(0).push(message));
    for (int i = 0; i < 20; ++i)
      turn();
  }
  void furnish_sockets() {
    request(socket::RequestKind::Open, 3, [&](socket::Message& message) {
      message.socket_kind = socket::Kind::Datagram;
      message.local.port = 5000;
      message.cookie = bind(socket::Space::Udp, 5000);
    });
    request(socket::RequestKind::Listen, 4, [&](socket::Message& message) {
      message.local.port = 80;
      message.value = 7;
      message.cookie = bind(socket::Space::Tcp, 80);
    });
    request(socket::RequestKind::Connect, 5, [](socket::Message& message) {
      message.peer = {Ipv4Address(127, 0, 0, 1), 80, packet::kNoDevice};
    });
  }
  // How many lines a command prints.
  std::ptrdiff_t lines_of(const std::string& command) {
    const std::string text = ok(command);
    return std::count(text.begin(), text.end(), '\n');
  }
  socket::Session* session_;
};

TEST_F(SsTest, ListenersConnectionsAndDatagramSocketsStandAsInLinux) {
  furnish_sockets();
  const std::string all = ok("ss -tuan");
  EXPECT_NE(all.find("Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port"),
            std::string::npos)
      << all;
  EXPECT_NE(all.find("udp   UNCONN 0      0            0.0.0.0:5000         0.0.0.0:*"),
            std::string::npos)
      << all;
  EXPECT_NE(all.find("tcp   LISTEN 1      7              0.0.0.0:80         0.0.0.0:*"),
            std::string::npos)
      << all;
  const std::string connected = ok("ss -tH");
  EXPECT_EQ(std::count(connected.begin(), connected.end(), '\n'), 2) << connected;
  EXPECT_EQ(connected.find("LISTEN"), std::string::npos);
  EXPECT_NE(connected.find("ESTAB"), std::string::npos);
  // One kind alone needs no column of its own (Linux: columns[COL_NETID].disabled).
  EXPECT_EQ(ok("ss -lH -u"), "UNCONN 0 0 0.0.0.0:5000 0.0.0.0:*\n");
}

TEST_F(SsTest, StatesAreChosenAsInLinux) {
  furnish_sockets();
  const auto lines = [&](const std::string& words) { return lines_of("ss -tH " + words); };
  EXPECT_EQ(lines("state established"), 2);
  EXPECT_EQ(lines("state listening"), 1);
  EXPECT_EQ(lines("state LISTENING"), 1);
  EXPECT_EQ(lines("state all"), 3);
  EXPECT_EQ(lines("state connected"), 2);
  EXPECT_EQ(lines("state synchronized"), 2);
  EXPECT_EQ(lines("state bucket"), 0);
  EXPECT_EQ(lines("state big"), 3);
  EXPECT_EQ(lines("state syn-sent state listening"), 1);
  EXPECT_EQ(lines("exclude established"), 1);
  EXPECT_EQ(lines("exclude all"), 0);
  EXPECT_EQ(lines("-a exclude listening"), 2);
  // A single state is not repeated in each line.
  EXPECT_EQ(ok("ss -tn state listening"),
            "Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
            "1      7              0.0.0.0:80         0.0.0.0:*\n");
}

TEST_F(SsTest, ExpressionsChooseByAddressAndPort) {
  furnish_sockets();
  const auto lines = [&](const std::string& words) { return lines_of("ss -taH " + words); };
  EXPECT_EQ(lines("dport = :80"), 1);
  EXPECT_EQ(lines("dport 80"), 1);
  EXPECT_EQ(lines("sport eq :http"), 2);
  EXPECT_EQ(lines("sport != :80"), 1);
  EXPECT_EQ(lines("dport ne 80"), 2);
  EXPECT_EQ(lines("sport '>' :80"), 1);
  EXPECT_EQ(lines("sport ge 80"), 3);
  EXPECT_EQ(lines("sport lt 80"), 0);
  EXPECT_EQ(lines("sport le 80"), 2);
  EXPECT_EQ(lines("dst 127.0.0.1"), 2);
  EXPECT_EQ(lines("dst 127.0.0.1:80"), 1);
  EXPECT_EQ(lines("dst 127.0.0.0/8"), 2);
  EXPECT_EQ(lines("dst 127.5.5.5/8"), 2) << "as iproute2 reads it";
  EXPECT_EQ(lines("dst != 127.0.0.0/8"), 1);
  EXPECT_EQ(lines("src :80"), 2);
  EXPECT_EQ(lines("src '*:80'"), 2);
  EXPECT_EQ(lines("autobound"), 1);
  EXPECT_EQ(lines("not autobound"), 2);
  EXPECT_EQ(lines("! autobound"), 2);
  EXPECT_EQ(lines("'( dport = :80 or sport = :80 )' and dst 127.0.0.1"), 2);
  EXPECT_EQ(lines("'(dport = :80 | sport = :80) & !autobound'"), 2);
  EXPECT_EQ(lines("dport = :80 sport = :80"), 0) << "side by side: and";
  EXPECT_EQ(lines("sport = :80 or dport = :80 and dport = :1"), 2) << "and binds closer";
  EXPECT_EQ(lines("state established sport = :80"), 1);
}

TEST_F(SsTest, WrongFiltersAreNamedWithTheirPlace) {
  const auto says = [&](const std::string& words, const std::string& part) {
    const std::string text = refused(words, kExitUsage);
    EXPECT_NE(text.find(part), std::string::npos) << words << ": " << text;
  };
  says("ss -t state foo", "\"foo\" (word 4), expected established, syn-sent");
  says("ss state", "a word is missing after \"state\"");
  says("ss dport = :99999", "\":99999\" (word 4), expected a port");
  says("ss dport = :nosuchservice", "(word 4), expected a port");
  says("ss dport = :80 and", "a word is missing after \"and\"");
  says("ss '(' dport = :80", "a word is missing after");
  says("ss dport = :80 ')'", "\")\" (word 5), expected and, or, or the end");
  says("ss colour red", "\"colour\" (word 2), expected src, dst");
  says("ss dst '<' 1.2.3.4", "expected = or !=");
  says("ss dst 1.2.3", "\"1.2.3\" (word 3), expected ADDRESS");
  says("ss -s dport = :80", "-s takes no filter");
  refused("ss " + std::string(200, '(') + " dport = :80", kExitUsage);
}

TEST_F(SsTest, TimersAreShownAsInLinux) {
  furnish_sockets();
  request(socket::RequestKind::SetOption, 6, [](socket::Message& message) {
    message.option = socket::name::kKeepAlive;
    message.value = 1;
  });
  request(socket::RequestKind::Connect, 6, [](socket::Message& message) {
    message.peer = {Ipv4Address(127, 0, 0, 1), 80, packet::kNoDevice};
  });
  const std::string text = ok("ss -tno dport = :80");
  EXPECT_NE(text.find(" timer:(keepalive,119min,0)"), std::string::npos) << text;
  EXPECT_EQ(text.find("timer:", text.find("timer:") + 1), std::string::npos)
      << "the other one waits for nothing: " << text;
}

TEST_F(SsTest, TheSummaryStandsAsInLinux) {
  furnish_sockets();
  EXPECT_EQ(ok("ss -s"),
            "Total: 4\n"
            "TCP:   3 (estab 2, closed 0, orphaned 0, timewait 0)\n"
            "\n"
            "Transport Total     IP        IPv6\n"
            "RAW\t  0         0         0        \n"
            "UDP\t  1         1         0        \n"
            "TCP\t  3         3         0        \n"
            "INET\t  4         4         0        \n"
            "FRAG\t  0         0         0        \n"
            "\n");
}

TEST_F(SsTest, OneLineForEachSocket) {
  furnish_sockets();
  const std::string text = ok("ss -tHOim");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_NE(text.find(" skmem:("), std::string::npos);
  EXPECT_NE(text.find(" cubic "), std::string::npos);
}

TEST_F(SsTest, DetailsOfConnections) {
  furnish_sockets();
  const std::string text = ok("ss -tnpeim");
  for (const char* const part : {"users:((\"program0\",fd=5))", "lane:0", "skmem:(r0,",
                                 " cubic wscale:7,7 rto:", " mss:", " cwnd:10", " segs_out:"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  const Json rows = json("-j ss -ta");
  ASSERT_EQ(rows.size(), 3u);
  unsigned established = 0;
  for (const Json& row : rows)
    established += row["state"] == "ESTAB" ? 1 : 0;
  EXPECT_EQ(established, 2u);
}

TEST_F(SsTest, CountersHaveLinuxNames) {
  furnish_sockets();
  const std::string text = ok("nstat");
  EXPECT_NE(text.find("TcpActiveOpens                  1                  0.0\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("TcpPassiveOpens                 1"), std::string::npos);
  EXPECT_EQ(text.find("TcpExtListenOverflows"), std::string::npos);
  EXPECT_NE(ok("nstat -az").find("TcpExtListenOverflows           0"), std::string::npos);
  EXPECT_NE(ok("nstat -az").find("TcpExtIPReversePathFilter       0"), std::string::npos);
  // SYN, SYN-ACK and ACK by lo.
  EXPECT_NE(text.find("IpInReceives                    3"), std::string::npos) << text;
  EXPECT_NE(text.find("IpOutRequests                   3"), std::string::npos) << text;
  EXPECT_NE(text.find("IpExtOutOctets                  172"), std::string::npos) << text;
  EXPECT_NE(text.find("IpExtInOctets                   172"), std::string::npos) << text;
  EXPECT_EQ(json("-j nstat")["linnet"]["TcpActiveOpens"], 1);
}

TEST_F(SsTest, UnknownLettersAreRefused) {
  EXPECT_NE(refused("ss -tq", kExitUsage).find("unknown option"), std::string::npos);
  EXPECT_NE(refused("ss -x", kExitUsage).find("unix sockets are the kernel's"), std::string::npos);
  refused("nstat -q", kExitUsage);
}

TEST_F(SsTest, MoreSocketsThanRoomAtFirstAreAllShown) {
  for (std::uint16_t i = 0; i < 600; ++i) {
    const auto port = static_cast<std::uint16_t>(10000 + i);
    const std::uint32_t ticket = bind(socket::Space::Udp, port);
    request(socket::RequestKind::Open, i + 1u, [&](socket::Message& message) {
      message.socket_kind = socket::Kind::Datagram;
      message.local.port = port;
      message.cookie = ticket;
    });
  }
  const std::string text = ok("ss -uaH");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 600);
}

}  // namespace
}  // namespace linnet::control
