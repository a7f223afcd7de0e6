// SPDX-License-Identifier: BSD-3-Clause
#include "route/view.hpp"

namespace linnet::route {

bool View::lookup(const Infos& infos, const Ipv4Address* destinations, unsigned count,
                  const Route** answers) const {
  if (needs_key) [[unlikely]] {
    // A lane that asked before a rule came.
    for (unsigned i = 0; i < count; ++i)
      answers[i] = lookup(infos, Key{.destination = destinations[i]});
    return false;
  }
  std::uintptr_t differ = 0;
  // Number 0 is never used: its slot holds no route.
  merged->fib().lookup(destinations, count, [&](unsigned i, std::uint32_t id) {
    answers[i] = infos.route(id);
    differ |=
        reinterpret_cast<std::uintptr_t>(answers[i]) ^ reinterpret_cast<std::uintptr_t>(answers[0]);
  });
  if (!fallback) [[likely]]
    return differ == 0;
  for (unsigned i = 0; i < count; ++i) {
    if (answers[i] == nullptr) answers[i] = infos.route(fallback->fib().lookup(destinations[i]));
  }
  return false;
}

// Linux: fib_rules_lookup. A table without an answer, or with Throw, leaves it to the next rule.
const Route* View::lookup(const Infos& infos, const Key& key) const {
  if (!needs_key) {
    const Route* route = infos.route(merged->fib().lookup(key.destination));
    if (route == nullptr && fallback) route = infos.route(fallback->fib().lookup(key.destination));
    return route;
  }
  for (const RuleView& rule : rules) {
    if (!rule.matcher.matches(key)) continue;
    if (rule.verdict != nullptr) return rule.verdict;
    if (!rule.table) continue;
    const LongestMatch& match = rule.table->for_tos(key.tos);
    if (const Route* route = infos.route(match.fib().lookup(key.destination))) return route;
  }
  return nullptr;
}

}  // namespace linnet::route
