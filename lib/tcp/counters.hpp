// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <iterator>

#include "packet/named_counters.hpp"

namespace linnet::tcp {

enum class Count : std::uint8_t {
#define COUNTER(group, name) name,
#include "tcp/counters.def"
#undef COUNTER
};
inline constexpr packet::CounterName kCounterNames[] = {
#define COUNTER(group, name) {#group, #name},
#include "tcp/counters.def"
#undef COUNTER
};

using Counters = packet::NamedCounters<Count, std::size(kCounterNames)>;

}  // namespace linnet::tcp
