// SPDX-License-Identifier: BSD-3-Clause
// UDP input (RFC 768, RFC 1122 section 4.1; Linux: udp_rcv).
#pragma once

#include <cstdint>

#include "ip/icmp.hpp"
#include "packet/turn.hpp"
#include "udp/counters.hpp"
#include "udp/drops.hpp"

namespace linnet::udp {

class Input {
 public:
  explicit Input(ip::Icmp& icmp) : icmp_(icmp) {}

  // Where good datagrams go: data() at the UDP header, cut to the length that it names,
  // Meta.network_offset at the IP header. Without sockets every port is closed.
  void connect(packet::Stage sockets) { sockets_ = sockets; }

  // The handler of protocol 17: whole datagrams, data() at the UDP header, Meta.network_offset at
  // the IP header. Length and checksum are judged. Empties the burst.
  void input(packet::Turn& turn, packet::Burst& burst);
  // A good datagram that nobody waits for: port unreachable (RFC 1122 section 4.1.3.1), unless it
  // came to a broadcast or multicast address.
  void refuse(packet::Turn& turn, packet::Packet&& packet);

  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }

 private:
  bool judge(packet::Turn& turn, packet::Packet& packet);

  ip::Icmp& icmp_;
  packet::Stage sockets_{};
  Counters counters_;
};

}  // namespace linnet::udp
