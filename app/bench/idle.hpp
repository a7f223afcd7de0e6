// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <iosfwd>

#include "base/result.hpp"

namespace linnet::bench {

// What idle connections cost in memory: a program opens `pairs` connections to itself over `lo`, in
// one lane, and says in one line of JSON what the process has grown by and what the lane's tables
// say of themselves; then it closes the ends that connected, which leaves as many TIME-WAIT
// entries.
Result<> run_idle(std::uint32_t pairs, unsigned memory_mb, std::ostream& out);

}  // namespace linnet::bench
