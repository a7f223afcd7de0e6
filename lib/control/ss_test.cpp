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
  EXPECT_EQ(ok("ss -lH -u"), "udp UNCONN 0 0 0.0.0.0:5000 0.0.0.0:*\n");
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
  EXPECT_EQ(json("-j nstat")["linnet"]["TcpActiveOpens"], 1);
}

TEST_F(SsTest, UnknownLettersAreRefused) {
  EXPECT_NE(refused("ss -tx", kExitUsage).find("unknown option"), std::string::npos);
  refused("ss state", kExitUsage);
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
