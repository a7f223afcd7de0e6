// SPDX-License-Identifier: BSD-3-Clause
// Forwarding of IPv4 (RFC 1812 section 5.3; Linux: ip_forward).
#pragma once

#include <cstdint>

#include "base/siphash.hpp"
#include "device/device.hpp"
#include "hook/hook.hpp"
#include "ip/drops.hpp"
#include "ip/icmp.hpp"
#include "ip/output.hpp"
#include "ip/settings.hpp"
#include "packet/turn.hpp"
#include "route/addresses.hpp"
#include "route/route.hpp"

namespace linnet::ip {

class Forward {
 public:
  Forward(const device::DeviceTable& devices, const route::Addresses& addresses, hook::Hooks& hooks,
          Output& output, Icmp& icmp, const Settings& settings, SipKey key)
      : devices_(devices),
        addresses_(addresses),
        hooks_(hooks),
        output_(output),
        icmp_(icmp),
        settings_(settings),
        key_(key) {}

  // One packet on its way through: data() at the IPv4 header, checked, and `route` a Unicast route.
  // Time to live, next hop, MTU, options, redirect; what may go on is put into `out`, everything
  // else ends here by name.
  void prepare(packet::Turn& turn, packet::Packet&& packet, const route::Route& route,
               packet::Burst& out);
  // Hook FORWARD, then the output path. Empties the burst.
  void send(packet::Turn& turn, packet::Burst& burst) {
    hooks_.run(hook::Point::Forward, turn, burst);
    if (!burst.empty()) output_.post_route(turn, burst);
  }

 private:
  bool special(packet::Turn& turn, packet::Packet& packet, const route::NextHop& hop);
  bool options(packet::Turn& turn, packet::Packet& packet, std::uint16_t output_device);
  void redirect(packet::Turn& turn, const packet::Packet& packet, Ipv4Address gateway);

  const device::DeviceTable& devices_;
  const route::Addresses& addresses_;
  hook::Hooks& hooks_;
  Output& output_;
  Icmp& icmp_;
  const Settings& settings_;
  SipKey key_;
};

// The hash by which a flow keeps its path: addresses, and with policy 1 the ports of an
// unfragmented TCP or UDP packet (Linux: fib_multipath_hash). `packet`: data() at the IPv4 header.
std::uint32_t multipath_hash(const packet::Packet& packet, const SipKey& key, std::uint32_t policy);

}  // namespace linnet::ip
