// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "control/command.hpp"

namespace linnet::control {

// `ip route get`; the others are in route.cpp.
Result<Action> parse_route_get(Cursor& cursor, const Verb& verb, const Format& format);

}  // namespace linnet::control
