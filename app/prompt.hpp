// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "app/client.hpp"

namespace linnet::app {

// Reads commands from the terminal with history and tab completion until end of file, `exit` or
// `quit`. Connects anew where the daemon hung up between two commands. Returns the exit code of the
// last command.
int run_prompt(const std::string& socket);

// The daemon's answer to what the last word can become; what the catalog alone knows where there is
// no daemon.
std::vector<std::string> completions(Connection* connection, const std::vector<std::string>& words);

}  // namespace linnet::app
