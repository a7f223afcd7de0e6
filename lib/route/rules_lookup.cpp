// SPDX-License-Identifier: BSD-3-Clause
// What lanes ask rules.
#include "route/rules.hpp"

namespace linnet::route {

bool RuleMatcher::DeviceMatch::matches(std::uint16_t device) const {
  if (any) return true;
  if (none) return false;
  return device == index || (from_here && device == packet::kNoDevice);
}

bool RuleMatcher::matches(const Key& key) const {
  return from_.contains(key.source) && to_.contains(key.destination) &&
         (key.mark & mark_mask_) == mark_ && (tos_ == 0 || tos_ == (key.tos & kTosMask)) &&
         input_.matches(key.input_device) && output_.matches(key.output_device);
}

}  // namespace linnet::route
