// SPDX-License-Identifier: BSD-3-Clause
// The parts of which `groups()` is put together.
#pragma once

#include "control/catalog.hpp"

namespace linnet::control {

inline constexpr bool kShort = true;  // a keyword that abbreviates
inline constexpr bool kWhole = false;

std::span<const Group> ip_groups();
std::span<const Group> own_groups();  // show, sysctl, help

}  // namespace linnet::control
