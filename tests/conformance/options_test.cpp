// SPDX-License-Identifier: BSD-3-Clause
// IPv4 options: RFC 791 section 3.1, RFC 1122 section 3.2.1.8, RFC 1812 section 5.3.13.
#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

constexpr std::uint8_t kEnd = 0, kNop = 1, kRecordRoute = 7, kTimestamp = 68, kSecurity = 130,
                       kLoose = 131, kStrict = 137, kAlert = 148;

enum class Fate { Pass, Bad, SourceRoute };

// What RFC 791 makes of one option of `type`, `length` and `pointer` that has 40 bytes of room, the
// rest zeros.
Fate fate_of(std::uint8_t type, unsigned length, unsigned pointer) {
  if (type == kEnd) return Fate::Pass;
  if (length < 2 || length > 40) return Fate::Bad;
  const bool route = type == kRecordRoute || type == kLoose || type == kStrict;
  if (route) {
    if (length < 3 || pointer < 4) return Fate::Bad;
    if (pointer <= length && pointer + 3 > length) return Fate::Bad;
    return type == kRecordRoute ? Fate::Pass : Fate::SourceRoute;
  }
  if (type == kTimestamp) {
    if (length < 4 || pointer < 5) return Fate::Bad;
    return pointer <= length && pointer + 3 > length ? Fate::Bad : Fate::Pass;
  }
  if (type == kAlert) return length < 4 ? Fate::Bad : Fate::Pass;
  if (type == kSecurity) return length < 3 ? Fate::Bad : Fate::Pass;
  return Fate::Pass;
}

SCENARIO("Every type, length and pointer of an option", "[I7][S7.1][RFC791-3.1][RFC1122-3.2.1.8]") {
  for (const std::uint8_t type :
       {kEnd, kRecordRoute, kTimestamp, kSecurity, kLoose, kStrict, kAlert}) {
    GIVEN("option " + std::to_string(type)) {
      RouterLab lab;
      lab.no_rate_limits();
      lab.start();
      Ip header = lab.from_alice("198.51.100.2");
      std::map<Fate, std::uint64_t> expected;
      unsigned sent = 0;
      for (unsigned length = 0; length <= 41; ++length) {
        for (unsigned pointer = 0; pointer <= 42; ++pointer) {
          header.options = Bytes(40, 0);
          header.options[0] = type;
          header.options[1] = static_cast<std::uint8_t>(length);
          header.options[2] = static_cast<std::uint8_t>(pointer);
          if (type == kSecurity || type == kAlert) header.options[2] = 0;
          ++expected[fate_of(type, length, pointer)];
          lab.alice.send(mac(1), udp_datagram(header, Udp{}, {}));
          ++sent;
          lab.run_for(Duration::microseconds(100));
        }
      }
      lab.run_until_quiet();
      THEN("what is well formed passes, the rest is answered or refused by name") {
        Drops drops;
        if (expected[Fate::Bad] != 0) drops["ip.BadOption"] = expected[Fate::Bad];
        if (expected[Fate::SourceRoute] != 0) drops["ip.SourceRoute"] = expected[Fate::SourceRoute];
        CHECK(lab.router.drops() == drops);
        CHECK(lab.bob.datagrams().size() == expected[Fate::Pass]);
        CHECK(lab.alice.icmps().size() == expected[Fate::Bad]);
        CHECK(sent == 42 * 43);
        for (const Seen& error : lab.alice.icmps()) {
          CHECK(int{error.icmp->type} == 12);
          CHECK(int{error.icmp->code} == 0);
          const unsigned pointer = error.icmp->rest >> 24;
          CHECK(pointer >= 20);
          CHECK(pointer < 60);
        }
      }
    }
  }
}

SCENARIO("A parameter problem points at the byte that is wrong", "[I7][RFC792][RFC1122-3.2.2.5]") {
  struct Case {
    Bytes options;
    unsigned pointer;
  };
  const Case cases[] = {
      {{kRecordRoute}, 20},                                 // no length byte follows: NOP first
      {{kNop, kRecordRoute, 0, 4}, 21},                     // length 0
      {{kNop, kNop, kRecordRoute, 1}, 22},                  // length 1
      {{kRecordRoute, 41, 4, 0}, 20},                       // longer than the header
      {{kRecordRoute, 7, 3, 0, 0, 0, 0, kEnd}, 22},         // pointer below 4
      {{kNop, kTimestamp, 8, 4, 0, 0, 0, 0, 0, kEnd}, 23},  // pointer below 5
      {{kRecordRoute, 7, 4, 0, 0, 0, 0, kRecordRoute, 7, 4, 0, 0, 0, 0}, 27},  // twice
  };
  for (const Case& one : cases) {
    RouterLab lab;
    Ip header = lab.from_alice("198.51.100.2");
    header.options = one.options;
    if (one.options.size() == 1) header.options = Bytes{kNop, kNop, kNop, kRecordRoute};
    const unsigned pointer = one.options.size() == 1 ? 23 : one.pointer;
    const Bytes datagram = udp_datagram(header, Udp{}, pattern(8));
    lab.alice_says(datagram);
    INFO(hex(header.options));
    REQUIRE(lab.alice.icmps().size() == 1);
    check_error(lab.alice.icmps().front(), 12, 0, datagram);
    CHECK(lab.alice.icmps().front().icmp->rest >> 24 == pointer);
    CHECK((lab.alice.icmps().front().icmp->rest & 0xffffff) == 0);
    CHECK(lab.router.drops() == Drops{{"ip.BadOption", 1}});
  }
}

SCENARIO("Random bytes as options", "[I7][S7.1]") {
  RouterLab lab;
  time::Random random(modes().seed);
  Ip header = lab.from_alice("198.51.100.2");
  for (unsigned i = 0; i < 3000; ++i) {
    header.options.assign(4 * (1 + random.below(10)), 0);
    for (std::uint8_t& byte : header.options) {
      static constexpr std::uint8_t kLikely[] = {0,  1,  2,  3,   4,   5,   7,  8,
                                                 39, 40, 68, 130, 131, 137, 148};
      byte = random.below(2) == 0 ? kLikely[random.below(std::size(kLikely))]
                                  : static_cast<std::uint8_t>(random.next());
    }
    header.destination = random.below(2) == 0 ? lab.bob.address() : ip("192.0.2.1");
    lab.alice.send(mac(1), udp_datagram(header, Udp{}, pattern(4)));
    lab.run_for(Duration::microseconds(50));
  }
  lab.run_until_quiet();
  THEN("each datagram has one end") {
    const stack::Account account = lab.router.account();
    CHECK(account.received == 3000);
    CHECK(account.balanced());
    for (const auto& [name, count] : lab.router.drops()) {
      CHECK((name == "ip.BadOption" || name == "ip.SourceRoute" || name == "udp.NoSocket" ||
             name == "ip.IcmpRateLimited"));
    }
  }
}

SCENARIO("Source routes are refused in silence or with an answer, never followed",
         "[I7][R11][RFC1812-5.3.13.4][RFC7126-4.3]") {
  RouterLab lab;
  for (const std::uint8_t type : {kLoose, kStrict}) {
    for (const char* to : {"192.0.2.1", "198.51.100.2"}) {
      lab.start();
      Ip header = lab.from_alice(to);
      header.options = {type, 7, 4, 198, 51, 100, 2, kEnd};
      lab.alice_says(udp_datagram(header, Udp{}, pattern(8)));
      CHECK(lab.router.drops() == Drops{{"ip.SourceRoute", 1}});
      CHECK(lab.bob.seen.empty());
    }
  }
}

SCENARIO("A router signs a record route", "[RFC1812-5.3.13.3][RFC791-3.1]") {
  RouterLab lab;
  Ip header = lab.from_alice("198.51.100.2");
  const auto through = [&](const Bytes& options) {
    lab.start();
    header.options = options;
    lab.alice_says(udp_datagram(header, Udp{}, pattern(8)));
    REQUIRE(lab.bob.datagrams().size() == 1);
    CHECK(lab.bob.datagrams().front().ip->checksum_good);
    CHECK(lab.bob.datagrams().front().ip->ttl == 63);
    return lab.bob.datagrams().front().ip->options;
  };
  CHECK(through({kRecordRoute, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, kEnd}) ==
        Bytes{kRecordRoute, 11, 8, 198, 51, 100, 1, 0, 0, 0, 0, kEnd});
  CHECK(through({kRecordRoute, 11, 8, 9, 9, 9, 9, 0, 0, 0, 0, kEnd}) ==
        Bytes{kRecordRoute, 11, 12, 9, 9, 9, 9, 198, 51, 100, 1, kEnd});
  AND_WHEN("it is full") {
    const Bytes full{kRecordRoute, 7, 8, 9, 9, 9, 9, kEnd};
    THEN("it goes on as it is") {
      CHECK(through(full) == full);
    }
  }
}

SCENARIO("A router stamps a timestamp option", "[RFC1812-5.3.13.4][RFC791-3.1]") {
  RouterLab lab;
  lab.no_rate_limits();
  Ip header = lab.from_alice("198.51.100.2");
  const auto through = [&](const Bytes& options) {
    lab.start();
    header.options = options;
    lab.alice_says(udp_datagram(header, Udp{}, pattern(8)));
    if (lab.bob.datagrams().empty()) return Bytes{};
    CHECK(lab.bob.datagrams().front().ip->checksum_good);
    return lab.bob.datagrams().front().ip->options;
  };
  WHEN("stamps alone are asked for") {
    const Bytes out = through({kTimestamp, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    THEN("one is added") {
      REQUIRE(out.size() == 12);
      CHECK(int{out[2]} == 9);
      CHECK(Bytes(out.begin() + 4, out.begin() + 8) != Bytes(4, 0));
      CHECK(Bytes(out.begin() + 8, out.end()) == Bytes(4, 0));
    }
  }
  WHEN("addresses are asked for, too") {
    const Bytes out = through({kTimestamp, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0});
    THEN("both are added") {
      REQUIRE(out.size() == 12);
      CHECK(int{out[2]} == 13);
      CHECK(Bytes(out.begin() + 4, out.begin() + 8) == Bytes{198, 51, 100, 1});
    }
  }
  WHEN("there is no room") {
    const Bytes out = through({kTimestamp, 8, 9, 0x20, 1, 2, 3, 4});
    THEN("the overflow is counted") {
      CHECK(out == Bytes{kTimestamp, 8, 9, 0x30, 1, 2, 3, 4});
    }
  }
  WHEN("the overflow counter is full") {
    const Bytes out = through({kTimestamp, 8, 9, 0xf0, 1, 2, 3, 4});
    THEN("the datagram is in error") {
      CHECK(out.empty());
      REQUIRE(lab.alice.icmps().size() == 1);
      CHECK(int{lab.alice.icmps().front().icmp->type} == 12);
      CHECK(lab.router.drops() == Drops{{"ip.BadOption", 1}});
    }
  }
}

SCENARIO("Echo with options", "[RFC1122-3.2.2.6][RFC1122-3.2.1.8]") {
  RouterLab lab;
  Ip header = lab.from_alice("192.0.2.1", 1);
  header.options = {kRecordRoute, 11, 8, 10, 1, 1, 1, 0, 0, 0, 0, kEnd};
  lab.alice_says(header.with(Icmp{}.with(pattern(16))));
  THEN("the record route comes back with our entry") {
    REQUIRE(lab.alice.icmps().size() == 1);
    CHECK(lab.alice.icmps().front().ip->options ==
          Bytes{kRecordRoute, 11, 12, 10, 1, 1, 1, 192, 0, 2, 1, kEnd});
    CHECK(lab.alice.icmps().front().icmp->payload == pattern(16));
  }
}

SCENARIO("Unknown options are passed over", "[RFC1122-3.2.1.8][RFC1812-5.3.13.1][RFC2113]") {
  RouterLab lab;
  for (const int type : {25, 30, 82, 94, 136, 148, 149, 222}) {
    Ip header = lab.from_alice("198.51.100.2");
    header.options = {static_cast<std::uint8_t>(type), 4, 0, 0};
    const Bytes datagram = udp_datagram(header, Udp{}, pattern(8));
    lab.start();
    lab.alice_says(datagram);
    INFO("option " << type);
    REQUIRE(lab.bob.datagrams().size() == 1);
    CHECK(lab.bob.datagrams().front().ip->bytes == forwarded(datagram));
  }
}

}  // namespace
}  // namespace linnet::tests
