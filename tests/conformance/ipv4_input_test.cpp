// SPDX-License-Identifier: BSD-3-Clause
// IPv4 input: the header checks of RFC 1812 section 5.2.2 in their order, martians (section 5.3.7,
// RFC 6890), reverse path (RFC 3704).
#include <functional>

#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

// A good datagram to whom: through the router or to it.
Ip header_to(const RouterLab& lab, bool local) {
  return lab.from_alice(local ? "192.0.2.1" : "198.51.100.2", 1);
}
Bytes good_datagram(const RouterLab& lab, bool local) {
  return header_to(lab, local).with(Icmp{}.with(pattern(24)));
}

struct Mutation {
  const char* name;
  std::function<void(Ip&)> change;
  const char* drop;
};

const Mutation kMutations[] = {
    {"checksum one off", [](Ip& ip) { ip.checksum_error = 1; }, "ip.BadChecksum"},
    {"checksum one less", [](Ip& ip) { ip.checksum_error = -1; }, "ip.BadChecksum"},
    {"checksum zero", [](Ip& ip) { ip.checksum = std::uint16_t{0}; }, "ip.BadChecksum"},
    {"checksum all ones", [](Ip& ip) { ip.checksum = std::uint16_t{0xffff}; }, "ip.BadChecksum"},
    {"version 0", [](Ip& ip) { ip.version = std::uint8_t{0}; }, "ip.BadVersion"},
    {"version 5", [](Ip& ip) { ip.version = std::uint8_t{5}; }, "ip.BadVersion"},
    {"version 6", [](Ip& ip) { ip.version = std::uint8_t{6}; }, "ip.BadVersion"},
    {"version 15", [](Ip& ip) { ip.version = std::uint8_t{15}; }, "ip.BadVersion"},
    {"IHL 0", [](Ip& ip) { ip.ihl = std::uint8_t{0}; }, "ip.BadHeaderLength"},
    {"IHL 4", [](Ip& ip) { ip.ihl = std::uint8_t{4}; }, "ip.BadHeaderLength"},
    {"total length 0", [](Ip& ip) { ip.total_length = std::uint16_t{0}; }, "ip.BadTotalLength"},
    {"total length 19", [](Ip& ip) { ip.total_length = std::uint16_t{19}; }, "ip.BadTotalLength"},
    {"total length one more than there is",
     [](Ip& ip) { ip.total_length = std::uint16_t{20 + 8 + 24 + 1}; }, "ip.BadTotalLength"},
    {"total length 65535", [](Ip& ip) { ip.total_length = std::uint16_t{65535}; },
     "ip.BadTotalLength"},
    // Two faults: the check that comes first in RFC 1812 names the drop.
    {"wrong checksum and version",
     [](Ip& ip) {
       ip.checksum_error = 1;
       ip.version = std::uint8_t{6};
     },
     "ip.BadChecksum"},
    {"wrong checksum and total length",
     [](Ip& ip) {
       ip.checksum_error = 1;
       ip.total_length = std::uint16_t{0};
     },
     "ip.BadChecksum"},
    {"wrong version and total length",
     [](Ip& ip) {
       ip.version = std::uint8_t{5};
       ip.total_length = std::uint16_t{0};
     },
     "ip.BadVersion"},
};

SCENARIO("One wrong field is one named drop and nothing else",
         "[S7.1][RFC1812-5.2.2][RFC1122-3.2.1]") {
  RouterLab lab;
  for (const bool local : {false, true}) {
    for (const Mutation& mutation : kMutations) {
      INFO(mutation.name << (local ? ", to the router" : ", through the router"));
      lab.start();
      Ip header = header_to(lab, local);
      mutation.change(header);
      lab.alice_says(header.with(Icmp{}.with(pattern(24))));
      CHECK(lab.router.drops() == Drops{{mutation.drop, 1}});
      CHECK(lab.router.account().received == 1);
      CHECK(lab.router.account().generated == 0);
      CHECK(lab.silent());
    }
    INFO("the unchanged datagram" << (local ? ", to the router" : ", through the router"));
    lab.start();
    lab.alice_says(good_datagram(lab, local));
    CHECK(lab.router.drops().empty());
    CHECK_FALSE(lab.silent());
  }
}

SCENARIO("Any flipped bit of the header is found", "[S7.1][RFC1122-3.2.1.2]") {
  RouterLab lab;
  for (const bool local : {false, true}) {
    const Bytes good = good_datagram(lab, local);
    lab.start();
    for (unsigned bit = 0; bit < 160; ++bit) {
      Bytes bad = good;
      bad[bit / 8] ^= static_cast<std::uint8_t>(0x80u >> bit % 8);
      lab.alice_says(bad);
    }
    CHECK(lab.router.account().received == 160);
    CHECK(lab.router.account().dropped == 160);
    CHECK(lab.silent());
    // Of the IHL's four bits three make it too short or too long to sum at all, see below.
    for (const auto& [name, count] : lab.router.drops())
      CHECK((name == "ip.BadChecksum" || name == "ip.BadHeaderLength"));
  }
}

SCENARIO("A datagram cut anywhere ends by name", "[S7.1][RFC1812-5.2.2][I8]") {
  RouterLab lab;
  const Bytes good = good_datagram(lab, true);
  for (std::size_t length = 0; length < good.size(); ++length) {
    INFO(length << " bytes");
    lab.start();
    lab.alice_says(Bytes(good.begin(), good.begin() + static_cast<long>(length)));
    CHECK(lab.router.drops() == Drops{{length < 20 ? "ip.Truncated" : "ip.BadTotalLength", 1}});
    CHECK(lab.silent());
  }
}

// The lengths that a frame has three times: IHL, total length, bytes that came.
SCENARIO("Header, total and frame length agree, or the datagram ends", "[I8][T8][RFC1812-5.2.2]") {
  RouterLab lab;
  unsigned accepted = 0;
  for (unsigned ihl = 0; ihl <= 15; ++ihl) {
    for (const unsigned base : {20u, 28u, 60u, 68u, 100u}) {
      for (int total_off = -2; total_off <= 2; ++total_off) {
        for (int frame_off = -2; frame_off <= 2; ++frame_off) {
          const auto total = static_cast<unsigned>(static_cast<int>(base) + total_off);
          const auto length = static_cast<unsigned>(static_cast<int>(base) + frame_off);
          Bytes datagram = header_to(lab, false).with(Bytes(80, 1));  // 1: NOP, where options are
          datagram[0] = static_cast<std::uint8_t>(0x40 | ihl);
          datagram[2] = 0;
          datagram[3] = static_cast<std::uint8_t>(total);
          datagram[10] = datagram[11] = 0;
          const std::size_t summed = ihl < 5 ? 20 : std::min(ihl * 4, length);
          const std::uint16_t sum =
              checksum_of(Bytes(datagram.begin(), datagram.begin() + static_cast<long>(summed)));
          datagram[10] = static_cast<std::uint8_t>(sum >> 8);
          datagram[11] = static_cast<std::uint8_t>(sum);
          datagram.resize(length);
          lab.start();
          lab.alice_says(datagram);
          const bool good = length >= 20 && ihl >= 5 && ihl * 4 <= total && total <= length;
          INFO("IHL " << ihl << ", total " << total << ", frame " << length);
          if (good) {
            ++accepted;
            CHECK(lab.router.drops().empty());
            REQUIRE(lab.bob.datagrams().size() == 1);
            CHECK(lab.bob.datagrams().front().ip->bytes.size() == total);
          } else {
            const char* const why = length < 20                   ? "ip.Truncated"
                                    : ihl < 5 || ihl * 4 > length ? "ip.BadHeaderLength"
                                                                  : "ip.BadTotalLength";
            CHECK(lab.router.drops() == Drops{{why, 1}});
            CHECK(lab.silent());
          }
        }
      }
    }
  }
  CHECK(accepted > 400);
}

SCENARIO("Fields that a router may not judge go through untouched",
         "[RFC1812-5.3][RFC1812-5.3.1][S7.3]") {
  RouterLab lab;
  WHEN("datagrams with each type of service come") {
    for (unsigned tos = 0; tos < 256; ++tos) {
      Ip header = header_to(lab, false);
      header.tos = static_cast<std::uint8_t>(tos);
      lab.alice_says(header.with(Icmp{}.with(pattern(8))));
    }
    THEN("each keeps its own") {
      REQUIRE(lab.bob.datagrams().size() == 256);
      for (unsigned tos = 0; tos < 256; ++tos)
        CHECK(lab.bob.datagrams()[tos].ip->tos == tos);
    }
  }
  WHEN("datagrams of every protocol come, with a wrong checksum inside") {
    for (unsigned protocol = 0; protocol < 256; ++protocol) {
      Ip header = header_to(lab, false);
      header.protocol = static_cast<std::uint8_t>(protocol);
      lab.alice_says(header.with(Icmp{.checksum_error = 1}.with(pattern(8))));
    }
    THEN("the router looks at none of it") {
      CHECK(lab.bob.datagrams().size() == 256);
      CHECK(lab.router.drops().empty());
    }
  }
}

struct Martian {
  const char* address;
  const char* forwarded;  // the drop of a datagram that is to pass; nullptr: it passes
  const char* local;      // of one to the router itself; nullptr: it is delivered
};

// RFC 6890's special-purpose prefixes as sources, first and last address of each.
const Martian kSources[] = {
    {"0.0.0.0", "ip.MartianSource", "ip.MartianSource"},
    {"0.0.0.1", "ip.MartianSource", "ip.MartianSource"},
    {"0.255.255.255", "ip.MartianSource", "ip.MartianSource"},
    {"127.0.0.0", "ip.MartianSource", "ip.MartianSource"},
    {"127.0.0.1", "ip.MartianSource", "ip.MartianSource"},
    {"127.255.255.255", "ip.MartianSource", "ip.MartianSource"},
    {"224.0.0.0", "ip.MartianSource", "ip.MartianSource"},
    {"224.0.0.1", "ip.MartianSource", "ip.MartianSource"},
    {"239.255.255.255", "ip.MartianSource", "ip.MartianSource"},
    {"240.0.0.0", "ip.MartianSource", "ip.MartianSource"},
    {"250.1.2.3", "ip.MartianSource", "ip.MartianSource"},
    {"255.255.255.254", "ip.MartianSource", "ip.MartianSource"},
    {"255.255.255.255", "ip.MartianSource", "ip.MartianSource"},
    {"192.0.2.1", "ip.OwnSource", "ip.OwnSource"},            // the port's own
    {"198.51.100.1", "ip.OwnSource", "ip.OwnSource"},         // another port's
    {"192.0.2.255", "ip.MartianSource", "ip.MartianSource"},  // our subnets' broadcasts
    {"198.51.100.255", "ip.MartianSource", "ip.MartianSource"},
    {"169.254.1.1", "ip.NotForwardable", nullptr},  // RFC 3927: stays on its link
    {"10.0.0.1", nullptr, nullptr},                 // private, not martian (RFC 1918)
    {"172.16.0.1", nullptr, nullptr},
    {"192.168.0.1", nullptr, nullptr},
    {"100.64.0.1", nullptr, nullptr},
    {"126.255.255.255", nullptr, nullptr},
    {"128.0.0.1", nullptr, nullptr},
    {"223.255.255.254", nullptr, nullptr},
};

SCENARIO("Source addresses that nobody can have",
         "[I9][I10][RFC1812-5.3.7][RFC6890][RFC1122-3.2.1.3]") {
  RouterLab lab;
  for (const Martian& martian : kSources) {
    for (const bool local : {false, true}) {
      INFO("from " << martian.address << (local ? " to the router" : " through the router"));
      lab.start();
      Ip header = header_to(lab, local);
      header.source = ip(martian.address);
      lab.alice_says(header.with(Icmp{.type = 0}.with(pattern(24))));
      const char* const why = local ? martian.local : martian.forwarded;
      if (why != nullptr) {
        CHECK(lab.router.drops() == Drops{{why, 1}});
        CHECK(lab.router.account().generated == 0);
      } else if (local) {
        CHECK(lab.router.account().delivered + lab.router.account().dropped == 1);
        CHECK(lab.router.drops().count("ip.MartianSource") == 0);
      } else {
        CHECK(lab.bob.datagrams().size() == 1);
        CHECK(lab.router.drops().empty());
      }
      CHECK(lab.alice.seen.empty());
    }
  }
}

SCENARIO("Destinations that may not stand in a frame", "[I9][RFC1812-5.3.7][RFC6890]") {
  RouterLab lab;
  for (const char* const to : {"0.0.0.0", "0.1.2.3", "0.255.255.255", "127.0.0.1", "127.1.2.3",
                               "127.255.255.255", "240.0.0.0", "251.2.3.4", "255.255.255.254"}) {
    INFO("to " << to);
    lab.start();
    Ip header = header_to(lab, false);
    header.destination = ip(to);
    lab.alice_says(header.with(Icmp{}.with(pattern(24))));
    CHECK(lab.router.drops() == Drops{{"ip.MartianDestination", 1}});
    CHECK(lab.router.account().generated == 0);
    CHECK(lab.silent());
  }
  AND_WHEN("a link-local destination is to be forwarded by the default route") {
    lab.router.add_route("0.0.0.0/0", "198.51.100.2");
    lab.start();
    Ip header = header_to(lab, false);
    header.destination = ip("169.254.7.7");
    lab.alice_says(header.with(Icmp{}.with(pattern(24))));
    THEN("it stays on its link") {
      CHECK(lab.router.drops() == Drops{{"ip.NotForwardable", 1}});
      CHECK(lab.silent());
    }
  }
}

SCENARIO("LAND: a datagram from ourselves to ourselves", "[I10][RFC1812-5.3.7]") {
  RouterLab lab;
  Ip header{.source = ip("192.0.2.1"), .destination = ip("192.0.2.1")};
  lab.alice_says(udp_datagram(header, Udp{.source_port = 7, .destination_port = 7}, pattern(8)));
  header.protocol = 1;
  lab.alice_says(header.with(Icmp{}.with(pattern(8))));
  CHECK(lab.router.drops() == Drops{{"ip.OwnSource", 2}});
  CHECK(lab.router.account().generated == 0);
  CHECK(lab.silent());
}

SCENARIO("A host forwards nothing", "[RFC1122-3.3.1][S7.3][R11]") {
  RouterLab lab({.forwarding = false});
  lab.alice_says(lab.to_bob());
  lab.alice_says(udp_datagram(lab.from_alice("203.0.113.9"), Udp{}, pattern(8)));
  lab.alice_says(udp_datagram(lab.from_alice("8.8.8.8"), Udp{}, pattern(8)));
  CHECK(lab.router.drops() == Drops{{"ip.ForwardingOff", 3}});
  CHECK(lab.router.account().generated == 0);
  CHECK(lab.silent());
}

SCENARIO("Reverse path filtering", "[I9][RFC3704]") {
  RouterLab lab;
  const auto spoofed = [&](const char* from) {
    Ip header = lab.from_alice("198.51.100.2");
    header.source = ip(from);
    return udp_datagram(header, Udp{}, pattern(8));
  };
  WHEN("it is strict") {
    lab.router.ip().rp_filter = 1;
    lab.alice_says(spoofed("192.0.2.77"));
    lab.alice_says(spoofed("203.0.113.7"));  // its way back is the other port
    lab.alice_says(spoofed("8.8.8.8"));      // it has none
    THEN("only the device that leads back is a way in") {
      CHECK(lab.bob.datagrams().size() == 1);
      CHECK(lab.router.drops() == Drops{{"ip.ReversePath", 2}});
      CHECK(lab.alice.seen.empty());
    }
  }
  WHEN("it is loose") {
    lab.router.ip().rp_filter = 2;
    lab.alice_says(spoofed("192.0.2.77"));
    lab.alice_says(spoofed("203.0.113.7"));
    lab.alice_says(spoofed("8.8.8.8"));
    THEN("any way back will do") {
      CHECK(lab.bob.datagrams().size() == 2);
      CHECK(lab.router.drops() == Drops{{"ip.ReversePath", 1}});
      CHECK(lab.alice.seen.empty());
    }
  }
}

}  // namespace
}  // namespace linnet::tests
