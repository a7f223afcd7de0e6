// SPDX-License-Identifier: BSD-3-Clause
// Hosts of programs on a real stack.
#pragma once

#include <mutex>

#include "shim/host.hpp"
#include "shim/program.hpp"
#include "stack/stack.hpp"

namespace linnet::shim {

// What both kinds have in common: looking at what control has set.
class StackHost : public Host {
 public:
  // `stack` outlives it.
  explicit StackHost(stack::Stack& stack) : stack_(stack) {}

  void kick(unsigned lane) override { stack_.sockets().sessions.wake_lane(lane); }
  bool may_bind(Ipv4Address address) override;
  std::optional<Ipv4Address> source_for(Ipv4Address destination) override;
  int device_index(const char* name) override;
  bool device_name(unsigned index, char (&name)[16]) override;

  // Held while control changes addresses and routes, and while calls look at them.
  std::mutex& control() { return control_; }
  Parts parts();

 protected:
  stack::Stack& stack_;

 private:
  std::mutex control_;
};

// Lanes and control core run on threads of their own; calls come from others.
class ThreadsHost final : public StackHost {
 public:
  using StackHost::StackHost;
  time::Instant now() override;
  bool drive() override { return false; }
  bool may_sleep() override { return true; }
  Slept sleep(std::span<pollfd> descriptors, time::Instant deadline, const sigset_t* mask) override;
};

// Sleeps in the kernel for at most `limit`; negative: without end.
Host::Slept kernel_sleep(std::span<pollfd> descriptors, time::Duration limit, const sigset_t* mask);

}  // namespace linnet::shim
