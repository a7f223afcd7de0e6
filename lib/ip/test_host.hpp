// SPDX-License-Identifier: BSD-3-Clause
// A host with two networks, for this room's tests and fuzz targets: lo (0), eth0 (1) 192.0.2.1/24,
// eth1 (2) 203.0.113.1/24, default route via 192.0.2.254.
#pragma once

#include <memory>

#include "device/loopback.hpp"
#include "device/memory_port.hpp"
#include "ip/icmp.hpp"
#include "ip/output.hpp"

namespace linnet::ip {

struct TestHost {
  TestHost() {
    LINNET_CHECK(devices.add(std::make_unique<device::Loopback>()).ok());
    for (const char* name : {"eth0", "eth1"}) {
      auto port = std::make_unique<device::MemoryPort>(
          name, MacAddress(std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 1}));
      port->set_link(true);
      LINNET_CHECK(devices.add(std::move(port)).ok());
    }
    for (const auto& device : devices.all()) {
      LINNET_CHECK(device->set_admin_up(true).ok());
      tables.device_changed(device->index());
      addresses.device_changed(device->index());
    }
    address(0, "127.0.0.1/8");
    address(1, "192.0.2.1/24");
    address(2, "203.0.113.1/24");
    route::RouteSpec way;
    way.hops = {{.gateway = Ipv4Address(192, 0, 2, 254)}};
    LINNET_CHECK(tables.add(way).ok());
  }
  void address(std::uint16_t device, const char* text) {
    LINNET_CHECK(addresses.add(device, {.interface = *Ipv4Interface::parse(text)}).ok());
  }

  Settings settings;
  table::Rcu rcu{1};
  device::DeviceTable devices;
  route::Tables tables{devices, rcu};
  route::Addresses addresses{devices, tables, rcu};
  hook::Hooks hooks;
  Output output{devices, tables, addresses, hooks, settings, SipKey{3, 4}};
  Icmp icmp{output, devices, tables, addresses, settings, SipKey{5, 6}};
};

}  // namespace linnet::ip
