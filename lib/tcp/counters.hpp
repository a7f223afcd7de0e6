// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "packet/ledger.hpp"

namespace linnet::tcp {

// What is counted, by Linux's names: `nstat` shows them as group and name without a blank.
enum class Count : std::uint8_t {
#define COUNTER(group, name) name,
#include "tcp/counters.def"
#undef COUNTER
};

struct CounterName {
  std::string_view group, name;
};
inline constexpr CounterName kCounterNames[] = {
#define COUNTER(group, name) {#group, #name},
#include "tcp/counters.def"
#undef COUNTER
};
inline constexpr std::size_t kCounterCount = sizeof kCounterNames / sizeof kCounterNames[0];

// A lane's counters: written by the lane, read by the control core.
class Counters {
 public:
  void add(Count what, std::uint64_t n = 1) { values_[static_cast<std::size_t>(what)].add(n); }
  void subtract(Count what) { values_[static_cast<std::size_t>(what)].subtract(); }
  std::uint64_t value(Count what) const { return values_[static_cast<std::size_t>(what)].value(); }

 private:
  packet::Counter values_[kCounterCount];
};

}  // namespace linnet::tcp
