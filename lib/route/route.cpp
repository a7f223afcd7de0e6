// SPDX-License-Identifier: BSD-3-Clause
#include "route/route.hpp"

namespace linnet::route {

// Hash-threshold (RFC 2992): the hash space is cut into one region a live hop, as wide as its
// weight, in the order of the hops (Linux: fib_select_multipath).
const NextHop* Route::choose_weighted(std::uint32_t flow_hash) const {
  if (live_hops == 0) return nullptr;
  // Callers use the same hash to choose a lane: without mixing, a lane's flows would share hops.
  const std::uint32_t mixed = (flow_hash ^ flow_hash >> 15) * 0x9e3779b1U;
  auto place = static_cast<std::uint32_t>((std::uint64_t{mixed} * total_weight) >> 32);
  const NextHop* hop = hops;
  while (place >= hop->weight) {
    place -= hop->weight;
    ++hop;
  }
  return hop;
}

const NextHop* Route::hop_on(std::uint16_t device) const {
  for (unsigned i = 0; i < live_hops; ++i) {
    if (hops[i].device == device) return &hops[i];
  }
  return nullptr;
}

}  // namespace linnet::route
