// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <iterator>

#include "packet/named_counters.hpp"

namespace linnet::udp {

enum class Count : std::uint8_t {
#define COUNTER(name) name,
#include "udp/counters.def"
#undef COUNTER
};
inline constexpr packet::CounterName kCounterNames[] = {
#define COUNTER(name) {"Udp", #name},
#include "udp/counters.def"
#undef COUNTER
};

using Counters = packet::NamedCounters<Count, std::size(kCounterNames)>;

}  // namespace linnet::udp
