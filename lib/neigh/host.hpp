// SPDX-License-Identifier: BSD-3-Clause
// What the neighbour room asks of this host's addresses and routes. Asked for ARP packets only,
// never for a packet that is forwarded.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/ipv4.hpp"
#include "packet/packet.hpp"

namespace linnet::route {
class Addresses;
class Tables;
}  // namespace linnet::route

namespace linnet::neigh {

class Host {
 public:
  // Linux: inet_addr_type; Unicast is everyone else's.
  enum class Kind : std::uint8_t { Unicast, Local, Broadcast, Multicast };

  virtual ~Host() = default;
  virtual Kind kind_of(Ipv4Address address) const = 0;
  // Whether `address` is one of the device's own.
  virtual bool on_device(std::uint16_t device, Ipv4Address address) const = 0;
  // Whether one subnet of the device holds both (Linux: inet_addr_onlink).
  virtual bool same_subnet(std::uint16_t device, Ipv4Address a, Ipv4Address b) const = 0;
  // Whether a local address may be known outside this host: its scope is not Host.
  virtual bool beyond_host(Ipv4Address address) const = 0;
  // The address to ask from (Linux: inet_select_addr with scope link); any where there is none.
  virtual Ipv4Address source_for(std::uint16_t device, Ipv4Address target) const = 0;
  // The device that a packet from `source`, which came in on `input`, would leave by if its route
  // is a unicast one; else packet::kNoDevice.
  virtual std::uint16_t way_to(Ipv4Address target, Ipv4Address source,
                               std::uint16_t input) const = 0;
  virtual bool forwards() const = 0;  // net.ipv4.ip_forward
};

// The answers of the route room. Lanes ask (RCU): all it names must outlive it.
class RoutedHost final : public Host {
 public:
  RoutedHost(const route::Tables& tables, const route::Addresses& addresses,
             const std::atomic<std::uint32_t>& ip_forward)
      : tables_(tables), addresses_(addresses), ip_forward_(ip_forward) {}

  Kind kind_of(Ipv4Address address) const override;
  bool on_device(std::uint16_t device, Ipv4Address address) const override;
  bool same_subnet(std::uint16_t device, Ipv4Address a, Ipv4Address b) const override;
  bool beyond_host(Ipv4Address address) const override;
  Ipv4Address source_for(std::uint16_t device, Ipv4Address target) const override;
  std::uint16_t way_to(Ipv4Address target, Ipv4Address source, std::uint16_t input) const override;
  bool forwards() const override { return ip_forward_.load(std::memory_order_relaxed) != 0; }

 private:
  const route::Tables& tables_;
  const route::Addresses& addresses_;
  const std::atomic<std::uint32_t>& ip_forward_;
};

}  // namespace linnet::neigh
