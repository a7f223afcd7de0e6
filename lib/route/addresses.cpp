// SPDX-License-Identifier: BSD-3-Clause
#include "route/addresses.hpp"

#include <algorithm>

#include "route/addresses_state.hpp"

namespace linnet::route {
namespace {

bool same_subnet(const Ipv4Interface& a, const Ipv4Interface& b) {
  return a.length == b.length && a.prefix() == b.prefix();
}

}  // namespace

void Addresses::State::publish(PerDevice& device) {
  const auto* const next = new Snapshot{device.addresses};
  const Snapshot* const old = device.published.exchange(next, std::memory_order_acq_rel);
  if (old != nullptr) rcu.defer([old] { delete old; });
}

const Address* Addresses::State::primary_of(const PerDevice& device, const Address& address) const {
  for (const Address& other : device.addresses) {
    if (!other.secondary && same_subnet(other.interface, address.interface)) return &other;
  }
  return &address;
}

// The routes that the device's addresses stand for (Linux: fib_add_ifaddr, fib_magic).
std::vector<RouteSpec> Addresses::State::routes_of(std::uint16_t index) const {
  const device::Device& device = *devices.at(index);
  std::vector<RouteSpec> routes;
  const auto add = [&](Type type, Ipv4Prefix prefix, Ipv4Address source) {
    RouteSpec spec;
    spec.prefix = prefix;
    spec.type = type;
    spec.table = type == Type::Unicast ? kTableMain : kTableLocal;
    spec.scope = type == Type::Local ? Scope::Host : Scope::Link;
    spec.protocol = Protocol::Kernel;
    spec.source = source;
    spec.hops = {{.device = index}};
    if (std::find(routes.begin(), routes.end(), spec) == routes.end())
      routes.push_back(std::move(spec));
  };
  for (const Address& address : per_device[index].addresses) {
    const Ipv4Address local = address.interface.address;
    const Ipv4Prefix subnet = address.interface.prefix();
    const Ipv4Address source = primary_of(per_device[index], address)->interface.address;
    add(Type::Local, Ipv4Prefix(local, 32), source);
    if (!device.admin_up()) continue;
    if (address.broadcast && !address.broadcast->is_limited_broadcast())
      add(Type::Broadcast, Ipv4Prefix(*address.broadcast, 32), source);
    if (subnet.address().is_zero_net() || address.secondary || subnet.length() == 32) continue;
    if (!address.no_prefix_route)
      add(device.loopback() ? Type::Local : Type::Unicast, subnet, source);
    if (subnet.length() < 31) add(Type::Broadcast, Ipv4Prefix(subnet.last(), 32), source);
  }
  return routes;
}

// Brings the tables to what the addresses and the device's state ask for. A route that someone else
// removed, or put there first, is no error here.
void Addresses::State::reconcile(std::uint16_t index) {
  PerDevice& device = per_device[index];
  std::vector<RouteSpec> wanted = routes_of(index);
  const auto in = [](const std::vector<RouteSpec>& list, const RouteSpec& spec) {
    return std::find(list.begin(), list.end(), spec) != list.end();
  };
  // New ones first, so that a subnet that changes its owner is never without a route.
  for (const RouteSpec& spec : wanted) {
    if (!in(device.installed, spec)) static_cast<void>(tables.append(spec).ok());
  }
  for (const RouteSpec& spec : device.installed) {
    if (!in(wanted, spec)) static_cast<void>(tables.remove(spec).ok());
  }
  device.installed = std::move(wanted);
}

Addresses::Addresses(const device::DeviceTable& devices, Tables& tables, table::Rcu& rcu)
    : state_(std::make_unique<State>(devices, tables, rcu)) {}

Addresses::~Addresses() = default;

// Linux: __inet_insert_ifa.
Result<> Addresses::add(std::uint16_t index, Address address) {
  if (state_->devices.at(index) == nullptr) return Error{"No such device"};
  const Ipv4Address local = address.interface.address;
  if (address.interface.length > 32 || local.is_any() || local.is_multicast() ||
      local.is_limited_broadcast())
    return Error{"Invalid argument", address.interface.text(), -1, "a station's address"};
  State::PerDevice& device = state_->per_device[index];
  address.secondary = false;
  // As `ip addr add` and the kernel give it to 127/8.
  if (local.is_loopback() && address.scope == Scope::Universe) address.scope = Scope::Host;
  auto place = device.addresses.begin();  // behind the last primary of no nearer scope
  for (auto other = device.addresses.begin(); other != device.addresses.end(); ++other) {
    if (!other->secondary && address.scope <= other->scope) place = other + 1;
    if (!same_subnet(other->interface, address.interface)) continue;
    if (other->interface.address == local) return Error{"File exists", address.interface.text()};
    if (other->scope != address.scope) return Error{"Invalid argument", address.interface.text()};
    address.secondary = true;
  }
  if (!address.broadcast && address.interface.length <= 30 &&
      !state_->devices.at(index)->loopback())
    address.broadcast = address.interface.prefix().last();
  device.addresses.insert(address.secondary ? device.addresses.end() : place, address);
  state_->publish(device);
  publish_filter();
  state_->reconcile(index);
  return Ok{};
}

// Linux: __inet_del_ifa, fib_del_ifaddr.
Result<> Addresses::remove(std::uint16_t index, Ipv4Interface interface) {
  if (state_->devices.at(index) == nullptr) return Error{"No such device"};
  State::PerDevice& device = state_->per_device[index];
  const auto found =
      std::find_if(device.addresses.begin(), device.addresses.end(),
                   [&](const Address& address) { return address.interface == interface; });
  if (found == device.addresses.end())
    return Error{"Cannot assign requested address", interface.text()};
  std::vector<Ipv4Address> gone{interface.address};
  if (found->secondary) {
    device.addresses.erase(found);
  } else {
    std::erase_if(device.addresses, [&](const Address& address) {
      if (!same_subnet(address.interface, interface)) return false;
      gone.push_back(address.interface.address);
      return true;
    });
  }
  state_->publish(device);
  publish_filter();
  state_->reconcile(index);
  for (const Ipv4Address address : gone)
    state_->tables.address_gone(address);
  if (device.addresses.empty()) state_->tables.device_disabled(index);
  return Ok{};
}

std::vector<Address> Addresses::list(std::uint16_t device) const {
  if (device >= device::kMaxDevices) return {};
  return state_->per_device[device].addresses;
}

void Addresses::mark_duplicate(std::uint16_t device, Ipv4Address local, bool duplicate) {
  if (device >= device::kMaxDevices) return;
  bool changed = false;
  for (Address& address : state_->per_device[device].addresses) {
    if (address.interface.address != local) continue;
    changed = changed || address.duplicate != duplicate || address.tentative;
    address.duplicate = duplicate;
    address.tentative = false;
  }
  if (changed) state_->publish(state_->per_device[device]);
}

void Addresses::device_changed(std::uint16_t device) {
  if (state_->devices.at(device) != nullptr) state_->reconcile(device);
}

// Words are replaced one by one: a lane that looks meanwhile sees the old or the new word of an
// address, either of which was true.
void Addresses::publish_filter() {
  std::array<std::uint64_t, kFilterBits / 64> words{};
  for (const auto& device : state_->per_device) {
    for (const Address& address : device.addresses) {
      for (const Ipv4Address one :
           {address.interface.address, address.broadcast.value_or(address.interface.address)}) {
        const std::uint32_t bit = filter_bit(one);
        words[bit / 64] |= std::uint64_t{1} << (bit % 64);
      }
    }
  }
  for (std::size_t i = 0; i < words.size(); ++i)
    filter_[i].store(words[i], std::memory_order_relaxed);
}

}  // namespace linnet::route
