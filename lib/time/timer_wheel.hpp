// SPDX-License-Identifier: BSD-3-Clause
// A non-cascading timer wheel (the idea of Linux kernel/time/timer.c since 4.8): a timer is put
// once into the bucket of the level whose span covers its distance and never moved. A timer fires
// never early, and late by at most one bucket of its level (an eighth of its distance).
//
//   level 0: 64 buckets of 1 ms     level 1: 64 of 8 ms     level 2: 64 of 64 ms   ...   level 8
//   |.|.|x|.|.| ... one step a ms   |....|..x.| a step every 8 ms
#pragma once

#include <cstdint>

#include "base/intrusive_list.hpp"
#include "time/instant.hpp"

namespace linnet::time {

// Stands in the object that waits. Not copyable; destroying an armed timer is a broken invariant.
struct Timer {
  // Called once when due, unarmed: it may re-arm itself, arm or cancel others, or destroy its
  // owner. `context` is what `advance` was given: on a lane the Turn.
  using Fire = void (*)(Timer& timer, Instant now, void* context);

  explicit Timer(Fire fire_function) : fire(fire_function) {}
  bool armed() const { return hook.linked(); }

  ListHook hook;
  Fire fire;
  Instant deadline;        // as asked for, not rounded
  std::uint16_t slot = 0;  // the wheel's: level * 64 + bucket
};

class TimerWheel {
 public:
  static constexpr Duration kTick = Duration::milliseconds(1);

  // `origin`: the time at which the wheel stands.
  explicit TimerWheel(Instant origin);
  ~TimerWheel();  // every timer must have been cancelled or fired
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Arms or re-arms: O(1). A deadline in the past is due at the next advance; one beyond the last
  // level's span waits there and is put again.
  void arm(Timer& timer, Instant deadline);
  // O(1); nothing if it is not armed.
  void cancel(Timer& timer);

  // Fires what is due at `now`, at most `budget` timers; returns how many it fired. What the budget
  // leaves is due at the next call. Time that went backwards is taken as no time.
  unsigned advance(Instant now, unsigned budget, void* context);

  // When `advance` has something to do next: not later than any timer's firing, `never()` if none.
  Instant next_deadline() const;
  std::uint64_t armed() const { return armed_; }

 private:
  static constexpr unsigned kLevels = 9;
  static constexpr unsigned kBuckets = 64;
  static constexpr unsigned kShift = 3;  // each level is 8 times coarser

  using Bucket = IntrusiveList<Timer, &Timer::hook>;
  void put(Timer& timer);
  void collect(std::uint64_t tick);
  std::uint64_t next_tick() const;
  std::uint64_t tick_at_or_after(Instant at) const;

  Instant origin_;
  std::uint64_t tick_ = 0;  // the next tick that advance looks at
  Instant tick_starts_;     // when it begins, as of the last advance
  std::uint64_t armed_ = 0;
  std::uint64_t occupied_[kLevels] = {};  // a bit for each bucket that holds timers
  Bucket buckets_[kLevels][kBuckets];
  Bucket due_;  // collected, not yet fired (budget)
};

}  // namespace linnet::time
