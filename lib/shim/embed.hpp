// SPDX-License-Identifier: BSD-3-Clause
// What stands behind `ln_stack`: a stack, its clock, its ports in memory, and the turns.
#pragma once

#include <linnet/embed.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "device/memory_port.hpp"
#include "shim/stack_host.hpp"
#include "stack/stack.hpp"
#include "time/clock.hpp"

// The thread that drives the stack never sleeps; others do, in the kernel, and their timeouts are
// of the clock that is set by hand.
class EmbedHost final : public linnet::shim::StackHost {
 public:
  explicit EmbedHost(ln_stack& owner);
  linnet::time::Instant now() override;
  bool drive() override;
  bool may_sleep() override { return !drives(); }
  Slept sleep(std::span<pollfd> descriptors, linnet::time::Instant deadline,
              const sigset_t* mask) override;

  bool drives() const { return std::this_thread::get_id() == driver_.load(); }
  void drive_here() { driver_ = std::this_thread::get_id(); }

 private:
  ln_stack& owner_;
  std::atomic<std::thread::id> driver_{std::this_thread::get_id()};
};

struct ln_stack {
 public:
  static linnet::Result<std::unique_ptr<ln_stack>> create(const ln_embed_options& options);
  ~ln_stack();
  ln_stack(const ln_stack&) = delete;
  ln_stack& operator=(const ln_stack&) = delete;

  linnet::stack::Stack& stack() { return *stack_; }
  // Any thread.
  linnet::time::Instant now() const {
    return linnet::time::Instant::from_ns(now_ns_.load(std::memory_order_acquire));
  }
  EmbedHost& host() { return *host_; }
  const std::shared_ptr<linnet::shim::Program>& program() const { return program_; }

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
  void set_now(linnet::time::Instant now);

  std::unique_ptr<linnet::stack::Stack> stack_;
  std::atomic<std::int64_t> now_ns_{0};
  std::unique_ptr<EmbedHost> host_;
  std::shared_ptr<linnet::shim::Program> program_;
  std::vector<linnet::device::MemoryPort*> ports_;
};
