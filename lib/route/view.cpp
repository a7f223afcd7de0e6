// SPDX-License-Identifier: BSD-3-Clause
#include "route/view.hpp"

namespace linnet::route {

Looked View::lookup(const Infos& infos, const Ipv4Address* destinations, unsigned count,
                    const Route** answers) const {
  if (needs_key) [[unlikely]]
    return Looked::NeedKeys;
  const Infos::Reader routes(infos);
  std::uintptr_t differ = 0, first = 0;
  // Number 0 is never used: its slot holds no route.
  merged->fib().lookup(destinations, count, [&](unsigned i, std::uint32_t id) {
    answers[i] = routes[id];
    const auto answer = reinterpret_cast<std::uintptr_t>(answers[i]);
    if (i == 0) first = answer;
    differ |= answer ^ first;
  });
  if (!fallback) [[likely]]
    return differ == 0 ? Looked::Same : Looked::Mixed;
  for (unsigned i = 0; i < count; ++i) {
    if (answers[i] == nullptr) answers[i] = routes[fallback->fib().lookup(destinations[i])];
  }
  return Looked::Mixed;
}

namespace {

const Route* find(const Infos& infos, const LongestMatch& match, const Key& key) {
  if (key.output_device == packet::kNoDevice) [[likely]]
    return infos.route(match.fib().lookup(key.destination));
  return infos.route(match.lookup_on(key.output_device, key.destination));
}

}  // namespace

// Linux: fib_rules_lookup. A table without an answer, or with Throw, leaves it to the next rule.
const Route* View::lookup(const Infos& infos, const Key& key) const {
  if (!needs_key) {
    const Route* route = find(infos, *merged, key);
    if (route == nullptr && fallback) route = find(infos, *fallback, key);
    return route;
  }
  for (const RuleView& rule : rules) {
    if (!rule.matcher.matches(key)) continue;
    if (rule.verdict != nullptr) return rule.verdict;
    if (!rule.table) continue;
    const LongestMatch& match = rule.table->for_tos(key.tos);
    if (const Route* route = find(infos, match, key)) return route;
  }
  return nullptr;
}

}  // namespace linnet::route
