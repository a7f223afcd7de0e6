// SPDX-License-Identifier: BSD-3-Clause
// `ip neigh` (iproute2: ipneigh.c; the kernel's neigh_add, neigh_delete, neigh_dump_info).
#include "control/command.hpp"

namespace linnet::control {
namespace {

using neigh::NeighbourInfo;
using neigh::Nud;
using neigh::System;

struct NeighFilter {
  std::string device;
  std::optional<Nud> state;
  bool any_state = false;  // nud all
  bool proxy = false;
  std::optional<Ipv4Prefix> within;

  bool matches(const Context& context, const NeighbourInfo& info) const {
    // iproute2: what needs no ARP is only shown to who asks for it.
    const bool state_fits = any_state || (state ? info.state == *state : info.state != Nud::NoArp);
    return info.proxy == proxy && (proxy || state_fits) &&
           (device.empty() || info.device == context.index(device)) &&
           (!within || within->contains(info.address));
  }
};

Result<> take_state(Cursor& cursor, NeighFilter& filter) {
  if (!cursor.done() && cursor.word() == "all") {
    cursor.next();
    filter.any_state = true;
    return Ok{};
  }
  auto state = cursor.nud();
  if (!state) return state.error();
  filter.state = *state;
  return Ok{};
}

Result<> take_within(Cursor& cursor, NeighFilter& filter) {
  if (filter.within) return cursor.wrong("a second prefix", "one prefix");
  auto prefix = cursor.prefix();
  if (!prefix) return prefix.error();
  filter.within = *prefix;
  return Ok{};
}

constexpr Clause<NeighFilter> kNeighFilterClauses[] = {
    {"dev", [](Cursor& c, NeighFilter& filter) { return store(filter.device, c.device()); }},
    {"nud", take_state},
    {"to", take_within},
    {"", take_within},
    {"proxy",
     [](Cursor&, NeighFilter& filter) -> Result<> {
       filter.proxy = true;
       return Ok{};
     }},
};

std::string seconds_of(const NeighbourInfo& info) {
  const auto seconds = [](time::Duration ago) {
    return std::to_string(ago.count_ns() / 1'000'000'000);
  };
  return seconds(info.used_ago) + '/' + seconds(info.confirmed_ago) + '/' +
         seconds(info.updated_ago);
}

std::string text_of(const Context& context, const NeighbourInfo& info, const Format& format) {
  if (format.brief) {
    return left(info.address.text(), 39) + ' ' + left(context.name(info.device), 16) + ' ' +
           (info.mac ? info.mac->text() : "") + '\n';
  }
  std::string out = info.address.text() + " dev " + context.name(info.device) + ' ';
  if (info.mac) out += "lladdr " + info.mac->text() + ' ';
  if (info.proxy) return out + "proxy \n";
  if (format.statistics > 0)
    out += " used " + seconds_of(info) + "probes " + std::to_string(info.probes) + ' ';
  return out + std::string(name_of(info.state)) + " \n";
}

Json json_of(const Context& context, const NeighbourInfo& info, const Format& format) {
  Json json;
  json["dst"] = info.address.text();
  json["dev"] = context.name(info.device);
  if (info.mac) json["lladdr"] = info.mac->text();
  if (info.proxy) {
    json["proxy"] = nullptr;
    return json;
  }
  if (format.statistics > 0) {
    json["used"] = info.used_ago.count_ns() / 1'000'000'000;
    json["confirmed"] = info.confirmed_ago.count_ns() / 1'000'000'000;
    json["updated"] = info.updated_ago.count_ns() / 1'000'000'000;
    json["probes"] = info.probes;
  }
  json["state"] = Json::array({name_of(info.state)});
  return json;
}

std::vector<NeighbourInfo> matching(const Context& context, const NeighFilter& filter) {
  std::vector<NeighbourInfo> out;
  context.stack.neighbours().list(context.now, [&](const NeighbourInfo& info) {
    if (filter.matches(context, info)) out.push_back(info);
  });
  return out;
}

std::string show_neighbours(const Context& context, const std::vector<NeighbourInfo>& neighbours,
                            const Format& format) {
  std::string text;
  Json json = Json::array();
  for (const NeighbourInfo& info : neighbours) {
    if (format.json)
      json.push_back(json_of(context, info, format));
    else
      text += text_of(context, info, format);
  }
  return format.json ? write_json(json, format) : text;
}

Result<Action> parse_neigh_show(Cursor& cursor, const Verb& verb, const Format& format) {
  NeighFilter filter;
  if (auto result = take_clauses<NeighFilter>(cursor, verb, kNeighFilterClauses, filter); !result)
    return result.error();
  return Action{[filter, format](const Context& context) -> Result<std::string> {
    return show_neighbours(context, matching(context, filter), format);
  }};
}

// Each is found first and then removed by name: `to` and `proxy` are choices the system's own flush
// does not have.
Result<std::string> flush_neighbours(const Context& context, const NeighFilter& filter) {
  for (const NeighbourInfo& info : matching(context, filter)) {
    const bool lasting = info.state == Nud::Permanent && !filter.any_state && !filter.state;
    if (lasting && !filter.proxy) continue;
    auto result = info.proxy ? context.stack.neighbours().remove_proxy(info.device, info.address)
                             : context.stack.neighbours().remove(info.device, info.address);
    if (!result) return result.error();
  }
  return std::string{};
}

Result<Action> parse_neigh_flush(Cursor& cursor, const Verb& verb, const Format&) {
  NeighFilter filter;
  // `ip neigh flush all`: nothing is filtered.
  const bool all = !cursor.done() && cursor.word() == "all";
  if (all) cursor.next();
  if (auto result = take_clauses<NeighFilter>(cursor, verb, kNeighFilterClauses, filter); !result)
    return result.error();
  const bool chooses =
      !filter.device.empty() || filter.state || filter.any_state || filter.proxy || filter.within;
  if (!all && !chooses) return cursor.wrong("", "all, dev, nud, proxy or a prefix");
  return Action{[filter](const Context& context) { return flush_neighbours(context, filter); }};
}

struct NeighChange {
  std::optional<Ipv4Address> address;
  bool proxy = false;
  std::string device;
  std::optional<MacAddress> mac;
  std::optional<Nud> state;
};

Result<> take_address(Cursor& cursor, NeighChange& change) {
  if (change.address) return cursor.wrong("a second address", "one address");
  auto address = cursor.address();
  if (!address) return address.error();
  change.address = *address;
  return Ok{};
}

Result<> take_new_state(Cursor& cursor, NeighChange& change) {
  auto state = cursor.nud();
  if (!state) return state.error();
  change.state = *state;
  return Ok{};
}

constexpr Clause<NeighChange> kNeighChangeClauses[] = {
    {"to", take_address},
    {"", take_address},
    {"proxy",
     [](Cursor& c, NeighChange& change) {
       change.proxy = true;
       return take_address(c, change);
     }},
    {"dev", [](Cursor& c, NeighChange& change) { return store(change.device, c.device()); }},
    {"lladdr",
     [](Cursor& c, NeighChange& change) -> Result<> {
       auto mac = c.mac();
       if (!mac) return mac.error();
       change.mac = *mac;
       return Ok{};
     }},
    {"nud", take_new_state},
};

Result<NeighChange> parse_change_words(Cursor& cursor, const Verb& verb) {
  NeighChange change;
  if (auto result = take_clauses<NeighChange>(cursor, verb, kNeighChangeClauses, change); !result)
    return result.error();
  if (!change.address) return cursor.wrong("", describe(Operand::Address));
  if (change.device.empty()) return cursor.wrong("", "dev and a device's name");
  if (change.proxy && (change.mac || change.state)) {
    return cursor.wrong_before("an address that is answered for has no MAC address and no state",
                               "only dev and a device's name");
  }
  return change;
}

Result<std::string> change_neighbour(const Context& context, const NeighChange& change,
                                     System::Change how) {
  System& neighbours = context.stack.neighbours();
  const std::uint16_t device = context.index(change.device);
  Result<> result{Ok{}};
  if (change.proxy) {
    result = neighbours.add_proxy(device, *change.address);
  } else {
    System::Request request;
    request.device = device;
    request.address = *change.address;
    request.mac = change.mac;
    request.state = change.state.value_or(Nud::Permanent);
    result = neighbours.change(request, how);
  }
  if (!result) return result.error();
  return std::string{};
}

template <System::Change How>
Result<Action> parse_neigh_change(Cursor& cursor, const Verb& verb, const Format&) {
  const auto change = parse_change_words(cursor, verb);
  if (!change) return change.error();
  return Action{[change = *change](const Context& context) {
    return change_neighbour(context, change, How);
  }};
}

Result<Action> parse_neigh_delete(Cursor& cursor, const Verb& verb, const Format&) {
  const auto change = parse_change_words(cursor, verb);
  if (!change) return change.error();
  return Action{[change = *change](const Context& context) -> Result<std::string> {
    System& neighbours = context.stack.neighbours();
    const std::uint16_t device = context.index(change.device);
    auto result = change.proxy ? neighbours.remove_proxy(device, *change.address)
                               : neighbours.remove(device, *change.address);
    if (!result) return result.error();
    return std::string{};
  }};
}

// Linux: neigh_get.
Result<Action> parse_neigh_get(Cursor& cursor, const Verb& verb, const Format& format) {
  const auto wanted = parse_change_words(cursor, verb);
  if (!wanted) return wanted.error();
  NeighFilter filter;
  filter.device = wanted->device;
  filter.any_state = true;
  filter.proxy = wanted->proxy;
  filter.within = Ipv4Prefix(*wanted->address, 32);
  return Action{[filter, format](const Context& context) -> Result<std::string> {
    const std::vector<NeighbourInfo> found = matching(context, filter);
    if (found.empty()) return Error{"No such file or directory", filter.within->address().text()};
    return show_neighbours(context, found, format);
  }};
}

constexpr Command kNeighCommands[] = {
    {"ip neighbour", "add", parse_neigh_change<System::Change::Add>},
    {"ip neighbour", "change", parse_neigh_change<System::Change::Change>},
    {"ip neighbour", "replace", parse_neigh_change<System::Change::Replace>},
    {"ip neighbour", "delete", parse_neigh_delete},
    {"ip neighbour", "show", parse_neigh_show},
    {"ip neighbour", "get", parse_neigh_get},
    {"ip neighbour", "flush", parse_neigh_flush},
};

}  // namespace

std::span<const Command> neighbour_commands() {
  return kNeighCommands;
}

}  // namespace linnet::control
