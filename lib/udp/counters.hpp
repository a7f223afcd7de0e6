// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "packet/ledger.hpp"

namespace linnet::udp {

enum class Count : std::uint8_t {
#define COUNTER(name) name,
#include "udp/counters.def"
#undef COUNTER
};
inline constexpr std::string_view kCounterNames[] = {
#define COUNTER(name) #name,
#include "udp/counters.def"
#undef COUNTER
};

// A lane's counters: written by the lane, read by the control core.
class Counters {
 public:
  void add(Count what) { values_[static_cast<std::size_t>(what)].add(); }
  std::uint64_t value(Count what) const { return values_[static_cast<std::size_t>(what)].value(); }

 private:
  packet::Counter values_[std::size(kCounterNames)];
};

}  // namespace linnet::udp
