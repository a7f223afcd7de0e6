// SPDX-License-Identifier: BSD-3-Clause
// Devices, tables and addresses for the tests of this room: lo (0), eth0 (1), eth1 (2), eth2 (3).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "device/loopback.hpp"
#include "device/memory_port.hpp"
#include "route/addresses.hpp"
#include "route/tables.hpp"

namespace linnet::route {

class RouteFixture : public testing::Test {
 protected:
  RouteFixture() {
    EXPECT_TRUE(devices.add(std::make_unique<device::Loopback>()).ok());
    for (const char* name : {"eth0", "eth1", "eth2"}) {
      auto port = std::make_unique<device::MemoryPort>(
          name, MacAddress(std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 1}));
      port->set_link(true);
      ports.push_back(port.get());
      EXPECT_TRUE(devices.add(std::move(port)).ok());
    }
    for (const auto& device : devices.all())
      EXPECT_TRUE(device->set_admin_up(true).ok());
  }

  static Ipv4Address ip(const char* text) { return *Ipv4Address::parse(text); }
  static Ipv4Prefix net(const char* text) { return *Ipv4Prefix::parse(text); }

  // A route through a gateway, or onto a device's link.
  static RouteSpec via(const char* prefix, const char* gateway, std::uint32_t metric = 0) {
    RouteSpec spec;
    spec.prefix = net(prefix);
    spec.metric = metric;
    spec.hops = {{.gateway = ip(gateway)}};
    return spec;
  }
  static RouteSpec on(const char* prefix, std::uint16_t device, std::uint32_t metric = 0) {
    RouteSpec spec;
    spec.prefix = net(prefix);
    spec.metric = metric;
    spec.hops = {{.device = device}};
    return spec;
  }
  static RouteSpec nowhere(const char* prefix, Type type) {
    RouteSpec spec;
    spec.prefix = net(prefix);
    spec.type = type;
    return spec;
  }
  void address(std::uint16_t device, const char* text) {
    ASSERT_TRUE(addresses.add(device, {.interface = *Ipv4Interface::parse(text)}).ok());
  }
  void add(const RouteSpec& spec) {
    const auto done = tables.add(spec);
    ASSERT_TRUE(done.ok()) << done.error().text();
  }
  static std::string error(const Result<>& result) { return result ? "" : result.error().message; }

  void set_up(std::uint16_t device, bool up) {
    ASSERT_TRUE(devices.at(device)->set_admin_up(up).ok());
    tables.device_changed(device);
    addresses.device_changed(device);
  }
  void set_link(std::uint16_t device, bool up) {
    ports[device - 1]->set_link(up);
    tables.device_changed(device);
    addresses.device_changed(device);
  }

  // The answer of the bulk look-up, which must agree with that of the single one.
  const Route* lookup(const char* destination) {
    const Ipv4Address address = ip(destination);
    const Route* answer = nullptr;
    const Route* const by_key = tables.lookup(Key{.destination = address});
    if (tables.lookup(&address, 1, &answer) == Looked::NeedKeys) return by_key;
    EXPECT_EQ(answer, by_key);
    return answer;
  }
  // "unicast via 10.0.0.1 dev 1", "local dev 0", "blackhole", or "none".
  // Whether the rules look at more than the destination.
  bool needs_keys() const {
    const Ipv4Address any;
    const Route* answer = nullptr;
    return tables.lookup(&any, 1, &answer) == Looked::NeedKeys;
  }
  std::string where(const char* destination) { return text(lookup(destination)); }
  static std::string text(const Route* route) {
    if (route == nullptr) return "none";
    static const char* const kNames[] = {"unicast",   "local",       "broadcast", "multicast",
                                         "blackhole", "unreachable", "prohibit",  "throw"};
    std::string out = kNames[static_cast<int>(route->type)];
    if (route->hop_count == 0) return out;
    const NextHop* const hop = route->choose(0);
    if (hop == nullptr) return out + " dead";
    if (!hop->gateway.is_any()) out += " via " + hop->gateway.text();
    return out + " dev " + std::to_string(hop->device);
  }
  // The routes of a table, one a line.
  std::vector<std::string> routes(std::uint32_t table) {
    std::vector<std::string> out;
    tables.list(table, [&](const RouteSpec& spec) {
      std::string line = spec.prefix.text();
      for (const HopSpec& hop : spec.hops)
        line += (hop.gateway ? " via " + hop.gateway->text() : "") + " dev " +
                std::to_string(hop.device.value());
      if (spec.source) line += " src " + spec.source->text();
      if (spec.metric != 0) line += " metric " + std::to_string(spec.metric);
      if (spec.dead) line += " dead";
      out.push_back(line);
    });
    return out;
  }

  table::Rcu rcu{2};
  device::DeviceTable devices;
  std::vector<device::MemoryPort*> ports;
  Tables tables{devices, rcu};
  Addresses addresses{devices, tables, rcu};
};

using Lines = std::vector<std::string>;

}  // namespace linnet::route
