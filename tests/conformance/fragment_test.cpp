// SPDX-License-Identifier: BSD-3-Clause
// Fragmentation on the way and on output: RFC 791 section 3.2, RFC 1812 section 4.2.2.7.
#include <algorithm>

#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

// Puts fragments together as a receiver with all the time in the world would. Empty: they do not
// make one datagram.
Bytes reassemble(const std::vector<Seen>& fragments) {
  Bytes out;
  std::vector<const IpSeen*> sorted;
  for (const Seen& one : fragments)
    sorted.push_back(&*one.ip);
  std::sort(sorted.begin(), sorted.end(),
            [](const IpSeen* a, const IpSeen* b) { return a->offset < b->offset; });
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i]->offset != out.size()) return {};
    if (sorted[i]->more_fragments == (i + 1 == sorted.size())) return {};
    out = out + sorted[i]->payload;
  }
  return out;
}

SCENARIO("A datagram too long for its way out is cut", "[S7.3][RFC1812-4.2.2.7][RFC791-3.2]") {
  for (const std::uint32_t mtu : {68u, 69u, 75u, 76u, 576u, 1000u, 1007u, 1499u}) {
    GIVEN("an MTU of " + std::to_string(mtu)) {
      RouterLab lab({.right_mtu = mtu});
      for (const std::size_t size : {mtu - 27, mtu + 20, 2 * mtu - 56, 2 * mtu - 40, 1472u}) {
        if (size > 1472) continue;
        const Bytes datagram = lab.to_bob(size);
        if (datagram.size() <= mtu) continue;
        lab.start();
        lab.alice_says(datagram);
        INFO(size << " bytes of data");
        const std::vector<Seen> pieces = lab.bob.datagrams();
        REQUIRE(pieces.size() >= 2);
        CHECK(reassemble(pieces) == Bytes(datagram.begin() + 20, datagram.end()));
        std::size_t number = 0;
        for (const Seen& piece : pieces) {
          CHECK(piece.ip->total_length <= mtu);
          CHECK(piece.ip->id == 0x1234);
          CHECK(piece.ip->ttl == 63);
          CHECK(piece.ip->source == lab.alice.address());
          CHECK(piece.ip->destination == lab.bob.address());
          CHECK(piece.ip->checksum_good);
          CHECK_FALSE(piece.ip->dont_fragment);
          // As few as may be: all but the last are as long as a multiple of 8 lets them be.
          if (++number < pieces.size()) CHECK(piece.ip->payload.size() == ((mtu - 20) & ~7u));
        }
        CHECK(lab.router.drops().empty());
        CHECK(lab.router.account().delivered == 1);
        CHECK(lab.router.account().generated == pieces.size());
        CHECK(lab.router.account().sent == pieces.size());
      }
    }
  }
}

SCENARIO("Options of a datagram that is cut", "[RFC1812-4.2.2.7][RFC791-3.1]") {
  RouterLab lab({.right_mtu = 576});
  Ip header = lab.from_alice("198.51.100.2");
  // Router alert is copied into every fragment, record route is not (RFC 791, RFC 2113).
  header.options = {148, 4, 0, 0, 7, 7, 8, 9, 9, 9, 9, 1};
  lab.alice_says(udp_datagram(header, Udp{}, pattern(1300)));
  const std::vector<Seen> pieces = lab.bob.datagrams();
  REQUIRE(pieces.size() == 3);
  CHECK(pieces[0].ip->options == header.options);
  for (unsigned i = 1; i < 3; ++i)
    CHECK(pieces[i].ip->options == Bytes{148, 4, 0, 0});
  const Bytes whole = udp_datagram(header, Udp{}, pattern(1300));
  CHECK(reassemble(pieces) == Bytes(whole.begin() + 32, whole.end()));
}

SCENARIO("Fragments are forwarded as they are, and cut again where they must",
         "[RFC1812-4.2.2.7][RFC1812-5.2.1]") {
  const Bytes payload = pattern(4000);
  GIVEN("a way as wide as the one they came by") {
    RouterLab lab;
    std::vector<Bytes> pieces = lab.from_alice("198.51.100.2").cut(payload, 1400);
    std::reverse(pieces.begin(), pieces.end());
    for (const Bytes& piece : pieces)
      lab.alice_says(piece);
    THEN("each goes on, in the order they came") {
      REQUIRE(lab.bob.datagrams().size() == 3);
      for (unsigned i = 0; i < 3; ++i)
        CHECK(lab.bob.datagrams()[i].ip->bytes == forwarded(pieces[i]));
      CHECK(lab.router.drops().empty());
    }
  }
  GIVEN("a narrower way") {
    RouterLab lab({.right_mtu = 600});
    for (const Bytes& piece : lab.from_alice("198.51.100.2").cut(payload, 1400))
      lab.alice_says(piece);
    THEN("the pieces' pieces make the same datagram") {
      CHECK(lab.bob.datagrams().size() == 9);
      CHECK(reassemble(lab.bob.datagrams()) == payload);
    }
  }
}

SCENARIO("Echo of every size up to the longest datagram",
         "[S7.4][S7.5][RFC791-3.2][RFC1122-3.3.2]") {
  RouterLab lab;
  for (const std::size_t size :
       {1472u, 1473u, 1480u, 1481u, 2952u, 2953u, 4000u, 8192u, 20000u, 40000u, 65506u, 65507u}) {
    lab.start();
    const Bytes message = Icmp{.type = 8, .rest = 0x00070008}.with(pattern(size));
    for (const Bytes& piece : lab.from_alice("192.0.2.1", 1).cut(message, 1480)) {
      lab.alice.send(mac(1), piece);
      lab.run_for(Duration::microseconds(20));
    }
    lab.run_for(ms(20));
    INFO(size << " bytes");
    const std::optional<IcmpSeen> reply = [&] {
      const std::vector<Seen> pieces = lab.alice.datagrams();
      return pieces.empty() ? std::nullopt : parse_icmp(reassemble(pieces));
    }();
    REQUIRE(reply);
    CHECK(int{reply->type} == 0);
    CHECK(reply->rest == 0x00070008);
    CHECK(reply->checksum_good);
    CHECK(reply->payload == pattern(size));
    CHECK(lab.router.drops().empty());
    CHECK(lab.router.account().held == 0);
  }
}

SCENARIO("Replies on a narrow port are cut there", "[S7.4]") {
  RouterLab lab({.left_mtu = 600});
  const Bytes message = Icmp{}.with(pattern(1800));
  for (const Bytes& piece : lab.from_alice("192.0.2.1", 1).cut(message, 576))
    lab.alice_says(piece);
  CHECK(lab.alice.datagrams().size() == 4);
  for (const Seen& piece : lab.alice.datagrams())
    CHECK(piece.ip->total_length <= 600);
  CHECK(reassemble(lab.alice.datagrams()).size() == 1808);
}

SCENARIO("Identifications tell nothing about others", "[B6][RFC6864][RFC7739]") {
  // The stack's own datagrams to alice carry IDs; what it sends to bob must not show in them.
  RouterLab lab;
  const auto id_to_alice = [&](std::uint16_t sequence) {
    lab.alice.forget();
    lab.alice_says(lab.echo(8, sequence));
    REQUIRE(lab.alice.icmps().size() == 1);
    return lab.alice.icmps().front().ip->id;
  };
  std::vector<std::uint16_t> quiet_steps, busy_steps;
  std::uint16_t last = id_to_alice(0);
  for (std::uint16_t i = 1; i < 50; ++i) {
    const std::uint16_t id = id_to_alice(i);
    quiet_steps.push_back(static_cast<std::uint16_t>(id - last));
    last = id;
  }
  for (std::uint16_t i = 1; i < 50; ++i) {
    for (unsigned j = 0; j < 40; ++j)
      lab.bob.send(mac(2), lab.from_bob("198.51.100.1", 1).with(Icmp{}.with(pattern(8))));
    const std::uint16_t id = id_to_alice(i);
    busy_steps.push_back(static_cast<std::uint16_t>(id - last));
    last = id;
  }
  CHECK(lab.bob.icmps().size() == 49 * 40);
  const auto most = [](const std::vector<std::uint16_t>& steps) {
    return *std::max_element(steps.begin(), steps.end());
  };
  CHECK(most(quiet_steps) <= 8);
  CHECK(most(busy_steps) <= 8);
  CHECK(*std::min_element(busy_steps.begin(), busy_steps.end()) >= 1);
}

}  // namespace
}  // namespace linnet::tests
