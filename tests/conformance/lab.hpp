// SPDX-License-Identifier: BSD-3-Clause
// What every scenario starts from: a network that ends with its account checked, and the topology
// that nearly all of them use.
#pragma once

#include <catch2/catch.hpp>
#include <ostream>
#include <string>

#include "support/wire.hpp"

namespace linnet {
inline namespace base {
inline std::ostream& operator<<(std::ostream& out, Ipv4Address address) {
  return out << address.text();
}
inline std::ostream& operator<<(std::ostream& out, const MacAddress& address) {
  return out << address.text();
}
}  // namespace base
}  // namespace linnet

namespace Catch {
template <>
struct StringMaker<linnet::tests::Bytes> {
  static std::string convert(const linnet::tests::Bytes& bytes) {
    return std::to_string(bytes.size()) + " bytes: " + linnet::tests::hex(bytes);
  }
};
template <>
struct StringMaker<linnet::tests::Node::Drops> {
  static std::string convert(const linnet::tests::Node::Drops& drops) {
    std::string out = "{";
    for (const auto& [name, count] : drops)
      out += ' ' + name + '=' + std::to_string(count);
    return out + " }";
  }
};
}  // namespace Catch

namespace linnet::tests {

using Drops = Node::Drops;
using time::Duration;

inline Duration ms(std::int64_t n) {
  return Duration::milliseconds(n);
}
inline Duration seconds(std::int64_t n) {
  return Duration::seconds(n);
}

// Fails the scenario at its end if a frame was malformed, an account is not balanced or a packet is
// missing.
class Lab : public Wire {
 public:
  ~Lab() {
    for (const std::string& what : finish())
      FAIL_CHECK(what);
  }
};

//  alice 192.0.2.2 ---left--- [router] ---right--- bob 198.51.100.2
//                          .1          .1
// 203.0.113.0/24 lies behind bob. Neighbours are known unless `with_arp`.
class RouterLab : public Lab {
 public:
  struct Options {
    bool forwarding = true;
    bool with_arp = false;
    std::uint32_t left_mtu = 1500, right_mtu = 1500;
    Node::Options node{.packets = 2048};
  };
  explicit RouterLab(const Options& options);
  RouterLab() : RouterLab(Options()) {}

  // Forgets what was seen and counted so far.
  void start();
  // What alice says reaches the router on `left`, and everything that follows happens.
  void alice_says(const Bytes& datagram);
  void bob_says(const Bytes& datagram);
  // A whole frame of alice's.
  void alice_frame(const Bytes& frame);
  // Errors go out as often as they are due.
  void no_rate_limits();
  // Nobody got anything since `start`.
  bool silent() const { return alice.seen.empty() && bob.seen.empty(); }

  Ip from_alice(const std::string& to, std::uint8_t protocol = 17) const;
  Ip from_bob(const std::string& to, std::uint8_t protocol = 17) const;
  // Alice's UDP datagram to bob.
  Bytes to_bob(std::size_t payload = 32, std::uint8_t ttl = 64) const;
  // Alice's echo request to the router.
  Bytes echo(std::size_t payload = 32, std::uint16_t sequence = 1) const;

  Segment& left;
  Segment& right;
  Node& router;
  Station& alice;
  Station& bob;
};

// The datagram `original` as routers send it on: fewer hops to live, nothing else changed.
Bytes forwarded(const Bytes& original, unsigned hops = 1);

// Whether `error` is this ICMP error about `original`, quoted from its first byte on: as much as
// fits into 576 bytes (RFC 1812 section 4.3.2.3).
void check_error(const Seen& error, std::uint8_t type, std::uint8_t code, const Bytes& original);

}  // namespace linnet::tests
