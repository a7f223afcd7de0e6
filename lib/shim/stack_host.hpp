// SPDX-License-Identifier: BSD-3-Clause
// Hosts of programs on a real stack.
#pragma once

#include <array>
#include <mutex>

#include "shim/host.hpp"
#include "shim/program.hpp"
#include "stack/stack.hpp"
#include "time/clock.hpp"

namespace linnet::shim {

// What both kinds have in common: looking at what control has set.
class StackHost : public Host {
 public:
  // `stack` outlives it.
  explicit StackHost(stack::Stack& stack) : stack_(stack) {}

  void kick(unsigned lane) override { stack_.sockets().sessions.wake_lane(lane); }
  bool may_bind(Ipv4Address address) override;
  std::optional<Ipv4Address> source_for(Ipv4Address destination, std::uint16_t device) override;
  int device_index(const char* name) override;
  bool device_name(unsigned index, char (&name)[16]) override;

  // Held while control changes addresses and routes, and while calls look at them.
  std::mutex& control() { return control_; }
  Parts parts();

 protected:
  stack::Stack& stack_;

 private:
  // Where packets to a destination leave from, as long as the tables are the same: what connect()
  // asks for each time. Under control_.
  struct Known {
    std::uint64_t generation = ~std::uint64_t{0};
    Ipv4Address destination{};
    std::uint16_t device = 0;
    std::optional<Ipv4Address> source{};
  };
  std::optional<Ipv4Address> look_up_source(Ipv4Address destination, std::uint16_t device) const;

  std::mutex control_;
  std::array<Known, 64> known_{};
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

// The program's one thread gives the lanes their turns and is the control core as well: a program
// that has a core to itself and never sleeps. A call that looks for events (epoll, poll, a read
// that would wait) takes a turn; what others ask for is done in the next one, together, or at once
// where it has become much: the other end works on it while the program goes on.
class PollingHost final : public StackHost {
 public:
  using StackHost::StackHost;
  time::Instant now() override { return clock_.now(); }
  bool drive() override;
  bool look() override;
  bool peek() override;
  bool drive_at_once() override;
  bool lanes_are_ours() override { return true; }
  bool may_sleep() override { return true; }
  // Turns until there is something, the descriptors looked at in between.
  Slept sleep(std::span<pollfd> descriptors, time::Instant deadline, const sigset_t* mask) override;

 private:
  bool turn(socket::Answers answers);  // whether a lane found something to do

  static constexpr unsigned kCallsInARow = 32;  // without a turn

  time::TscClock clock_;
  time::Instant next_control_;
  unsigned calls_ = 0;
  bool looks_ = false;  // the program has last looked for events
};

// Sleeps in the kernel for at most `limit`; negative: without end.
Host::Slept kernel_sleep(std::span<pollfd> descriptors, time::Duration limit, const sigset_t* mask);

}  // namespace linnet::shim
