// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/host.hpp"

#include <algorithm>

#include "route/addresses.hpp"
#include "route/tables.hpp"

namespace linnet::neigh {

Host::Kind RoutedHost::kind_of(Ipv4Address address) const {
  if (address.is_multicast()) return Kind::Multicast;
  if (address.is_limited_broadcast()) return Kind::Broadcast;
  const route::Route* const route = tables_.lookup(route::Key{.destination = address});
  if (route == nullptr) return Kind::Unicast;
  switch (route->type) {
    case route::Type::Local:
      return Kind::Local;
    case route::Type::Broadcast:
      return Kind::Broadcast;
    case route::Type::Multicast:
      return Kind::Multicast;
    default:
      return Kind::Unicast;
  }
}

bool RoutedHost::on_device(std::uint16_t device, Ipv4Address address) const {
  return addresses_.on_device(device, address);
}

bool RoutedHost::same_subnet(std::uint16_t device, Ipv4Address a, Ipv4Address b) const {
  const auto all = addresses_.of_device(device);
  return std::any_of(all.begin(), all.end(), [&](const route::Address& address) {
    const Ipv4Prefix subnet = address.interface.prefix();
    return subnet.contains(a) && subnet.contains(b);
  });
}

bool RoutedHost::beyond_host(Ipv4Address address) const {
  for (unsigned device = 0; device < device::kMaxDevices; ++device) {
    for (const route::Address& own : addresses_.of_device(static_cast<std::uint16_t>(device))) {
      if (own.interface.address == address) return own.scope < route::Scope::Host;
    }
  }
  return false;
}

Ipv4Address RoutedHost::source_for(std::uint16_t device, Ipv4Address target) const {
  return addresses_.source_for(device, target, route::Scope::Link);
}

std::uint16_t RoutedHost::way_to(Ipv4Address target, Ipv4Address source,
                                 std::uint16_t input) const {
  const route::Route* const route =
      tables_.lookup(route::Key{.destination = target, .source = source, .input_device = input});
  if (route == nullptr || route->type != route::Type::Unicast || route->live_hops == 0)
    return packet::kNoDevice;
  return route->hops[0].device;
}

}  // namespace linnet::neigh
