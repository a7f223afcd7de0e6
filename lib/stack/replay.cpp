// SPDX-License-Identifier: BSD-3-Clause
#include "stack/replay.hpp"

#include <algorithm>
#include <optional>

namespace linnet::stack {
namespace {

// Turns at one instant end when nothing is left to do then; a stack that never ends them (frames
// that run in a circle over the loopback device) goes on at the next instant.
constexpr unsigned kTurnsPerInstant = 4096;

class Player {
 public:
  Player(Stack& stack, std::span<device::ReplayPort* const> ports, const ReplayOptions& options)
      : stack_(stack), ports_(ports), options_(options), now_(options.origin) {}

  ReplayReport play() {
    first_stamp_ns_ = earliest_stamp().value_or(0);
    settle();
    ReplayReport report;
    while (device::ReplayPort* const port = next_port()) {
      run_timers(std::max(now_, instant_of(*port->next_stamp_ns())));
      port->let_through();
      settle();
      ++report.received;
    }
    run_timers(now_ + options_.drain);
    for (const device::ReplayPort* port : ports_)
      report.written += port->frames_written();
    report.end = now_;
    return report;
  }

 private:
  std::optional<std::int64_t> earliest_stamp() {
    std::optional<std::int64_t> earliest;
    for (device::ReplayPort* port : ports_) {
      const auto stamp = port->next_stamp_ns();
      if (stamp && (!earliest || *stamp < *earliest)) earliest = stamp;
    }
    return earliest;
  }

  device::ReplayPort* next_port() {
    const auto earliest = earliest_stamp();
    for (device::ReplayPort* port : ports_) {
      if (earliest && port->next_stamp_ns() == earliest) return port;
    }
    return nullptr;
  }

  // The first frame comes `lead` after the stack's origin.
  time::Instant instant_of(std::int64_t stamp_ns) const {
    return options_.origin + options_.lead +
           time::Duration::nanoseconds(stamp_ns - first_stamp_ns_);
  }
  std::int64_t stamp_of(time::Instant at) const {
    return first_stamp_ns_ + (at - options_.origin - options_.lead).count_ns();
  }

  // Everything that is to be done at this instant.
  void settle() {
    for (device::ReplayPort* port : ports_)
      port->set_stamp_ns(stamp_of(now_));
    Lane& lane = stack_.lane(0);
    const auto run = [&] {
      for (unsigned i = 0; i < kTurnsPerInstant && lane.turn(now_); ++i) {
      }
    };
    run();
    stack_.control_turn(now_);
    run();
  }

  // Fires the timers that are due up to and at `until`, each at its own time, and stands there.
  void run_timers(time::Instant until) {
    Lane& lane = stack_.lane(0);
    for (time::Instant due = lane.next_deadline(); due <= until; due = lane.next_deadline()) {
      // What one instant's turns did not get through goes on a tick later.
      const time::Instant next = due > now_ ? due : now_ + time::Duration::milliseconds(1);
      if (next > until) break;
      now_ = next;
      settle();
    }
    now_ = std::max(now_, until);
  }

  Stack& stack_;
  const std::span<device::ReplayPort* const> ports_;
  const ReplayOptions options_;
  time::Instant now_;
  std::int64_t first_stamp_ns_ = 0;
};

}  // namespace

Result<ReplayReport> run_replay(Stack& stack, std::span<device::ReplayPort* const> ports,
                                const ReplayOptions& options) {
  LINNET_CHECK_OP(stack.lanes(), ==, 1u);
  // The lane stays offline: nothing is reclaimed while a turn runs.
  ReplayReport report = Player(stack, ports, options).play();
  std::optional<Error> failed;
  for (device::ReplayPort* port : ports) {
    Result<> finished = port->finish();
    if (!finished && !failed) failed = finished.error();
  }
  if (failed) return *failed;
  return report;
}

}  // namespace linnet::stack
