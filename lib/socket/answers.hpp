// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace linnet::socket {

// What a lane may expect of programs that run on its thread, between its turns. An ACK that such a
// program's answer is about to carry waits for it, so that a request costs no packet and no look at
// its connection besides those of its answer.
enum class Answers : std::uint8_t {
  None,    // programs run elsewhere, or nobody knows when they look next: nothing waits
  Given,   // a program has said all it has to say of what it was told; it looks for more now
  Coming,  // it is about to: what waits goes on waiting, for a short time
};

}  // namespace linnet::socket
