// SPDX-License-Identifier: BSD-3-Clause
// A program that brings its stack along: `PROGRAM [options of linnetd] -- [its own words]`.
#pragma once

#include <functional>
#include <span>
#include <string>

namespace linnet {
class SocketName;
}

namespace linnet::app {

struct InProcess {
  const char* name;
  const char* usage;  // of its own words, and what it does
  // Runs on a thread of its own once the stack runs; ln_ calls work. Returns the exit code; a call
  // that fails with EBADF or EINTR means that the process is to end.
  std::function<int(std::span<const std::string> words)> run;
  // Looks at the words before anything starts; false: usage is told.
  std::function<bool(std::span<const std::string> words)> check;
};

// main() of such a program: until it returns, or a signal.
int run_in_process(int argc, char** argv, const InProcess& program);

// A number of 1 to 65535; 0: it is none.
std::uint16_t port_number(const std::string& text);
// The address that a host's name or number has (ln_getaddrinfo); its end. False: it has none, which
// standard error is told.
bool find_host(const char* program, const std::string& host, std::uint16_t port, SocketName& out);
// "a call failed" with errno's words to standard error; returns kFailed.
int failed(const char* program, const char* what);

}  // namespace linnet::app
