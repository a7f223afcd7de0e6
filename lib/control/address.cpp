// SPDX-License-Identifier: BSD-3-Clause
// `ip address` (iproute2: ipaddress.c; the kernel's net/ipv4/devinet.c).
#include <algorithm>
#include <vector>

#include "control/command.hpp"
#include "control/link.hpp"

namespace linnet::control {
namespace {

using route::Address;

// What `show` and `flush` choose by.
struct AddressFilter {
  std::string device;
  bool only_up = false;
  std::optional<route::Scope> scope;
  std::optional<Ipv4Prefix> within;
  std::optional<bool> secondary;
  bool tentative = false;
  bool duplicate = false;

  bool by_address() const { return scope || within || secondary || tentative || duplicate; }
  bool matches(const Address& address) const {
    return (!scope || address.scope == *scope) &&
           (!within || within->contains(address.interface.address)) &&
           (!secondary || address.secondary == *secondary) && (!tentative || address.tentative) &&
           (!duplicate || address.duplicate);
  }
};

Result<> take_device(Cursor& cursor, AddressFilter& filter) {
  if (!filter.device.empty()) return cursor.wrong("a second device", "one device");
  return store(filter.device, cursor.device());
}

Result<> take_rank(Cursor& cursor, AddressFilter& filter, bool secondary) {
  if (filter.secondary) return cursor.wrong_before("primary and secondary at once", "one of them");
  filter.secondary = secondary;
  return Ok{};
}

template <bool AddressFilter::* Flag>
Result<> take_flag(Cursor&, AddressFilter& filter) {
  filter.*Flag = true;
  return Ok{};
}

Result<> take_scope(Cursor& cursor, std::optional<route::Scope>& to) {
  auto scope = cursor.scope();
  if (!scope) return scope.error();
  to = *scope;
  return Ok{};
}

constexpr Clause<AddressFilter> kAddressFilterClauses[] = {
    {"dev", take_device},
    {"", take_device},
    {"up", take_flag<&AddressFilter::only_up>},
    {"scope",
     [](Cursor& cursor, AddressFilter& filter) { return take_scope(cursor, filter.scope); }},
    {"to",
     [](Cursor& cursor, AddressFilter& filter) -> Result<> {
       auto prefix = cursor.prefix();
       if (!prefix) return prefix.error();
       filter.within = *prefix;
       return Ok{};
     }},
    {"primary",
     [](Cursor& cursor, AddressFilter& filter) { return take_rank(cursor, filter, false); }},
    {"secondary",
     [](Cursor& cursor, AddressFilter& filter) { return take_rank(cursor, filter, true); }},
    {"tentative", take_flag<&AddressFilter::tentative>},
    {"dadfailed", take_flag<&AddressFilter::duplicate>},
};

// iproute2's order: print_ifa_flags.
std::vector<std::string_view> address_flags_of(const Address& address) {
  std::vector<std::string_view> flags;
  if (address.secondary) flags.emplace_back("secondary");
  if (address.duplicate) flags.emplace_back("dadfailed");
  if (address.tentative) flags.emplace_back("tentative");
  if (address.no_prefix_route) flags.emplace_back("noprefixroute");
  return flags;
}

std::string inet_of(const Address& address) {
  std::string out = address.interface.text();
  if (address.broadcast) out += " brd " + address.broadcast->text();
  out += " scope " + name_of(address.scope) + ' ';
  for (const std::string_view flag : address_flags_of(address))
    out += std::string(flag) + ' ';
  return out;
}

Json address_json(const Address& address, const device::Device& device) {
  Json json;
  json["family"] = "inet";
  json["local"] = address.interface.address.text();
  json["prefixlen"] = address.interface.length;
  if (address.broadcast) json["broadcast"] = address.broadcast->text();
  json["scope"] = name_of(address.scope);
  for (const std::string_view flag : address_flags_of(address))
    json[std::string(flag)] = true;
  json["label"] = device.name();
  json["valid_life_time"] = 0xffffffffu;  // forever
  json["preferred_life_time"] = 0xffffffffu;
  return json;
}

std::string device_text(const device::Device& device, const std::vector<Address>& addresses,
                        const Format& format) {
  if (format.brief) {
    std::string out = brief_link_head(device);
    for (const Address& address : addresses)
      out += address.interface.text() + ' ';
    return out + '\n';
  }
  constexpr std::string_view kLifetime = "       valid_lft forever preferred_lft forever";
  const std::string end(format.line_end());
  std::string out;
  if (format.oneline) {
    for (const Address& address : addresses) {
      out += std::to_string(device.index() + 1) + ": " + device.name() + "    inet " +
             inet_of(address) + device.name() + end + std::string(kLifetime) + '\n';
    }
    return out;
  }
  out = link_heading(device, false) + ' ' + end;
  if (!format.only_ipv4) out += link_address_line(device, format) + end;
  for (const Address& address : addresses)
    out += "    inet " + inet_of(address) + device.name() + end + std::string(kLifetime) + '\n';
  if (format.statistics > 0) out += link_statistics(device, format) + '\n';
  return out;
}

Json device_json(const device::Device& device, const std::vector<Address>& addresses,
                 const Format& format) {
  Json json = link_json(device, format, false);
  json["addr_info"] = Json::array();
  for (const Address& address : addresses)
    json["addr_info"].push_back(address_json(address, device));
  if (format.statistics > 0) json["stats64"] = statistics_json(device);
  return json;
}

Result<std::string> show_addresses(const Context& context, const AddressFilter& filter,
                                   const Format& format) {
  std::string text;
  Json json = Json::array();
  for (const auto& device : context.stack.devices().all()) {
    if (!filter.device.empty() && device->name() != filter.device) continue;
    if (filter.only_up && !device->admin_up()) continue;
    std::vector<Address> addresses = context.stack.addresses().list(device->index());
    std::erase_if(addresses, [&](const Address& address) { return !filter.matches(address); });
    if (addresses.empty() && (filter.by_address() || format.only_ipv4)) continue;
    if (format.json) {
      json.push_back(device_json(*device, addresses, format));
    } else {
      text += device_text(*device, addresses, format);
    }
  }
  return format.json ? write_json(json, format) : text;
}

Result<Action> parse_address_show(Cursor& cursor, const Verb& verb, const Format& format) {
  AddressFilter filter;
  if (auto result = take_clauses<AddressFilter>(cursor, verb, kAddressFilterClauses, filter);
      !result)
    return result.error();
  return Action{
      [filter, format](const Context& context) { return show_addresses(context, filter, format); }};
}

Result<std::string> flush_addresses(const Context& context, const AddressFilter& filter) {
  device::Device& device = context.device(filter.device);
  if (filter.only_up && !device.admin_up()) return std::string{};
  // A primary takes its secondaries along: each is looked for again.
  for (const Address& address : context.stack.addresses().list(device.index())) {
    if (!filter.matches(address)) continue;
    const std::vector<Address> left = context.stack.addresses().list(device.index());
    if (std::none_of(left.begin(), left.end(),
                     [&](const Address& other) { return other.interface == address.interface; }))
      continue;
    if (auto result = context.stack.remove_address(device, address.interface); !result)
      return result.error();
  }
  return std::string{};
}

Result<Action> parse_address_flush(Cursor& cursor, const Verb& verb, const Format&) {
  AddressFilter filter;
  if (auto result = take_clauses<AddressFilter>(cursor, verb, kAddressFilterClauses, filter);
      !result)
    return result.error();
  if (filter.device.empty()) return cursor.wrong("", describe(Operand::Device));
  return Action{[filter](const Context& context) { return flush_addresses(context, filter); }};
}

struct AddressChange {
  std::string device;
  std::optional<Ipv4Interface> interface;
  std::optional<Ipv4Address> broadcast;
  char broadcast_sign = 0;  // '+' or '-' in place of an address
  std::optional<route::Scope> scope;
  bool no_prefix_route = false;

  // iproute2's default scope: host for 127/8, else global.
  Address address() const {
    Address out;
    out.interface = *interface;
    out.broadcast = broadcast;
    if (broadcast_sign == '+') out.broadcast = interface->prefix().last();
    if (broadcast_sign == '-') out.broadcast = interface->prefix().address();
    out.scope = scope.value_or(interface->address.is_loopback() ? route::Scope::Host
                                                                : route::Scope::Universe);
    out.no_prefix_route = no_prefix_route;
    return out;
  }
};

Result<> take_interface(Cursor& cursor, AddressChange& change) {
  if (change.interface) return cursor.wrong("a second address", "one address");
  auto interface = cursor.interface();
  if (!interface) return interface.error();
  change.interface = *interface;
  return Ok{};
}

Result<> take_broadcast(Cursor& cursor, AddressChange& change) {
  if (!cursor.done() && (cursor.word() == "+" || cursor.word() == "-")) {
    change.broadcast_sign = cursor.word()[0];
    cursor.next();
    return Ok{};
  }
  auto address = cursor.address();
  if (!address) return cursor.wrong("not a broadcast address", describe(Operand::Broadcast));
  change.broadcast = *address;
  return Ok{};
}

constexpr Clause<AddressChange> kAddressChangeClauses[] = {
    {"local", take_interface},
    {"", take_interface},
    {"broadcast", take_broadcast},
    {"scope",
     [](Cursor& cursor, AddressChange& change) { return take_scope(cursor, change.scope); }},
    {"dev",
     [](Cursor& cursor, AddressChange& change) { return store(change.device, cursor.device()); }},
    {"noprefixroute",
     [](Cursor&, AddressChange& change) -> Result<> {
       change.no_prefix_route = true;
       return Ok{};
     }},
};

Result<AddressChange> parse_address_change(Cursor& cursor, const Verb& verb) {
  AddressChange change;
  if (auto result = take_clauses<AddressChange>(cursor, verb, kAddressChangeClauses, change);
      !result)
    return result.error();
  if (!change.interface) return cursor.wrong("", describe(Operand::Interface));
  if (change.device.empty()) return cursor.wrong("", "dev and a device's name");
  return change;
}

Result<Action> parse_address_add(Cursor& cursor, const Verb& verb, const Format&) {
  const auto change = parse_address_change(cursor, verb);
  if (!change) return change.error();
  return Action{[change = *change](const Context& context) -> Result<std::string> {
    auto result = context.stack.add_address(context.device(change.device), change.address());
    if (!result) return result.error();
    return std::string{};
  }};
}

Result<Action> parse_address_delete(Cursor& cursor, const Verb& verb, const Format&) {
  const auto change = parse_address_change(cursor, verb);
  if (!change) return change.error();
  return Action{[change = *change](const Context& context) -> Result<std::string> {
    auto result = context.stack.remove_address(context.device(change.device), *change.interface);
    if (!result) return result.error();
    return std::string{};
  }};
}

constexpr Command kAddressCommands[] = {{"ip address", "add", parse_address_add},
                                        {"ip address", "delete", parse_address_delete},
                                        {"ip address", "show", parse_address_show},
                                        {"ip address", "flush", parse_address_flush}};

}  // namespace

std::span<const Command> address_commands() {
  return kAddressCommands;
}

}  // namespace linnet::control
