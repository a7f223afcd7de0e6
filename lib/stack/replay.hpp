// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "device/replay_port.hpp"
#include "stack/stack.hpp"
#include "time/instant.hpp"

namespace linnet::stack {

struct ReplayOptions {
  time::Instant origin{};  // the stack's Options::origin
  // How long before the first frame the stack starts: the configuration has settled by then.
  time::Duration lead = time::Duration::seconds(10);
  // How long after the last frame timers still run.
  time::Duration drain = time::Duration::seconds(60);
};

struct ReplayReport {
  std::uint64_t received = 0;  // frames of all captures
  std::uint64_t written = 0;
  time::Instant end;  // when the last timer ran
};

// Runs the captures of `ports`, which are devices of `stack`, through its one lane in virtual time:
// frames of all ports in the order of their stamps (of equal ones in the order of the ports), each
// after the timers that are due by its stamp. A stamp that lies before an earlier frame's counts as
// that one. The same stack, seed and captures write the same bytes. Ends the ports' output.
// The stack is configured; nothing else runs it.
Result<ReplayReport> run_replay(Stack& stack, std::span<device::ReplayPort* const> ports,
                                const ReplayOptions& options = {});

}  // namespace linnet::stack
