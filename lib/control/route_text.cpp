// SPDX-License-Identifier: BSD-3-Clause
// iproute2: iproute.c print_route and filter_nlmsg.
#include "control/route_text.hpp"

#include <algorithm>
#include <cstdio>

namespace linnet::control {
namespace {

using route::HopSpec;
using route::RouteSpec;
using route::Type;

constexpr Clause<RouteFilter> kRouteFilterClauses[] = {
    {"table", [](Cursor& c, RouteFilter& filter) { return store(filter.table, c.table_or_all()); }},
    {"tos", [](Cursor& c, RouteFilter& filter) { return store(filter.tos, c.tos()); }},
    {"protocol",
     [](Cursor& c, RouteFilter& filter) { return store(filter.protocol, c.protocol()); }},
    {"scope", [](Cursor& c, RouteFilter& filter) { return store(filter.scope, c.scope()); }},
    {"type", [](Cursor& c, RouteFilter& filter) { return store(filter.type, c.route_type()); }},
    {"dev", [](Cursor& c, RouteFilter& filter) { return store(filter.device, c.device()); }},
    {"via", [](Cursor& c, RouteFilter& filter) { return store(filter.via, c.address()); }},
    {"src", [](Cursor& c, RouteFilter& filter) { return store(filter.source, c.address()); }},
    {"metric",
     [](Cursor& c, RouteFilter& filter) { return store(filter.metric, c.number(0, 0xffffffff)); }},
    {"root", [](Cursor& c, RouteFilter& filter) { return store(filter.root, c.prefix()); }},
    {"match", [](Cursor& c, RouteFilter& filter) { return store(filter.match, c.prefix()); }},
    {"exact", [](Cursor& c, RouteFilter& filter) { return store(filter.exact, c.prefix()); }},
    {"", [](Cursor& c, RouteFilter& filter) { return store(filter.exact, c.prefix()); }},
};

bool shows_type(const RouteSpec& route, const RouteFilter& filter, const Format& format) {
  return (route.type != Type::Unicast || format.details) && !filter.type;
}

bool shows_table(const RouteSpec& route, const RouteFilter& filter) {
  return filter.table && *filter.table == 0 && route.table != route::kTableMain;
}

bool shows_protocol(const RouteSpec& route, const RouteFilter& filter, const Format& format) {
  return (route.protocol != route::Protocol::Boot || format.details) && !filter.protocol;
}

bool shows_scope(const RouteSpec& route, const RouteFilter& filter, const Format& format) {
  return (scope_of(route) != route::Scope::Universe || format.details) && !filter.scope;
}

// Linux: RTNH_F_LINKDOWN, RTNH_F_DEAD; a hop is dead with its device.
std::vector<std::string> hop_flags(const Context& context, const HopSpec& hop) {
  std::vector<std::string> flags;
  const device::Device* device = hop.device ? context.stack.devices().at(*hop.device) : nullptr;
  if (device != nullptr && !device->running()) {
    flags.emplace_back("dead");
    if (device->admin_up()) flags.emplace_back("linkdown");
  }
  if (hop.onlink) flags.emplace_back("onlink");
  return flags;
}

std::string hop_text(const Context& context, const HopSpec& hop) {
  std::string out;
  if (hop.gateway) out += "via " + hop.gateway->text() + ' ';
  if (hop.device) out += "dev " + context.name(*hop.device) + ' ';
  return out;
}

std::string flags_text(const Context& context, const HopSpec& hop) {
  std::string out;
  for (const std::string& flag : hop_flags(context, hop))
    out += flag + ' ';
  return out;
}

}  // namespace

bool RouteFilter::empty() const {
  return !table && !tos && !protocol && !scope && !type && device.empty() && !via && !source &&
         !metric && !root && !match && !exact;
}

bool RouteFilter::matches(const Context& context, const RouteSpec& route) const {
  const auto any_hop = [&route](auto test) {
    return std::any_of(route.hops.begin(), route.hops.end(), test);
  };
  return (!tos || route.tos == *tos) && (!protocol || route.protocol == *protocol) &&
         (!scope || scope_of(route) == *scope) && (!type || route.type == *type) &&
         (device.empty() ||
          any_hop([&](const HopSpec& hop) { return hop.device == context.index(device); })) &&
         (!via || any_hop([&](const HopSpec& hop) { return hop.gateway == *via; })) &&
         (!source || route.source == *source) && (!metric || route.metric == *metric) &&
         (!root || root->contains(route.prefix)) && (!match || route.prefix.contains(*match)) &&
         (!exact || route.prefix == *exact);
}

Result<RouteFilter> parse_route_filter(Cursor& cursor, const Verb& verb) {
  RouteFilter filter;
  if (auto result = take_clauses<RouteFilter>(cursor, verb, kRouteFilterClauses, filter); !result)
    return result.error();
  return filter;
}

std::string text_of(const Ipv4Prefix& prefix) {
  if (prefix.length() == 0) return "default";
  return prefix.length() == 32 ? prefix.address().text() : prefix.text();
}

std::string hex_of_tos(std::uint8_t tos) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", tos);
  return text;
}

route::Scope scope_of(const RouteSpec& route) {
  return route.scope.value_or(route::Scope::Universe);
}

std::string route_text(const Context& context, const RouteSpec& route, const RouteFilter& filter,
                       const Format& format) {
  std::string out;
  if (shows_type(route, filter, format)) out += std::string(name_of(route.type)) + ' ';
  out += text_of(route.prefix) + ' ';
  if (route.tos != 0) out += "tos " + hex_of_tos(route.tos) + ' ';
  const bool single = route.hops.size() == 1;
  if (single) out += hop_text(context, route.hops.front());
  if (shows_table(route, filter)) out += "table " + name_of_table(route.table) + ' ';
  if (shows_protocol(route, filter, format)) out += "proto " + name_of(route.protocol) + ' ';
  if (shows_scope(route, filter, format)) out += "scope " + name_of(scope_of(route)) + ' ';
  if (route.source) out += "src " + route.source->text() + ' ';
  if (route.metric != 0) out += "metric " + std::to_string(route.metric) + ' ';
  if (single) out += flags_text(context, route.hops.front());
  if (route.mtu != 0) out += "mtu " + std::to_string(route.mtu) + ' ';
  if (!single) {
    for (const HopSpec& hop : route.hops) {
      out += format.line_end();
      out += "\tnexthop " + hop_text(context, hop) + "weight " + std::to_string(hop.weight) + ' ' +
             flags_text(context, hop);
    }
  }
  return out + '\n';
}

Json route_json(const Context& context, const RouteSpec& route, const RouteFilter& filter,
                const Format& format) {
  Json json;
  if (shows_type(route, filter, format)) json["type"] = name_of(route.type);
  json["dst"] = text_of(route.prefix);
  if (route.tos != 0) json["tos"] = hex_of_tos(route.tos);
  const auto put_hop = [&context](Json& to, const HopSpec& hop) {
    if (hop.gateway) to["gateway"] = hop.gateway->text();
    if (hop.device) to["dev"] = context.name(*hop.device);
  };
  const bool single = route.hops.size() == 1;
  if (single) put_hop(json, route.hops.front());
  if (shows_table(route, filter)) json["table"] = name_of_table(route.table);
  if (shows_protocol(route, filter, format)) json["protocol"] = name_of(route.protocol);
  if (shows_scope(route, filter, format)) json["scope"] = name_of(scope_of(route));
  if (route.source) json["prefsrc"] = route.source->text();
  if (route.metric != 0) json["metric"] = route.metric;
  json["flags"] = single ? Json(hop_flags(context, route.hops.front())) : Json(Json::array());
  if (route.mtu != 0) json["metrics"] = Json::array({Json{{"mtu", route.mtu}}});
  if (route.hops.size() < 2) return json;
  for (const HopSpec& hop : route.hops) {
    Json each;
    put_hop(each, hop);
    each["weight"] = hop.weight;
    each["flags"] = hop_flags(context, hop);
    json["nexthops"].push_back(std::move(each));
  }
  return json;
}

}  // namespace linnet::control
