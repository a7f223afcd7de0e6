// SPDX-License-Identifier: BSD-3-Clause
#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

Node::Options with_forwarding(Node::Options options, bool forwarding) {
  options.forwarding = forwarding;
  return options;
}

}  // namespace

RouterLab::RouterLab(const Options& options)
    : left(add_segment()),
      right(add_segment()),
      router(add_node("router", with_forwarding(options.node, options.forwarding))),
      alice(add_station(left, mac(0xa2), {ip("192.0.2.2")})),
      bob(add_station(right, mac(0xb2), {ip("198.51.100.2")})) {
  router.add_port("left", left, mac(1), options.left_mtu);
  router.add_port("right", right, mac(2), options.right_mtu);
  router.add_address("left", "192.0.2.1/24");
  router.add_address("right", "198.51.100.1/24");
  router.add_route("203.0.113.0/24", "198.51.100.2");
  if (!options.with_arp) {
    router.add_neighbour("left", alice.address(), alice.mac);
    router.add_neighbour("right", bob.address(), bob.mac);
  }
  run_for(seconds(10));  // the addresses are announced meanwhile
  start();
}

void RouterLab::start() {
  alice.forget();
  bob.forget();
  router.start_counting();
}

void RouterLab::alice_says(const Bytes& datagram) {
  alice.send(mac(1), datagram);
  run_for(ms(20));
}
void RouterLab::bob_says(const Bytes& datagram) {
  bob.send(mac(2), datagram);
  run_for(ms(20));
}
void RouterLab::alice_frame(const Bytes& frame) {
  alice.send(frame);
  run_for(ms(20));
}

void RouterLab::no_rate_limits() {
  router.ip().icmp_ratelimit_ms = 0;
  router.ip().icmp_msgs_per_sec = 1'000'000;
  router.ip().icmp_msgs_burst = 1'000'000;
}

Ip RouterLab::from_alice(const std::string& to, std::uint8_t protocol) const {
  return Ip{.source = alice.address(), .destination = ip(to), .protocol = protocol};
}
Ip RouterLab::from_bob(const std::string& to, std::uint8_t protocol) const {
  return Ip{.source = bob.address(), .destination = ip(to), .protocol = protocol};
}

Bytes RouterLab::to_bob(std::size_t payload, std::uint8_t ttl) const {
  Ip header = from_alice("198.51.100.2");
  header.ttl = ttl;
  return udp_datagram(header, Udp{}, pattern(payload));
}

Bytes RouterLab::echo(std::size_t payload, std::uint16_t sequence) const {
  return from_alice("192.0.2.1", 1)
      .with(Icmp{.type = 8, .rest = 0x4c4e0000u | sequence}.with(pattern(payload)));
}

Bytes forwarded(const Bytes& original, unsigned hops) {
  Bytes out = original;
  const std::size_t header = (out[0] & 15u) * 4;
  out[8] = static_cast<std::uint8_t>(out[8] - hops);
  out[10] = out[11] = 0;
  const std::uint16_t sum =
      checksum_of(Bytes(out.begin(), out.begin() + static_cast<long>(header)));
  out[10] = static_cast<std::uint8_t>(sum >> 8);
  out[11] = static_cast<std::uint8_t>(sum);
  return out;
}

void check_error(const Seen& error, std::uint8_t type, std::uint8_t code, const Bytes& original) {
  REQUIRE(error.icmp);
  CHECK(int{error.icmp->type} == int{type});
  CHECK(int{error.icmp->code} == int{code});
  CHECK(error.icmp->checksum_good);
  CHECK(error.ip->total_length <= 576);
  const Bytes& quote = error.icmp->payload;
  CHECK(quote.size() == std::min<std::size_t>(original.size(), 576 - 28));
  CHECK(quote == Bytes(original.begin(), original.begin() + static_cast<long>(quote.size())));
}

}  // namespace linnet::tests
