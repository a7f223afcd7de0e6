// SPDX-License-Identifier: BSD-3-Clause
// Two stacks whose lanes run on threads of their own, joined by one cable; the control core's work
// on another thread, programs on the test's.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "shim/program.hpp"
#include "shim/stack_host.hpp"
#include "stack/eal.hpp"
#include "stack/runner.hpp"
#include "stack/stack.hpp"
#include "threads/cable.hpp"
#include "time/clock.hpp"

namespace linnet::tests {

// Where frames come to: the queue of the lane that owns their flow, the one after it, or each to
// the next queue (fragments of one datagram, too).
enum class Placement { Right, Wrong, Scattered };

inline constexpr unsigned kMostLanes = 4;

class World {
 public:
  static constexpr const char* kAddress[2] = {"10.0.0.1", "10.0.0.2"};

  World(stack::Eal& eal, unsigned lanes, Placement placement);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // New sockets of the calling thread are that side's.
  void use(unsigned side) const;
  stack::Stack& stack(unsigned side) { return *sides_[side].stack; }
  shim::Program& program(unsigned side) { return *sides_[side].program; }
  void lose(unsigned per_mille);
  // Packets that one lane gave another, of both sides.
  std::uint64_t handovers();
  // Ends programs and lanes; what does not add up, else nothing.
  std::string finish();

 private:
  struct Side {
    std::unique_ptr<stack::Stack> stack;
    ThreadPort* port = nullptr;
    std::unique_ptr<shim::ThreadsHost> host;
    std::shared_ptr<shim::Program> program;
    std::vector<std::unique_ptr<stack::LaneRunner>> runners;
  };
  void make_side(stack::Eal& eal, unsigned number, unsigned lanes);
  unsigned place(const ThreadPort::Frame& frame, unsigned to);
  void control();

  const Placement placement_;
  time::TscClock clock_;
  Side sides_[2];
  std::atomic<unsigned> next_queue_{0};
  std::atomic<bool> ending_{false};
  std::thread control_;
};

}  // namespace linnet::tests
