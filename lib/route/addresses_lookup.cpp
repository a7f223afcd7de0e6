// SPDX-License-Identifier: BSD-3-Clause
// What lanes ask Addresses.
#include "route/addresses_state.hpp"

namespace linnet::route {
namespace {

bool usable(const Address& address) {
  return !address.tentative && !address.duplicate;
}

}  // namespace

std::span<const Address> Addresses::of_device(std::uint16_t device) const {
  const State::Snapshot* const seen = state_->seen(device);
  return seen == nullptr ? std::span<const Address>() : std::span(seen->addresses);
}

bool Addresses::is_ours(Ipv4Address address) const {
  for (unsigned device = 0; device < state_->devices.size(); ++device) {
    if (on_device(static_cast<std::uint16_t>(device), address)) return true;
  }
  return false;
}

bool Addresses::is_our_broadcast(Ipv4Address address) const {
  for (unsigned device = 0; device < state_->devices.size(); ++device) {
    for (const Address& one : of_device(static_cast<std::uint16_t>(device))) {
      if (one.broadcast == address) return true;
    }
  }
  return false;
}

bool Addresses::on_device(std::uint16_t device, Ipv4Address local) const {
  for (const Address& address : of_device(device)) {
    if (address.interface.address == local) return true;
  }
  return false;
}

// Linux: inet_select_addr.
Ipv4Address Addresses::source_for(std::uint16_t device, Ipv4Address destination,
                                  Scope scope) const {
  Ipv4Address first;
  for (const Address& address : of_device(device)) {
    if (address.secondary || !usable(address) || address.scope > scope) continue;
    if (destination.is_any() || address.interface.prefix().contains(destination))
      return address.interface.address;
    if (first.is_any()) first = address.interface.address;
  }
  if (!first.is_any()) return first;
  for (unsigned other = 0; other < state_->devices.size(); ++other) {
    for (const Address& address : of_device(static_cast<std::uint16_t>(other))) {
      if (!address.secondary && usable(address) && address.scope != Scope::Link &&
          address.scope <= scope)
        return address.interface.address;
    }
  }
  return first;
}

}  // namespace linnet::route
