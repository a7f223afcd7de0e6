// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>

namespace linnet::stack {

// Wakes one sleeping lane from any thread. The lane announces that it is about to sleep, looks for
// work once more, and sleeps on fd(); who gives it work calls `wake` after the work can be seen.
// Either the lane sees the work or the caller sees the announcement; a lane that is awake costs the
// caller one load.
class Waker {
 public:
  Waker();
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // Any thread.
  void wake() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_relaxed)) signal();
  }

  // The lane. After `announce` a last look for work, then sleep until fd() is readable.
  void announce() {
    asleep_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  // Awake again: takes the signal back if there may be one.
  void awake(bool signalled = true);
  int fd() const { return fd_; }

 private:
  void signal();

  int fd_;
  std::atomic<bool> asleep_{false};
};

}  // namespace linnet::stack
