// SPDX-License-Identifier: BSD-3-Clause
#include "route/tables.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "route/tables_state.hpp"

namespace linnet::route {
namespace {

Error no_memory() {
  return Error{"Cannot allocate memory"};
}

}  // namespace

Tables::State::State(const device::DeviceTable& devices_, table::Rcu& rcu_)
    : devices(devices_), rcu(rcu_), infos(devices_, rcu_) {
  blackhole.type = Type::Blackhole;
  unreachable.type = Type::Unreachable;
  prohibit.type = Type::Prohibit;
  LINNET_CHECK(republish());
}

Tables::State::~State() {
  delete view();
}

bool Tables::State::refresh(const Rib& rib, Ipv4Prefix prefix,
                            std::initializer_list<std::uint32_t> changed) {
  for (auto at = matches.begin(); at != matches.end(); ++at) {
    if (at->second->reads(rib) && !at->second->refresh(prefix, changed)) return false;
  }
  return true;
}

// Linux: fib_table_insert. Routes of a prefix stand by falling TOS, then rising metric; with all
// three equal, in the order of their coming but for Append, which goes behind.
Result<> Tables::State::place(Table& table, const RouteSpec& spec, std::uint32_t info, Mode mode) {
  std::uint32_t before = Rib::kNone;  // the last node that stands in front of the new one
  std::uint32_t first_equal = Rib::kNone, last_equal = Rib::kNone;
  bool identical = false;
  const Rib& rib = *table.rib;
  for (std::uint32_t node = rib.first(spec.prefix); node != Rib::kNone; node = rib.next(node)) {
    const Rib::Node& other = rib.at(node);
    const std::uint32_t metric = infos.at(other.info).metric;
    if (other.tos > spec.tos || (other.tos == spec.tos && metric < spec.metric)) before = node;
    if (other.tos != spec.tos || metric != spec.metric) continue;
    if (first_equal == Rib::kNone) first_equal = node;
    last_equal = node;
    identical = identical || other.info == info;
  }
  if (first_equal == Rib::kNone) return put(table, spec, info, before);
  switch (mode) {
    case Mode::Add:
      return Error{"File exists", spec.prefix.text()};
    case Mode::Replace:
      if (rib.at(first_equal).info == info) {
        infos.release(info);
        return Ok{};
      }
      if (identical) return Error{"File exists", spec.prefix.text()};
      return swap(table, first_equal, info);
    case Mode::Append:
      break;
  }
  if (identical) return Error{"File exists", spec.prefix.text()};
  return put(table, spec, info, last_equal);
}

Result<> Tables::State::put(Table& table, const RouteSpec& spec, std::uint32_t info,
                            std::uint32_t after) {
  Rib& rib = *table.rib;
  const std::uint32_t node = rib.insert(spec.prefix, spec.tos, info, after);
  count_tos(table, spec.tos, true);
  const bool structure = rib.size() == 1 || (spec.tos != 0 && table.of_tos[spec.tos] == 1);
  if (refresh(rib, spec.prefix, {info}) && (!structure || republish())) return Ok{};
  rib.erase(node);
  count_tos(table, spec.tos, false);
  LINNET_CHECK(refresh(rib, spec.prefix, {info}));
  return no_memory();
}

Result<> Tables::State::swap(Table& table, std::uint32_t node, std::uint32_t info) {
  Rib& rib = *table.rib;
  const std::uint32_t old = rib.at(node).info;
  const Ipv4Prefix prefix = rib.at(node).prefix();
  rib.set_info(node, info);
  if (!refresh(rib, prefix, {old, info})) {
    rib.set_info(node, old);
    LINNET_CHECK(refresh(rib, prefix, {old, info}));
    return no_memory();
  }
  infos.release(old);
  return Ok{};
}

void Tables::State::count_tos(Table& table, std::uint8_t tos, bool added) {
  if (tos == 0) return;
  std::size_t& count = table.of_tos[tos];
  count = added ? count + 1 : count - 1;
  if (count == 0) table.of_tos.erase(tos);
}

Result<> Tables::State::insert(const RouteSpec& spec, Mode mode) {
  const RouteFacts facts{devices, [this](const GatewayQuery& query) { return find_gateway(query); },
                         [this](Ipv4Address address) { return is_local(address); }};
  const auto info = check_route(spec, facts);
  if (!info) return info.error();
  const std::uint32_t id = infos.acquire(*info);
  if (id == Infos::kNone) return no_memory();
  const bool is_new = !tables.contains(spec.table);
  auto done = place(tables[spec.table], spec, id, mode);
  if (!done) {
    infos.release(id);
    if (is_new) tables.erase(spec.table);
  }
  return done;
}

void Tables::State::erase(std::uint32_t number, std::uint32_t node) {
  Table& table = tables.at(number);
  Rib& rib = *table.rib;
  const Rib::Node gone = rib.at(node);
  rib.erase(node);
  count_tos(table, gone.tos, false);
  LINNET_CHECK(refresh(rib, gone.prefix(), {gone.info}));
  infos.release(gone.info);
  const bool structure = rib.size() == 0 || (gone.tos != 0 && !table.of_tos.contains(gone.tos));
  // Going back to one trie for local and main needs memory; without it the tables stay apart.
  if (structure) republish();
}

void Tables::State::device_changed(std::uint16_t device) {
  const auto changes = infos.device_changed(device);
  if (changes.empty()) return;
  std::vector<std::uint8_t> what(infos.limit(), 0);
  for (const Infos::Change& change : changes)
    what[change.id] = change.now_dead ? 2 : 1;
  // A device without link: its routes stay in the table and are not used.
  for (const auto& [number, table] : tables) {
    for (std::uint32_t node = 0; node < table.rib->limit(); ++node) {
      const Rib::Node& route = table.rib->at(node);
      if (route.used && what[route.info] == 1) refresh(*table.rib, route.prefix(), {});
    }
  }
  // A device that is down: its routes go (Linux: fib_disable_ip, fib_flush).
  erase_if([&](std::uint32_t, const Rib::Node& route) { return what[route.info] == 2; });
}

Tables::Tables(const device::DeviceTable& devices, table::Rcu& rcu)
    : state_(std::make_unique<State>(devices, rcu)) {}

Tables::~Tables() = default;

Result<> Tables::add(const RouteSpec& spec) {
  const Change change(*this);
  return state_->insert(spec, State::Mode::Add);
}

Result<> Tables::replace(const RouteSpec& spec) {
  const Change change(*this);
  return state_->insert(spec, State::Mode::Replace);
}

Result<> Tables::append(const RouteSpec& spec) {
  const Change change(*this);
  return state_->insert(spec, State::Mode::Append);
}

Result<> Tables::remove(const RouteSpec& spec) {
  const Change change(*this);
  return state_->remove(spec);
}

void Tables::device_changed(std::uint16_t device) {
  const Change change(*this);
  state_->device_changed(device);
}

void Tables::address_gone(Ipv4Address address) {
  const Change change(*this);
  if (state_->is_local(address)) return;
  state_->erase_infos(kTableMain, [&](const Info& info) { return info.source == address; });
}

void Tables::device_disabled(std::uint16_t device) {
  const Change change(*this);
  state_->erase_infos(0, [&](const Info& info) {
    return !info.hops.empty() &&
           std::all_of(info.hops.begin(), info.hops.end(),
                       [&](const InfoHop& hop) { return hop.device == device; });
  });
}

Result<> Tables::add_rule(const Rule& rule) {
  const Change change(*this);
  const Rules before = state_->rules;
  auto done = state_->rules.add(rule);
  if (done && !state_->republish()) {
    state_->rules = before;
    return no_memory();
  }
  return done;
}

Result<> Tables::remove_rule(const Rule& rule) {
  const Change change(*this);
  const Rules before = state_->rules;
  auto done = state_->rules.remove(rule);
  if (done && !state_->republish()) {
    state_->rules = before;
    return no_memory();
  }
  return done;
}

std::vector<Rule> Tables::rules() const {
  return state_->rules.list();
}

}  // namespace linnet::route
