// SPDX-License-Identifier: BSD-3-Clause
// IPv4 addresses of devices (Linux: in_device, net/ipv4/devinet.c) and the routes that follow from
// them: local and broadcast routes in table local, the connected route in main (fib_add_ifaddr).
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/ipv4.hpp"
#include "base/result.hpp"
#include "device/device.hpp"
#include "route/route.hpp"
#include "route/tables.hpp"
#include "table/rcu.hpp"

namespace linnet::route {

struct Address {
  Ipv4Interface interface{};               // address and subnet length
  std::optional<Ipv4Address> broadcast{};  // as given, or the subnet's last address
  Scope scope = Scope::Universe;
  bool secondary = false;  // another address of the same subnet came first
  bool no_prefix_route = false;
  bool tentative = false;  // duplicate detection (RFC 5227) has not finished
  bool duplicate = false;  // another station has it: not used as a source
  friend bool operator==(const Address&, const Address&) = default;
};

class Addresses {
 public:
  Addresses(const device::DeviceTable& devices, Tables& tables, table::Rcu& rcu);
  ~Addresses();

  // --- Control core.
  // Without a broadcast the subnet's is used for lengths up to 30 (as `ip addr add ... brd +`).
  Result<> add(std::uint16_t device, Address address);
  // Deletes an address; with a primary its secondaries go too (Linux, promote_secondaries = 0).
  Result<> remove(std::uint16_t device, Ipv4Interface interface);
  std::vector<Address> list(std::uint16_t device) const;
  void mark_duplicate(std::uint16_t device, Ipv4Address address, bool duplicate);
  // The device's admin or link state changed: routes of its addresses come and go.
  void device_changed(std::uint16_t device);

  // --- Lanes (RCU).
  // The address to send from on `device` towards `destination` with at most this scope: the first
  // primary whose subnet holds the destination, else the first usable one, else one of another
  // device (Linux: inet_select_addr). `any` where there is none.
  Ipv4Address source_for(std::uint16_t device, Ipv4Address destination,
                         Scope scope = Scope::Universe) const;
  // Whether any device has the address, and whether it is the broadcast address of a subnet of
  // ours. `may_be_ours` costs one load: false is certain that it is neither.
  bool is_ours(Ipv4Address address) const;
  bool is_our_broadcast(Ipv4Address address) const;
  bool may_be_ours(Ipv4Address address) const {
    const std::uint32_t bit = filter_bit(address);
    return (filter_[bit / 64].load(std::memory_order_relaxed) >> (bit % 64) & 1) != 0;
  }
  // Whether the address is one of this device's (not of another one's).
  bool on_device(std::uint16_t device, Ipv4Address address) const;
  // The device's addresses as lanes see them.
  std::span<const Address> of_device(std::uint16_t device) const;

 private:
  // 4096 bits, set where an address of ours falls, or the broadcast address of its subnet.
  static constexpr std::uint32_t kFilterBits = 4096;
  static std::uint32_t filter_bit(Ipv4Address address) {
    return address.network().raw() * 0x9e3779b1u >> 20;
  }
  void publish_filter();

  struct State;
  std::unique_ptr<State> state_;
  std::array<std::atomic<std::uint64_t>, kFilterBits / 64> filter_{};
};

}  // namespace linnet::route
