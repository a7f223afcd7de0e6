// SPDX-License-Identifier: BSD-3-Clause
// Address resolution over the wire: RFC 826, RFC 1122 section 2.3.2, RFC 5227, RFC 1027.
#include <set>

#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

using neigh::Nud;

// What alice's station puts on the wire as ARP, padded as a NIC would.
Bytes arp_frame(const MacAddress& to, const MacAddress& from, const Arp& arp) {
  return Ether{to, from, 0x0806}.with(arp.bytes() + Bytes(18, 0));
}

std::vector<Seen> requests_for(const Station& station, Ipv4Address address) {
  std::vector<Seen> out;
  for (const Seen& frame : station.arps()) {
    if (frame.arp->operation == 1 && frame.arp->target_ip == address) out.push_back(frame);
  }
  return out;
}

SCENARIO("A datagram waits until its next hop's address is known",
         "[S5.2][S5.3][RFC826][RFC1122-2.3.2.2]") {
  RouterLab lab({.with_arp = true});
  WHEN("the first datagram for bob comes") {
    const Bytes datagram = lab.to_bob();
    lab.alice_says(datagram);
    THEN("one question goes to all stations, then the datagram to bob") {
      REQUIRE(lab.bob.seen.size() == 2);
      const Seen ask = lab.bob.seen[0];
      REQUIRE(ask.arp);
      CHECK(ask.destination == MacAddress::broadcast());
      CHECK(ask.source == mac(2));
      CHECK(ask.arp->operation == 1);
      CHECK(ask.arp->sender_mac == mac(2));
      CHECK(ask.arp->sender_ip == ip("198.51.100.1"));
      CHECK(ask.arp->target_mac == MacAddress());
      CHECK(ask.arp->target_ip == lab.bob.address());
      REQUIRE(lab.bob.seen[1].ip);
      CHECK(lab.bob.seen[1].ip->bytes == forwarded(datagram));
      CHECK(lab.bob.seen[1].destination == lab.bob.mac);
      CHECK(lab.router.neighbour("right", lab.bob.address())->state == Nud::Reachable);
      CHECK(lab.router.drops().empty());
    }
    AND_WHEN("more follow") {
      lab.bob.forget();
      for (int i = 0; i < 5; ++i)
        lab.alice_says(datagram);
      THEN("nobody is asked again") {
        CHECK(lab.bob.arps().empty());
        CHECK(lab.bob.datagrams().size() == 5);
      }
    }
  }
  WHEN("several datagrams come before the answer") {
    lab.bob.in.delay = ms(100);
    std::vector<Bytes> sent;
    for (unsigned i = 0; i < 5; ++i) {
      sent.push_back(lab.to_bob(20 + i));
      lab.alice_says(sent.back());
    }
    CHECK(lab.router.account().held == 5);
    lab.run_until_quiet();
    THEN("all go out, in their order, after one question") {
      CHECK(requests_for(lab.bob, lab.bob.address()).size() == 1);
      REQUIRE(lab.bob.datagrams().size() == 5);
      for (unsigned i = 0; i < 5; ++i)
        CHECK(lab.bob.datagrams()[i].ip->bytes == forwarded(sent[i]));
      CHECK(lab.router.account().held == 0);
    }
  }
  WHEN("more come than may wait") {
    lab.router.neigh().unres_packets = 3;
    lab.bob.in.delay = ms(500);
    std::vector<Bytes> sent;
    for (unsigned i = 0; i < 8; ++i) {
      sent.push_back(lab.to_bob(20 + i));
      lab.alice_says(sent.back());
    }
    CHECK(lab.router.account().held == 3);
    lab.run_until_quiet();
    THEN("the newest are kept") {
      REQUIRE(lab.bob.datagrams().size() == 3);
      for (unsigned i = 0; i < 3; ++i)
        CHECK(lab.bob.datagrams()[i].ip->bytes == forwarded(sent[5 + i]));
      CHECK(lab.router.drops() == Drops{{"neigh.PendingFull", 5}});
    }
  }
}

SCENARIO("Nobody answers", "[S5.4][RFC1122-2.3.2.2][RFC1812-5.2.7.1]") {
  RouterLab lab({.with_arp = true});
  lab.no_rate_limits();
  lab.bob.answers_arp = false;
  const Bytes datagram = lab.to_bob(100);
  lab.alice_says(datagram);
  lab.alice_says(datagram);
  lab.run_until_quiet();
  THEN("three questions a second apart, then host unreachable to the sender") {
    const std::vector<Seen> asked = requests_for(lab.bob, lab.bob.address());
    REQUIRE(asked.size() == 3);
    for (unsigned i = 1; i < 3; ++i) {
      CHECK((asked[i].at - asked[i - 1].at).count_ms() >= 1000);
      CHECK((asked[i].at - asked[i - 1].at).count_ms() <= 1200);
    }
    CHECK(lab.bob.datagrams().empty());
    REQUIRE(lab.alice.icmps().size() == 2);
    for (const Seen& error : lab.alice.icmps())
      check_error(error, 3, 1, forwarded(datagram));
    CHECK(lab.router.drops() == Drops{{"neigh.ResolutionFailed", 2}});
    CHECK(lab.router.neighbour("right", lab.bob.address())->state == Nud::Failed);
  }
  AND_WHEN("bob is back and a datagram comes") {
    lab.bob.answers_arp = true;
    lab.start();
    lab.run_for(seconds(2));
    lab.alice_says(datagram);
    lab.run_until_quiet();
    THEN("he is found") {
      CHECK(lab.bob.datagrams().size() == 1);
    }
  }
}

SCENARIO("Questions about our address are answered", "[S5.3][RFC826][RFC5227-2.1]") {
  RouterLab lab({.with_arp = true});
  const Arp ask{.operation = 1,
                .sender_mac = lab.alice.mac,
                .sender_ip = lab.alice.address(),
                .target_mac = {},
                .target_ip = ip("192.0.2.1")};
  const auto check_answer = [&](Ipv4Address to) {
    REQUIRE(lab.alice.arps().size() == 1);
    const Seen answer = lab.alice.arps().front();
    CHECK(answer.destination == lab.alice.mac);
    CHECK(answer.source == mac(1));
    CHECK(answer.arp->operation == 2);
    CHECK(answer.arp->sender_mac == mac(1));
    CHECK(answer.arp->sender_ip == ip("192.0.2.1"));
    CHECK(answer.arp->target_mac == lab.alice.mac);
    CHECK(answer.arp->target_ip == to);
    CHECK(lab.router.account().delivered == 1);
    CHECK(lab.router.account().generated == 1);
  };
  WHEN("a station asks all") {
    lab.alice_frame(arp_frame(MacAddress::broadcast(), lab.alice.mac, ask));
    THEN("it gets the answer, and is known from now on") {
      check_answer(lab.alice.address());
      REQUIRE(lab.router.neighbour("left", lab.alice.address()));
      CHECK(lab.router.neighbour("left", lab.alice.address())->mac == lab.alice.mac);
      CHECK(lab.router.neighbour("left", lab.alice.address())->state == Nud::Stale);
    }
  }
  WHEN("it asks us alone, as a probe of reachability") {
    lab.alice_frame(arp_frame(mac(1), lab.alice.mac, ask));
    THEN("it gets the answer") {
      check_answer(lab.alice.address());
    }
  }
  WHEN("a station without an address asks whether ours is free") {
    Arp probe = ask;
    probe.sender_ip = Ipv4Address();
    lab.alice_frame(arp_frame(MacAddress::broadcast(), lab.alice.mac, probe));
    THEN("it learns that it is not, and we learn nothing") {
      check_answer(Ipv4Address());
      CHECK_FALSE(lab.router.neighbour("left", lab.alice.address()));
      CHECK_FALSE(lab.router.neighbour("left", Ipv4Address()));
    }
  }
  WHEN("a station asks for another") {
    Arp other = ask;
    other.target_ip = ip("192.0.2.99");
    lab.alice_frame(arp_frame(MacAddress::broadcast(), lab.alice.mac, other));
    THEN("that is not our business") {
      CHECK(lab.silent());
      CHECK(lab.router.drops() == Drops{{"neigh.ArpNotForUs", 1}});
    }
  }
}

struct Forgery {
  const char* name;
  const char* drop;  // nullptr: taken in, and still harmless
  void (*change)(Arp& arp, Bytes& frame);
};

MacAddress sixes() {
  return MacAddress({0x66, 0x66, 0x66, 0x66, 0x66, 0x66});
}

// Packets that claim alice's address for another MAC. The sender is mallory.
const Forgery kForgeries[] = {
    {"hardware type 0", "neigh.ArpHardware", [](Arp& a, Bytes&) { a.hardware = 0; }},
    {"hardware type 6", "neigh.ArpHardware", [](Arp& a, Bytes&) { a.hardware = 6; }},
    {"hardware type 256", "neigh.ArpHardware", [](Arp& a, Bytes&) { a.hardware = 256; }},
    {"protocol 0x0806", "neigh.ArpHardware", [](Arp& a, Bytes&) { a.protocol = 0x0806; }},
    {"protocol 0x86dd", "neigh.ArpHardware", [](Arp& a, Bytes&) { a.protocol = 0x86dd; }},
    {"hardware size 0", "neigh.ArpHardware", [](Arp& a, Bytes&) { a.hardware_size = 0; }},
    {"hardware size 5", "neigh.ArpHardware", [](Arp& a, Bytes&) { a.hardware_size = 5; }},
    {"hardware size 255", "neigh.ArpHardware", [](Arp& a, Bytes&) { a.hardware_size = 255; }},
    {"protocol size 0", "neigh.ArpHardware", [](Arp& a, Bytes&) { a.protocol_size = 0; }},
    {"protocol size 16", "neigh.ArpHardware", [](Arp& a, Bytes&) { a.protocol_size = 16; }},
    {"operation 0", "neigh.ArpOperation", [](Arp& a, Bytes&) { a.operation = 0; }},
    {"operation 3, RARP", "neigh.ArpOperation", [](Arp& a, Bytes&) { a.operation = 3; }},
    {"operation 4", "neigh.ArpOperation", [](Arp& a, Bytes&) { a.operation = 4; }},
    {"operation 8, InARP", "neigh.ArpOperation", [](Arp& a, Bytes&) { a.operation = 8; }},
    {"operation 65535", "neigh.ArpOperation", [](Arp& a, Bytes&) { a.operation = 0xffff; }},
    {"sender MAC broadcast", "neigh.ArpSource",
     [](Arp& a, Bytes&) { a.sender_mac = MacAddress::broadcast(); }},
    {"sender MAC a group", "neigh.ArpSource",
     [](Arp& a, Bytes&) { a.sender_mac = MacAddress({1, 0, 0x5e, 0, 0, 5}); }},
    {"sender MAC zero", "neigh.ArpSource", [](Arp& a, Bytes&) { a.sender_mac = MacAddress(); }},
    {"sender MAC not the frame's", "neigh.ArpSource",
     [](Arp& a, Bytes&) { a.sender_mac = MacAddress({2, 9, 9, 9, 9, 9}); }},
    {"sender MAC the router's", nullptr, [](Arp& a, Bytes&) { a.sender_mac = mac(1); }},
    {"sender IP multicast", "neigh.ArpSenderAddress",
     [](Arp& a, Bytes&) { a.sender_ip = ip("224.0.0.9"); }},
    {"sender IP limited broadcast", "neigh.ArpSenderAddress",
     [](Arp& a, Bytes&) { a.sender_ip = ip("255.255.255.255"); }},
    {"sender IP subnet broadcast", "neigh.ArpSenderAddress",
     [](Arp& a, Bytes&) { a.sender_ip = ip("192.0.2.255"); }},
    {"sender IP loopback", "neigh.ArpSenderAddress",
     [](Arp& a, Bytes&) { a.sender_ip = ip("127.0.0.1"); }},
    {"target IP multicast", "neigh.ArpTargetAddress",
     [](Arp& a, Bytes&) { a.target_ip = ip("224.0.0.9"); }},
    {"target IP loopback", "neigh.ArpTargetAddress",
     [](Arp& a, Bytes&) { a.target_ip = ip("127.0.0.1"); }},
    {"cut at 0", "neigh.ArpTruncated", [](Arp&, Bytes& f) { f.resize(14); }},
    {"cut at 8", "neigh.ArpTruncated", [](Arp&, Bytes& f) { f.resize(14 + 8); }},
    {"cut at 27", "neigh.ArpTruncated", [](Arp&, Bytes& f) { f.resize(14 + 27); }},
    {"reply to nobody's question", nullptr, [](Arp& a, Bytes&) { a.operation = 2; }},
};

SCENARIO("Forged ARP packets change nobody's entry", "[L1][RFC826][S5.4]") {
  RouterLab lab({.with_arp = true});
  // Alice is known by her own answer, and trusted.
  lab.bob_says(udp_datagram(lab.from_bob("192.0.2.2"), Udp{}, pattern(8)));
  lab.run_until_quiet();
  REQUIRE(lab.router.neighbour("left", lab.alice.address())->state == Nud::Reachable);
  Station& mallory = lab.add_station(lab.left, sixes(), {ip("192.0.2.66")});
  for (const Forgery& forgery : kForgeries) {
    for (const std::uint16_t operation : {std::uint16_t{1}, std::uint16_t{2}}) {
      for (const bool to_all : {false, true}) {
        Arp arp{.operation = operation,
                .sender_mac = mallory.mac,
                .sender_ip = lab.alice.address(),
                .target_mac = operation == 2 ? mac(1) : MacAddress(),
                .target_ip = ip("192.0.2.77")};
        Bytes frame;
        forgery.change(arp, frame);  // the fields
        frame = arp_frame(to_all ? MacAddress::broadcast() : mac(1), mallory.mac, arp);
        forgery.change(arp, frame);  // the length
        if (forgery.drop == nullptr) continue;
        INFO(forgery.name << (operation == 1 ? ", request" : ", reply")
                          << (to_all ? ", to all" : ", to us"));
        lab.start();
        mallory.send(frame);
        lab.run_for(ms(20));
        CHECK(lab.router.drops() == Drops{{forgery.drop, 1}});
        const auto entry = lab.router.neighbour("left", lab.alice.address());
        REQUIRE(entry);
        CHECK(entry->mac == lab.alice.mac);
        CHECK(entry->state == Nud::Reachable);
        CHECK(lab.router.account().generated == 0);
      }
    }
  }
}

SCENARIO("Who claims another's address is not believed at once", "[L1][RFC1122-2.3.2.1]") {
  RouterLab lab({.with_arp = true});
  lab.bob_says(udp_datagram(lab.from_bob("192.0.2.2"), Udp{}, pattern(8)));
  lab.run_until_quiet();
  Station& mallory = lab.add_station(lab.left, sixes(), {ip("192.0.2.66")});
  const Arp claim{.operation = 2,
                  .sender_mac = mallory.mac,
                  .sender_ip = lab.alice.address(),
                  .target_mac = mac(1),
                  .target_ip = ip("192.0.2.1")};
  WHEN("an answer that nobody asked for comes right after the real one") {
    mallory.send(arp_frame(mac(1), mallory.mac, claim));
    lab.run_for(ms(20));
    THEN("the entry is locked for a second (Linux: locktime)") {
      CHECK(lab.router.neighbour("left", lab.alice.address())->mac == lab.alice.mac);
    }
  }
  WHEN("it comes later") {
    lab.run_for(seconds(3));
    lab.start();
    mallory.send(arp_frame(mac(1), mallory.mac, claim));
    lab.run_for(ms(20));
    THEN("the claim is at most STALE: unproven") {
      const auto entry = lab.router.neighbour("left", lab.alice.address());
      CHECK((entry->mac == lab.alice.mac || entry->state == Nud::Stale));
      CHECK((entry->mac == lab.alice.mac || entry->state != Nud::Reachable));
    }
  }
  WHEN("an entry was set by hand") {
    lab.router.add_neighbour("left", lab.alice.address(), lab.alice.mac);
    lab.run_for(seconds(3));
    for (const std::uint16_t operation : {std::uint16_t{1}, std::uint16_t{2}}) {
      Arp other = claim;
      other.operation = operation;
      mallory.send(arp_frame(mac(1), mallory.mac, other));
      other.target_ip = other.sender_ip;
      mallory.send(arp_frame(MacAddress::broadcast(), mallory.mac, other));
    }
    lab.run_for(seconds(1));
    THEN("it stays whatever anybody says") {
      CHECK(lab.router.neighbour("left", lab.alice.address())->mac == lab.alice.mac);
      CHECK(lab.router.neighbour("left", lab.alice.address())->state == Nud::Permanent);
    }
  }
}

SCENARIO("Gratuitous ARP", "[S5.3][RFC5227-2.3][L1]") {
  RouterLab lab({.with_arp = true});
  const Arp announcement{.operation = 1,
                         .sender_mac = lab.alice.mac,
                         .sender_ip = lab.alice.address(),
                         .target_mac = {},
                         .target_ip = lab.alice.address()};
  WHEN("a stranger announces itself") {
    lab.alice_frame(arp_frame(MacAddress::broadcast(), lab.alice.mac, announcement));
    THEN("it gets no entry") {
      CHECK_FALSE(lab.router.neighbour("left", lab.alice.address()));
      CHECK(lab.router.drops() == Drops{{"neigh.ArpUnsolicited", 1}});
      CHECK(lab.silent());
    }
  }
  WHEN("a stranger announces itself and such entries are wanted") {
    lab.router.neigh().arp_accept = 1;
    lab.alice_frame(arp_frame(MacAddress::broadcast(), lab.alice.mac, announcement));
    THEN("it gets one") {
      REQUIRE(lab.router.neighbour("left", lab.alice.address()));
      CHECK(lab.router.neighbour("left", lab.alice.address())->mac == lab.alice.mac);
    }
  }
  WHEN("a known station announces a new MAC") {
    lab.bob_says(udp_datagram(lab.from_bob("192.0.2.2"), Udp{}, pattern(8)));
    lab.run_until_quiet();
    lab.run_for(seconds(2));
    Arp moved = announcement;
    moved.sender_mac = mac(0xa3);
    lab.alice_frame(arp_frame(MacAddress::broadcast(), mac(0xa3), moved));
    THEN("its entry follows") {
      CHECK(lab.router.neighbour("left", lab.alice.address())->mac == mac(0xa3));
    }
  }
  WHEN("an address is added to a port") {
    lab.router.add_address("left", "192.0.2.9/24");
    lab.run_for(seconds(5));
    THEN("all stations are told") {
      unsigned told = 0;
      for (const Seen& frame : lab.alice.arps()) {
        if (frame.arp->sender_ip != ip("192.0.2.9")) continue;
        ++told;
        CHECK(frame.arp->target_ip == ip("192.0.2.9"));
        CHECK(frame.destination == MacAddress::broadcast());
        CHECK(frame.arp->sender_mac == mac(1));
      }
      CHECK(told >= 1);
      CHECK(told <= 2);
    }
  }
}

SCENARIO("A neighbour goes stale, is probed, and proves itself",
         "[S5.2][RFC1122-2.3.2.1][RFC4861-7.3]") {
  RouterLab lab({.with_arp = true});
  lab.alice_says(lab.to_bob());
  lab.run_until_quiet();
  const auto state = [&] { return lab.router.neighbour("right", lab.bob.address())->state; };
  REQUIRE(state() == Nud::Reachable);
  WHEN("nothing is sent for the reachable time") {
    lab.run_for(seconds(50));
    lab.start();
    THEN("it is STALE, and nobody was asked") {
      CHECK(state() == Nud::Stale);
      CHECK(lab.bob.arps().empty());
    }
    AND_WHEN("a datagram goes to it") {
      lab.alice_says(lab.to_bob());
      THEN("it goes at once, and the entry waits for a proof") {
        CHECK(lab.bob.datagrams().size() == 1);
        CHECK(state() == Nud::Delay);
        CHECK(lab.bob.arps().empty());
      }
      AND_WHEN("five seconds bring none") {
        lab.run_for(seconds(7));
        THEN("bob alone is asked, and answers") {
          const std::vector<Seen> asked = requests_for(lab.bob, lab.bob.address());
          REQUIRE(asked.size() == 1);
          CHECK(asked.front().destination == lab.bob.mac);
          CHECK(state() == Nud::Reachable);
        }
      }
      AND_WHEN("bob does not answer any more") {
        lab.bob.answers_arp = false;
        lab.no_rate_limits();
        lab.run_for(seconds(20));
        THEN("three unicast questions later the entry has failed") {
          CHECK(state() == Nud::Failed);
          const std::vector<Seen> asked = requests_for(lab.bob, lab.bob.address());
          REQUIRE(asked.size() >= 3);
          for (unsigned i = 0; i < 3; ++i)
            CHECK(asked[i].destination == lab.bob.mac);
        }
      }
    }
  }
}

SCENARIO("Proxy ARP answers for networks behind the router", "[S5.3][RFC1027]") {
  RouterLab lab({.with_arp = true});
  const Arp ask{.operation = 1,
                .sender_mac = lab.alice.mac,
                .sender_ip = lab.alice.address(),
                .target_mac = {},
                .target_ip = lab.bob.address()};
  const Bytes frame = arp_frame(MacAddress::broadcast(), lab.alice.mac, ask);
  WHEN("it is off") {
    lab.alice_frame(frame);
    THEN("nobody answers for bob") {
      CHECK(lab.alice.arps().empty());
    }
  }
  WHEN("it is on") {
    lab.router.neigh().proxy_arp = 1;
    lab.alice_frame(frame);
    THEN("the router answers with its own MAC") {
      REQUIRE(lab.alice.arps().size() == 1);
      CHECK(lab.alice.arps().front().arp->sender_ip == lab.bob.address());
      CHECK(lab.alice.arps().front().arp->sender_mac == mac(1));
    }
    AND_WHEN("the question is for a host of the same network") {
      lab.start();
      Arp near = ask;
      near.target_ip = ip("192.0.2.50");
      lab.alice_frame(arp_frame(MacAddress::broadcast(), lab.alice.mac, near));
      THEN("it may answer for itself") {
        CHECK(lab.alice.arps().empty());
      }
    }
  }
  WHEN("one address is to be answered for") {
    REQUIRE(lab.router.stack()
                .neighbours()
                .add_proxy(lab.router.index("left"), lab.bob.address())
                .ok());
    lab.run_for(ms(10));
    lab.alice_frame(frame);
    THEN("it is") {
      REQUIRE(lab.alice.arps().size() == 1);
      CHECK(lab.alice.arps().front().arp->sender_ip == lab.bob.address());
    }
  }
}

SCENARIO("Another station uses our address", "[S5.3][RFC5227-2.4]") {
  RouterLab lab({.with_arp = true});
  Station& mallory = lab.add_station(lab.left, sixes(), {});
  const Arp claim{.operation = 1,
                  .sender_mac = mallory.mac,
                  .sender_ip = ip("192.0.2.1"),
                  .target_mac = {},
                  .target_ip = ip("192.0.2.50")};
  const auto defences = [&] {
    std::size_t count = 0;
    for (const Seen& frame : lab.alice.arps()) {
      count += frame.arp->sender_mac == mac(1) && frame.arp->sender_ip == ip("192.0.2.1") &&
                       frame.arp->target_ip == ip("192.0.2.1")
                   ? 1
                   : 0;
    }
    return count;
  };
  for (int i = 0; i < 5; ++i) {
    mallory.send(arp_frame(MacAddress::broadcast(), mallory.mac, claim));
    lab.run_for(ms(500));
  }
  THEN("it is defended once in ten seconds, and every conflict counted") {
    CHECK(defences() == 1);
    CHECK(lab.router.drops() == Drops{{"neigh.ArpConflict", 5}});
  }
  AND_WHEN("it happens again later") {
    lab.run_for(seconds(11));
    mallory.send(arp_frame(MacAddress::broadcast(), mallory.mac, claim));
    lab.run_for(ms(500));
    THEN("it is defended again") {
      CHECK(defences() == 2);
    }
  }
}

SCENARIO("An address is probed before it is used", "[S5.3][RFC5227-2.1.1]") {
  RouterLab lab({.with_arp = true});
  const Ipv4Address wanted = ip("192.0.2.40");
  route::Address address;
  address.interface = interface_of("192.0.2.40/24");
  address.tentative = true;
  const std::uint16_t device = lab.router.index("left");
  const auto listed = [&] {
    for (const route::Address& one : lab.router.stack().addresses().list(device)) {
      if (one.interface.address == wanted) return one;
    }
    return route::Address{};
  };
  REQUIRE(lab.router.stack().addresses().add(device, address).ok());
  REQUIRE(lab.router.stack().neighbours().probe_address(device, wanted).ok());
  WHEN("nobody has it") {
    lab.run_for(seconds(15));
    THEN("three probes from no address, then two announcements, and it is ours") {
      std::vector<Seen> probes, announcements;
      for (const Seen& frame : lab.alice.arps()) {
        if (frame.arp->target_ip != wanted) continue;
        (frame.arp->sender_ip.is_any() ? probes : announcements).push_back(frame);
      }
      REQUIRE(probes.size() == 3);
      for (const Seen& probe : probes) {
        CHECK(probe.arp->operation == 1);
        CHECK(probe.destination == MacAddress::broadcast());
        CHECK(probe.arp->target_mac == MacAddress());
      }
      for (unsigned i = 1; i < 3; ++i) {
        CHECK((probes[i].at - probes[i - 1].at).count_ms() >= 1000);
        CHECK((probes[i].at - probes[i - 1].at).count_ms() <= 2300);
      }
      REQUIRE(announcements.size() == 2);
      CHECK(announcements.front().arp->sender_ip == wanted);
      CHECK((announcements[0].at - probes[2].at).count_ms() >= 2000);
      CHECK_FALSE(listed().duplicate);
      CHECK_FALSE(listed().tentative);
    }
  }
  WHEN("another station answers") {
    lab.alice.addresses.push_back(wanted);
    lab.run_for(seconds(15));
    THEN("it is marked a duplicate and never announced") {
      CHECK(listed().duplicate);
      for (const Seen& frame : lab.alice.arps())
        CHECK_FALSE(frame.arp->sender_ip == wanted);
      CHECK(lab.router.drops() == Drops{{"neigh.ArpConflict", 1}});
    }
  }
  WHEN("another station probes for the same address") {
    lab.run_for(ms(100));
    lab.alice.send(arp_frame(MacAddress::broadcast(), lab.alice.mac,
                             Arp{.operation = 1,
                                 .sender_mac = lab.alice.mac,
                                 .sender_ip = {},
                                 .target_mac = {},
                                 .target_ip = wanted}));
    lab.run_for(seconds(15));
    THEN("neither may have it") {
      CHECK(listed().duplicate);
    }
  }
}

SCENARIO("A sweep over unknown addresses harms no known neighbour", "[L2][RFC6583][S5.4]") {
  RouterLab lab({.with_arp = true, .node = {.packets = 4096, .neighbours = 256}});
  lab.router.neigh().gc_thresh1 = 16;
  lab.router.neigh().gc_thresh2 = 64;
  lab.router.neigh().gc_thresh3 = 128;
  lab.alice_says(lab.to_bob());
  lab.run_until_quiet();
  REQUIRE(lab.router.neighbour("right", lab.bob.address())->state == Nud::Reachable);
  lab.start();
  unsigned victim = 0;
  const std::uint32_t free_before = lab.router.stack().pool().available();
  for (unsigned i = 0; i < 4000; ++i) {
    lab.alice.send(mac(1), udp_datagram(lab.from_alice("198.51.100." + std::to_string(3 + i % 250)),
                                        Udp{}, pattern(8)));
    if (i % 10 == 0) {
      lab.alice.send(mac(1), lab.to_bob());
      ++victim;
    }
    lab.run_for(ms(1));
    const auto counts = lab.router.stack().neighbours().counts();
    REQUIRE(counts.entries <= 129);
    REQUIRE(counts.incomplete <= 64);
    REQUIRE(free_before - lab.router.stack().pool().available() <= 1024);
  }
  THEN("every datagram to the known neighbour went through") {
    CHECK(lab.bob.datagrams().size() == victim);
    std::map<std::uint32_t, std::vector<time::Instant>> asked;
    for (const Seen& frame : lab.bob.arps())
      asked[frame.arp->target_ip.host()].push_back(frame.at);
    for (const auto& [target, times] : asked) {
      for (std::size_t i = 1; i < times.size(); ++i)
        CHECK((times[i] - times[i - 1]).count_ms() >= 990);
    }
    CHECK(asked.size() >= 32);
  }
  lab.run_until_quiet();
}

}  // namespace
}  // namespace linnet::tests
