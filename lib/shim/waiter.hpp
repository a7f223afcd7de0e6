// SPDX-License-Identifier: BSD-3-Clause
// A thread that waits in a call. What it waits for wakes it through an eventfd of its own.
#pragma once

#include <atomic>

#include "shim/file.hpp"

namespace linnet::shim {

class Waiter {
 public:
  Waiter();
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  // The calling thread's.
  static Waiter& of_thread();

  void wake();
  // Forgets what woke it: the conditions are looked at next.
  void reset();
  bool woken() const { return woken_.load(std::memory_order_acquire); }
  int fd() const { return fd_; }

 private:
  const int fd_;
  std::atomic<bool> woken_{false};
};

// Wakes a thread when a file has something.
class WaiterWatch final : public Watch {
 public:
  WaiterWatch(File& file, Waiter& waiter) : file_(file), waiter_(waiter) { file_.watch(*this); }
  ~WaiterWatch() override { file_.unwatch(*this); }
  void on_ready(std::uint32_t /*events*/) override { waiter_.wake(); }
  void on_gone() override { waiter_.wake(); }

 private:
  File& file_;
  Waiter& waiter_;
};

}  // namespace linnet::shim
