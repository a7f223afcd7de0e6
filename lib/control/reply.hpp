// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace linnet::control {

// Exit codes of a command, as iproute2 has them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 1;    // a word is wrong or a device is not there
inline constexpr int kExitRefused = 2;  // the stack refused it

// What a command says. One that failed has changed nothing.
struct Reply {
  int code = kExitOk;
  std::string out{};  // for standard output
  std::string err{};  // for standard error
  friend bool operator==(const Reply&, const Reply&) = default;
};

}  // namespace linnet::control
