// SPDX-License-Identifier: BSD-3-Clause
// Reassembly seen from the wire: a datagram that becomes whole is an echo request that is answered.
// RFC 791 section 3.2, RFC 815, RFC 1122 section 3.3.2, RFC 1858, RFC 5722's rule for overlaps.
#include <algorithm>
#include <numeric>

#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

// A piece of a datagram: [begin, end) of its payload, more behind it or not.
struct Piece {
  unsigned begin, end;
  bool more;
};

class Fragments {
 public:
  explicit Fragments(std::size_t size = 0) {
    lab.no_rate_limits();
    if (size != 0) message = Icmp{.type = 8, .rest = 0x00aa0001}.with(pattern(size - 8));
  }
  void say(const Piece& piece, std::uint16_t id = 0x1234) {
    Ip header = lab.from_alice("192.0.2.1", 1);
    header.id = id;
    header.offset = piece.begin;
    header.more_fragments = piece.more;
    Bytes data(piece.end - piece.begin, 0x77);
    for (unsigned i = piece.begin; i < piece.end && i < message.size(); ++i)
      data[i - piece.begin] = message[i];
    lab.alice_says(header.with(data));
  }
  bool answered() const {
    return lab.alice.icmps().size() == 1 && lab.alice.icmps().front().icmp->type == 0;
  }

  RouterLab lab;
  Bytes message;
};

SCENARIO("Fragments in any order", "[I1][S7.5][RFC791-3.2][RFC815]") {
  for (unsigned count = 2; count <= 6; ++count) {
    GIVEN(std::to_string(count) + " pieces") {
      Fragments fragments(count * 48 - 5);
      RouterLab& lab = fragments.lab;
      std::vector<unsigned> order(count);
      std::iota(order.begin(), order.end(), 0);
      std::uint16_t id = 0;
      do {
        lab.start();
        ++id;
        for (const unsigned i : order) {
          const bool last = i + 1 == count;
          fragments.say({i * 48, last ? count * 48 - 5 : (i + 1) * 48, !last}, id);
        }
        REQUIRE(fragments.answered());
        CHECK(lab.alice.icmps().front().icmp->payload == pattern(count * 48 - 13));
        CHECK(lab.router.drops().empty());
        CHECK(lab.router.account().held == 0);
        CHECK(lab.router.account().received == count);
        CHECK(lab.router.account().delivered == count + 1);  // the pieces, then the datagram
      } while (std::next_permutation(order.begin(), order.end()));
    }
  }
}

SCENARIO("The same piece twice is taken once", "[I1][RFC791-3.2]") {
  Fragments fragments(200);
  RouterLab& lab = fragments.lab;
  fragments.say({0, 96, true});
  fragments.say({0, 96, true});
  fragments.say({96, 200, false});
  CHECK(fragments.answered());
  CHECK(lab.router.drops() == Drops{{"ip.FragmentDuplicate", 1}});
}

struct Overlap {
  const char* name;
  std::vector<Piece> pieces;
  const char* drop;
};

// Each ends the whole datagram. The old attacks by their names.
const Overlap kOverlaps[] = {
    {"teardrop", {{0, 40, true}, {24, 28, false}}, "ip.FragmentOverlap"},
    {"new teardrop", {{0, 32, true}, {24, 64, false}}, "ip.FragmentOverlap"},
    {"bonk",
     {{32, 64, true}, {24, 40, true}, {0, 24, true}, {64, 72, false}},
     "ip.FragmentOverlap"},
    {"inside another", {{0, 96, true}, {32, 64, true}, {96, 120, false}}, "ip.FragmentOverlap"},
    {"around another", {{32, 64, true}, {0, 96, true}, {96, 120, false}}, "ip.FragmentOverlap"},
    {"same start, longer", {{0, 32, true}, {0, 64, true}, {64, 72, false}}, "ip.FragmentOverlap"},
    {"same end", {{0, 64, true}, {32, 64, true}, {64, 72, false}}, "ip.FragmentOverlap"},
    {"by 8 bytes", {{0, 64, true}, {56, 120, false}}, "ip.FragmentOverlap"},
    {"before, by 8 bytes", {{56, 120, false}, {0, 64, true}}, "ip.FragmentOverlap"},
    {"two ends", {{64, 80, false}, {96, 120, false}, {0, 64, true}}, "ip.FragmentInconsistent"},
    {"behind the end", {{64, 80, false}, {80, 96, true}, {0, 64, true}}, "ip.FragmentInconsistent"},
    {"an end before what came",
     {{64, 96, true}, {32, 64, false}, {0, 32, true}},
     "ip.FragmentInconsistent"},
};

SCENARIO("Overlapping fragments end their datagram", "[I1][RFC5722][RFC1858]") {
  for (const Overlap& overlap : kOverlaps) {
    GIVEN(overlap.name) {
      Fragments fragments(120);
      RouterLab& lab = fragments.lab;
      for (const Piece& piece : overlap.pieces)
        fragments.say(piece);
      THEN("all of it is dropped, also what comes later, and nobody is answered") {
        CHECK(lab.silent());
        CHECK(lab.router.drops() == Drops{{overlap.drop, overlap.pieces.size()}});
        CHECK(lab.router.account().held == 0);
        fragments.say({0, 120, true});
        CHECK(lab.silent());
        CHECK(lab.router.account().held == 0);
      }
      AND_WHEN("the sender's next datagram is a good one") {
        lab.start();
        fragments.say({0, 64, true}, 0x7777);
        fragments.say({64, 120, false}, 0x7777);
        THEN("it is answered") {
          CHECK(fragments.answered());
        }
      }
    }
  }
}

SCENARIO("Fragments that are wrong by themselves", "[I1][I2][RFC791-3.2][RFC1858][RFC3128]") {
  RouterLab lab;
  const auto verdict = [&](std::uint8_t protocol, unsigned offset, unsigned length, bool more) {
    lab.run_for(seconds(60));  // what was held before is gone
    lab.start();
    Ip header = lab.from_alice("192.0.2.1", protocol);
    header.id = static_cast<std::uint16_t>(lab.random().next());
    header.offset = offset;
    header.more_fragments = more;
    lab.alice_says(header.with(pattern(length)));
    const Drops drops = lab.router.drops();
    CHECK(lab.silent());
    if (drops.empty()) return std::string("held");
    return drops.size() == 1 ? drops.begin()->first : std::string("several");
  };
  WHEN("a piece but the last is no multiple of 8") {
    for (unsigned length = 1; length <= 64; ++length) {
      CHECK(verdict(17, 0, length, true) == (length % 8 == 0 ? "held" : "ip.FragmentBadLength"));
      CHECK(verdict(17, 64, length, true) == (length % 8 == 0 ? "held" : "ip.FragmentBadLength"));
      CHECK(verdict(17, 64, length, false) == "held");
    }
    CHECK(verdict(17, 0, 0, true) == "ip.FragmentBadLength");
    CHECK(verdict(17, 64, 0, false) == "ip.FragmentBadLength");
  }
  WHEN("the datagram would pass 65535 bytes, the ping of death") {
    CHECK(verdict(1, 65528, 8, false) == "ip.FragmentTooLong");
    CHECK(verdict(1, 65528, 1400, false) == "ip.FragmentTooLong");
    CHECK(verdict(1, 65512, 8, false) == "ip.FragmentTooLong");
    CHECK(verdict(1, 65504, 11, false) == "held");
    CHECK(verdict(1, 65504, 12, false) == "ip.FragmentTooLong");
    CHECK(verdict(1, 64120, 1400, true) == "ip.FragmentTooLong");
  }
  WHEN("a TCP header would be cut in two") {
    for (unsigned length = 8; length <= 40; length += 8)
      CHECK(verdict(6, 0, length, true) == (length < 16 ? "ip.FragmentTiny" : "held"));
    CHECK(verdict(6, 8, 40, false) == "ip.FragmentTiny");
    CHECK(verdict(6, 8, 40, true) == "ip.FragmentTiny");
    CHECK(verdict(6, 16, 40, true) == "held");
    CHECK(verdict(17, 0, 8, true) == "held");
  }
}

SCENARIO("More pieces than a datagram may have", "[I1][R7]") {
  Fragments fragments(8 * 70);
  RouterLab& lab = fragments.lab;
  for (unsigned i = 0; i < 70; ++i)
    fragments.say({i * 8, i * 8 + 8, i != 69});
  CHECK(lab.silent());
  CHECK(lab.router.drops() == Drops{{"ip.FragmentTooMany", 70}});
  AND_WHEN("they are just as many as it may have") {
    Fragments most(8 * 64);
    for (unsigned i = 0; i < 64; ++i)
      most.say({i * 8, i * 8 + 8, i != 63});
    THEN("it becomes whole") {
      CHECK(most.answered());
    }
  }
}

SCENARIO("Pieces that never become whole", "[RFC792][RFC1122-3.3.2][RFC1122-3.2.2.4][S7.5]") {
  Fragments fragments(200);
  RouterLab& lab = fragments.lab;
  const auto timeout = ms(lab.router.ip().ipfrag_time_ms);
  WHEN("the first one is there") {
    fragments.say({0, 96, true});
    fragments.say({104, 200, false});
    CHECK(lab.router.account().held == 2);
    lab.run_for(timeout + timeout / 4);
    THEN("its sender learns that the time ran out, with the first piece quoted") {
      REQUIRE(lab.alice.icmps().size() == 1);
      Ip header = lab.from_alice("192.0.2.1", 1);
      header.more_fragments = true;
      check_error(lab.alice.icmps().front(), 11, 1,
                  header.with(Bytes(fragments.message.begin(), fragments.message.begin() + 96)));
      CHECK(lab.router.account().held == 0);
      CHECK(lab.router.drops() == Drops{{"ip.FragmentTimeout", 2}});
    }
  }
  WHEN("the first one is missing") {
    fragments.say({96, 192, true});
    fragments.say({192, 200, false});
    lab.run_for(timeout + timeout / 4);
    THEN("nobody is told (RFC 792)") {
      CHECK(lab.silent());
      CHECK(lab.router.drops() == Drops{{"ip.FragmentTimeout", 2}});
      CHECK(lab.router.account().held == 0);
    }
  }
  WHEN("the rest comes just too late") {
    fragments.say({0, 96, true});
    lab.run_for(timeout + timeout / 4);
    lab.start();
    fragments.say({96, 200, false});
    THEN("it is a new datagram that waits for its beginning") {
      CHECK(lab.silent());
      CHECK(lab.router.account().received == 1);
      CHECK(lab.router.drops().empty());
    }
  }
}

SCENARIO("Pieces of different datagrams are never joined", "[I1][RFC791-3.2]") {
  Fragments fragments(200);
  RouterLab& lab = fragments.lab;
  const auto say = [&](Ip header, unsigned begin, unsigned end, bool more) {
    header.offset = begin;
    header.more_fragments = more;
    lab.alice_says(
        header.with(Bytes(fragments.message.begin() + begin, fragments.message.begin() + end)));
  };
  const Ip first = lab.from_alice("192.0.2.1", 1);
  say(first, 0, 96, true);
  Ip other = first;
  WHEN("the rest has another ID") {
    other.id = 0x4321;
  }
  WHEN("the rest has another protocol") {
    other.protocol = 17;
  }
  WHEN("the rest has another source") {
    other.source = ip("192.0.2.3");
  }
  WHEN("the rest has another destination of ours") {
    other.destination = ip("198.51.100.1");
  }
  if (other.id != first.id || other.protocol != first.protocol || other.source != first.source ||
      other.destination != first.destination) {
    say(other, 96, 200, false);
    CHECK(lab.alice.icmps().empty());
    say(first, 96, 200, false);
    CHECK(lab.alice.icmps().size() == 1);
  }
}

SCENARIO("Random cuts, losses, repeats and orders against a model", "[I1][RFC815]") {
  constexpr unsigned kSize = 1480;
  Fragments fragments(kSize);
  RouterLab& lab = fragments.lab;
  time::Random random(modes().seed + 7);
  unsigned whole = 0;
  for (std::uint16_t id = 1; id <= 150; ++id) {
    std::vector<Piece> pieces;
    for (unsigned at = 0; at < kSize;) {
      const auto length = static_cast<unsigned>(8 * (1 + random.below(40)));
      const unsigned end = std::min(kSize, at + length);
      pieces.push_back({at, end, end != kSize});
      at = end;
    }
    const std::size_t count = pieces.size();
    const bool lose = random.below(4) == 0;
    for (std::uint64_t repeats = random.below(4); repeats > 0; --repeats)
      pieces.push_back(pieces[random.below(count)]);
    for (std::size_t i = pieces.size() - 1; i > 0; --i)
      std::swap(pieces[i], pieces[random.below(i + 1)]);
    const unsigned lost = lose ? pieces.front().begin : 1;  // 1: no piece starts there
    lab.run_for(seconds(60));
    lab.start();
    for (const Piece& piece : pieces) {
      if (piece.begin != lost) fragments.say(piece, id);
    }
    INFO("datagram " << id << " of " << count << " pieces");
    CHECK(lab.alice.icmps().size() == (lose ? 0 : 1));
    whole += lose ? 0 : 1;
    for (const auto& [name, n] : lab.router.drops())
      CHECK(name == "ip.FragmentDuplicate");
  }
  CHECK(whole > 75);
  lab.run_until_quiet();
}

SCENARIO("A flood of first fragments does not starve others", "[I1][R4]") {
  RouterLab lab({.node = {.packets = 4096}});
  lab.router.ip().ipfrag_high_thresh = 512 * 1024;
  lab.no_rate_limits();
  Station& carol = lab.add_station(lab.left, mac(0xc2), {ip("192.0.2.3")});
  lab.router.add_neighbour("left", carol.address(), carol.mac);
  const Bytes message = Icmp{}.with(pattern(2000));
  unsigned asked = 0;
  lab.start();
  for (unsigned i = 0; i < 6000; ++i) {
    Ip attack = lab.from_alice("192.0.2.1", 17);
    attack.id = static_cast<std::uint16_t>(i);
    attack.more_fragments = true;
    lab.alice.send(mac(1), attack.with(pattern(1400)));
    if (i % 60 == 0) {
      Ip header{.source = carol.address(),
                .destination = ip("192.0.2.1"),
                .protocol = 1,
                .id = static_cast<std::uint16_t>(i)};
      for (const Bytes& piece : header.cut(message, 1480)) {
        carol.send(mac(1), piece);
        lab.run_for(ms(2));
      }
      ++asked;
    }
    lab.run_for(Duration::microseconds(200));
    REQUIRE(lab.router.stack().pool().available() > 2048);
  }
  THEN("the others' datagrams become whole all the same") {
    unsigned answered = 0;
    for (const Seen& seen : carol.datagrams())
      answered += seen.ip->protocol == 1 && seen.ip->offset == 0 ? 1 : 0;
    CHECK(asked == 100);
    CHECK(answered >= 90);
  }
  lab.run_for(seconds(60));
  CHECK(lab.router.account().held == 0);
}

}  // namespace
}  // namespace linnet::tests
