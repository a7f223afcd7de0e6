// SPDX-License-Identifier: BSD-3-Clause
#include "route/check_route.hpp"

#include <algorithm>

#include "route/rules.hpp"

namespace linnet::route {
namespace {

constexpr std::size_t kMaxHops = 255;

bool goes_nowhere(Type type) {
  return type == Type::Blackhole || type == Type::Unreachable || type == Type::Prohibit ||
         type == Type::Throw;
}

// The widest scope a type may have (Linux: fib_props).
Scope widest_scope(Type type) {
  switch (type) {
    case Type::Local:
      return Scope::Host;
    case Type::Broadcast:
      return Scope::Link;
    default:
      return Scope::Universe;
  }
}

Result<const device::Device*> up_device(const RouteFacts& facts, std::uint16_t index) {
  const device::Device* const device = facts.devices.at(index);
  if (device == nullptr || device->gone()) return Error{"No such device"};
  if (!device->admin_up()) return Error{"Network is down", device->name()};
  return device;
}

Error invalid_gateway(Ipv4Address gateway) {
  return Error{"Nexthop has invalid gateway", gateway.text()};
}

// `ip route ... onlink`: the gateway is taken as a neighbour on the device, whatever routes say.
Result<InfoHop> check_onlink(const HopSpec& hop, Scope scope, const RouteFacts& facts) {
  if (scope >= Scope::Link) return Error{"Nexthop has invalid scope"};
  if (!hop.device) return Error{"Nexthop device required for onlink"};
  if (const auto device = up_device(facts, *hop.device); !device) return device.error();
  if (hop.gateway->is_multicast() || hop.gateway->is_limited_broadcast() || hop.gateway->is_any() ||
      facts.is_local(*hop.gateway))
    return invalid_gateway(*hop.gateway);
  return InfoHop{hop.gateway, *hop.device, hop.weight, true};
}

// Linux: fib_check_nh_v4_gw.
Result<InfoHop> check_gateway(const HopSpec& hop, Scope scope, std::uint32_t table,
                              const RouteFacts& facts) {
  if (hop.device && (facts.devices.at(*hop.device) == nullptr)) return Error{"No such device"};
  // The way to the gateway must be nearer than the route that uses it.
  const auto nearer = static_cast<Scope>(std::min(static_cast<int>(scope) + 1, 255));
  const auto answer =
      facts.find_gateway({*hop.gateway, std::max(nearer, Scope::Link), hop.device, table});
  if (!answer || (answer->type != Type::Unicast && answer->type != Type::Local))
    return invalid_gateway(*hop.gateway);
  if (const auto device = up_device(facts, answer->device); !device) return device.error();
  return InfoHop{hop.gateway, answer->device, hop.weight, false};
}

// Linux: fib_check_nh_nongw.
Result<InfoHop> check_hop(const HopSpec& hop, Scope scope, std::uint32_t table,
                          const RouteFacts& facts) {
  if (hop.weight < 1 || hop.weight > 256)
    return Error{"Invalid weight", std::to_string(hop.weight), -1, "1 to 256"};
  if (hop.gateway)
    return hop.onlink ? check_onlink(hop, scope, facts) : check_gateway(hop, scope, table, facts);
  if (hop.onlink) return Error{"Invalid flags for nexthop - PERVASIVE and ONLINK can not be set"};
  if (!hop.device) return Error{"No such device"};
  if (const auto device = up_device(facts, *hop.device); !device) return device.error();
  return InfoHop{std::nullopt, *hop.device, hop.weight, false};
}

// A route to ourselves: its device may be down (Linux: fib_create_info, fc_scope RT_SCOPE_HOST).
Result<InfoHop> check_host_hop(const RouteSpec& spec, const RouteFacts& facts) {
  if (spec.hops.size() > 1) return Error{"Route with host scope can not have multiple nexthops"};
  if (spec.hops.empty() || !spec.hops[0].device ||
      facts.devices.at(*spec.hops[0].device) == nullptr)
    return Error{"No such device"};
  if (spec.hops[0].gateway) return Error{"Route with host scope can not have a gateway"};
  return InfoHop{std::nullopt, *spec.hops[0].device, 1, false};
}

Result<std::vector<InfoHop>> check_hops(const RouteSpec& spec, Scope scope,
                                        const RouteFacts& facts) {
  std::vector<InfoHop> hops;
  if (scope == Scope::Host) {
    const auto hop = check_host_hop(spec, facts);
    if (!hop) return hop.error();
    hops.push_back(*hop);
    return hops;
  }
  if (spec.hops.empty()) return Error{"No such device"};
  if (spec.hops.size() > kMaxHops) return Error{"Too many nexthops", "", -1, "at most 255"};
  for (const HopSpec& spec_hop : spec.hops) {
    const auto hop = check_hop(spec_hop, scope, spec.table, facts);
    if (!hop) return hop.error();
    hops.push_back(*hop);
  }
  return hops;
}

}  // namespace

// iproute2, iproute_modify().
Scope default_scope(const RouteSpec& spec) {
  switch (spec.type) {
    case Type::Local:
      return Scope::Host;
    case Type::Broadcast:
    case Type::Multicast:
      return Scope::Link;
    case Type::Unicast:
      return spec.hops.size() == 1 && !spec.hops[0].gateway ? Scope::Link : Scope::Universe;
    default:
      return Scope::Universe;
  }
}

Result<Info> check_route(const RouteSpec& spec, const RouteFacts& facts) {
  if (spec.table == 0) return Error{"Invalid argument", "table"};
  if ((spec.tos & ~kTosMask) != 0)
    return Error{"Invalid dsfield (tos): ECN bits must be 0", std::to_string(spec.tos)};
  Info info;
  info.type = spec.type;
  info.scope = spec.scope.value_or(default_scope(spec));
  info.protocol = spec.protocol;
  info.metric = spec.metric;
  info.source = spec.source;
  info.mtu = spec.mtu;
  if (info.scope < widest_scope(spec.type)) return Error{"Invalid scope"};
  if (goes_nowhere(spec.type)) {
    if (!spec.hops.empty()) {
      return Error{"Gateway, device and multipath can not be specified for this route type"};
    }
  } else {
    if (info.scope > Scope::Host) return Error{"Invalid scope"};
    auto hops = check_hops(spec, info.scope, facts);
    if (!hops) return hops.error();
    info.hops = std::move(*hops);
  }
  const bool of_itself = spec.type == Type::Local && spec.source == spec.prefix.address();
  if (spec.source && !of_itself && !facts.is_local(*spec.source))
    return Error{"Invalid prefsrc address", spec.source->text()};
  return info;
}

}  // namespace linnet::route
