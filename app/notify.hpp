// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>

#include "time/instant.hpp"

namespace linnet::app {

// Tells the service manager a state such as "READY=1", sd_notify(3). False where none listens.
bool notify_manager(const std::string& state);
// How often it wants to hear "WATCHDOG=1" at least; nullopt if it does not watch.
std::optional<time::Duration> watchdog_interval();

}  // namespace linnet::app
