// SPDX-License-Identifier: BSD-3-Clause
// UDP with no socket to go to: RFC 768, RFC 1122 section 4.1.3, and the corners of the checksum.
#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

SCENARIO("Port unreachable", "[RFC1122-4.1.3.1][RFC792][S7.6]") {
  RouterLab lab;
  lab.no_rate_limits();
  for (const std::size_t size : {0u, 1u, 2u, 3u, 100u, 511u, 519u, 520u, 521u, 1472u}) {
    lab.start();
    const Bytes datagram = udp_datagram(lab.from_alice("192.0.2.1"), Udp{}, pattern(size));
    lab.alice_says(datagram);
    INFO(size << " bytes");
    REQUIRE(lab.alice.icmps().size() == 1);
    check_error(lab.alice.icmps().front(), 3, 3, datagram);
    CHECK(lab.alice.icmps().front().ip->source == ip("192.0.2.1"));
    CHECK(lab.router.drops() == Drops{{"udp.NoSocket", 1}});
  }
  AND_WHEN("the datagram is to the router's other address") {
    lab.start();
    const Bytes datagram = udp_datagram(lab.from_alice("198.51.100.1"), Udp{}, pattern(8));
    lab.alice_says(datagram);
    THEN("the error comes from the address that was asked (Linux: icmp_send)") {
      REQUIRE(lab.alice.icmps().size() == 1);
      CHECK(lab.alice.icmps().front().ip->source == ip("198.51.100.1"));
    }
  }
}

SCENARIO("UDP lengths", "[I8][T8][RFC768]") {
  RouterLab lab;
  lab.no_rate_limits();
  for (unsigned there = 0; there <= 40; ++there) {
    for (unsigned length = 0; length <= 42; ++length) {
      Bytes segment =
          Udp{.length = static_cast<std::uint16_t>(length), .checksum = std::uint16_t{0}}.with(
              Bytes(40, 0x55), {}, {});
      segment.resize(there);
      lab.start();
      lab.alice.send(mac(1), lab.from_alice("192.0.2.1").with(segment));
      lab.run_for(ms(1));
      INFO("length field " << length << " of " << there << " bytes");
      const char* const why = there < 8                      ? "udp.Truncated"
                              : length < 8 || length > there ? "udp.BadLength"
                                                             : "udp.NoSocket";
      CHECK(lab.router.drops() == Drops{{why, 1}});
      CHECK(lab.alice.icmps().size() == (std::string(why) == "udp.NoSocket" ? 1 : 0));
    }
  }
}

SCENARIO("UDP checksums", "[I14][RFC768][RFC1122-4.1.3.4]") {
  RouterLab lab;
  lab.no_rate_limits();
  const Ip header = lab.from_alice("192.0.2.1");
  const auto verdict = [&](const Udp& udp, const Bytes& payload) {
    lab.start();
    lab.alice.send(mac(1), udp_datagram(header, udp, payload));
    lab.run_for(ms(1));
    const Drops drops = lab.router.drops();
    REQUIRE(drops.size() == 1);
    return drops.begin()->first;
  };
  WHEN("it is right, for odd and even lengths") {
    for (std::size_t size = 0; size < 70; ++size)
      CHECK(verdict(Udp{}, pattern(size, static_cast<unsigned>(size))) == "udp.NoSocket");
  }
  WHEN("it is any bit off") {
    for (unsigned bit = 0; bit < 16; ++bit) {
      CHECK(verdict(Udp{.checksum_error = 1 << bit}, pattern(33)) == "udp.BadChecksum");
    }
  }
  WHEN("none was computed") {
    CHECK(verdict(Udp{.checksum = std::uint16_t{0}}, pattern(33)) == "udp.NoSocket");
  }
  WHEN("it computes to zero and stands as all ones") {
    // A word that makes the sum all ones: the checksum would be 0, which means none.
    Bytes payload(2, 0);
    const Bytes plain = Udp{}.with(payload, header.source, header.destination);
    payload[0] = plain[6];
    payload[1] = plain[7];
    const Bytes made = Udp{}.with(payload, header.source, header.destination);
    CHECK(int{made[6]} == 0xff);
    CHECK(int{made[7]} == 0xff);
    CHECK(verdict(Udp{}, payload) == "udp.NoSocket");
  }
  WHEN("bytes behind the UDP length are not covered by it") {
    lab.start();
    const Bytes segment = Udp{}.with(pattern(11), header.source, header.destination);
    lab.alice_says(header.with(segment + Bytes(5, 0xcc)));
    CHECK(lab.router.drops() == Drops{{"udp.NoSocket", 1}});
  }
}

SCENARIO("UDP to broadcast and multicast addresses is never answered", "[I11][RFC1122-4.1.3.1]") {
  RouterLab lab;
  for (const char* to : {"255.255.255.255", "192.0.2.255"}) {
    lab.start();
    lab.alice_frame(Ether{MacAddress::broadcast(), lab.alice.mac, 0x0800}.with(
        udp_datagram(lab.from_alice(to), Udp{.destination_port = 7}, pattern(8))));
    CHECK(lab.router.drops() == Drops{{"udp.NoSocket", 1}});
    CHECK(lab.silent());
    CHECK(lab.router.account().generated == 0);
  }
}

}  // namespace
}  // namespace linnet::tests
