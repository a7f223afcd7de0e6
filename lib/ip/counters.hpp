// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "packet/ledger.hpp"

namespace linnet::ip {

enum class Count : std::uint8_t {
#define COUNTER(group, name) name,
#include "ip/counters.def"
#undef COUNTER
};
struct CounterName {
  std::string_view group, name;
};
inline constexpr CounterName kCounterNames[] = {
#define COUNTER(group, name) {#group, #name},
#include "ip/counters.def"
#undef COUNTER
};

// A lane's counters: written by the lane, read by the control core. Input and Output have one each.
class Counters {
 public:
  void add(Count what, std::uint64_t n = 1) { values_[static_cast<std::size_t>(what)].add(n); }
  std::uint64_t value(Count what) const { return values_[static_cast<std::size_t>(what)].value(); }

 private:
  packet::Counter values_[std::size(kCounterNames)];
};

}  // namespace linnet::ip
