// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <optional>

#include "base/result.hpp"
#include "device/device.hpp"
#include "route/infos.hpp"
#include "route/tables.hpp"

namespace linnet::route {

// What a gateway is asked for: a route to it of at least this scope, out of this device if given.
struct GatewayQuery {
  Ipv4Address gateway;
  Scope at_least = Scope::Link;
  std::optional<std::uint16_t> device;
  std::uint32_t table = kTableMain;  // looked at first
};
struct GatewayAnswer {
  Type type = Type::Unicast;
  Scope scope = Scope::Link;
  std::uint16_t device = 0;
};

// What the check must know about the routes there are.
struct RouteFacts {
  const device::DeviceTable& devices;
  std::function<std::optional<GatewayAnswer>(const GatewayQuery&)> find_gateway;
  std::function<bool(Ipv4Address)> is_local;  // one of our addresses
};

// Checks a route as Linux does (fib_create_info, fib_check_nh in net/ipv4/fib_semantics.c) and says
// what it comes to, with devices found and scope chosen.
Result<Info> check_route(const RouteSpec& spec, const RouteFacts& facts);

// The scope that `ip route` gives a route where none is named.
Scope default_scope(const RouteSpec& spec);

}  // namespace linnet::route
