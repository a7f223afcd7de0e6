// SPDX-License-Identifier: BSD-3-Clause
#include "route/longest_match.hpp"

#include <algorithm>

namespace linnet::route {

LongestMatch::LongestMatch(table::Rcu& rcu, const Infos& infos, std::vector<const Rib*> sources,
                           std::uint8_t tos)
    : infos_(infos), sources_(std::move(sources)), tos_(tos), fib_(rcu) {}

bool LongestMatch::reads(const Rib& rib) const {
  return std::find(sources_.begin(), sources_.end(), &rib) != sources_.end();
}

// The nodes of a prefix stand in the order of trial: larger TOS first, then smaller metric.
LongestMatch::Found LongestMatch::best(Ipv4Prefix prefix) const {
  for (const Rib* rib : sources_) {
    for (std::uint32_t node = rib->first(prefix); node != Rib::kNone; node = rib->next(node)) {
      const Rib::Node& route = rib->at(node);
      if ((route.tos == 0 || route.tos == tos_) && infos_.usable(route.info)) return {rib, node};
    }
  }
  return {};
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

bool LongestMatch::refresh(Ipv4Prefix prefix) {
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
    }
  }
  return true;
}

LongestMatch::Found LongestMatch::find(Ipv4Address destination) const {
  for (unsigned length = 33; length-- > 0;) {
    if (const Found found = best(Ipv4Prefix(destination, length))) return found;
  }
  return {};
}

}  // namespace linnet::route
