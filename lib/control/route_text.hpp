// SPDX-License-Identifier: BSD-3-Clause
// How routes are written, and which of them a command chooses.
#pragma once

#include <optional>
#include <string>

#include "control/command.hpp"
#include "route/tables.hpp"

namespace linnet::control {

// What `show` and `flush` choose by (iproute2: struct rtfilter).
struct RouteFilter {
  std::optional<std::uint32_t> table;  // 0: all
  std::optional<std::uint8_t> tos;
  std::optional<route::Protocol> protocol;
  std::optional<route::Scope> scope;
  std::optional<route::Type> type;
  std::string device;
  std::optional<Ipv4Address> via;
  std::optional<Ipv4Address> source;
  std::optional<std::uint32_t> metric;
  std::optional<Ipv4Prefix> root;   // within it
  std::optional<Ipv4Prefix> match;  // around it
  std::optional<Ipv4Prefix> exact;

  bool empty() const;
  bool matches(const Context& context, const route::RouteSpec& route) const;
};
Result<RouteFilter> parse_route_filter(Cursor& cursor, const Verb& verb);

// "default", "192.0.2.0/24" or "192.0.2.1".
std::string text_of(const Ipv4Prefix& prefix);
std::string hex_of_tos(std::uint8_t tos);  // "0x10"
// The scope of a route that the tables listed.
route::Scope scope_of(const route::RouteSpec& route);

// An entry of `ip route show`, with its newline; `filter` says what goes without saying.
std::string route_text(const Context& context, const route::RouteSpec& route,
                       const RouteFilter& filter, const Format& format);
Json route_json(const Context& context, const route::RouteSpec& route, const RouteFilter& filter,
                const Format& format);

}  // namespace linnet::control
