// SPDX-License-Identifier: BSD-3-Clause
// What the stack itself sends: loopback, source addresses, next hops, limits (RFC 1122
// section 3.3).
#include <set>

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

// --- Multipath

//             .---- bob    (198.51.100.2)
// alice - [router]
//             '---- carol  (198.51.100.3)
class ManyWays : public RouterLab {
 public:
  ManyWays(std::uint16_t to_bob, std::uint16_t to_carol)
      : carol(add_station(other, mac(0xc2), {ip("100.64.0.2")})) {
    router.add_port("other", other, mac(3));
    router.add_address("other", "100.64.0.1/24");
    router.add_neighbour("other", carol.address(), carol.mac);
    route::RouteSpec spec;
    spec.prefix = net("10.0.0.0/8");
    spec.hops.push_back(
        {.gateway = bob.address(), .device = router.index("right"), .weight = to_bob});
    spec.hops.push_back(
        {.gateway = carol.address(), .device = router.index("other"), .weight = to_carol});
    router.add_route(spec);
    run_for(seconds(5));
    start();
    carol.forget();
  }
  void say(Ipv4Address source, Ipv4Address destination, std::uint16_t port) {
    const Ip header{.source = source, .destination = destination};
    alice.send(mac(1), udp_datagram(header, Udp{.source_port = port}, pattern(8)));
    run_for(Duration::microseconds(20));
  }
  static Ipv4Address numbered(std::uint32_t base, std::uint32_t i) {
    return Ipv4Address::from_host(base + i);
  }

  Segment& other = add_segment();
  Station& carol;
};

SCENARIO("Flows spread over the ways by weight and stay on theirs", "[S6.4][RFC2992][N10]") {
  struct Weights {
    std::uint16_t bob, carol;
  };
  for (const Weights weights : {Weights{1, 1}, Weights{1, 3}, Weights{9, 1}}) {
    GIVEN("weights " + std::to_string(weights.bob) + " and " + std::to_string(weights.carol)) {
      ManyWays lab(weights.bob, weights.carol);
      for (unsigned round = 0; round < 3; ++round) {
        for (unsigned flow = 0; flow < 1000; ++flow)
          lab.say(ManyWays::numbered(0xac100000, flow), ManyWays::numbered(0x0a000000, flow * 7),
                  5000);
      }
      lab.run_for(ms(10));
      const auto at_bob = static_cast<double>(lab.bob.datagrams().size()) / 3;
      const auto at_carol = static_cast<double>(lab.carol.datagrams().size()) / 3;
      THEN("each way has its share, within 6 of 100") {
        CHECK(at_bob + at_carol == 1000);
        CHECK(at_bob / 1000 ==
              Approx(weights.bob / double(weights.bob + weights.carol)).margin(0.06));
      }
      THEN("no flow changes its way") {
        std::map<std::uint32_t, std::set<int>> ways;
        for (const Seen& seen : lab.bob.datagrams())
          ways[seen.ip->source.host()].insert(1);
        for (const Seen& seen : lab.carol.datagrams())
          ways[seen.ip->source.host()].insert(2);
        CHECK(ways.size() == 1000);
        for (const auto& [source, taken] : ways)
          CHECK(taken.size() == 1);
      }
    }
  }
}

SCENARIO("Ports count for the spread where they are asked to", "[S6.4]") {
  ManyWays lab(1, 1);
  WHEN("they are not") {
    for (std::uint16_t port = 1; port <= 300; ++port)
      lab.say(lab.alice.address(), ip("10.1.2.3"), port);
    lab.run_for(ms(10));
    THEN("all datagrams of two hosts take one way") {
      CHECK((lab.bob.datagrams().empty() || lab.carol.datagrams().empty()));
    }
  }
  WHEN("they are") {
    lab.router.ip().fib_multipath_hash_policy = 1;
    for (std::uint16_t port = 1; port <= 300; ++port)
      lab.say(lab.alice.address(), ip("10.1.2.3"), port);
    lab.run_for(ms(10));
    THEN("they take both") {
      CHECK(lab.bob.datagrams().size() > 100);
      CHECK(lab.carol.datagrams().size() > 100);
    }
    AND_WHEN("fragments come, which have no ports") {
      lab.start();
      lab.carol.forget();
      const Ip header = lab.from_alice("10.1.2.3");
      for (const Bytes& piece : header.cut(pattern(6000), 1400))
        lab.alice_says(piece);
      THEN("those of one datagram stay together") {
        CHECK((lab.bob.datagrams().empty() || lab.carol.datagrams().empty()));
        CHECK(lab.bob.datagrams().size() + lab.carol.datagrams().size() == 5);
      }
    }
  }
}

SCENARIO("A way that is dead is not taken", "[S6.4][D5]") {
  ManyWays lab(1, 1);
  const auto send_all = [&] {
    lab.start();
    lab.carol.forget();
    for (unsigned flow = 0; flow < 200; ++flow)
      lab.say(ManyWays::numbered(0xac100000, flow), ip("10.1.2.3"), 5000);
    lab.run_for(ms(10));
  };
  WHEN("one device goes down") {
    lab.router.set_link("other", false);
    lab.run_for(ms(100));
    send_all();
    THEN("the other takes all") {
      CHECK(lab.bob.datagrams().size() == 200);
      CHECK(lab.carol.datagrams().empty());
      CHECK(lab.router.drops().empty());
    }
    AND_WHEN("both are down") {
      lab.router.set_link("right", false);
      lab.run_for(ms(100));
      send_all();
      THEN("there is no way") {
        CHECK(lab.bob.datagrams().empty());
        CHECK(lab.router.account().dropped >= 200);
      }
    }
  }
  WHEN("one loses its carrier and gets it back") {
    lab.router.set_carrier("other", false);
    lab.run_for(ms(500));
    send_all();
    CHECK(lab.carol.datagrams().empty());
    lab.router.set_carrier("other", true);
    lab.run_for(seconds(5));
    send_all();
    THEN("it is used again") {
      CHECK(lab.carol.datagrams().size() > 50);
      CHECK(lab.bob.datagrams().size() > 50);
    }
  }
}

}  // namespace
}  // namespace linnet::tests
