// SPDX-License-Identifier: BSD-3-Clause
// What lanes ask a LongestMatch that names a device.
#include "route/longest_match.hpp"

namespace linnet::route {

// Whether a look-up by device ends with this Info.
bool LongestMatch::leads_on(std::uint32_t info, std::uint16_t device) const {
  const Route* const route = infos_.route(info);
  return route == nullptr || route->hop_count == 0 || route->hop_on(device) != nullptr;
}

std::uint32_t LongestMatch::lookup_on(std::uint16_t device, Ipv4Address destination) const {
  // Most often the way is that of any packet.
  std::uint32_t found = fib_.lookup(destination);
  if (found == 0 || leads_on(found, device)) return found;
  found = 0;
  by_device_.search(destination, device, [&](std::uint32_t info) {
    if (!leads_on(info, device)) return false;
    found = info;
    return true;
  });
  return found;
}

}  // namespace linnet::route
