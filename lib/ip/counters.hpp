// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <iterator>

#include "packet/named_counters.hpp"

namespace linnet::ip {

enum class Count : std::uint8_t {
#define COUNTER(group, name) name,
#include "ip/counters.def"
#undef COUNTER
};
inline constexpr packet::CounterName kCounterNames[] = {
#define COUNTER(group, name) {#group, #name},
#include "ip/counters.def"
#undef COUNTER
};

// Input, Output and Reassembly have one each.
using Counters = packet::NamedCounters<Count, std::size(kCounterNames)>;

}  // namespace linnet::ip
