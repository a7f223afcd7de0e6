// SPDX-License-Identifier: BSD-3-Clause
// Rights are given up in two steps, because some of them belong to threads: what new threads
// inherit goes before EAL starts its own, the user changes once the ports have started.
#pragma once

#include "app/machine.hpp"
#include "base/result.hpp"

namespace linnet::app {

// Before any thread: nothing that is executed later can gain rights (no_new_privs, empty bounding
// set). What this process holds stays.
Result<> forbid_new_rights();
// All threads become `user` for good (glibc carries setresuid to every thread; leaving uid 0 clears
// the capabilities of each). Nothing that DPDK's drivers do later needs a capability.
Result<> become(const User& user);

}  // namespace linnet::app
