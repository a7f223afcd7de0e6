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

  // Packets on their way through: data() at the IPv4 header, checked; `routes`: a Unicast route for
  // each, `octets` of all. Next hop, time to live, MTU, options, redirect, hook FORWARD, then the
  // output path; what may not go on ends here by name. Empties the burst.
  void forward(packet::Turn& turn, packet::Burst& burst, const route::Route* const* routes,
               std::uint32_t octets);

 private:
  unsigned take_row(const packet::Burst& burst, const route::Route* const* routes,
                    unsigned first) const;
  std::uint32_t way_mtu(const route::Route& route, const route::NextHop& hop) const;
  bool rare(packet::Turn& turn, packet::Packet& packet, const route::Route& route);
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
std::uint32_t multipath_hash(packet::PacketRef packet, const SipKey& key, std::uint32_t policy);

}  // namespace linnet::ip
