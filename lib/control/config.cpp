// SPDX-License-Identifier: BSD-3-Clause
#include "control/config.hpp"

#include <algorithm>

#include "control/route_text.hpp"
#include "control/rule.hpp"
#include "control/sysctl.hpp"
#include "control/words.hpp"

namespace linnet::control {
namespace {

using route::Address;
using route::RouteSpec;

// Two names of one value: the one of the finer unit tells it exactly.
bool is_coarser(const Setting& setting, const std::vector<Setting>& all) {
  return std::any_of(all.begin(), all.end(), [&setting](const Setting& other) {
    return setting.numbers.size() == 1 && other.numbers.size() == 1 &&
           other.numbers[0].kept == setting.numbers[0].kept &&
           other.numbers[0].unit < setting.numbers[0].unit;
  });
}

void add_settings(const Context& context, std::vector<std::string>& lines) {
  ip::Settings ip_defaults;
  neigh::Settings neigh_defaults;
  socket::Settings socket_defaults;
  tcp::Settings tcp_defaults;
  const std::vector<Setting> defaults =
      settings_of({ip_defaults, neigh_defaults, socket_defaults, tcp_defaults});
  const std::vector<Setting> all = settings_of(context.stack);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string text = all[i].text();
    if (text == defaults[i].text() || is_coarser(all[i], all)) continue;
    lines.push_back(join_words({"sysctl", std::string(all[i].name) + '=' + text}));
  }
}

std::string address_line(const device::Device& device, const Address& address) {
  std::string line = "ip addr add " + address.interface.text();
  if (address.broadcast) line += " broadcast " + address.broadcast->text();
  line += " scope " + name_of(address.scope);
  if (address.no_prefix_route) line += " noprefixroute";
  return line + " dev " + device.name();
}

void add_devices(const Context& context, std::vector<std::string>& lines) {
  for (const auto& device : context.stack.devices().all()) {
    const std::string set = "ip link set dev " + device->name();
    if (device->loopback()) {
      if (!device->admin_up()) lines.push_back(set + " down");
    } else {
      const bool has_mac = device->link_layer() == device::LinkLayer::Ethernet;
      lines.push_back(set + (has_mac ? " address " + device->mac().text() : "") + " mtu " +
                      std::to_string(device->mtu()) +
                      (device->promiscuous() ? " promisc on" : " promisc off") +
                      (device->all_multicast() ? " allmulticast on" : " allmulticast off") +
                      (device->admin_up() ? " up" : " down"));
    }
    for (const Address& address : context.stack.addresses().list(device->index())) {
      const bool given = device->loopback() && address.interface.text() == "127.0.0.1/8";
      if (!given) lines.push_back(address_line(*device, address));
    }
  }
}

std::string route_line(const Context& context, const RouteSpec& route) {
  std::string line = "ip route append " + std::string(name_of(route.type)) + ' ' +
                     route.prefix.text() + " table " + name_of_table(route.table) + " proto " +
                     name_of(route.protocol);
  if (route.scope) line += " scope " + name_of(*route.scope);
  if (route.tos != 0) line += " tos " + hex_of_tos(route.tos);
  if (route.metric != 0) line += " metric " + std::to_string(route.metric);
  if (route.source) line += " src " + route.source->text();
  if (route.mtu != 0) line += " mtu " + std::to_string(route.mtu);
  for (const route::HopSpec& hop : route.hops) {
    if (route.hops.size() > 1) line += " nexthop";
    if (hop.gateway) line += " via " + hop.gateway->text();
    if (hop.device) line += " dev " + context.name(*hop.device);
    if (route.hops.size() > 1) line += " weight " + std::to_string(hop.weight);
    if (hop.onlink) line += " onlink";
  }
  return line;
}

// Nearer scopes first: a gateway must be reachable when its route is added.
void add_routes(const Context& context, std::vector<std::string>& lines) {
  for (const bool direct : {true, false}) {
    context.stack.routes().list(0, [&](const RouteSpec& route) {
      if (route.protocol == route::Protocol::Kernel) return;
      if ((route.scope.value_or(route::Scope::Universe) >= route::Scope::Link) == direct)
        lines.push_back(route_line(context, route));
    });
  }
}

void add_rules(const Context& context, std::vector<std::string>& lines) {
  const std::vector<route::Rule> standard = {{.priority = 0, .table = route::kTableLocal},
                                             {.priority = 32766, .table = route::kTableMain},
                                             {.priority = 32767, .table = route::kTableDefault}};
  const std::vector<route::Rule> rules = context.stack.routes().rules();
  const auto in = [](const std::vector<route::Rule>& list, const route::Rule& rule) {
    return std::find(list.begin(), list.end(), rule) != list.end();
  };
  for (const route::Rule& rule : standard) {
    if (!in(rules, rule)) lines.push_back("ip rule del priority " + std::to_string(rule.priority));
  }
  for (const route::Rule& rule : rules) {
    if (!in(standard, rule)) {
      lines.push_back("ip rule add priority " + std::to_string(rule.priority) + ' ' +
                      rule_words(rule));
    }
  }
}

void add_neighbours(const Context& context, std::vector<std::string>& lines) {
  using neigh::Nud;
  context.stack.neighbours().list(context.now, [&](const neigh::NeighbourInfo& info) {
    const std::string device = " dev " + context.name(info.device);
    if (info.proxy) {
      lines.push_back("ip neigh add proxy " + info.address.text() + device);
    } else if (info.mac && (info.state == Nud::Permanent || info.state == Nud::NoArp)) {
      lines.push_back("ip neigh replace " + info.address.text() + " lladdr " + info.mac->text() +
                      device + (info.state == Nud::NoArp ? " nud noarp" : " nud permanent"));
    }
  });
}

}  // namespace

std::vector<std::string> configuration_of(const Context& context) {
  std::vector<std::string> lines;
  add_settings(context, lines);
  add_devices(context, lines);
  add_routes(context, lines);
  add_rules(context, lines);
  add_neighbours(context, lines);
  return lines;
}

}  // namespace linnet::control
