// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/ipv4.hpp"
#include "route/device_routes.hpp"
#include "route/infos.hpp"
#include "route/rib.hpp"
#include "table/fib4.hpp"
#include "table/rcu.hpp"

namespace linnet::route {

// What lanes look up for one table, or for several that are seen as one (Linux keeps local and main
// in one trie until a rule is added): for each prefix the first usable route of the first source
// that has one, as a Fib4 of Info numbers.
class LongestMatch {
 public:
  // Looks at routes without TOS and at those with this one, which come first.
  LongestMatch(table::Rcu& rcu, const Infos& infos, std::vector<const Rib*> sources,
               std::uint8_t tos);

  // Brings everything in from the sources; false where memory does not suffice.
  bool build();
  // A route of this prefix came, went or changed its use; `changed`: the Infos of those that came
  // or went, not released yet. False where memory does not suffice: nothing changed.
  bool refresh(Ipv4Prefix prefix, std::span<const std::uint32_t> changed);
  bool reads(const Rib& rib) const;

  const table::Fib4& fib() const { return fib_; }
  std::size_t memory_bytes() const { return fib_.memory_bytes() + by_device_.memory_bytes(); }

  // The node that a prefix's packets take, and the source it is in.
  struct Found {
    const Rib* rib = nullptr;
    std::uint32_t node = Rib::kNone;
    explicit operator bool() const { return rib != nullptr; }
    std::uint32_t info() const { return rib->at(node).info; }
  };
  // By the routes themselves, as lanes would find it; for the control core. With a device: as
  // `lookup_on` does.
  Found find(Ipv4Address destination, std::uint16_t device = packet::kNoDevice) const;
  // The Info that a destination's packets take which leave by this device, or one that leads
  // nowhere; 0: none.
  std::uint32_t lookup_on(std::uint16_t device, Ipv4Address destination) const;

 private:
  template <typename Fits>
  Found first(Ipv4Prefix prefix, Fits fits) const;
  Found best(Ipv4Prefix prefix) const;
  bool leads_on(std::uint32_t info, std::uint16_t device) const;
  bool refresh_devices(Ipv4Prefix prefix, std::uint64_t devices);
  void prefetch_shorter(Ipv4Prefix prefix) const;

  const Infos& infos_;
  const std::vector<const Rib*> sources_;
  const std::uint8_t tos_;
  table::Fib4 fib_;
  DeviceRoutes by_device_;
};

}  // namespace linnet::route
