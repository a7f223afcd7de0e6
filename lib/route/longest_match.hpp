// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "base/ipv4.hpp"
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
  // A route of this prefix came, went or changed its use. False where memory does not suffice:
  // nothing changed.
  bool refresh(Ipv4Prefix prefix);
  bool reads(const Rib& rib) const;

  const table::Fib4& fib() const { return fib_; }

  // The node that a prefix's packets take, and the source it is in.
  struct Found {
    const Rib* rib = nullptr;
    std::uint32_t node = Rib::kNone;
    explicit operator bool() const { return rib != nullptr; }
    std::uint32_t info() const { return rib->at(node).info; }
  };
  // By the routes themselves, as lanes would find it; for the control core.
  Found find(Ipv4Address destination) const;

 private:
  Found best(Ipv4Prefix prefix) const;
  void prefetch_shorter(Ipv4Prefix prefix) const;

  const Infos& infos_;
  const std::vector<const Rib*> sources_;
  const std::uint8_t tos_;
  table::Fib4 fib_;
};

}  // namespace linnet::route
