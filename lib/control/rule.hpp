// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "route/tables.hpp"

namespace linnet::control {

// "from all fwmark 0x5 lookup 100": as `ip rule` lists a rule behind its priority, and takes it.
std::string rule_words(const route::Rule& rule);

}  // namespace linnet::control
