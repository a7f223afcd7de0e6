// SPDX-License-Identifier: BSD-3-Clause
// UDP input (RFC 768, RFC 1122 section 4.1; Linux: udp_rcv).
#pragma once

#include <cstdint>

#include "ip/icmp.hpp"
#include "packet/turn.hpp"
#include "udp/drops.hpp"

namespace linnet::udp {

class Input {
 public:
  explicit Input(ip::Icmp& icmp) : icmp_(icmp) {}

  // The handler of protocol 17: whole datagrams, data() at the UDP header, Meta.network_offset at
  // the IP header. Length and checksum are judged; no port is open, so a good datagram earns port
  // unreachable (RFC 1122 section 4.1.3.1), unless it came to a broadcast or multicast address.
  // Empties the burst.
  void input(packet::Turn& turn, packet::Burst& burst);

  struct Counts {  // Linux: Udp* of /proc/net/snmp
    std::uint64_t in_errors = 0, in_csum_errors = 0, no_ports = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  void take(packet::Turn& turn, packet::Packet&& packet);

  ip::Icmp& icmp_;
  Counts counts_;
};

}  // namespace linnet::udp
