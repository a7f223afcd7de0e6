// SPDX-License-Identifier: BSD-3-Clause
// What Tables tells and finds on the control core.
#include <algorithm>

#include "route/tables_state.hpp"

namespace linnet::route {
namespace {

HopSpec hop_spec(const InfoHop& hop) {
  return {hop.gateway, hop.device, hop.weight, hop.onlink};
}

// Linux: fib_nh_match. What the hop does not name agrees with anything.
bool hops_agree(const std::vector<HopSpec>& wanted, const std::vector<InfoHop>& hops) {
  if (wanted.empty()) return true;
  if (wanted.size() != hops.size()) return false;
  for (std::size_t i = 0; i < hops.size(); ++i) {
    if (wanted[i].gateway && wanted[i].gateway != hops[i].gateway) return false;
    if (wanted[i].device && *wanted[i].device != hops[i].device) return false;
    if (hops.size() > 1 && wanted[i].weight != hops[i].weight) return false;
  }
  return true;
}

}  // namespace

RouteSpec Tables::State::spec_of(std::uint32_t table, const Rib::Node& node) const {
  const Info& info = infos.at(node.info);
  RouteSpec spec;
  spec.prefix = node.prefix();
  spec.table = table;
  spec.type = info.type;
  spec.scope = info.scope;
  spec.tos = node.tos;
  spec.metric = info.metric;
  spec.protocol = info.protocol;
  spec.source = info.source;
  spec.mtu = info.mtu;
  for (const InfoHop& hop : info.hops)
    spec.hops.push_back(hop_spec(hop));
  spec.dead = !infos.usable(node.info);
  return spec;
}

// Whether the route is one that `wanted` names (Linux: fib_table_delete).
bool Tables::State::agrees(const RouteSpec& wanted, const Info& info, bool any_type) const {
  if (!any_type && wanted.type != info.type) return false;
  if (wanted.scope && *wanted.scope != info.scope) return false;
  if (wanted.metric != 0 && wanted.metric != info.metric) return false;
  if (wanted.protocol != Protocol::Unspec && wanted.protocol != Protocol::Boot &&
      wanted.protocol != info.protocol)
    return false;
  if (wanted.source && wanted.source != info.source) return false;
  if (wanted.mtu != 0 && wanted.mtu != info.mtu) return false;
  return hops_agree(wanted.hops, info.hops);
}

Result<> Tables::State::remove(const RouteSpec& spec) {
  const auto table = tables.find(spec.table);
  if (table == tables.end()) return Error{"No such process", spec.prefix.text()};
  const Rib& rib = *table->second.rib;
  for (const bool any_type : {false, true}) {
    // Unicast is also what a command says that names no type.
    if (any_type && spec.type != Type::Unicast) break;
    for (std::uint32_t node = rib.first(spec.prefix); node != Rib::kNone; node = rib.next(node)) {
      if (rib.at(node).tos != spec.tos || !agrees(spec, infos.at(rib.at(node).info), any_type))
        continue;
      erase(spec.table, node);
      return Ok{};
    }
  }
  return Error{"No such process", spec.prefix.text()};
}

// The way to a gateway, by the routes of enough scope alone (Linux: fib_table_lookup with
// flowi4_scope and flowi4_oif; a device without link counts).
std::optional<GatewayAnswer> Tables::State::find_gateway(const GatewayQuery& query) const {
  const auto search = [&](const std::vector<const Rib*>& ribs) -> std::optional<GatewayAnswer> {
    for (unsigned length = 33; length-- > 0;) {
      const Ipv4Prefix prefix(query.gateway, length);
      for (const Rib* rib : ribs) {
        for (auto node = rib->first(prefix); node != Rib::kNone; node = rib->next(node)) {
          const Info& info = infos.at(rib->at(node).info);
          if (rib->at(node).tos != 0 || info.scope < query.at_least) continue;
          for (const InfoHop& hop : info.hops) {
            const device::Device* const device = devices.at(hop.device);
            if (query.device && hop.device != *query.device) continue;
            if (info.needs_hop() && !device->admin_up()) continue;
            return GatewayAnswer{info.type, info.scope, hop.device};
          }
        }
      }
    }
    return std::nullopt;
  };
  const auto rib_of = [&](std::uint32_t number) -> const Rib* {
    const auto at = tables.find(number);
    return at == tables.end() ? nullptr : at->second.rib.get();
  };
  if (const Rib* rib = rib_of(query.table); rib != nullptr && query.table != kTableMain) {
    if (const auto found = search({rib})) return found;
  }
  if (rules.standard()) {
    if (const auto found = search({rib_of(kTableLocal), rib_of(kTableMain)})) return found;
    const Rib* const fallback = rib_of(kTableDefault);
    return fallback == nullptr ? std::nullopt : search({fallback});
  }
  for (const Rule& rule : rules.list()) {
    if (!RuleMatcher(rule, devices).matches(Key{.destination = query.gateway})) continue;
    if (rule.action != Type::Unicast) return std::nullopt;
    const Rib* const rib = rib_of(rule.table);
    if (rib == nullptr) continue;
    if (const auto found = search({rib})) return found;
  }
  return std::nullopt;
}

bool Tables::State::is_local(Ipv4Address address) const {
  const Rib& rib = *tables.at(kTableLocal).rib;
  for (unsigned length = 33; length-- > 0;) {
    const std::uint32_t node = rib.first(Ipv4Prefix(address, length));
    if (node != Rib::kNone) return infos.at(rib.at(node).info).type == Type::Local;
  }
  return false;
}

std::size_t Tables::remove_if(const std::function<bool(const RouteSpec&)>& chosen) {
  const Change change(*this);
  return state_->erase_if([&](std::uint32_t table, const Rib::Node& node) {
    return chosen(state_->spec_of(table, node));
  });
}

void Tables::list(std::uint32_t number, const std::function<void(const RouteSpec&)>& visit) const {
  for (const auto& [its, table] : state_->tables) {
    if (number != 0 && its != number) continue;
    const Rib& rib = *table.rib;
    std::vector<std::uint32_t> nodes;
    nodes.reserve(rib.size());
    for (std::uint32_t node = 0; node < rib.limit(); ++node) {
      // Only the first of a prefix: the others follow it in their order.
      if (rib.at(node).used && rib.first(rib.at(node).prefix()) == node) nodes.push_back(node);
    }
    std::sort(nodes.begin(), nodes.end(), [&](std::uint32_t a, std::uint32_t b) {
      return rib.at(a).prefix() < rib.at(b).prefix();
    });
    for (const std::uint32_t first : nodes) {
      for (std::uint32_t node = first; node != Rib::kNone; node = rib.next(node))
        visit(state_->spec_of(its, rib.at(node)));
    }
  }
}

std::size_t Tables::size(std::uint32_t number) const {
  std::size_t count = 0;
  for (const auto& [its, table] : state_->tables) {
    if (number == 0 || its == number) count += table.rib->size();
  }
  return count;
}

std::size_t Tables::memory_bytes() const {
  std::size_t bytes = state_->infos.memory_bytes();
  for (const auto& [number, table] : state_->tables)
    bytes += table.rib->memory_bytes();
  for (const auto& [name, match] : state_->matches)
    bytes += match->memory_bytes();
  return bytes;
}

// Linux ip_route_output_key_hash_rcu: "apparently, routing tables are wrong".
Result<Tables::Answer> Tables::State::on_link(const Key& key) const {
  const device::Device* const device = devices.at(key.output_device);
  if (device == nullptr) return Error{"No such device"};
  if (!device->admin_up()) return Error{"Network is unreachable", key.destination.text()};
  Answer answer;
  answer.route.prefix = Ipv4Prefix(key.destination, 32);
  answer.hop.device = key.output_device;
  return answer;
}

Result<Tables::Answer> Tables::get(const Key& key, std::uint32_t flow_hash) const {
  const State& state = *state_;
  const View& view = *state.view();
  LongestMatch::Found found;
  const auto search = [&](const LongestMatch& match) {
    found = match.find(key.destination, key.output_device);
    if (found && state.infos.at(found.info()).type == Type::Throw) found = {};
    return static_cast<bool>(found);
  };
  Type verdict = Type::Unicast;
  if (!view.needs_key) {
    if (!search(*view.merged) && view.fallback) search(*view.fallback);
  }
  for (const View::RuleView& rule : view.rules) {
    if (!rule.matcher.matches(key)) continue;
    if (rule.verdict != nullptr) {
      verdict = rule.verdict->type;
      break;
    }
    if (rule.table && search(rule.table->for_tos(key.tos))) break;
  }
  if (found) verdict = state.infos.at(found.info()).type;
  const bool refused =
      verdict == Type::Blackhole || verdict == Type::Unreachable || verdict == Type::Prohibit;
  if (key.output_device != packet::kNoDevice && (!found || refused)) return state.on_link(key);
  if (!found && !refused) return Error{"Network is unreachable", key.destination.text()};
  // Linux: fib_props.
  if (verdict == Type::Blackhole) return Error{"Invalid argument", key.destination.text()};
  if (verdict == Type::Unreachable) return Error{"No route to host", key.destination.text()};
  if (verdict == Type::Prohibit) return Error{"Permission denied", key.destination.text()};
  Answer answer;
  for (const auto& [number, table] : state.tables) {
    if (table.rib.get() == found.rib)
      answer.route = state.spec_of(number, found.rib->at(found.node));
  }
  const Route* const route = state.infos.route(found.info());
  const NextHop* const hop = key.output_device == packet::kNoDevice
                                 ? route->choose(flow_hash)
                                 : route->hop_on(key.output_device);
  LINNET_CHECK(hop != nullptr);
  answer.hop.device = hop->device;
  answer.hop.weight = hop->weight;
  for (const HopSpec& spec : answer.route.hops) {
    if (spec.device == hop->device && spec.gateway.value_or(Ipv4Address()) == hop->gateway)
      answer.hop = spec;
  }
  return answer;
}

}  // namespace linnet::route
