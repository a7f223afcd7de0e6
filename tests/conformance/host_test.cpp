// SPDX-License-Identifier: BSD-3-Clause
// What the stack itself sends: loopback, source addresses, next hops, limits (RFC 1122
// section 3.3).
#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

ip::SendRequest echo_to(const std::string& to) {
  ip::SendRequest request;
  request.destination = ip(to);
  request.protocol = 1;
  return request;
}

SCENARIO("The loopback device answers, and nothing of it is on a wire",
         "[S1.1][RFC1122-3.2.1.3][RFC1122-3.3.1]") {
  RouterLab lab;
  for (const char* to : {"127.0.0.1", "127.1.2.3", "192.0.2.1", "198.51.100.1"}) {
    INFO("to " << to);
    lab.start();
    CHECK(lab.router.send(echo_to(to), Icmp{.type = 8}.with(pattern(100))) == ip::SendResult::Sent);
    lab.run_for(ms(20));
    const stack::Account account = lab.router.account();
    // The request and the answer each go out by lo and come in by it; nobody waits for the answer.
    CHECK(account.sent == 2);
    CHECK(account.received == 2);
    CHECK(lab.router.drops() == Drops{{"ip.IcmpNoReceiver", 1}});
    CHECK(lab.silent());
  }
  AND_WHEN("a datagram to ourselves finds no socket") {
    lab.start();
    ip::SendRequest request = echo_to("127.0.0.1");
    request.protocol = 17;
    lab.router.send(request, Udp{.checksum = std::uint16_t{0}}.with(pattern(10), {}, {}));
    lab.run_for(ms(20));
    THEN("the error comes back by lo as well") {
      CHECK(lab.router.drops() == Drops{{"udp.NoSocket", 1}, {"ip.IcmpNoReceiver", 1}});
      CHECK(lab.silent());
    }
  }
  AND_WHEN("loopback addresses come from a wire") {
    lab.start();
    Ip header = lab.from_alice("127.0.0.1", 1);
    lab.alice_says(header.with(Icmp{}.with(pattern(8))));
    header = lab.from_alice("192.0.2.1", 1);
    header.source = ip("127.0.0.1");
    lab.alice_says(header.with(Icmp{}.with(pattern(8))));
    THEN("they are martians") {
      CHECK(lab.router.drops() == Drops{{"ip.MartianDestination", 1}, {"ip.MartianSource", 1}});
      CHECK(lab.silent());
    }
  }
}

SCENARIO("A datagram longer than the loopback's usual frames", "[S1.1][S7.4]") {
  RouterLab lab;
  CHECK(lab.router.send(echo_to("127.0.0.1"), Icmp{}.with(pattern(60000))) == ip::SendResult::Sent);
  lab.run_for(ms(20));
  CHECK(lab.router.drops() == Drops{{"ip.IcmpNoReceiver", 1}});
  CHECK(lab.router.account().received == 2);
}

SCENARIO("The source address follows from the way", "[RFC1122-3.3.4.3][S7.4][S6.3]") {
  RouterLab lab;
  const auto source_seen = [&](Station& at) {
    REQUIRE(at.datagrams().size() >= 1);
    return at.datagrams().front().ip->source;
  };
  WHEN("a neighbour is asked") {
    lab.router.send(echo_to("192.0.2.2"), Icmp{}.with({}));
    lab.run_for(ms(20));
    CHECK(source_seen(lab.alice) == ip("192.0.2.1"));
    CHECK(lab.alice.datagrams().front().ip->ttl == 64);
  }
  WHEN("a host behind a gateway is asked") {
    lab.router.send(echo_to("203.0.113.9"), Icmp{}.with({}));
    lab.run_for(ms(20));
    CHECK(source_seen(lab.bob) == ip("198.51.100.1"));
    CHECK(lab.bob.datagrams().front().destination == lab.bob.mac);
    CHECK(lab.bob.datagrams().front().ip->destination == ip("203.0.113.9"));
  }
  WHEN("the route prefers a source") {
    route::RouteSpec spec;
    spec.prefix = net("10.0.0.0/8");
    spec.source = ip("192.0.2.1");
    spec.hops.push_back({.gateway = lab.bob.address()});
    lab.router.add_route(spec);
    lab.start();
    lab.router.send(echo_to("10.1.1.1"), Icmp{}.with({}));
    lab.run_for(ms(20));
    CHECK(source_seen(lab.bob) == ip("192.0.2.1"));
  }
  WHEN("the default time to live is changed") {
    lab.router.ip().ip_default_ttl = 17;
    lab.router.send(echo_to("192.0.2.2"), Icmp{}.with({}));
    lab.run_for(ms(20));
    REQUIRE(lab.alice.datagrams().size() == 1);
    CHECK(lab.alice.datagrams().front().ip->ttl == 17);
  }
}

SCENARIO("What can not be sent says why", "[S7.4][RFC1122-3.3.1]") {
  RouterLab lab;
  const auto ends = [&](const ip::SendRequest& request, std::size_t size) {
    lab.start();
    const ip::SendResult result = lab.router.send(request, Icmp{}.with(pattern(size)));
    lab.run_for(ms(5));
    CHECK(lab.silent());
    const Drops drops = lab.router.drops();
    REQUIRE(drops.size() == 1);
    return std::pair(result, drops.begin()->first);
  };
  CHECK(ends(echo_to("8.8.8.8"), 10) ==
        std::pair(ip::SendResult::NoRoute, std::string("ip.NoRoute")));
  route::RouteSpec spec;
  spec.prefix = net("10.0.0.0/8");
  spec.type = route::Type::Prohibit;
  lab.router.add_route(spec);
  CHECK(ends(echo_to("10.1.1.1"), 10) ==
        std::pair(ip::SendResult::Prohibited, std::string("ip.RouteProhibit")));
  ip::SendRequest whole = echo_to("192.0.2.2");
  whole.dont_fragment = true;
  CHECK(ends(whole, 1473) ==
        std::pair(ip::SendResult::TooLong, std::string("ip.FragmentationNeeded")));
  CHECK(ends(echo_to("192.0.2.2"), 65508) ==
        std::pair(ip::SendResult::TooLong, std::string("ip.OutputTooLong")));
}

SCENARIO("Group destinations go to the right link-layer addresses",
         "[RFC1112-6.4][RFC1122-3.3.6][S3.1]") {
  RouterLab lab;
  ip::SendRequest request = echo_to("224.5.6.7");
  request.output_device = lab.router.index("left");
  WHEN("a group") {
    lab.router.send(request, Icmp{}.with({}));
    lab.run_for(ms(10));
    REQUIRE(lab.alice.seen.size() == 1);
    CHECK(lab.alice.seen.front().destination == MacAddress({1, 0, 0x5e, 5, 6, 7}));
  }
  WHEN("a group whose high bit does not fit") {
    request.destination = ip("239.129.2.3");
    lab.router.send(request, Icmp{}.with({}));
    lab.run_for(ms(10));
    REQUIRE(lab.alice.seen.size() == 1);
    CHECK(lab.alice.seen.front().destination == MacAddress({1, 0, 0x5e, 1, 2, 3}));
  }
  WHEN("everyone on a link") {
    request.destination = ip("255.255.255.255");
    lab.router.send(request, Icmp{}.with({}));
    lab.run_for(ms(10));
    REQUIRE(lab.alice.seen.size() == 1);
    CHECK(lab.alice.seen.front().destination == MacAddress::broadcast());
    CHECK(lab.bob.seen.empty());
  }
  WHEN("the subnet's broadcast") {
    lab.router.send(echo_to("198.51.100.255"), Icmp{}.with({}));
    lab.run_for(ms(10));
    REQUIRE(lab.bob.seen.size() == 1);
    CHECK(lab.bob.seen.front().destination == MacAddress::broadcast());
  }
}

}  // namespace
}  // namespace linnet::tests
