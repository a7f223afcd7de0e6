// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>

namespace linnet::shim {

// A mutex for the few instructions that a call holds one: inline where nobody else holds it, asleep
// in the kernel where somebody does (Drepper, "Futexes are tricky", mutex 2). std::mutex costs two
// calls into the C library each time, which a socket call that takes seven of them feels. Where all
// that it guards is one thread's (`leave_open`) it costs no locked instruction at all.
class Mutex {
 public:
  constexpr Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // No other thread ever comes: it is never held. Before the first lock.
  void leave_open() { state_.store(kOpen, std::memory_order_relaxed); }

  void lock() {
    if (open()) return;
    std::uint32_t free = kFree;
    if (!state_.compare_exchange_strong(free, kHeld, std::memory_order_acquire)) [[unlikely]]
      wait();
  }
  bool try_lock() {
    if (open()) return true;
    std::uint32_t free = kFree;
    return state_.compare_exchange_strong(free, kHeld, std::memory_order_acquire);
  }
  void unlock() {
    if (open()) return;
    if (state_.exchange(kFree, std::memory_order_release) == kWaitedFor) [[unlikely]]
      state_.notify_one();
  }

 private:
  static constexpr std::uint32_t kFree = 0, kHeld = 1, kWaitedFor = 2, kOpen = 3;
  bool open() const { return state_.load(std::memory_order_relaxed) == kOpen; }
  void wait() {
    while (state_.exchange(kWaitedFor, std::memory_order_acquire) != kFree)
      state_.wait(kWaitedFor, std::memory_order_relaxed);
  }

  std::atomic<std::uint32_t> state_{kFree};
};

}  // namespace linnet::shim
