// SPDX-License-Identifier: BSD-3-Clause
// Commands about sockets.
#pragma once

#include "control/command.hpp"

namespace linnet::control {

Result<Action> parse_nstat(Cursor& cursor, const Verb& verb, const Format& format);

}  // namespace linnet::control
