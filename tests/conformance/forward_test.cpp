// SPDX-License-Identifier: BSD-3-Clause
// Forwarding: time to live, route types, MTU, redirects (RFC 1812 section 5.2 and 5.3).
#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

SCENARIO("A forwarded datagram loses one hop and nothing else", "[S7.3][RFC1812-5.3.1][RFC1141]") {
  RouterLab lab;
  WHEN("datagrams with every time to live above 1 pass") {
    for (unsigned ttl = 2; ttl < 256; ++ttl)
      lab.alice_says(lab.to_bob(32, static_cast<std::uint8_t>(ttl)));
    THEN("all bytes but TTL and checksum are the same, and the checksum is right") {
      const std::vector<Seen> seen = lab.bob.datagrams();
      REQUIRE(seen.size() == 254);
      for (unsigned ttl = 2; ttl < 256; ++ttl) {
        CHECK(seen[ttl - 2].ip->bytes == forwarded(lab.to_bob(32, static_cast<std::uint8_t>(ttl))));
        CHECK(seen[ttl - 2].source == mac(2));
        CHECK(seen[ttl - 2].destination == lab.bob.mac);
      }
      CHECK(lab.router.account().received == 254);
      CHECK(lab.router.account().sent == 254);
      CHECK(lab.router.drops().empty());
    }
  }
  WHEN("every checksum from 0 to 0xffff is met on the way") {
    // The ID walks through all values, and with it the checksum: RFC 1624's corner cases are there.
    Ip header = lab.from_alice("198.51.100.2");
    unsigned wrong = 0;
    for (unsigned id = 0; id < 0x10000; id += 13) {
      header.id = static_cast<std::uint16_t>(id);
      lab.alice.send(mac(1), udp_datagram(header, Udp{}, {}));
      lab.run_for(Duration::microseconds(1));
    }
    lab.run_until_quiet();
    for (const Seen& seen : lab.bob.datagrams())
      wrong += seen.ip->checksum_good ? 0 : 1;
    THEN("the update is right each time") {
      CHECK(wrong == 0);
      CHECK(lab.bob.datagrams().size() == 0x10000 / 13 + 1);
    }
  }
}

// What may stand at any place of a burst, and where it must end.
enum class Kin { Near, Far, Padded, LastHop, BadChecksum, NoRoute, Options, NotForUs, Last };

SCENARIO("Packets of all kinds in one burst each get what they would get alone",
         "[S7.1][S7.3][RFC1812-5.2.2]") {
  RouterLab lab;
  lab.no_rate_limits();
  time::Random random(7);
  // IDs by destination, in the order in which bob must see them: a flow keeps its order, whatever
  // lane it is on.
  std::map<Ipv4Address, std::vector<std::uint16_t>> expected, seen;
  std::map<Kin, unsigned> said;
  std::uint16_t id = 0;
  for (unsigned round = 0; round < 400; ++round) {
    // Rows of one kind, and bursts where nearly every packet is another one.
    const unsigned longest_row = round % 2 == 0 ? 1 : 12;
    for (unsigned count = 0; count < 48;) {
      const auto kin = static_cast<Kin>(random.below(static_cast<unsigned>(Kin::Last)));
      for (unsigned row = 1 + static_cast<unsigned>(random.below(longest_row)); row > 0; --row) {
        Ip header = lab.from_alice(kin == Kin::Far ? "203.0.113.9" : "198.51.100.2");
        header.id = ++id;
        header.ttl = kin == Kin::LastHop ? 1 : 64;
        if (kin == Kin::NoRoute) header.destination = ip("10.1.2.3");
        if (kin == Kin::Options) header.options = {1, 1, 1, 0};
        Bytes datagram = udp_datagram(header, Udp{}, pattern(kin == Kin::Padded ? 3 : 60));
        if (kin == Kin::BadChecksum) datagram[10] ^= 0x55;
        if (kin == Kin::Padded) datagram.resize(46);
        lab.alice.send(kin == Kin::NotForUs ? mac(77) : mac(1), datagram);
        if (kin <= Kin::Padded || kin == Kin::Options) expected[header.destination].push_back(id);
        ++said[kin];
        ++count;
      }
    }
    lab.run_until_quiet();
  }
  unsigned wrong = 0;
  for (const Seen& one : lab.bob.datagrams()) {
    seen[one.ip->destination].push_back(one.ip->id);
    wrong += one.ip->checksum_good && one.ip->ttl == 63 ? 0 : 1;
  }
  CHECK((seen == expected));
  CHECK(wrong == 0);
  CHECK(lab.alice.icmps().size() == said[Kin::LastHop] + said[Kin::NoRoute]);
  CHECK(lab.router.drops() == Drops{{"ip.TtlExceeded", said[Kin::LastHop]},
                                    {"ip.BadChecksum", said[Kin::BadChecksum]},
                                    {"ip.NoRoute", said[Kin::NoRoute]},
                                    {"link.NotForUs", said[Kin::NotForUs]}});
}

SCENARIO("Time to live runs out in transit", "[I12][RFC1812-5.3.1][RFC1812-4.3.3.4][RFC792]") {
  RouterLab lab;
  lab.no_rate_limits();
  for (const std::uint8_t ttl : {std::uint8_t{0}, std::uint8_t{1}}) {
    WHEN("a datagram is to be forwarded with TTL " + std::to_string(ttl)) {
      const Bytes datagram = lab.to_bob(700, ttl);
      lab.alice_says(datagram);
      THEN("its sender learns of it, from the address it came by") {
        CHECK(lab.bob.seen.empty());
        REQUIRE(lab.alice.icmps().size() == 1);
        const Seen error = lab.alice.icmps().front();
        check_error(error, 11, 0, datagram);
        CHECK(error.ip->source == ip("192.0.2.1"));
        CHECK(error.ip->destination == lab.alice.address());
        CHECK(error.ip->ttl == 64);
        CHECK(error.icmp->rest == 0);
        CHECK(lab.router.drops() == Drops{{"ip.TtlExceeded", 1}});
      }
    }
    WHEN("a datagram for the router itself has TTL " + std::to_string(ttl)) {
      Ip header = lab.from_alice("192.0.2.1", 1);
      header.ttl = ttl;
      lab.alice_says(header.with(Icmp{}.with(pattern(8))));
      THEN("it is delivered: RFC 1122 3.2.1.7 forbids to drop it for that") {
        REQUIRE(lab.alice.icmps().size() == 1);
        CHECK(int{lab.alice.icmps().front().icmp->type} == 0);
        CHECK(lab.router.drops().empty());
      }
    }
  }
}

struct RouteCase {
  const char* name;
  std::optional<route::Type> type;  // of the route to 10.9.0.0/16; none: no route
  const char* drop;
  int code;  // of the unreachable that the sender gets; -1: silence
};

const RouteCase kRoutes[] = {
    {"no route", std::nullopt, "ip.NoRoute", 0},
    {"unreachable", route::Type::Unreachable, "ip.RouteUnreachable", 1},
    {"prohibit", route::Type::Prohibit, "ip.RouteProhibit", 13},
    {"blackhole", route::Type::Blackhole, "ip.RouteBlackhole", -1},
};

SCENARIO("Destinations without a way", "[S6.3][RFC1812-5.2.7.1][RFC1122-3.2.2.1][RFC792]") {
  for (const RouteCase& one : kRoutes) {
    GIVEN(one.name) {
      RouterLab lab;
      if (one.type) {
        route::RouteSpec spec;
        spec.prefix = net("10.9.0.0/16");
        spec.type = *one.type;
        lab.router.add_route(spec);
      }
      lab.start();
      const Bytes datagram = udp_datagram(lab.from_alice("10.9.8.7"), Udp{}, pattern(40));
      lab.alice_says(datagram);
      THEN("the drop has its name, and the sender the right code or nothing") {
        CHECK(lab.router.drops() == Drops{{one.drop, 1}});
        CHECK(lab.bob.seen.empty());
        if (one.code < 0) {
          CHECK(lab.silent());
        } else {
          REQUIRE(lab.alice.icmps().size() == 1);
          check_error(lab.alice.icmps().front(), 3, static_cast<std::uint8_t>(one.code), datagram);
          CHECK(lab.alice.icmps().front().icmp->rest == 0);
        }
      }
    }
  }
}

SCENARIO("The longest prefix decides", "[S6.1][RFC1812-5.2.4.3]") {
  RouterLab lab;
  Station& carol = lab.add_station(lab.right, mac(0xc2), {ip("198.51.100.3")});
  lab.router.add_neighbour("right", carol.address(), carol.mac);
  lab.router.add_route("10.0.0.0/8", "198.51.100.2");
  lab.router.add_route("10.1.0.0/16", "198.51.100.3");
  lab.router.add_route("10.1.2.0/24", "198.51.100.2");
  lab.router.add_route("10.1.2.3/32", "198.51.100.3");
  route::RouteSpec hole;
  hole.prefix = net("10.1.2.128/25");
  hole.type = route::Type::Blackhole;
  lab.router.add_route(hole);
  const auto goes_to = [&](const char* to) -> const char* {
    lab.start();
    carol.forget();
    lab.alice_says(udp_datagram(lab.from_alice(to), Udp{}, pattern(8)));
    const std::size_t at_bob = lab.bob.datagrams().size();
    const std::size_t at_carol = carol.datagrams().size();
    if (at_bob + at_carol == 0) return "nowhere";
    return at_bob == 1 && at_carol == 0 ? "bob" : at_carol == 1 && at_bob == 0 ? "carol" : "both";
  };
  CHECK(goes_to("10.200.0.1") == std::string("bob"));
  CHECK(goes_to("10.1.200.1") == std::string("carol"));
  CHECK(goes_to("10.1.2.2") == std::string("bob"));
  CHECK(goes_to("10.1.2.3") == std::string("carol"));
  CHECK(goes_to("10.1.2.127") == std::string("bob"));
  CHECK(goes_to("10.1.2.128") == std::string("nowhere"));
  CHECK(lab.router.drops() == Drops{{"ip.RouteBlackhole", 1}});
  AND_WHEN("a route is removed") {
    route::RouteSpec spec;
    spec.prefix = net("10.1.2.3/32");
    REQUIRE(lab.router.stack().routes().remove(spec).ok());
    THEN("the next longer one takes over") {
      CHECK(goes_to("10.1.2.3") == std::string("bob"));
    }
  }
  AND_WHEN("the default route is all that fits") {
    lab.router.add_route("0.0.0.0/0", "198.51.100.3");
    THEN("it is taken") {
      CHECK(goes_to("8.8.8.8") == std::string("carol"));
      CHECK(goes_to("10.200.0.1") == std::string("bob"));
    }
  }
}

SCENARIO("Metrics choose among routes of one prefix", "[S6.3]") {
  RouterLab lab;
  Station& carol = lab.add_station(lab.right, mac(0xc2), {ip("198.51.100.3")});
  lab.router.add_neighbour("right", carol.address(), carol.mac);
  const auto add = [&](const char* gateway, std::uint32_t metric) {
    route::RouteSpec spec;
    spec.prefix = net("10.0.0.0/8");
    spec.metric = metric;
    spec.hops.push_back({.gateway = ip(gateway)});
    lab.router.add_route(spec);
    return spec;
  };
  add("198.51.100.2", 200);
  const route::RouteSpec better = add("198.51.100.3", 100);
  const Bytes datagram = udp_datagram(lab.from_alice("10.1.1.1"), Udp{}, pattern(8));
  lab.start();
  lab.alice_says(datagram);
  CHECK(carol.datagrams().size() == 1);
  CHECK(lab.bob.datagrams().empty());
  REQUIRE(lab.router.stack().routes().remove(better).ok());
  lab.alice_says(datagram);
  CHECK(carol.datagrams().size() == 1);
  CHECK(lab.bob.datagrams().size() == 1);
}

SCENARIO("Don't fragment on a narrow way", "[S7.3][RFC1191][RFC1812-4.3.3.3][RFC792]") {
  for (const std::uint32_t mtu : {68u, 576u, 1006u, 1280u, 1499u}) {
    GIVEN("a way out with an MTU of " + std::to_string(mtu)) {
      RouterLab lab({.right_mtu = mtu});
      Ip header = lab.from_alice("198.51.100.2");
      header.dont_fragment = true;
      WHEN("a datagram is one byte too long") {
        const Bytes datagram = udp_datagram(header, Udp{}, pattern(mtu + 1 - 28));
        lab.alice_says(datagram);
        THEN("fragmentation needed tells the MTU") {
          CHECK(lab.bob.seen.empty());
          REQUIRE(lab.alice.icmps().size() == 1);
          check_error(lab.alice.icmps().front(), 3, 4, datagram);
          CHECK(lab.alice.icmps().front().icmp->rest == mtu);
          CHECK(lab.router.drops() == Drops{{"ip.FragmentationNeeded", 1}});
        }
      }
      WHEN("it just fits") {
        const Bytes datagram = udp_datagram(header, Udp{}, pattern(mtu - 28));
        lab.alice_says(datagram);
        THEN("it goes on in one piece") {
          REQUIRE(lab.bob.datagrams().size() == 1);
          CHECK(lab.bob.datagrams().front().ip->bytes == forwarded(datagram));
          CHECK(lab.router.drops().empty());
        }
      }
    }
  }
  GIVEN("a route with an MTU of its own") {
    RouterLab lab;
    route::RouteSpec spec;
    spec.prefix = net("10.0.0.0/8");
    spec.mtu = 700;
    spec.hops.push_back({.gateway = lab.bob.address()});
    lab.router.add_route(spec);
    lab.start();
    Ip header = lab.from_alice("10.1.1.1");
    header.dont_fragment = true;
    const Bytes datagram = udp_datagram(header, Udp{}, pattern(701 - 28));
    lab.alice_says(datagram);
    THEN("the route's counts") {
      REQUIRE(lab.alice.icmps().size() == 1);
      check_error(lab.alice.icmps().front(), 3, 4, datagram);
      CHECK(lab.alice.icmps().front().icmp->rest == 700);
    }
  }
}

SCENARIO("Directed broadcasts are not forwarded", "[I11][RFC2644][RFC1812-5.3.5.2]") {
  RouterLab lab;
  lab.alice_says(lab.from_alice("198.51.100.255", 1).with(Icmp{}.with(pattern(16))));
  lab.alice_says(udp_datagram(lab.from_alice("198.51.100.255"), Udp{}, pattern(16)));
  lab.alice_says(udp_datagram(lab.from_alice("198.51.100.255"), Udp{}, {}));
  THEN("nobody on the other network hears of them, and nobody is answered") {
    CHECK(lab.bob.seen.empty());
    CHECK(lab.alice.datagrams().empty());
    CHECK(lab.router.account().sent == 0);
    CHECK(lab.router.account().dropped + lab.router.account().delivered == 3);
  }
}

SCENARIO("Redirects", "[I13][RFC1812-5.2.7.2][RFC1122-3.2.2.2]") {
  RouterLab lab;
  Station& carol = lab.add_station(lab.left, mac(0xc2), {ip("192.0.2.3")});
  lab.router.add_neighbour("left", carol.address(), carol.mac);
  lab.router.add_route("10.0.0.0/8", "192.0.2.3");
  const Bytes datagram = udp_datagram(lab.from_alice("10.1.1.1"), Udp{}, pattern(16));
  WHEN("they are off, as they are from the start") {
    lab.start();
    carol.forget();
    lab.alice_says(datagram);
    THEN("the datagram goes on and the sender learns nothing") {
      REQUIRE(carol.datagrams().size() == 1);
      CHECK(carol.datagrams().front().ip->bytes == forwarded(datagram));
      CHECK(lab.alice.icmps().empty());
    }
  }
  WHEN("they are on") {
    lab.router.ip().send_redirects = 1;
    lab.start();
    carol.forget();
    lab.alice_says(datagram);
    THEN("the sender is told the better gateway, and the datagram goes on all the same") {
      REQUIRE(carol.datagrams().size() == 1);
      CHECK(carol.datagrams().front().ip->bytes == forwarded(datagram));
      REQUIRE(lab.alice.icmps().size() == 1);
      check_error(lab.alice.icmps().front(), 5, 1, datagram);
      CHECK(lab.alice.icmps().front().icmp->rest == carol.address().host());
    }
  }
  WHEN("they are on, and the sender is not on the gateway's network") {
    lab.router.ip().send_redirects = 1;
    lab.start();
    carol.forget();
    Ip header = lab.from_alice("10.1.1.1");
    header.source = ip("172.16.5.5");
    lab.alice_says(udp_datagram(header, Udp{}, pattern(16)));
    THEN("nobody is told") {
      CHECK(carol.datagrams().size() == 1);
      CHECK(lab.alice.icmps().empty());
    }
  }
  WHEN("a redirect comes in") {
    lab.router.add_route("203.0.114.0/24", "198.51.100.2");
    lab.start();
    const Bytes about = udp_datagram(
        Ip{.source = ip("198.51.100.1"), .destination = ip("203.0.114.9")}, Udp{}, pattern(16));
    lab.bob_says(lab.from_bob("198.51.100.1", 1)
                     .with(Icmp{.type = 5, .code = 1, .rest = ip("198.51.100.66").host()}.with(
                         Bytes(about.begin(), about.begin() + 28))));
    THEN("it is ignored by name, and the route stays") {
      CHECK(lab.router.drops() == Drops{{"ip.IcmpRedirectIgnored", 1}});
      lab.alice_says(udp_datagram(lab.from_alice("203.0.114.9"), Udp{}, pattern(16)));
      CHECK(lab.bob.datagrams().size() == 1);
    }
  }
}

SCENARIO("Two routers that point at each other", "[I12][RFC1812-5.3.1]") {
  Lab lab;
  Segment& left = lab.add_segment();
  Segment& middle = lab.add_segment();
  Node& first = lab.add_node("first", {.forwarding = true});
  Node& second = lab.add_node("second", {.forwarding = true});
  Station& alice = lab.add_station(left, mac(0xa2), {ip("192.0.2.2")});
  first.add_port("left", left, mac(1));
  first.add_port("middle", middle, mac(2));
  second.add_port("middle", middle, mac(3));
  first.add_address("left", "192.0.2.1/24");
  first.add_address("middle", "198.51.100.1/24");
  second.add_address("middle", "198.51.100.2/24");
  first.add_route("10.0.0.0/8", "198.51.100.2");
  second.add_route("0.0.0.0/0", "198.51.100.1");
  lab.run_for(seconds(5));
  alice.forget();
  first.start_counting();
  second.start_counting();
  GIVEN("datagrams to a network that each expects behind the other") {
    const Ip header{.source = alice.address(), .destination = ip("10.1.2.3"), .ttl = 255};
    for (int i = 0; i < 10; ++i)
      alice.send(mac(1), udp_datagram(header, Udp{}, pattern(64)));
    lab.run_until_quiet();
    THEN("each dies when its hops are used up, and its sender learns of it at most once") {
      const stack::Account a = first.account();
      const stack::Account b = second.account();
      CHECK(a.sent + b.sent >= 10 * 254);
      CHECK(a.sent + b.sent <= 10 * 254 + 20);  // and errors, and ARP
      const Drops at_first = first.drops();
      const Drops at_second = second.drops();
      const auto count = [](const Drops& drops, const char* name) {
        const auto found = drops.find(name);
        return found == drops.end() ? std::uint64_t{0} : found->second;
      };
      CHECK(count(at_first, "ip.TtlExceeded") + count(at_second, "ip.TtlExceeded") == 10);
      CHECK(alice.icmps().size() <= 10);
      CHECK(!alice.icmps().empty());
      for (const Seen& error : alice.icmps()) {
        CHECK(int{error.icmp->type} == 11);
        CHECK(int{error.icmp->code} == 0);
      }
    }
  }
}

SCENARIO("A router's own routes say where its next hops are", "[S6.4][D5]") {
  RouterLab lab;
  WHEN("the device of a route goes down") {
    lab.router.set_link("right", false);
    lab.run_for(ms(100));
    lab.start();
    const Bytes datagram = lab.to_bob();
    lab.alice_says(datagram);
    THEN("the network is unreachable") {
      REQUIRE(lab.alice.icmps().size() == 1);
      CHECK(int{lab.alice.icmps().front().icmp->type} == 3);
      CHECK(lab.alice.icmps().front().icmp->code <= 1);
      CHECK(lab.bob.seen.empty());
    }
    AND_WHEN("it comes up again") {
      lab.router.set_link("right", true);
      lab.run_for(seconds(3));
      lab.start();
      lab.alice_says(datagram);
      THEN("the subnet's route is back") {
        REQUIRE(lab.bob.datagrams().size() == 1);
        CHECK(lab.bob.datagrams().front().ip->bytes == forwarded(datagram));
      }
    }
  }
}

}  // namespace
}  // namespace linnet::tests
