// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <poll.h>
#include <signal.h>

#include <span>

#include "time/instant.hpp"

namespace linnet::shim {

class Program;

// poll(2) over our descriptors and the kernel's.
// How many have events, or -errno. `timeout`: negative:
// none.
int poll_all(std::span<pollfd> fds, time::Duration timeout, const sigset_t* mask);

}  // namespace linnet::shim
