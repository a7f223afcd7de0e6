// SPDX-License-Identifier: BSD-3-Clause
#include "route/longest_match.hpp"

#include <algorithm>

namespace linnet::route {

LongestMatch::LongestMatch(table::Rcu& rcu, const Infos& infos, std::vector<const Rib*> sources,
                           std::uint8_t tos)
    : infos_(infos), sources_(std::move(sources)), tos_(tos), fib_(rcu), by_device_(rcu) {}

bool LongestMatch::reads(const Rib& rib) const {
  return std::find(sources_.begin(), sources_.end(), &rib) != sources_.end();
}

// The nodes of a prefix stand in the order of trial: larger TOS first, then smaller metric.
template <typename Fits>
LongestMatch::Found LongestMatch::first(Ipv4Prefix prefix, Fits fits) const {
  for (const Rib* rib : sources_) {
    for (std::uint32_t node = rib->first(prefix); node != Rib::kNone; node = rib->next(node)) {
      const Rib::Node& route = rib->at(node);
      if ((route.tos == 0 || route.tos == tos_) && fits(route.info)) return {rib, node};
    }
  }
  return {};
}

LongestMatch::Found LongestMatch::best(Ipv4Prefix prefix) const {
  return first(prefix, [this](std::uint32_t info) { return infos_.usable(info); });
}

// What `devices` lead through now. Whether a device works counts when it is looked for: one that
// does not is none for any of its routes.
bool LongestMatch::refresh_devices(Ipv4Prefix prefix, std::uint64_t devices) {
  std::uint64_t leading = 0;
  std::uint32_t nowhere = 0;
  first(prefix, [&](std::uint32_t info) {
    const std::uint64_t its = infos_.devices_of(info);
    leading |= its;
    if (its == 0 && nowhere == 0) nowhere = info;
    return false;
  });
  if (!by_device_.set(prefix, DeviceRoutes::kNowhere, nowhere)) return false;
  for (std::uint64_t left = devices | leading; left != 0; left &= left - 1) {
    const std::uint64_t bit = left & (~left + 1);
    const auto leads = [&](std::uint32_t info) {
      const std::uint64_t its = infos_.devices_of(info);
      return its == 0 || (its & bit) != 0;
    };
    const std::uint32_t info = (leading & bit) == 0 ? 0 : first(prefix, leads).info();
    if (!by_device_.set(prefix, static_cast<unsigned>(std::countr_zero(left)), info)) return false;
  }
  return true;
}

// In a big table each of the lengths that refresh() tries is a cache miss or two.
void LongestMatch::prefetch_shorter(Ipv4Prefix prefix) const {
  for (const Rib* rib : sources_) {
    for (unsigned length = prefix.length(); length-- > 1;)
      rib->prefetch_bucket(Ipv4Prefix(prefix.address(), length));
    for (unsigned length = prefix.length(); length-- > 1;)
      rib->prefetch_node(Ipv4Prefix(prefix.address(), length));
  }
}

bool LongestMatch::refresh(Ipv4Prefix prefix, std::span<const std::uint32_t> changed) {
  std::uint64_t devices = 0;
  for (const std::uint32_t info : changed)
    devices |= infos_.devices_of(info);
  if (!changed.empty() && !refresh_devices(prefix, devices)) return false;
  if (const Found found = best(prefix)) return fib_.insert(prefix, found.info());
  prefetch_shorter(prefix);
  for (unsigned length = prefix.length(); length-- > 1;) {
    if (const Found cover = best(Ipv4Prefix(prefix.address(), length))) {
      fib_.erase(prefix, {length, cover.info()});
      return true;
    }
  }
  fib_.erase(prefix, {});
  return true;
}

bool LongestMatch::build() {
  // A longer prefix overrides a shorter one whatever the order, so the order does not matter.
  for (const Rib* rib : sources_) {
    for (std::uint32_t node = 0; node < rib->limit(); ++node) {
      if (!rib->at(node).used) continue;
      const Ipv4Prefix prefix = rib->at(node).prefix();
      const Found found = best(prefix);
      if (found && !fib_.insert(prefix, found.info())) return false;
      if (!refresh_devices(prefix, 0)) return false;
    }
  }
  return true;
}

LongestMatch::Found LongestMatch::find(Ipv4Address destination, std::uint16_t device) const {
  for (unsigned length = 33; length-- > 0;) {
    const Found found = first(Ipv4Prefix(destination, length), [&](std::uint32_t info) {
      return infos_.usable(info) && (device == packet::kNoDevice || leads_on(info, device));
    });
    if (found) return found;
  }
  return {};
}

}  // namespace linnet::route
