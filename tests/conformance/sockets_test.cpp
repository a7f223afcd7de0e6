// SPDX-License-Identifier: BSD-3-Clause
// Sockets of programs on the wire: UDP and ping (RFC 768, 792, 1122 sections 3.2.2 and 4.1; Linux
// udp.c, ping.c).
#include "conformance/lab.hpp"
#include "socket/options.hpp"
#include "support/program.hpp"

namespace linnet::tests {
namespace {

Bytes from_alice_udp(const RouterLab& lab, const Udp& udp, const Bytes& payload,
                     const std::string& to = "192.0.2.1") {
  return udp_datagram(lab.from_alice(to), udp, payload);
}

SCENARIO("A datagram reaches the socket that is bound to its port", "[RFC768][S13.2]") {
  RouterLab lab;
  Program program(lab.router);
  auto& any = program.bind_udp("0.0.0.0", 5000);
  auto& one = program.bind_udp("192.0.2.1", 5001);
  lab.run_for(ms(1));
  REQUIRE(any.handles.size() == modes().lanes);
  lab.start();
  for (const std::size_t size : {0u, 1u, 2u, 3u, 511u, 1471u, 1472u}) {
    const Bytes data = pattern(size);
    lab.alice_says(from_alice_udp(lab, {.destination_port = 5000}, data));
    lab.alice_says(from_alice_udp(lab, {.destination_port = 5001}, data));
    for (auto* socket : {&any, &one}) {
      REQUIRE(socket->datagrams.size() == 1);
      CHECK(socket->datagrams[0].data == data);
      CHECK(socket->datagrams[0].from.address == lab.alice.address());
      CHECK(socket->datagrams[0].from.port == 40000);
      CHECK(socket->datagrams[0].to.address == ip("192.0.2.1"));
      CHECK(socket->datagrams[0].to.device == lab.router.index("left"));
      CHECK(int{socket->datagrams[0].control.ttl} == 64);
      socket->datagrams.clear();
    }
  }
  CHECK(lab.silent());
  AND_WHEN("it is to an address that the socket is not bound to") {
    lab.alice_says(from_alice_udp(lab, {.destination_port = 5001}, pattern(4), "198.51.100.1"));
    THEN("nobody has it") {
      CHECK(one.datagrams.empty());
      CHECK(lab.alice.icmps().size() == 1);
    }
  }
  AND_WHEN("the socket is closed") {
    program.close(any);
    lab.run_for(ms(1));
    CHECK(any.closed);
    lab.alice_says(from_alice_udp(lab, {.destination_port = 5000}, pattern(4)));
    CHECK(lab.alice.icmps().size() == 1);
  }
}

SCENARIO("What a UDP socket sends", "[RFC768][RFC1122-4.1.3.4][S13.2]") {
  RouterLab lab;
  Program program(lab.router);
  auto& socket = program.bind_udp("0.0.0.0", 5000);
  lab.run_for(ms(1));
  for (unsigned lane = 0; lane < modes().lanes; ++lane) {
    for (const std::size_t size : {0u, 1u, 2u, 100u, 1471u, 1472u}) {
      lab.start();
      program.send_to(socket, endpoint("192.0.2.2", 7), pattern(size), lane);
      lab.run_for(ms(1));
      REQUIRE(lab.alice.seen.size() == 1);
      REQUIRE(lab.alice.seen[0].udp);
      CHECK(lab.alice.seen[0].udp->payload == pattern(size));
      CHECK(lab.alice.seen[0].udp->source_port == 5000);
      CHECK(lab.alice.seen[0].ip->source == ip("192.0.2.1"));
    }
  }
  WHEN("it is as long as can be, in many buffers") {
    lab.start();
    const Bytes data = pattern(65507);
    program.send_to(socket, endpoint("192.0.2.2", 7), data);
    lab.run_for(ms(5));
    THEN("it comes in fragments whose bytes are the datagram's") {
      Bytes whole(65515);
      for (const Seen& seen : lab.alice.seen) {
        REQUIRE(seen.ip);
        std::copy(seen.ip->payload.begin(), seen.ip->payload.end(),
                  whole.begin() + seen.ip->offset);
      }
      CHECK(Bytes(whole.begin() + 8, whole.end()) == data);
      whole.resize(8);
      const Bytes right = Udp{.source_port = 5000, .destination_port = 7}.with(
          data, ip("192.0.2.1"), ip("192.0.2.2"));
      CHECK(whole == Bytes(right.begin(), right.begin() + 8));
    }
  }
  WHEN("it is one byte too long") {
    lab.start();
    program.send_to(socket, endpoint("192.0.2.2", 7), pattern(65508));
    lab.run_for(ms(5));
    CHECK(socket.error == EMSGSIZE);
    CHECK(lab.silent());
  }
  WHEN("there is no way") {
    program.send_to(socket, endpoint("8.8.8.8", 7), pattern(5));
    lab.run_for(ms(5));
    CHECK(socket.error == ENETUNREACH);
  }
  WHEN("type of service and time to live are given with it") {
    lab.start();
    program.send_to(socket, endpoint("192.0.2.2", 7), pattern(5), 0,
                    socket::ControlData{0x28, 3, true, true}.packed());
    lab.run_for(ms(5));
    REQUIRE(lab.alice.seen.size() == 1);
    CHECK(int{lab.alice.seen[0].ip->tos} == 0x28);
    CHECK(int{lab.alice.seen[0].ip->ttl} == 3);
  }
  WHEN("it is a broadcast") {
    lab.start();
    program.send_to(socket, endpoint("192.0.2.255", 7), pattern(5));
    lab.run_for(ms(5));
    THEN("only with SO_BROADCAST") {
      CHECK(socket.error == EACCES);
      CHECK(lab.silent());
      program.set_option(socket, socket::name::kBroadcast, 1);
      program.send_to(socket, endpoint("192.0.2.255", 7), pattern(5));
      lab.run_for(ms(5));
      REQUIRE(lab.alice.seen.size() == 1);
      CHECK(lab.alice.seen[0].destination == MacAddress::broadcast());
    }
  }
}

SCENARIO("A connected UDP socket hears only its peer, and of its errors",
         "[RFC1122-4.1.3.3][RFC1122-4.1.3.5][B11][S13.2]") {
  RouterLab lab;
  Program program(lab.router);
  auto& socket = program.bind_udp("0.0.0.0", 5000);
  lab.run_for(ms(1));
  program.set_peer(socket, endpoint("192.0.2.2", 40000));
  lab.run_for(ms(1));
  CHECK(socket.connected);
  CHECK(socket.local.address == ip("192.0.2.1"));
  lab.start();
  lab.alice_says(from_alice_udp(lab, {.destination_port = 5000}, pattern(3)));
  CHECK(socket.datagrams.size() == 1);
  lab.alice_says(from_alice_udp(lab, {.source_port = 40001, .destination_port = 5000}, pattern(3)));
  CHECK(socket.datagrams.size() == 1);
  CHECK(lab.alice.icmps().size() == 1);
  WHEN("the peer's port is closed") {
    lab.start();
    program.send_to(socket, {}, pattern(20));
    lab.run_for(ms(1));
    REQUIRE(lab.alice.seen.size() == 1);
    lab.alice_says(
        lab.from_alice("192.0.2.1", 1)
            .with(Icmp{.type = 3, .code = 3, .rest = 0}.with(lab.alice.seen[0].ip->bytes)));
    CHECK(socket.error == ECONNREFUSED);
    CHECK(lab.router.drops() == Drops{});
  }
  WHEN("an error quotes what nobody sent") {
    lab.start();
    const Bytes other = udp_datagram({.source = ip("192.0.2.1"), .destination = ip("192.0.2.2")},
                                     {.source_port = 6000, .destination_port = 40000}, pattern(20));
    lab.alice_says(
        lab.from_alice("192.0.2.1", 1).with(Icmp{.type = 3, .code = 3, .rest = 0}.with(other)));
    CHECK(socket.error == 0);
    CHECK(lab.router.drops() == Drops{{"ip.IcmpNoReceiver", 1}});
  }
  WHEN("it is dissolved") {
    socket.local.address = {};
    program.set_peer(socket, {});
    lab.run_for(ms(1));
    lab.alice_says(
        from_alice_udp(lab, {.source_port = 40001, .destination_port = 5000}, pattern(3)));
    CHECK(socket.datagrams.size() == 2);
  }
}

SCENARIO("Datagrams that a program does not read are bounded", "[R3][S13.2]") {
  RouterLab lab({.node = {.packets = 4096}});
  Program program(lab.router);
  auto& socket = program.bind_udp("0.0.0.0", 5000);
  socket.reads = false;
  lab.run_for(ms(1));
  program.set_option(socket, socket::name::kReceiveBuffer, 20000);
  lab.run_for(ms(1));
  lab.start();
  for (int i = 0; i < 100; ++i)
    lab.alice_says(from_alice_udp(lab, {.destination_port = 5000}, {1}));
  THEN("by the buffers that they pin, not by their bytes") {
    // 40000 bytes hold 18 buffers of 2 KiB and headroom; the drops are named.
    CHECK(socket.datagrams.size() == 18);
    CHECK(lab.router.drops() == Drops{{"udp.ReceiveBufferFull", 82}});
    CHECK(lab.router.account().held == 0);
  }
  AND_WHEN("the program returns them") {
    for (const auto& event : socket.unread) {
      auto back = event;
      back.kind = static_cast<std::uint8_t>(socket::RequestKind::Return);
      program.request(socket.lane, back);
    }
    socket.reads = true;
    lab.run_for(ms(1));
    lab.alice_says(from_alice_udp(lab, {.destination_port = 5000}, {1}));
    CHECK(socket.datagrams.size() == 19);
  }
}

SCENARIO("A program that is stuck costs datagrams, not the stack", "[S13.2]") {
  RouterLab lab;
  Program program(lab.router, {16, 16});
  auto& socket = program.bind_udp("0.0.0.0", 5000);
  lab.run_for(ms(1));
  program.polls = false;
  lab.start();
  for (int i = 0; i < 40; ++i)
    lab.alice_says(from_alice_udp(lab, {.destination_port = 5000}, {1}));
  CHECK(lab.router.drops() == Drops{{"socket.EventRingFull", 24}});
  program.polls = true;
  lab.run_for(ms(5));
  CHECK(socket.datagrams.size() == 16);
}

SCENARIO("Sockets that share a port", "[S13.2]") {
  RouterLab lab;
  Program program(lab.router);
  GIVEN("SO_REUSEPORT") {
    std::vector<Program::Socket*> group;
    for (int i = 0; i < 4; ++i)
      group.push_back(&program.bind_udp("0.0.0.0", 5000, false, true));
    lab.run_for(ms(1));
    for (std::uint16_t port = 1000; port < 1200; ++port) {
      for (int twice = 0; twice < 2; ++twice) {
        lab.alice_says(from_alice_udp(lab, {.source_port = port, .destination_port = 5000}, {1}));
      }
    }
    THEN("each flow has one of them, and all have some") {
      std::map<std::uint16_t, std::size_t> owner;
      for (std::size_t i = 0; i < group.size(); ++i) {
        CHECK(group[i]->datagrams.size() > 40);
        for (const auto& datagram : group[i]->datagrams) {
          const auto [at, fresh] = owner.emplace(datagram.from.port, i);
          CHECK(at->second == i);
        }
      }
      CHECK(owner.size() == 200);
    }
  }
  GIVEN("SO_REUSEADDR") {
    auto& first = program.bind_udp("0.0.0.0", 5000, true);
    auto& second = program.bind_udp("0.0.0.0", 5000, true);
    lab.run_for(ms(1));
    THEN("the newest has the datagrams, and both have broadcasts") {
      lab.alice_says(from_alice_udp(lab, {.destination_port = 5000}, {1}));
      CHECK(first.datagrams.empty());
      CHECK(second.datagrams.size() == 1);
      lab.alice_frame(Ether{MacAddress::broadcast(), lab.alice.mac}.with(
          from_alice_udp(lab, {.destination_port = 5000}, pattern(9), "192.0.2.255")));
      REQUIRE(first.datagrams.size() == 1);
      CHECK(first.datagrams[0].data == pattern(9));
      REQUIRE(second.datagrams.size() == 2);
      CHECK(second.datagrams[1].data == pattern(9));
    }
  }
}

SCENARIO("Ping sockets", "[RFC792][S13.3]") {
  RouterLab lab;
  Program program(lab.router);
  auto& socket = program.bind_ping("0.0.0.0", 77);
  lab.run_for(ms(1));
  lab.start();
  // The identifier is the socket's whatever the program wrote; the checksum is made.
  program.send_to(socket, endpoint("192.0.2.2", 0),
                  Icmp{.type = 8, .rest = 0x12340005, .checksum_error = 99}.with(pattern(56)));
  lab.run_for(ms(5));
  REQUIRE(lab.alice.icmps().size() == 1);
  CHECK(lab.alice.icmps()[0].icmp->rest == (77u << 16 | 5));
  REQUIRE(socket.datagrams.size() == 1);
  CHECK(socket.datagrams[0].data == Icmp{.type = 0, .rest = 77u << 16 | 5}.with(pattern(56)));
  CHECK(socket.datagrams[0].from.address == lab.alice.address());
  WHEN("it is not an echo request") {
    program.send_to(socket, endpoint("192.0.2.2", 0), Icmp{.type = 3}.with(pattern(56)));
    lab.run_for(ms(5));
    CHECK(socket.error == EINVAL);
  }
}

SCENARIO("A program that dies", "[S14.1]") {
  RouterLab lab;
  {
    Program program(lab.router);
    auto& socket = program.bind_udp("0.0.0.0", 5000);
    socket.reads = false;
    lab.run_for(ms(1));
    for (int i = 0; i < 10; ++i)
      lab.alice_says(from_alice_udp(lab, {.destination_port = 5000}, {1}));
    CHECK(socket.datagrams.size() == 10);
  }
  lab.run_for(ms(100));
  THEN("its buffers and ports are back within 100 ms") {
    CHECK(lab.router.stack().sockets().ports.size() == 0);
    CHECK(lab.router.stack().pool().in_use() == 0);
    lab.start();
    lab.alice_says(from_alice_udp(lab, {.destination_port = 5000}, {1}));
    CHECK(lab.alice.icmps().size() == 1);
  }
}

}  // namespace
}  // namespace linnet::tests
