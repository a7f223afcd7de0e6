// SPDX-License-Identifier: BSD-3-Clause
// Raw IP and packet sockets (Linux raw.c, af_packet.c).
#include "conformance/lab.hpp"
#include "socket/options.hpp"
#include "support/program.hpp"

namespace linnet::tests {
namespace {

SCENARIO("Raw sockets hear every datagram of their protocol", "[S13.3]") {
  RouterLab lab;
  Program program(lab.router);
  auto& icmp = program.open_raw(socket::Kind::Raw, 1);
  auto& odd = program.open_raw(socket::Kind::Raw, 99);
  lab.run_for(ms(1));
  lab.start();
  const Bytes echo = lab.echo(40);
  lab.alice_says(echo);
  THEN("with their header, and the datagram goes on") {
    REQUIRE(icmp.datagrams.size() == 1);
    CHECK(icmp.datagrams[0].data == echo);
    CHECK(icmp.datagrams[0].from.address == lab.alice.address());
    CHECK(lab.alice.icmps().size() == 1);
    CHECK(odd.datagrams.empty());
  }
  WHEN("nobody else knows the protocol") {
    lab.start();
    lab.alice_says(lab.from_alice("192.0.2.1", 99).with(pattern(30)));
    THEN("that is no error") {
      CHECK(odd.datagrams.size() == 1);
      CHECK(lab.silent());
      CHECK(lab.router.drops() == Drops{});
    }
    AND_WHEN("the socket is closed") {
      program.close(odd);
      lab.run_for(ms(1));
      lab.alice_says(lab.from_alice("192.0.2.1", 99).with(pattern(30)));
      CHECK(lab.alice.icmps().size() == 1);
    }
  }
  WHEN("it does not want a type") {
    program.set_option(icmp, socket::name::kIcmpFilter, 1u << 8);
    lab.run_for(ms(1));
    lab.alice_says(lab.echo(40));
    CHECK(icmp.datagrams.size() == 1);
    CHECK(lab.alice.icmps().size() == 2);
  }
}

SCENARIO("What raw sockets send", "[S13.3]") {
  RouterLab lab;
  Program program(lab.router);
  auto& socket = program.open_raw(socket::Kind::Raw, 99);
  lab.run_for(ms(1));
  lab.start();
  WHEN("the header is ours") {
    program.send_to(socket, endpoint("192.0.2.2", 0), pattern(3000));
    lab.run_for(ms(5));
    REQUIRE(lab.alice.seen.size() == 3);
    CHECK(int{lab.alice.seen[0].ip->protocol} == 99);
    CHECK(lab.alice.seen[0].ip->source == ip("192.0.2.1"));
  }
  WHEN("the header is the program's") {
    program.set_option(socket, socket::name::kHeaderIncluded, 1);
    Ip header{.source = {}, .destination = ip("192.0.2.2"), .protocol = 50, .ttl = 9, .id = 0};
    header.checksum = std::uint16_t{0xdead};
    header.total_length = std::uint16_t{7};
    program.send_to(socket, endpoint("192.0.2.2", 0), header.with(pattern(100)));
    lab.run_for(ms(5));
    THEN("length, checksum, and a source and ID of 0 are written") {
      REQUIRE(lab.alice.seen.size() == 1);
      const IpSeen& seen = *lab.alice.seen[0].ip;
      CHECK(seen.checksum_good);
      CHECK(seen.total_length == 120);
      CHECK(seen.source == ip("192.0.2.1"));
      CHECK(seen.id != 0);
      CHECK(int{seen.ttl} == 9);
      CHECK(int{seen.protocol} == 50);
      CHECK(seen.payload == pattern(100));
    }
  }
  WHEN("it is bound to the device that the shorter prefix leads through") {
    lab.router.add_route("0.0.0.0/0", "192.0.2.2");
    program.set_option(socket, socket::name::kBindToDevice, lab.router.index("left"));
    lab.start();
    program.send_to(socket, endpoint("203.0.113.9", 0), pattern(100));
    lab.run_for(ms(5));
    REQUIRE(lab.alice.seen.size() == 1);
    CHECK(lab.alice.seen[0].ip->destination == ip("203.0.113.9"));
    CHECK(lab.bob.seen.empty());
  }
  WHEN("the program's header is none") {
    program.set_option(socket, socket::name::kHeaderIncluded, 1);
    for (const Bytes& bad :
         {Bytes{}, pattern(19), Bytes(20, 0), Bytes(20, 0x4f), Bytes(20, 0x65)}) {
      socket.error = 0;
      program.send_to(socket, endpoint("192.0.2.2", 0), bad);
      lab.run_for(ms(5));
      CHECK(socket.error == EINVAL);
    }
    CHECK(lab.silent());
  }
}

SCENARIO("Packet sockets see and send frames", "[S13.3]") {
  RouterLab lab;
  Program program(lab.router);
  auto& all = program.open_raw(socket::Kind::PacketRaw, 3);
  auto& arp = program.open_raw(socket::Kind::PacketDatagram, 0x0806, lab.router.index("left"));
  lab.run_for(ms(1));
  lab.start();
  const Bytes frame = Ether{mac(1), lab.alice.mac}.with(lab.echo(40));
  lab.alice_frame(frame);
  THEN("what came in and what went out") {
    REQUIRE(all.datagrams.size() == 2);
    CHECK(all.datagrams[0].data == frame);
    CHECK(all.datagrams[0].to.device == lab.router.index("left"));
    CHECK(all.datagrams[1].data == lab.alice.seen[0].bytes);
    CHECK(arp.datagrams.empty());
  }
  WHEN("it is of the protocol and device that a socket wants") {
    const Arp question{.sender_mac = lab.alice.mac,
                       .sender_ip = lab.alice.address(),
                       .target_mac = {},
                       .target_ip = ip("192.0.2.1")};
    lab.alice_frame(Ether{MacAddress::broadcast(), lab.alice.mac, 0x0806}.with(question.bytes()));
    REQUIRE(arp.datagrams.size() == 1);
    THEN("it comes without its link header") {
      const Bytes& data = arp.datagrams[0].data;
      CHECK(Bytes(data.begin(), data.begin() + 28) == question.bytes());
    }
  }
  WHEN("a filter is attached") {
    // ldh [12]; jeq 0x0806, keep 20 bytes, else none.
    const auto instruction = [](std::uint16_t code, std::uint8_t yes, std::uint8_t no,
                                std::uint32_t k) {
      return Bytes{static_cast<std::uint8_t>(code),   0, yes, no, static_cast<std::uint8_t>(k),
                   static_cast<std::uint8_t>(k >> 8), 0, 0};
    };
    program.attach_filter(all, instruction(0x28, 0, 0, 12) + instruction(0x15, 0, 1, 0x0806) +
                                   instruction(6, 0, 0, 20) + instruction(6, 0, 0, 0));
    lab.run_for(ms(1));
    all.datagrams.clear();
    lab.alice_frame(frame);
    CHECK(all.datagrams.empty());
    lab.alice_frame(Ether{MacAddress::broadcast(), lab.alice.mac, 0x0806}.with(pattern(46)));
    REQUIRE(!all.datagrams.empty());
    CHECK(all.datagrams[0].data.size() == 20);
    AND_WHEN("it is not sound") {
      program.attach_filter(all, instruction(0x28, 0, 0, 12));
      lab.run_for(ms(1));
      CHECK(all.error == EINVAL);
    }
  }
  WHEN("the program sends a frame") {
    lab.start();
    all.datagrams.clear();
    const Ip header{.source = ip("192.0.2.1"), .destination = ip("192.0.2.2")};
    const Bytes own = Ether{lab.alice.mac, mac(1)}.with(udp_datagram(header, Udp{}, pattern(40)));
    socket::Message message;
    auto buffer = program.system().buffers.take(program.session().number());
    REQUIRE(buffer);
    std::copy(own.begin(), own.end(),
              reinterpret_cast<std::uint8_t*>(program.system().buffers.address(*buffer)));
    buffer->length = static_cast<std::uint16_t>(own.size());
    message.kind = static_cast<std::uint8_t>(socket::RequestKind::SendTo);
    message.handle = all.handles.at(0);
    message.program = all.number;
    message.buffer = *buffer;
    message.local.device = lab.router.index("left");
    program.request(0, message);
    lab.run_for(ms(5));
    THEN("it goes as it is, and not back to the socket") {
      REQUIRE(lab.alice.seen.size() == 1);
      CHECK(lab.alice.seen[0].bytes == own);
      CHECK(all.datagrams.empty());
    }
  }
}

}  // namespace
}  // namespace linnet::tests
