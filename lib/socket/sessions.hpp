// SPDX-License-Identifier: BSD-3-Clause
// All programs of a stack. A fixed table of slots that lanes read without locks: a lane looks at it
// again when `version` moved. A session that closes stays until every lane has let go of it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/result.hpp"
#include "socket/channel.hpp"

namespace linnet::socket {

// What wakes a lane that rests; from any thread.
class LaneWaker {
 public:
  virtual ~LaneWaker() = default;
  virtual void wake_lane() = 0;
};

class Sessions {
 public:
  static constexpr unsigned kMax = 64;
  explicit Sessions(unsigned lanes) : lanes_(lanes) {}

  // --- Any thread.
  Result<Session*> create(const Session::Options& options = {});
  // The program is gone or wants to be: its sockets are closed by the lanes, its buffers and ports
  // come back. The session must not be used any more by the caller.
  void close(Session& session);
  // After a request was written: the lane looks for it soon, even if it rests.
  void wake_lane(unsigned lane) {
    if (LaneWaker* const waker = wakers_[lane].load(std::memory_order_acquire)) waker->wake_lane();
  }
  unsigned lanes() const { return lanes_; }

  // --- Control core.
  // Who wakes a lane; nullptr: nobody, its turns are given anyway.
  void set_waker(unsigned lane, LaneWaker* waker) {
    wakers_[lane].store(waker, std::memory_order_release);
  }
  // Whether every lane has let go of every session.
  bool all_let_go() {
    const std::lock_guard lock(mutex_);
    return std::all_of(slots_.begin(), slots_.end(), [this](const auto& slot) {
      return slot == nullptr || slot->let_go_.load(std::memory_order_acquire) == all_lanes();
    });
  }
  // Frees the closed sessions that every lane has let go of; calls `gone(number)` before each. Of
  // one whose rings are broken lanes let go by themselves: its program has it until it closes.
  template <typename Gone>
  void reap(Gone&& gone) {
    const std::lock_guard lock(mutex_);
    for (auto& slot : slots_) {
      if (slot == nullptr || !slot->closing()) continue;
      if (slot->let_go_.load(std::memory_order_acquire) != all_lanes()) continue;
      gone(slot->number());
      seen_[slot->number()].store(nullptr, std::memory_order_release);
      slot.reset();
    }
  }

  // --- Lanes.
  std::uint32_t version() const { return version_.load(std::memory_order_acquire); }
  // Counts the sessions that had a number. A lane that let go of one reads it before `at`, and
  // leaves the number alone until it moved: the session behind it may be freed at any time.
  std::uint32_t generation(unsigned number) const {
    return generations_[number].load(std::memory_order_acquire);
  }
  // The session of a number, nullptr where there is none. Valid until the lane lets go of it.
  Session* at(unsigned number) const { return seen_[number].load(std::memory_order_acquire); }
  // Nothing of the lane names the session any more.
  void let_go(Session& session, unsigned lane) {
    session.let_go_.fetch_or(1u << lane, std::memory_order_acq_rel);
  }

 private:
  std::uint32_t all_lanes() const { return (1u << lanes_) - 1; }

  const unsigned lanes_;
  std::mutex mutex_;
  std::array<std::unique_ptr<Session>, kMax> slots_;
  std::array<std::atomic<Session*>, kMax> seen_{};
  std::array<std::atomic<std::uint32_t>, kMax> generations_{};
  std::atomic<std::uint32_t> version_{0};
  std::array<std::atomic<LaneWaker*>, kMaxLanes> wakers_{};
};

}  // namespace linnet::socket
