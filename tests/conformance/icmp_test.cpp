// SPDX-License-Identifier: BSD-3-Clause
// ICMP: echo, when an error must not be sent, rate limits, what comes in (RFC 792, RFC 1122 section
// 3.2.2, RFC 1812 section 4.3).
#include <functional>

#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

SCENARIO("Echo", "[S7.6][RFC1122-3.2.2.6][RFC1812-4.3.3.6][RFC792]") {
  RouterLab lab;
  WHEN("requests of many sizes come") {
    for (const std::size_t size : {0u, 1u, 2u, 3u, 7u, 8u, 17u, 255u, 512u, 1471u, 1472u}) {
      lab.start();
      Ip header = lab.from_alice("192.0.2.1", 1);
      header.tos = 0x2e;
      lab.alice_says(header.with(Icmp{.type = 8, .rest = 0xbeef0042}.with(pattern(size))));
      INFO(size << " bytes");
      REQUIRE(lab.alice.icmps().size() == 1);
      const Seen reply = lab.alice.icmps().front();
      CHECK(int{reply.icmp->type} == 0);
      CHECK(int{reply.icmp->code} == 0);
      CHECK(reply.icmp->rest == 0xbeef0042);
      CHECK(reply.icmp->payload == pattern(size));
      CHECK(reply.icmp->checksum_good);
      CHECK(reply.ip->source == ip("192.0.2.1"));
      CHECK(reply.ip->destination == lab.alice.address());
      CHECK(reply.ip->ttl == 64);
      CHECK(reply.ip->tos == 0x2e);  // RFC 1349 section 5.1: an answer has the request's
      CHECK(lab.router.drops().empty());
      CHECK(lab.router.account().delivered == 1);
      CHECK(lab.router.account().generated == 1);
    }
  }
  WHEN("the request is to another address of the router") {
    lab.alice_says(lab.from_alice("198.51.100.1", 1).with(Icmp{}.with(pattern(8))));
    THEN("the answer comes from there") {
      REQUIRE(lab.alice.icmps().size() == 1);
      CHECK(lab.alice.icmps().front().ip->source == ip("198.51.100.1"));
    }
  }
  WHEN("the checksum is wrong") {
    lab.alice_says(lab.from_alice("192.0.2.1", 1).with(Icmp{.checksum_error = 1}.with(pattern(9))));
    THEN("there is no answer") {
      CHECK(lab.router.drops() == Drops{{"ip.IcmpChecksum", 1}});
      CHECK(lab.silent());
    }
  }
  WHEN("there are fewer than 8 bytes") {
    for (std::size_t length = 0; length < 8; ++length) {
      Bytes message = Icmp{}.with({});
      message.resize(length);
      lab.alice_says(lab.from_alice("192.0.2.1", 1).with(message));
    }
    THEN("each is truncated") {
      CHECK(lab.router.drops() == Drops{{"ip.IcmpTruncated", 8}});
      CHECK(lab.silent());
    }
  }
  WHEN("all echo is to be ignored") {
    lab.router.ip().icmp_echo_ignore_all = 1;
    lab.alice_says(lab.echo());
    THEN("it is") {
      CHECK(lab.router.drops() == Drops{{"ip.IcmpEchoIgnored", 1}});
      CHECK(lab.silent());
    }
  }
}

SCENARIO("Echo to broadcast and multicast is not answered", "[I11][RFC1122-3.2.2.6][R11]") {
  RouterLab lab;
  const auto say = [&] {
    for (const char* to : {"255.255.255.255", "192.0.2.255"})
      lab.alice_frame(Ether{MacAddress::broadcast(), lab.alice.mac, 0x0800}.with(
          lab.from_alice(to, 1).with(Icmp{}.with(pattern(8)))));
    lab.alice_frame(Ether{MacAddress({1, 0, 0x5e, 0, 0, 1}), lab.alice.mac, 0x0800}.with(
        lab.from_alice("224.0.0.1", 1).with(Icmp{}.with(pattern(8)))));
  };
  WHEN("as it is from the start") {
    say();
    THEN("nobody is answered") {
      CHECK(lab.router.drops() == Drops{{"ip.IcmpEchoIgnored", 3}});
      CHECK(lab.silent());
    }
  }
  WHEN("it is allowed") {
    lab.router.ip().icmp_echo_ignore_broadcasts = 0;
    say();
    THEN("the answers come from the port's own address") {
      CHECK(lab.alice.icmps().size() == 3);
      for (const Seen& reply : lab.alice.icmps())
        CHECK(reply.ip->source == ip("192.0.2.1"));
    }
  }
}

SCENARIO("Timestamp requests", "[S7.6][RFC1122-3.2.2.8][RFC792]") {
  RouterLab lab;
  Bytes stamps(12, 0);
  stamps[0] = 0x01;
  stamps[3] = 0x99;
  WHEN("one comes") {
    lab.alice_says(
        lab.from_alice("192.0.2.1", 1).with(Icmp{.type = 13, .rest = 0x11112222}.with(stamps)));
    THEN("the answer keeps the originate time and says when it was received and sent") {
      REQUIRE(lab.alice.icmps().size() == 1);
      const Seen reply = lab.alice.icmps().front();
      CHECK(int{reply.icmp->type} == 14);
      CHECK(reply.icmp->rest == 0x11112222);
      REQUIRE(reply.icmp->payload.size() == 12);
      CHECK(Bytes(reply.icmp->payload.begin(), reply.icmp->payload.begin() + 4) ==
            Bytes(stamps.begin(), stamps.begin() + 4));
      CHECK(reply.icmp->checksum_good);
    }
  }
  WHEN("the time of day is known") {
    // 12:34:56.789 UT, when the network's clock stands where it does now.
    const std::int64_t wanted_ms = ((12 * 60 + 34) * 60 + 56) * 1000 + 789;
    lab.router.ip().universal_offset_ns =
        wanted_ms * 1'000'000 - (lab.now() + Duration::microseconds(20)).since_origin_ns();
    lab.alice_says(lab.from_alice("192.0.2.1", 1).with(Icmp{.type = 13}.with(stamps)));
    THEN("receive and transmit time are milliseconds since midnight") {
      REQUIRE(lab.alice.icmps().size() == 1);
      const Bytes told = lab.alice.icmps().front().icmp->payload;
      const auto expected = static_cast<std::uint32_t>(wanted_ms);
      const Bytes big_endian{
          static_cast<std::uint8_t>(expected >> 24), static_cast<std::uint8_t>(expected >> 16),
          static_cast<std::uint8_t>(expected >> 8), static_cast<std::uint8_t>(expected)};
      CHECK(Bytes(told.begin() + 4, told.begin() + 8) == big_endian);
      CHECK(Bytes(told.begin() + 8, told.begin() + 12) == big_endian);
    }
  }
  WHEN("it goes to a broadcast address") {
    lab.alice_frame(Ether{MacAddress::broadcast(), lab.alice.mac, 0x0800}.with(
        lab.from_alice("192.0.2.255", 1).with(Icmp{.type = 13}.with(stamps))));
    THEN("it is not answered") {
      CHECK(lab.silent());
      CHECK(lab.router.account().dropped == 1);
    }
  }
}

SCENARIO("Messages that nobody waits for", "[RFC1122-3.2.2][RFC6633][RFC6918]") {
  RouterLab lab;
  WHEN("types that are unknown or deprecated come, and answers to nothing") {
    unsigned count = 0;
    for (unsigned type = 0; type < 256; ++type) {
      const bool served =
          type == 3 || type == 5 || type == 8 || type == 11 || type == 12 || type == 13;
      if (served) continue;
      ++count;
      lab.alice_says(lab.from_alice("192.0.2.1", 1)
                         .with(Icmp{.type = static_cast<std::uint8_t>(type)}.with(pattern(32))));
    }
    THEN("they are ignored by name, without an answer") {
      CHECK(lab.router.drops() == Drops{{"ip.IcmpNoReceiver", 2},  // echo and timestamp replies
                                        {"ip.IcmpDeprecated", 5},  // 4, 15 to 18
                                        {"ip.IcmpUnknown", count - 7}});
      CHECK(lab.silent());
    }
  }
  WHEN("errors come, about things that were never sent") {
    const Bytes about = udp_datagram(Ip{.source = ip("192.0.2.1"), .destination = ip("192.0.2.2")},
                                     Udp{}, pattern(16));
    unsigned count = 0;
    for (const unsigned type : {3u, 4u, 11u, 12u}) {
      for (unsigned code = 0; code < 16; ++code) {
        ++count;
        lab.alice_says(lab.from_alice("192.0.2.1", 1)
                           .with(Icmp{.type = static_cast<std::uint8_t>(type),
                                      .code = static_cast<std::uint8_t>(code)}
                                     .with(about)));
      }
    }
    THEN("each ends here and none is answered") {
      CHECK(lab.silent());
      CHECK(lab.router.account().received == count);
      CHECK(lab.router.account().delivered + lab.router.account().dropped == count);
      CHECK(lab.router.account().generated == 0);
    }
  }
  WHEN("an error comes with less than a header quoted, or nonsense") {
    for (std::size_t length = 0; length <= 40; ++length)
      lab.alice_says(
          lab.from_alice("192.0.2.1", 1).with(Icmp{.type = 3, .code = 3}.with(pattern(length))));
    THEN("nothing happens") {
      CHECK(lab.silent());
      CHECK(lab.router.account().generated == 0);
    }
  }
}

// --- When an error must not be sent: causes of errors against what forbids them.

struct Cause {
  const char* name;
  const char* to;
  const char* drop;
  std::uint8_t protocol, ttl;
};
// What earns an error when nothing forbids it.
const Cause kCauses[] = {
    {"time exceeded", "198.51.100.2", "ip.TtlExceeded", 17, 1},
    {"no route", "10.9.8.7", "ip.NoRoute", 17, 64},
    {"protocol unreachable", "192.0.2.1", "ip.UnknownProtocol", 253, 64},
    {"port unreachable", "192.0.2.1", "udp.NoSocket", 17, 64},
};

SCENARIO("Errors that must never be sent", "[I11][RFC1122-3.2.2][RFC1812-4.3.2.7]") {
  RouterLab lab;
  lab.no_rate_limits();
  for (const Cause& cause : kCauses) {
    Ip header = lab.from_alice(cause.to, cause.protocol);
    header.ttl = cause.ttl;
    const bool transit =
        std::string(cause.drop).rfind("ip.Ttl", 0) == 0 || std::string(cause.drop) == "ip.NoRoute";
    WHEN(std::string(cause.name) + ": nothing forbids it") {
      const Bytes datagram = udp_datagram(header, Udp{}, pattern(64));
      lab.alice_says(datagram);
      THEN("it is sent") {
        REQUIRE(lab.alice.icmps().size() == 1);
        CHECK(lab.alice.icmps().front().icmp->payload == datagram);
        CHECK(lab.router.drops() == Drops{{cause.drop, 1}});
      }
    }
    WHEN(std::string(cause.name) + ": about an ICMP error") {
      if (!transit) continue;
      header.protocol = 1;
      for (const unsigned type : {3u, 4u, 5u, 11u, 12u}) {
        lab.alice_says(
            header.with(Icmp{.type = static_cast<std::uint8_t>(type)}.with(lab.to_bob())));
      }
      THEN("silence") {
        CHECK(lab.alice.icmps().empty());
        CHECK(lab.router.drops() == Drops{{cause.drop, 5}});
      }
    }
    WHEN(std::string(cause.name) + ": about an ICMP query") {
      if (!transit) continue;
      header.protocol = 1;
      lab.alice_says(header.with(Icmp{.type = 8}.with(pattern(8))));
      THEN("it is sent") {
        CHECK(lab.alice.icmps().size() == 1);
      }
    }
    WHEN(std::string(cause.name) + ": about a fragment that is not the first") {
      if (!transit) continue;
      header.offset = 64;
      header.more_fragments = true;
      lab.alice_says(header.with(pattern(64)));
      THEN("silence") {
        CHECK(lab.alice.icmps().empty());
        CHECK(lab.router.drops() == Drops{{cause.drop, 1}});
      }
    }
    WHEN(std::string(cause.name) + ": about the first fragment") {
      if (!transit) continue;
      header.more_fragments = true;
      lab.alice_says(header.with(pattern(64)));
      THEN("it is sent") {
        CHECK(lab.alice.icmps().size() == 1);
      }
    }
    WHEN(std::string(cause.name) + ": in a frame to all stations") {
      lab.alice_frame(Ether{MacAddress::broadcast(), lab.alice.mac, 0x0800}.with(
          udp_datagram(header, Udp{}, pattern(64))));
      THEN("silence") {
        CHECK(lab.silent());
        CHECK(lab.router.drops() == Drops{{"ip.UnicastInBroadcast", 1}});
      }
    }
    WHEN(std::string(cause.name) + ": from a source that is no single host") {
      for (const char* from :
           {"0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255", "240.0.0.1", "192.0.2.255"}) {
        header.source = ip(from);
        lab.alice_says(udp_datagram(header, Udp{}, pattern(64)));
      }
      THEN("silence") {
        CHECK(lab.silent());
        CHECK(lab.router.account().generated == 0);
      }
    }
  }
}

SCENARIO("Nobody is told that groups are not served", "[I11][RFC1122-3.2.2][RFC1812-4.3.2.7]") {
  RouterLab lab;
  lab.no_rate_limits();
  for (const char* to : {"255.255.255.255", "192.0.2.255", "224.0.0.1"}) {
    for (const std::uint8_t protocol : {std::uint8_t{17}, std::uint8_t{253}}) {
      WHEN(std::string("protocol ") + std::to_string(protocol) + " goes to " + to) {
        Ip header = lab.from_alice(to, protocol);
        const bool group = std::string(to) == "224.0.0.1";
        lab.alice_frame(Ether{group ? MacAddress({1, 0, 0x5e, 0, 0, 1}) : MacAddress::broadcast(),
                              lab.alice.mac, 0x0800}
                            .with(udp_datagram(header, Udp{}, pattern(64))));
        THEN("nobody is told that it is not served") {
          CHECK(lab.silent());
          CHECK(lab.router.account().dropped == 1);
        }
      }
    }
  }
}

SCENARIO("Protocol unreachable", "[RFC1122-3.2.2.1][S7.2][RFC1812-5.2.7.1]") {
  RouterLab lab;
  lab.no_rate_limits();
  unsigned count = 0;
  for (unsigned protocol = 0; protocol < 256; ++protocol) {
    if (protocol == 1 || protocol == 6 || protocol == 17) continue;
    const Bytes datagram =
        lab.from_alice("192.0.2.1", static_cast<std::uint8_t>(protocol)).with(pattern(600));
    lab.start();
    lab.alice_says(datagram);
    INFO("protocol " << protocol);
    REQUIRE(lab.alice.icmps().size() == 1);
    check_error(lab.alice.icmps().front(), 3, 2, datagram);
    CHECK(lab.router.drops() == Drops{{"ip.UnknownProtocol", 1}});
    ++count;
  }
  CHECK(count == 253);
}

SCENARIO("Errors quote what fits into 576 bytes", "[I15][RFC1812-4.3.2.3][RFC1122-3.2.2]") {
  RouterLab lab;
  lab.no_rate_limits();
  for (const std::size_t size : {0u, 1u, 7u, 8u, 100u, 519u, 520u, 521u, 1000u, 1472u}) {
    lab.start();
    const Bytes datagram = udp_datagram(lab.from_alice("10.9.8.7"), Udp{}, pattern(size));
    lab.alice_says(datagram);
    INFO(size << " bytes of data");
    REQUIRE(lab.alice.icmps().size() == 1);
    check_error(lab.alice.icmps().front(), 3, 0, datagram);
  }
  AND_WHEN("the datagram has options") {
    lab.start();
    Ip header = lab.from_alice("10.9.8.7");
    header.options = Bytes(40, 1);
    const Bytes datagram = udp_datagram(header, Udp{}, pattern(900));
    lab.alice_says(datagram);
    THEN("they are quoted with the header") {
      REQUIRE(lab.alice.icmps().size() == 1);
      check_error(lab.alice.icmps().front(), 3, 0, datagram);
    }
  }
}

SCENARIO("Errors keep the precedence that RFC 1812 asks for", "[RFC1812-4.3.2.5]") {
  RouterLab lab;
  Ip header = lab.from_alice("10.9.8.7");
  header.tos = 0x10;
  lab.alice_says(udp_datagram(header, Udp{}, pattern(8)));
  REQUIRE(lab.alice.icmps().size() == 1);
  // Precedence 6, internetwork control, with the type of service of what it is about.
  CHECK(int{lab.alice.icmps().front().ip->tos} == 0xd0);
}

SCENARIO("Errors to one sender are limited", "[I15][RFC1812-4.3.2.8][S7.6]") {
  RouterLab lab;
  WHEN("a sender earns a hundred errors in a second") {
    for (int i = 0; i < 100; ++i)
      lab.alice_says(udp_datagram(lab.from_alice("10.9.8.7"), Udp{}, pattern(8)));
    THEN("it gets a few, and the rest are counted") {
      const std::size_t sent = lab.alice.icmps().size();
      CHECK(sent >= 1);
      CHECK(sent <= 10);
      CHECK(lab.router.drops() == Drops{{"ip.NoRoute", 100}, {"ip.IcmpRateLimited", 100 - sent}});
      CHECK(lab.router.account().received == 100);
      CHECK(lab.router.account().sent == sent);
    }
    AND_WHEN("a while has passed") {
      lab.run_for(seconds(10));
      lab.start();
      lab.alice_says(udp_datagram(lab.from_alice("10.9.8.7"), Udp{}, pattern(8)));
      THEN("it is told again") {
        CHECK(lab.alice.icmps().size() == 1);
      }
    }
  }
  WHEN("many senders earn errors at once") {
    lab.router.ip().icmp_msgs_per_sec = 100;
    lab.router.ip().icmp_msgs_burst = 20;
    for (unsigned i = 3; i < 250; ++i) {
      const Ipv4Address from = Ipv4Address(192, 0, 2, i);
      lab.alice.addresses.push_back(from);
      lab.router.add_neighbour("left", from, lab.alice.mac);
    }
    lab.run_for(ms(10));
    lab.start();
    for (unsigned i = 3; i < 250; ++i) {
      Ip header = lab.from_alice("10.9.8.7");
      header.source = Ipv4Address(192, 0, 2, i);
      lab.alice.send(mac(1), udp_datagram(header, Udp{}, pattern(8)));
    }
    lab.run_for(ms(100));
    THEN("all together are limited, too") {
      CHECK(lab.alice.icmps().size() >= 5);
      CHECK(lab.alice.icmps().size() <= 50 * modes().lanes);
      CHECK(lab.router.drops() ==
            Drops{{"ip.NoRoute", 247}, {"ip.IcmpRateLimited", 247 - lab.alice.icmps().size()}});
    }
  }
  WHEN("echo requests come fast") {
    for (std::uint16_t i = 0; i < 200; ++i)
      lab.alice_says(lab.echo(8, i));
    THEN("answers to queries have no such limit") {
      CHECK(lab.alice.icmps().size() == 200);
    }
  }
}

SCENARIO("What a stranger is told says nothing about others", "[B7][RFC1812-4.3.2.8]") {
  // Two runs that differ only in what bob earns: alice must not see a difference.
  const auto run = [](bool bob_earns_errors) {
    std::vector<std::pair<std::int64_t, Bytes>> seen;
    RouterLab lab;
    for (int i = 0; i < 300; ++i) {
      if (bob_earns_errors && i % 3 == 0) {
        lab.bob.send(mac(2), udp_datagram(lab.from_bob("10.9.8.7"), Udp{}, pattern(8)));
      }
      lab.alice.send(mac(1), udp_datagram(lab.from_alice("10.9.8.7"), Udp{}, pattern(8)));
      lab.run_for(ms(20));
    }
    for (const Seen& error : lab.alice.icmps()) {
      Bytes told = error.ip->payload;
      seen.emplace_back(error.at.since_origin_ns(), told);
    }
    return seen;
  };
  const auto alone = run(false);
  const auto together = run(true);
  CHECK(!alone.empty());
  CHECK(alone == together);
}

SCENARIO("Replies are never more than was asked for", "[I15]") {
  RouterLab lab;
  std::uint64_t asked = 0;
  for (int i = 0; i < 400; ++i) {
    Ip header = lab.from_alice(i % 4 == 0   ? "10.9.8.7"
                               : i % 4 == 1 ? "192.0.2.1"
                                            : "198.51.100.2",
                               i % 5 == 0 ? 253 : 17);
    header.ttl = i % 3 == 0 ? 1 : 64;
    const Bytes datagram = udp_datagram(header, Udp{}, pattern(8 + i));
    asked += datagram.size() + 14;
    lab.alice_says(datagram);
  }
  std::uint64_t told = 0;
  for (const Seen& frame : lab.alice.seen)
    told += frame.bytes.size();
  CHECK(told > 0);
  CHECK(told <= asked);
}

}  // namespace
}  // namespace linnet::tests
