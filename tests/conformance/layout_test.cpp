// SPDX-License-Identifier: BSD-3-Clause
// The same frame in packet buffers of every shape: the same verdict and the same bytes out
// (reliability row D1).
#include "conformance/lab.hpp"
#include "support/layouts.hpp"

namespace linnet::tests {
namespace {

struct Frame {
  const char* name;
  Bytes bytes;
};

// What a stack did with a frame.
struct Outcome {
  std::vector<Bytes> alice, bob;
  Drops drops;
  bool operator==(const Outcome&) const = default;
};

std::vector<Frame> corpus(const RouterLab& lab) {
  const auto framed = [&](const Bytes& datagram) {
    return Ether{mac(1), lab.alice.mac, 0x0800}.with(datagram);
  };
  std::vector<Frame> out;
  out.push_back({"forwarded", framed(lab.to_bob(64))});
  out.push_back({"forwarded, odd length", framed(lab.to_bob(63))});
  out.push_back({"forwarded, padded", framed(lab.to_bob(4) + Bytes(14, 0xee))});
  out.push_back({"forwarded, long", framed(lab.to_bob(1400))});
  out.push_back({"echo", framed(lab.echo(57))});
  out.push_back({"echo, long", framed(lab.echo(1400))});
  out.push_back({"time exceeded", framed(lab.to_bob(200, 1))});
  out.push_back({"no route", framed(udp_datagram(lab.from_alice("10.9.9.9"), Udp{}, pattern(33)))});
  out.push_back(
      {"port unreachable", framed(udp_datagram(lab.from_alice("192.0.2.1"), Udp{}, pattern(33)))});
  out.push_back(
      {"wrong UDP checksum",
       framed(udp_datagram(lab.from_alice("192.0.2.1"), Udp{.checksum_error = 1}, pattern(33)))});
  out.push_back(
      {"protocol unreachable", framed(lab.from_alice("192.0.2.1", 99).with(pattern(90)))});
  out.push_back(
      {"wrong ICMP checksum",
       framed(lab.from_alice("192.0.2.1", 1).with(Icmp{.checksum_error = 1}.with(pattern(21))))});
  Ip options = lab.from_alice("198.51.100.2");
  options.options = {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  out.push_back({"record route", framed(udp_datagram(options, Udp{}, pattern(40)))});
  options.options = {7, 2, 4, 0};
  out.push_back({"bad option", framed(udp_datagram(options, Udp{}, pattern(40)))});
  options.options = {131, 7, 4, 1, 2, 3, 4, 0};
  out.push_back({"source route", framed(udp_datagram(options, Udp{}, pattern(40)))});
  Ip bad = lab.from_alice("198.51.100.2");
  bad.checksum_error = 1;
  out.push_back({"wrong header checksum", framed(bad.with(pattern(64)))});
  bad = lab.from_alice("198.51.100.2");
  bad.total_length = std::uint16_t{1000};
  out.push_back({"total length beyond the frame", framed(bad.with(pattern(64)))});
  Ip fragment = lab.from_alice("198.51.100.2");
  fragment.more_fragments = true;
  out.push_back({"a fragment passing", framed(fragment.with(pattern(80)))});
  const Arp ask{.operation = 1,
                .sender_mac = lab.alice.mac,
                .sender_ip = lab.alice.address(),
                .target_mac = {},
                .target_ip = ip("192.0.2.1")};
  out.push_back(
      {"ARP request", Ether{MacAddress::broadcast(), lab.alice.mac, 0x0806}.with(ask.bytes())});
  out.push_back({"runt", Bytes(13, 2)});
  out.push_back({"header alone", framed({})});
  out.push_back({"unknown ethertype", Ether{mac(1), lab.alice.mac, 0x88b5}.with(pattern(50))});
  return out;
}

Outcome outcome_of(RouterLab& lab, const Bytes& frame, const Layout& layout) {
  lab.start();
  rte_mempool* const pool = lab.router.stack().pool().raw();
  std::vector<rte_mbuf*> kept;
  lab.router.inject("left", lay_out(pool, frame, layout, kept));
  lab.run_for(ms(20));
  // What shares the buffers must not see a change.
  for (rte_mbuf* const other : kept) {
    packet::Packet seen(other);
    Bytes bytes(seen.length());
    CHECK(seen.copy_out(0, std::as_writable_bytes(std::span(bytes))));
    CHECK(bytes == frame);
    rte_pktmbuf_free(seen.release());
  }
  Outcome out;
  for (const Seen& seen : lab.alice.seen)
    out.alice.push_back(seen.bytes);
  for (const Seen& seen : lab.bob.seen)
    out.bob.push_back(seen.bytes);
  out.drops = lab.router.drops();
  return out;
}

// The ID of what the stack makes itself differs from datagram to datagram, and with it the
// checksum.
Outcome without_ids(Outcome outcome) {
  for (auto* list : {&outcome.alice, &outcome.bob}) {
    for (Bytes& frame : *list) {
      if (frame.size() < 34 || frame[12] != 8 || frame[13] != 0 || frame[23] != 1) continue;
      frame[18] = frame[19] = frame[24] = frame[25] = 0;
    }
  }
  return outcome;
}

SCENARIO("How a frame lies in its buffers changes nothing", "[D1][S2.3][S7.1]") {
  const std::vector<Layout> layouts = all_layouts();
  REQUIRE(layouts.size() >= 32);
  RouterLab lab({.right_mtu = 1500});
  lab.no_rate_limits();
  for (const Frame& frame : corpus(lab)) {
    const Outcome plain = without_ids(outcome_of(lab, frame.bytes, layouts.front()));
    CHECK((!plain.drops.empty() || !plain.alice.empty() || !plain.bob.empty()));
    for (const Layout& layout : layouts) {
      INFO(frame.name << ": " << layout.name);
      const Outcome other = without_ids(outcome_of(lab, frame.bytes, layout));
      CHECK(other.drops == plain.drops);
      CHECK(other.alice == plain.alice);
      CHECK(other.bob == plain.bob);
    }
  }
}

SCENARIO("Cut on the way, whatever the buffers", "[D1][S7.3]") {
  RouterLab lab({.right_mtu = 576});
  const Bytes frame = Ether{mac(1), lab.alice.mac, 0x0800}.with(lab.to_bob(1472));
  const Outcome plain = outcome_of(lab, frame, Layout{.name = "one piece"});
  CHECK(plain.bob.size() == 3);
  for (const Layout& layout : all_layouts()) {
    INFO(layout.name);
    CHECK(outcome_of(lab, frame, layout) == plain);
  }
}

SCENARIO("Put together whatever the buffers", "[D1][S7.5]") {
  // Each byte in a buffer of its own is charged as many buffers (rule R3): the limits must hold
  // them.
  RouterLab lab({.node = {.packets = 8192}});
  const Bytes message = Icmp{}.with(pattern(900));
  std::vector<rte_mbuf*> kept;
  std::uint16_t id = 0;
  for (const Layout& layout : all_layouts()) {
    INFO(layout.name);
    lab.start();
    Ip header = lab.from_alice("192.0.2.1", 1);
    header.id = ++id;
    for (const Bytes& piece : header.cut(message, 304)) {
      lab.router.inject("left",
                        lay_out(lab.router.stack().pool().raw(),
                                Ether{mac(1), lab.alice.mac, 0x0800}.with(piece), layout, kept));
      lab.run_for(ms(1));
    }
    lab.run_for(ms(5));
    REQUIRE(lab.alice.icmps().size() == 1);
    CHECK(lab.alice.icmps().front().icmp->payload == pattern(900));
    for (rte_mbuf* const other : kept)
      rte_pktmbuf_free(other);
    kept.clear();
  }
}

SCENARIO("A driver that lies about its segments", "[D1][D10]") {
  RouterLab lab;
  const Bytes frame = Ether{mac(1), lab.alice.mac, 0x0800}.with(lab.to_bob(200));
  std::vector<rte_mbuf*> kept;
  rte_mempool* const pool = lab.router.stack().pool().raw();
  WHEN("the packet is said to be longer than its segments") {
    rte_mbuf* const mbuf = lay_out(pool, frame, Layout{.name = "", .pieces = {100}}, kept);
    mbuf->pkt_len += 50;
    lab.router.inject("left", mbuf);
    lab.run_for(ms(5));
    CHECK(lab.router.drops() == Drops{{"device.BadLength", 1}});
    CHECK(lab.silent());
  }
  WHEN("it is said to be shorter") {
    rte_mbuf* const mbuf = lay_out(pool, frame, Layout{.name = "", .pieces = {100}}, kept);
    mbuf->pkt_len -= 50;
    lab.router.inject("left", mbuf);
    lab.run_for(ms(5));
    CHECK(lab.router.drops() == Drops{{"device.BadLength", 1}});
    CHECK(lab.silent());
  }
}

}  // namespace
}  // namespace linnet::tests
