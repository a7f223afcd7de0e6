// SPDX-License-Identifier: BSD-3-Clause
// IPv4 input (RFC 1812 sections 5.2 and 5.3.7; Linux: ip_rcv, ip_route_input).
#pragma once

#include <cstdint>

#include "hook/hook.hpp"
#include "ip/counters.hpp"
#include "ip/drops.hpp"
#include "ip/forward.hpp"
#include "ip/icmp.hpp"
#include "ip/local.hpp"
#include "ip/settings.hpp"
#include "packet/turn.hpp"
#include "route/addresses.hpp"
#include "route/tables.hpp"

namespace linnet::ip {

class Input {
 public:
  Input(const route::Tables& tables, const route::Addresses& addresses, hook::Hooks& hooks,
        Local& local, Forward& forward, Icmp& icmp, const Settings& settings)
      : tables_(tables),
        addresses_(addresses),
        hooks_(hooks),
        local_(local),
        forward_(forward),
        icmp_(icmp),
        settings_(settings) {}

  // The handler of ethertype 0x0800: packets with data() at the IPv4 header. Header checks in the
  // order of RFC 1812 section 5.2.2, martians, options, hook PREROUTING, one bulk route look-up,
  // then Local or Forward. Empties the burst.
  void input(packet::Turn& turn, packet::Burst& burst);

  const Counters& counters() const { return counters_; }

 private:
  // Where the common packets end; their octets as they came, and how many of them were padding.
  struct Taken {
    unsigned end = 0;
    std::uint32_t octets = 0;
    std::uint32_t padding = 0;
  };
  Taken take_common(const packet::Burst& burst, unsigned first, Ipv4Address* destinations) const;
  bool sort(packet::Turn& turn, packet::Burst& burst, unsigned first, Ipv4Address* destinations);
  bool check(packet::Turn& turn, packet::Packet& packet);
  bool check_header(packet::Turn& turn, packet::Packet& packet);
  bool check_addresses(packet::Turn& turn, packet::Packet& packet);
  bool check_options(packet::Turn& turn, packet::Packet& packet);
  bool check_reverse_path(packet::Turn& turn, packet::Packet& packet);
  void route(packet::Turn& turn, packet::Burst& burst, const Ipv4Address* destinations,
             std::uint32_t octets, bool groups);
  void look_up(const packet::Burst& burst, const route::Route** routes) const;
  void decide(packet::Turn& turn, packet::Packet&& packet, const route::Route* route,
              packet::Burst& local);
  void refuse_unroutable(packet::Turn& turn, packet::Packet&& packet, const route::Route* route);

  const route::Tables& tables_;
  const route::Addresses& addresses_;
  hook::Hooks& hooks_;
  Local& local_;
  Forward& forward_;
  Icmp& icmp_;
  const Settings& settings_;
  Counters counters_;
};

}  // namespace linnet::ip
