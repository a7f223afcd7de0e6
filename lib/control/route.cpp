// SPDX-License-Identifier: BSD-3-Clause
// `ip route` that changes and lists (iproute2: iproute.c iproute_modify,
// iproute_list_flush_or_save).
#include "control/command.hpp"
#include "control/route_commands.hpp"
#include "control/route_text.hpp"

namespace linnet::control {
namespace {

using route::HopSpec;
using route::RouteSpec;
using route::Type;

// A hop with its device's name still to be looked up.
struct HopWords {
  HopSpec hop;
  std::string device;
};

struct RouteWords {
  RouteSpec route;
  std::optional<Type> type;
  std::optional<std::uint32_t> table;
  std::optional<route::Protocol> protocol;
  std::optional<std::uint32_t> metric;
  std::optional<std::uint8_t> tos;
  bool has_prefix = false;
  bool has_single = false;  // via, dev, onlink or weight outside a nexthop
  HopWords single;
  std::vector<HopWords> nexthops;
};

bool is_type(const std::string& word) {
  const std::string words[] = {word};
  return static_cast<bool>(Cursor(words).route_type());
}

Result<> take_prefix(Cursor& cursor, RouteWords& words) {
  if (words.has_prefix) return cursor.wrong("a second prefix", "one prefix");
  // A type stands in front of the prefix, with or without `to`.
  if (!words.type && !cursor.done() && is_type(cursor.word())) {
    words.type = *cursor.route_type();
    if (!cursor.done() && cursor.word() == "to") cursor.next();
  }
  auto prefix = cursor.prefix();
  if (!prefix) return prefix.error();
  words.route.prefix = *prefix;
  words.has_prefix = true;
  return Ok{};
}

Result<> take_gateway(Cursor& cursor, HopWords& words) {
  auto gateway = cursor.address();
  if (!gateway) return gateway.error();
  words.hop.gateway = *gateway;
  return Ok{};
}

Result<> take_weight(Cursor& cursor, HopWords& words) {
  auto weight = cursor.number(1, 256);
  if (!weight) return weight.error();
  words.hop.weight = static_cast<std::uint16_t>(*weight);
  return Ok{};
}

// nexthop [via ADDRESS] [dev DEVICE] [weight N] [onlink], up to a word that is none of these.
Result<> take_nexthop(Cursor& cursor, RouteWords& words) {
  HopWords hop;
  bool weighted = false;
  while (!cursor.done()) {
    const std::string& word = cursor.word();
    Result<> result{Ok{}};
    if (word == "via" && !hop.hop.gateway) {
      cursor.next();
      result = take_gateway(cursor, hop);
    } else if ((word == "dev" || word == "oif") && hop.device.empty()) {
      cursor.next();
      result = store(hop.device, cursor.device());
    } else if (word == "weight" && !weighted) {
      cursor.next();
      weighted = true;
      result = take_weight(cursor, hop);
    } else if (word == "onlink" && !hop.hop.onlink) {
      cursor.next();
      hop.hop.onlink = true;
    } else {
      break;
    }
    if (!result) return result;
  }
  if (!hop.hop.gateway && hop.device.empty()) return cursor.wrong("no next hop", "via or dev");
  words.nexthops.push_back(std::move(hop));
  return Ok{};
}

constexpr Clause<RouteWords> kRouteClauses[] = {
    {"to", take_prefix},
    {"", take_prefix},
    {"via",
     [](Cursor& c, RouteWords& words) {
       words.has_single = true;
       return take_gateway(c, words.single);
     }},
    {"dev",
     [](Cursor& c, RouteWords& words) {
       words.has_single = true;
       return store(words.single.device, c.device());
     }},
    {"onlink",
     [](Cursor&, RouteWords& words) -> Result<> {
       words.single.hop.onlink = true;
       return Ok{};
     }},
    {"weight",
     [](Cursor& c, RouteWords& words) {
       words.has_single = true;
       return take_weight(c, words.single);
     }},
    {"nexthop", take_nexthop, true},
    {"src", [](Cursor& c, RouteWords& words) { return store(words.route.source, c.address()); }},
    {"tos", [](Cursor& c, RouteWords& words) { return store(words.tos, c.tos()); }},
    {"metric",
     [](Cursor& c, RouteWords& words) { return store(words.metric, c.number(0, 0xffffffff)); }},
    {"scope", [](Cursor& c, RouteWords& words) { return store(words.route.scope, c.scope()); }},
    {"mtu",
     [](Cursor& c, RouteWords& words) -> Result<> {
       auto mtu = c.number(68, 65535);
       if (!mtu) return mtu.error();
       words.route.mtu = static_cast<std::uint16_t>(*mtu);
       return Ok{};
     }},
    {"protocol", [](Cursor& c, RouteWords& words) { return store(words.protocol, c.protocol()); }},
    {"table", [](Cursor& c, RouteWords& words) { return store(words.table, c.table()); }},
};

bool goes_nowhere(Type type) {
  return type == Type::Blackhole || type == Type::Unreachable || type == Type::Prohibit ||
         type == Type::Throw;
}

// What words alone can show to be wrong.
Result<> check_hops(const Cursor& cursor, const RouteWords& words) {
  const bool any_hop = words.has_single || !words.nexthops.empty() || words.single.hop.onlink;
  if (words.type && goes_nowhere(*words.type) && any_hop) {
    return cursor.wrong_before("a route of this type goes nowhere",
                               "neither via, dev, onlink nor nexthop");
  }
  if (!words.nexthops.empty() && (words.has_single || words.single.hop.onlink))
    return cursor.wrong_before("one next hop and several at once", "via and dev, or nexthop");
  return Ok{};
}

Result<RouteWords> parse_words(Cursor& cursor, const Verb& verb) {
  RouteWords words;
  if (auto result = take_clauses<RouteWords>(cursor, verb, kRouteClauses, words); !result)
    return result.error();
  if (!words.has_prefix) return cursor.wrong("", describe(Operand::Prefix));
  if (auto result = check_hops(cursor, words); !result) return result.error();
  words.route.type = words.type.value_or(Type::Unicast);
  words.route.tos = words.tos.value_or(0);
  words.route.metric = words.metric.value_or(0);
  words.route.protocol = words.protocol.value_or(route::Protocol::Boot);
  // iproute2: these two types live in table local.
  const bool local = words.route.type == Type::Local || words.route.type == Type::Broadcast;
  words.route.table = words.table.value_or(local ? route::kTableLocal : route::kTableMain);
  return words;
}

HopSpec resolve(const Context& context, const HopWords& words) {
  HopSpec hop = words.hop;
  if (!words.device.empty()) hop.device = context.index(words.device);
  return hop;
}

RouteSpec resolve(const Context& context, const RouteWords& words) {
  RouteSpec route = words.route;
  if (words.has_single) route.hops.push_back(resolve(context, words.single));
  for (const HopWords& hop : words.nexthops)
    route.hops.push_back(resolve(context, hop));
  return route;
}

bool exists(const Context& context, const RouteSpec& route) {
  bool found = false;
  context.stack.routes().list(route.table, [&](const RouteSpec& other) {
    found |= other.prefix == route.prefix && other.tos == route.tos && other.metric == route.metric;
  });
  return found;
}

Result<> change_route(const Context& context, const RouteSpec& route) {
  // Linux: NLM_F_REPLACE without NLM_F_CREATE.
  if (!exists(context, route)) return Error{"No such file or directory"};
  return context.stack.routes().replace(route);
}

using RouteChange = Result<> (*)(const Context& context, const RouteSpec& route);

template <RouteChange Act>
Result<Action> parse_route_change(Cursor& cursor, const Verb& verb, const Format&) {
  const auto words = parse_words(cursor, verb);
  if (!words) return words.error();
  return Action{[words = *words](const Context& context) -> Result<std::string> {
    if (auto result = Act(context, resolve(context, words)); !result) return result.error();
    return std::string{};
  }};
}

Result<> add_route(const Context& context, const RouteSpec& route) {
  return context.stack.routes().add(route);
}
Result<> replace_route(const Context& context, const RouteSpec& route) {
  return context.stack.routes().replace(route);
}
Result<> append_route(const Context& context, const RouteSpec& route) {
  return context.stack.routes().append(route);
}

// Named is what counts (Linux: fib_table_delete). The tables take a type of unicast and protocol
// boot for unnamed, so a command that names these is compared here.
bool agrees(const RouteWords& words, const RouteSpec& route) {
  return (!words.type || route.type == *words.type) &&
         (!words.protocol || route.protocol == *words.protocol);
}

Result<std::string> delete_route(const Context& context, const RouteWords& words) {
  RouteSpec named = resolve(context, words);
  if (!words.protocol) named.protocol = route::Protocol::Unspec;
  const auto get_rid_of = [&context](const RouteSpec& route) -> Result<std::string> {
    if (auto result = context.stack.routes().remove(route); !result) return result.error();
    return std::string{};
  };
  if (words.type != Type::Unicast && words.protocol != route::Protocol::Boot)
    return get_rid_of(named);
  std::optional<RouteSpec> found;
  context.stack.routes().list(named.table, [&](const RouteSpec& route) {
    const bool same = route.prefix == named.prefix && route.tos == named.tos &&
                      (named.metric == 0 || route.metric == named.metric);
    if (!found && same && agrees(words, route)) found = route;
  });
  if (!found) return Error{"No such process", named.prefix.text()};
  named.protocol = found->protocol;
  named.type = found->type;
  named.metric = found->metric;
  return get_rid_of(named);
}

Result<Action> parse_route_delete(Cursor& cursor, const Verb& verb, const Format&) {
  const auto words = parse_words(cursor, verb);
  if (!words) return words.error();
  return Action{[words = *words](const Context& context) { return delete_route(context, words); }};
}

Result<std::string> show_routes(const Context& context, const RouteFilter& filter,
                                const Format& format) {
  std::string text;
  Json json = Json::array();
  context.stack.routes().list(filter.table.value_or(route::kTableMain),
                              [&](const RouteSpec& route) {
                                if (!filter.matches(context, route)) return;
                                if (format.json) {
                                  json.push_back(route_json(context, route, filter, format));
                                } else {
                                  text += route_text(context, route, filter, format);
                                }
                              });
  return format.json ? write_json(json, format) : text;
}

Result<Action> parse_route_show(Cursor& cursor, const Verb& verb, const Format& format) {
  const auto filter = parse_route_filter(cursor, verb);
  if (!filter) return filter.error();
  return Action{[filter = *filter, format](const Context& context) {
    return show_routes(context, filter, format);
  }};
}

Result<std::string> flush_routes(const Context& context, const RouteFilter& filter) {
  const std::uint32_t table = filter.table.value_or(route::kTableMain);
  context.stack.routes().remove_if([&](const RouteSpec& route) {
    // Of all tables but local: without its routes the host would be deaf.
    const bool here = table == 0 ? route.table != route::kTableLocal : route.table == table;
    return here && filter.matches(context, route);
  });
  return std::string{};
}

Result<Action> parse_route_flush(Cursor& cursor, const Verb& verb, const Format&) {
  const auto filter = parse_route_filter(cursor, verb);
  if (!filter) return filter.error();
  if (filter->empty()) return cursor.wrong("", "what to flush: a table, device, prefix ...");
  return Action{
      [filter = *filter](const Context& context) { return flush_routes(context, filter); }};
}

constexpr Command kRouteCommands[] = {
    {"ip route", "show", parse_route_show},
    {"ip route", "get", parse_route_get},
    {"ip route", "add", parse_route_change<add_route>},
    {"ip route", "change", parse_route_change<change_route>},
    {"ip route", "replace", parse_route_change<replace_route>},
    {"ip route", "append", parse_route_change<append_route>},
    {"ip route", "delete", parse_route_delete},
    {"ip route", "flush", parse_route_flush},
};

}  // namespace

std::span<const Command> route_commands() {
  return kRouteCommands;
}

}  // namespace linnet::control
