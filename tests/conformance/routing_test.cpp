// SPDX-License-Identifier: BSD-3-Clause
// Several ways to one destination, rules that choose tables, hook points, changes while traffic
// flows.
#include <set>

#include "conformance/lab.hpp"
#include "hook/hook.hpp"
#include "stack/lane_state.hpp"

namespace linnet::tests {
namespace {

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

// --- Policy rules

SCENARIO("Rules choose the table", "[S6.2][S6.1]") {
  ManyWays lab(1, 1);
  route::RouteSpec main;
  main.prefix = net("172.20.0.0/16");
  main.hops.push_back({.gateway = lab.bob.address()});
  lab.router.add_route(main);
  route::RouteSpec other = main;
  other.table = 100;
  other.hops.front().gateway = lab.carol.address();
  lab.router.add_route(other);
  const auto add = [&](route::Rule rule) {
    REQUIRE(lab.router.stack().routes().add_rule(rule).ok());
    return rule;
  };
  const auto way = [&](const Ip& header) -> std::string {
    lab.start();
    lab.carol.forget();
    lab.alice_says(udp_datagram(header, Udp{}, pattern(8)));
    return !lab.bob.datagrams().empty()     ? "main"
           : !lab.carol.datagrams().empty() ? "100"
           : !lab.alice.icmps().empty()
               ? "code " + std::to_string(int{lab.alice.icmps().front().icmp->code})
               : "nowhere";
  };
  Ip header = lab.from_alice("172.20.1.1");
  Ip stranger = header;
  stranger.source = ip("172.31.0.1");
  CHECK(way(header) == "main");
  WHEN("by the source") {
    const route::Rule rule = add({.priority = 100, .from = net("192.0.2.0/24"), .table = 100});
    CHECK(way(header) == "100");
    CHECK(way(stranger) == "main");
    REQUIRE(lab.router.stack().routes().remove_rule(rule).ok());
    CHECK(way(header) == "main");
  }
  WHEN("by the destination") {
    add({.priority = 100, .to = net("172.20.1.0/24"), .table = 100});
    CHECK(way(header) == "100");
    CHECK(way(lab.from_alice("172.20.2.1")) == "main");
  }
  WHEN("by the type of service") {
    add({.priority = 100, .tos = std::uint8_t{0x10}, .table = 100});
    CHECK(way(header) == "main");
    header.tos = 0x10;
    CHECK(way(header) == "100");
  }
  WHEN("by the device it came in on") {
    add({.priority = 100, .input_device = "left", .table = 100});
    CHECK(way(header) == "100");
  }
  WHEN("by a device it did not come in on") {
    add({.priority = 100, .input_device = "other", .table = 100});
    CHECK(way(header) == "main");
  }
  WHEN("the table knows no way") {
    add({.priority = 100, .table = 200});
    CHECK(way(header) == "main");
  }
  WHEN("the first that fits counts") {
    add({.priority = 200, .from = net("192.0.2.0/24"), .action = route::Type::Blackhole});
    add({.priority = 100, .from = net("192.0.2.2/32"), .table = 100});
    CHECK(way(header) == "100");
    Ip near = header;
    near.source = ip("192.0.2.3");
    CHECK(way(near) == "nowhere");
    CHECK(lab.router.drops() == Drops{{"ip.RouteBlackhole", 1}});
  }
  WHEN("a rule refuses") {
    add({.priority = 100, .from = net("192.0.2.0/24"), .action = route::Type::Prohibit});
    CHECK(way(header) == "code 13");
    CHECK(lab.router.drops() == Drops{{"ip.RouteProhibit", 1}});
  }
}

// --- Hook points

SCENARIO("Who passes which hook point", "[S9.1][S7.3]") {
  RouterLab lab;
  struct Visit {
    std::vector<hook::Point> points;
    hook::Verdict verdict = hook::Verdict::Accept;
    hook::Point at = hook::Point::Forward;
  } visit;
  using hook::Point;
  const auto look = [](void* self, packet::Turn&, Point point, packet::Packet&) {
    auto& seen = *static_cast<Visit*>(self);
    seen.points.push_back(point);
    return point == seen.at ? seen.verdict : hook::Verdict::Accept;
  };
  for (unsigned i = 0; i < lab.router.stack().lanes(); ++i) {
    for (const Point point :
         {Point::PreRouting, Point::Input, Point::Forward, Point::Output, Point::PostRouting})
      lab.router.lane(i).hooks.add(point, {.priority = 0, .run = look, .self = &visit});
  }
  const auto passed = [&](const Bytes& datagram) {
    visit.points.clear();
    lab.alice_says(datagram);
    return visit.points;
  };
  CHECK(
      (passed(lab.to_bob()) == std::vector{Point::PreRouting, Point::Forward, Point::PostRouting}));
  CHECK((passed(lab.echo()) ==
         std::vector{Point::PreRouting, Point::Input, Point::Output, Point::PostRouting}));
  Ip bad = lab.from_alice("198.51.100.2");
  bad.checksum_error = 1;
  CHECK(passed(bad.with(pattern(8))).empty());
  AND_WHEN("a function drops at FORWARD") {
    visit.verdict = hook::Verdict::Drop;
    lab.start();
    CHECK((passed(lab.to_bob()) == std::vector{Point::PreRouting, Point::Forward}));
    THEN("the datagram ends there by name") {
      CHECK(lab.router.drops() == Drops{{"hook.Verdict", 1}});
      CHECK(lab.silent());
    }
  }
}

// --- Changes while traffic flows

SCENARIO("A link that flaps under traffic", "[D5][S1.5]") {
  ManyWays lab(1, 1);
  time::Random random(modes().seed);
  std::uint64_t said = 0;
  for (unsigned round = 0; round < 500; ++round) {
    const char* const port = random.below(2) == 0 ? "other" : "right";
    if (random.below(2) == 0) {
      lab.router.set_carrier(port, random.below(2) == 0);
    } else {
      lab.router.set_link(port, random.below(2) == 0);
    }
    for (std::uint64_t n = random.below(5); n > 0; --n, ++said)
      lab.say(ManyWays::numbered(0xac100000, round), ip("10.1.2.3"), 5000);
    lab.run_for(ms(static_cast<std::int64_t>(random.below(100))));
  }
  for (const char* port : {"other", "right"}) {
    lab.router.set_carrier(port, true);
    lab.router.set_link(port, true);
  }
  lab.run_until_quiet();
  lab.run_for(seconds(10));
  THEN("each datagram had one end, and all is well afterwards") {
    CHECK(lab.router.account().received >= said);
    lab.start();
    lab.carol.forget();
    lab.alice_says(lab.to_bob());
    lab.run_until_quiet();
    CHECK(lab.bob.datagrams().size() == 1);
  }
}

SCENARIO("The MTU changes under traffic", "[D5][S1.1]") {
  if (modes().lowest) return;  // such a port has one MTU for life
  RouterLab lab;
  device::Device& right = lab.router.port("right");
  for (const std::uint32_t mtu : {1500u, 576u, 1280u, 68u, 1500u}) {
    REQUIRE(lab.router.stack().set_mtu(right, mtu).ok());
    lab.start();
    lab.alice_says(lab.to_bob(1400));
    INFO("MTU " << mtu);
    const std::size_t room = (mtu - 20) & ~std::size_t{7};
    CHECK(lab.bob.datagrams().size() == (mtu == 1500 ? 1 : (1408 + room - 1) / room));
  }
  CHECK_FALSE(lab.router.stack().set_mtu(right, 67).ok());
  CHECK(right.mtu() == 1500);
}

}  // namespace
}  // namespace linnet::tests
