// SPDX-License-Identifier: BSD-3-Clause
// From options to a running daemon, for linnetd and for programs that bring their stack along.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "app/daemon.hpp"

namespace linnet::app {

enum Exit : int { kEnded = 0, kNotStarted = 1, kUsage = 2, kFailed = 3 };

void say(FILE* stream, const std::string& text);
// "NAME: error: ..." and what would mend it. `program`: the name that the user typed.
void complain(const char* program, const Error& error, const std::string& mend);

// The grammar of the startup file and the devices that it names.
Result<> check_startup(const Options& options);
// Looks for what stands in the way, tells it, and starts the daemon. kEnded: it runs; else the exit
// code. `options` and `machine` outlive the daemon.
Exit start_daemon(const char* program, const Options& options, const Machine& machine,
                  std::unique_ptr<Daemon>& daemon);
// Stops it. The exit code: of the program, or kFailed where the account does not balance.
// `tells`: prints the account.
int stop_daemon(const char* program, const Options& options, Daemon& daemon, int code, bool tells);

}  // namespace linnet::app
