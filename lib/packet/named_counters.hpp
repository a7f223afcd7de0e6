// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "packet/ledger.hpp"

namespace linnet::packet {

// What is counted, by Linux's names: `nstat` shows them as group and name without a blank.
struct CounterName {
  std::string_view group, name;
};

// A lane's counters, one for each of the names that `Count` numbers: written by the lane, read by
// the control core.
template <typename Count, std::size_t kNames>
class NamedCounters {
 public:
  void add(Count what, std::uint64_t n = 1) { values_[static_cast<std::size_t>(what)].add(n); }
  void subtract(Count what) { values_[static_cast<std::size_t>(what)].subtract(); }
  std::uint64_t value(Count what) const { return values_[static_cast<std::size_t>(what)].value(); }

 private:
  Counter values_[kNames];
};

}  // namespace linnet::packet
