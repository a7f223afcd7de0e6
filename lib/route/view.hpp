// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "route/infos.hpp"
#include "route/longest_match.hpp"
#include "route/rules.hpp"
#include "route/tables.hpp"

namespace linnet::route {

// One table as rules look it up: a LongestMatch for packets without a TOS that routes name, and one
// for each TOS that they do.
struct TableView {
  std::shared_ptr<LongestMatch> plain;
  std::vector<std::pair<std::uint8_t, std::shared_ptr<LongestMatch>>> by_tos;

  const LongestMatch& for_tos(std::uint8_t tos) const {
    for (const auto& [its, match] : by_tos) {
      if (its == (tos & kTosMask)) return *match;
    }
    return *plain;
  }
};

// What a lane's look-up starts from: replaced as a whole when rules or tables come and go, while
// the LongestMatches in it are changed in place.
struct View {
  struct RuleView {
    RuleMatcher matcher;
    const Route* verdict = nullptr;          // ends the look-up where set
    std::shared_ptr<const TableView> table;  // unset: the table is empty
  };

  bool needs_key = false;
  // With the standard rules: local and main as one, and default where it has routes.
  std::shared_ptr<LongestMatch> merged, fallback;
  std::vector<RuleView> rules;  // with needs_key

  // As Tables::lookup.
  Looked lookup(const Infos& infos, const Ipv4Address* destinations, unsigned count,
                const Route** answers) const;
  const Route* lookup(const Infos& infos, const Key& key) const;
};

}  // namespace linnet::route
