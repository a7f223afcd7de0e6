// SPDX-License-Identifier: BSD-3-Clause
// How Tables makes what lanes read: which tables are seen as one, and which rules order them.
#include "route/tables_state.hpp"

namespace linnet::route {

// Linux: fib_has_custom_rules, and routes with a TOS.
bool Tables::State::keyed() const {
  if (!rules.standard()) return true;
  for (const auto& [number, table] : tables) {
    const bool in_use = number == kTableLocal || number == kTableMain || number == kTableDefault;
    if (in_use && !table.of_tos.empty()) return true;
  }
  return false;
}

// The LongestMatch of that name: the one there is, or a new one. Null where memory does not
// suffice.
std::shared_ptr<LongestMatch> Tables::State::match(
    const MatchName& name, std::map<MatchName, std::shared_ptr<LongestMatch>>& into) {
  if (const auto made = into.find(name); made != into.end()) return made->second;
  std::shared_ptr<LongestMatch> found;
  if (const auto old = matches.find(name); old != matches.end()) {
    found = old->second;
  } else {
    std::vector<const Rib*> sources;
    if (name.first == 0) {
      sources = {tables[kTableLocal].rib.get(), tables[kTableMain].rib.get()};
    } else {
      sources = {tables.at(name.first).rib.get()};
    }
    found = std::make_shared<LongestMatch>(rcu, infos, std::move(sources), name.second);
    if (!found->build()) return nullptr;
  }
  into.emplace(name, found);
  return found;
}

bool Tables::State::republish() {
  std::map<MatchName, std::shared_ptr<LongestMatch>> used;
  auto next = std::make_unique<View>();
  next->needs_key = keyed();
  bool complete = true;
  const auto filled = [&](std::uint32_t number) {
    const auto at = tables.find(number);
    return at != tables.end() && at->second.rib->size() != 0;
  };
  if (!next->needs_key) {
    next->merged = match({0, 0}, used);
    complete = next->merged != nullptr;
    if (filled(kTableDefault)) {
      next->fallback = match({kTableDefault, 0}, used);
      complete = complete && next->fallback != nullptr;
    }
  }
  for (const Rule& rule : rules.list()) {
    if (!next->needs_key || !complete) break;
    View::RuleView seen{RuleMatcher(rule, devices), nullptr, nullptr};
    if (rule.action == Type::Blackhole) seen.verdict = &blackhole;
    if (rule.action == Type::Unreachable) seen.verdict = &unreachable;
    if (rule.action == Type::Prohibit) seen.verdict = &prohibit;
    if (seen.verdict == nullptr && filled(rule.table)) {
      auto table = std::make_shared<TableView>();
      table->plain = match({rule.table, 0}, used);
      complete = complete && table->plain != nullptr;
      for (const auto& [tos, count] : tables.at(rule.table).of_tos) {
        table->by_tos.emplace_back(tos, match({rule.table, tos}, used));
        complete = complete && table->by_tos.back().second != nullptr;
      }
      seen.table = std::move(table);
    }
    next->rules.push_back(std::move(seen));
  }
  if (!complete) return false;
  const View* const old = published.exchange(next.release(), std::memory_order_acq_rel);
  if (old != nullptr) rcu.defer([old] { delete old; });
  matches = std::move(used);
  // An empty table that nothing reads any more.
  std::erase_if(tables, [](const auto& item) {
    return item.second.rib->size() == 0 && item.first != kTableLocal && item.first != kTableMain;
  });
  return true;
}

}  // namespace linnet::route
