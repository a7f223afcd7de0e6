// SPDX-License-Identifier: BSD-3-Clause
// What stands behind Addresses; read only by the sources that implement it.
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "route/addresses.hpp"

namespace linnet::route {

struct Addresses::State {
  // What lanes see of a device; immutable.
  struct Snapshot {
    std::vector<Address> addresses;
  };
  struct PerDevice {
    std::vector<Address> addresses;
    std::vector<RouteSpec> installed;  // routes that stand for the addresses
    std::atomic<const Snapshot*> published{nullptr};
  };

  State(const device::DeviceTable& devices_, Tables& tables_, table::Rcu& rcu_)
      : devices(devices_), tables(tables_), rcu(rcu_) {}
  ~State() {
    for (PerDevice& device : per_device)
      delete device.published.load(std::memory_order_relaxed);
  }

  void publish(PerDevice& device);
  void reconcile(std::uint16_t index);
  std::vector<RouteSpec> routes_of(std::uint16_t index) const;
  const Address* primary_of(const PerDevice& device, const Address& address) const;

  const Snapshot* seen(std::size_t index) const {
    if (index >= per_device.size()) return nullptr;
    return per_device[index].published.load(std::memory_order_acquire);
  }

  const device::DeviceTable& devices;
  Tables& tables;
  table::Rcu& rcu;
  std::array<PerDevice, device::kMaxDevices> per_device;
};

}  // namespace linnet::route
