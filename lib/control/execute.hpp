// SPDX-License-Identifier: BSD-3-Clause
// The door to all commands. Each is parsed wholly into a value first, its devices are looked up,
// and only then does it act; so a command that is refused has changed nothing. Control core only.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "control/reply.hpp"
#include "stack/stack.hpp"
#include "time/instant.hpp"

namespace linnet::control {

// Runs one command; `words` as a shell would pass them, e.g. {"ip", "-j", "link", "show"}.
// `now` is the control core's time, that of the lanes.
Reply execute(stack::Stack& stack, time::Instant now, std::span<const std::string> words);
// Splits a line into words (blanks; quotes and backslash as in a shell; # starts a comment) and
// runs it. An empty line does nothing.
Reply execute(stack::Stack& stack, time::Instant now, std::string_view line);

// Only parses. With `devices`, also refuses names of devices that are not among them.
Result<> check(std::span<const std::string> words,
               const std::optional<std::vector<std::string>>& devices = std::nullopt);

// Runs a file of commands, one a line, `#` comments. Stops at the first that fails; the error's
// message starts with "file:line: ".
Result<> run_file(stack::Stack& stack, time::Instant now, const std::string& path);
// Parses a file without acting: for --check-config. `devices` as for `check`.
Result<> check_file(const std::string& path,
                    const std::optional<std::vector<std::string>>& devices = std::nullopt);

}  // namespace linnet::control
