// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "time/instant.hpp"

namespace linnet::time {

// What tells a lane's turn and the control loop the time.
class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes backwards as seen by one thread.
  virtual Instant now() = 0;
};

// Set by hand: tests, replay, embedding.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start = Instant::from_ns(0)) : now_(start) {}
  Instant now() override { return now_; }
  void set(Instant to) {
    if (to > now_) now_ = to;
  }
  void advance(Duration by) { set(now_ + by); }

 private:
  Instant now_;
};

// The processor's time-stamp counter, calibrated against CLOCK_MONOTONIC and re-calibrated as it is
// read (about once a second), because rte_get_tsc_hz() is rounded to 10 MHz: up to 0.2 % wrong.
// Instants agree with CLOCK_MONOTONIC's origin. One object a thread.
class TscClock final : public Clock {
 public:
  TscClock();
  Instant now() override;

 private:
  void recalibrate(std::uint64_t tsc);

  std::uint64_t base_tsc_ = 0;
  std::int64_t base_ns_ = 0;
  std::int64_t last_ns_ = 0;
  double ns_per_cycle_ = 0;
  std::uint64_t next_calibration_tsc_ = 0;
  std::uint64_t first_tsc_ = 0;
  std::int64_t first_ns_ = 0;
};

}  // namespace linnet::time
