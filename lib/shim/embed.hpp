// SPDX-License-Identifier: BSD-3-Clause
// What stands behind `ln_stack`: a stack, its clock, its ports in memory, and the turns.
#pragma once

#include <linnet/embed.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "device/memory_port.hpp"
#include "stack/stack.hpp"
#include "time/clock.hpp"

struct ln_stack {
 public:
  static linnet::Result<std::unique_ptr<ln_stack>> create(const ln_embed_options& options);
  ~ln_stack();
  ln_stack(const ln_stack&) = delete;
  ln_stack& operator=(const ln_stack&) = delete;

  linnet::stack::Stack& stack() { return *stack_; }
  linnet::time::Instant now() const { return now_; }

  // Adds the port and sets it up; its number.
  linnet::Result<int> add_port(std::unique_ptr<linnet::device::MemoryPort> port);
  // nullptr: there is none of this number.
  linnet::device::MemoryPort* port(int number) const;
  // False: no packet buffer was free.
  bool queue(linnet::device::MemoryPort& port, const std::byte* bytes, std::size_t length);

  // All that is to be done at the time that stands.
  void settle();
  // The next deadline, later than now; never() without one.
  linnet::time::Instant next_deadline() const;
  void advance_to(linnet::time::Instant until);

 private:
  ln_stack() = default;
  bool turn_lanes();

  std::unique_ptr<linnet::stack::Stack> stack_;
  linnet::time::Instant now_{};
  std::vector<linnet::device::MemoryPort*> ports_;
};
