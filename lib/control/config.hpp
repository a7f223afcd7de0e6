// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "control/command.hpp"

namespace linnet::control {

// The state that was set, as commands in an order in which they set it again on a fresh stack with
// the same devices: settings that differ from their defaults, devices, addresses, routes, rules,
// permanent neighbours. What follows from other things (kernel routes) is left out.
std::vector<std::string> configuration_of(const Context& context);

}  // namespace linnet::control
