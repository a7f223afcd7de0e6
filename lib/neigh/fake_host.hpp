// SPDX-License-Identifier: BSD-3-Clause
// A host whose addresses are set by hand, for tests and fuzz targets.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "neigh/host.hpp"

namespace linnet::neigh {

class FakeHost final : public Host {
 public:
  struct Own {
    std::uint16_t device;
    Ipv4Address address;
    unsigned length = 24;
    bool host_scope = false;
  };
  std::vector<Own> own;
  std::map<Ipv4Address, std::uint16_t> ways;  // what is reached by another device
  bool forward = false;

  Kind kind_of(Ipv4Address address) const override {
    if (address.is_multicast()) return Kind::Multicast;
    if (address.is_limited_broadcast()) return Kind::Broadcast;
    for (const Own& o : own) {
      if (o.address == address) return Kind::Local;
      if (Ipv4Prefix(o.address, o.length).last() == address) return Kind::Broadcast;
    }
    return Kind::Unicast;
  }
  bool on_device(std::uint16_t device, Ipv4Address address) const override {
    return std::any_of(own.begin(), own.end(),
                       [&](const Own& o) { return o.device == device && o.address == address; });
  }
  bool same_subnet(std::uint16_t device, Ipv4Address a, Ipv4Address b) const override {
    return std::any_of(own.begin(), own.end(), [&](const Own& o) {
      const Ipv4Prefix subnet(o.address, o.length);
      return o.device == device && subnet.contains(a) && subnet.contains(b);
    });
  }
  bool beyond_host(Ipv4Address address) const override {
    return std::any_of(own.begin(), own.end(),
                       [&](const Own& o) { return o.address == address && !o.host_scope; });
  }
  Ipv4Address source_for(std::uint16_t device, Ipv4Address target) const override {
    const Own* first = nullptr;
    for (const Own& o : own) {
      if (o.device != device || o.host_scope) continue;
      if (Ipv4Prefix(o.address, o.length).contains(target)) return o.address;
      if (first == nullptr) first = &o;
    }
    return first == nullptr ? Ipv4Address() : first->address;
  }
  std::uint16_t way_to(Ipv4Address target, Ipv4Address, std::uint16_t) const override {
    const auto way = ways.find(target);
    return way == ways.end() ? packet::kNoDevice : way->second;
  }
  bool forwards() const override { return forward; }
};

}  // namespace linnet::neigh
