// SPDX-License-Identifier: BSD-3-Clause
#include "time/clock.hpp"

#include <ctime>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace linnet::time {
namespace {

std::int64_t monotonic_ns() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return std::int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
}

std::uint64_t read_tsc() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return static_cast<std::uint64_t>(monotonic_ns());
#endif
}

constexpr std::int64_t kFirstCalibrationNs = 2'000'000;
constexpr std::int64_t kCalibrationNs = 1'000'000'000;

}  // namespace

TscClock::TscClock() {
  first_ns_ = monotonic_ns();
  first_tsc_ = read_tsc();
  // A first rate good to about a hundred ppm; it gets better with every calibration.
  std::int64_t ns = first_ns_;
  while (ns - first_ns_ < kFirstCalibrationNs)
    ns = monotonic_ns();
  recalibrate(read_tsc());
}

void TscClock::recalibrate(std::uint64_t tsc) {
  const std::int64_t ns = monotonic_ns();
  const std::uint64_t span = tsc - first_tsc_;
  ns_per_cycle_ = static_cast<double>(ns - first_ns_) / static_cast<double>(span > 0 ? span : 1);
  base_tsc_ = tsc;
  base_ns_ = ns;
  const auto step = static_cast<double>(kCalibrationNs) / ns_per_cycle_;
  next_calibration_tsc_ = tsc + static_cast<std::uint64_t>(step);
}

Instant TscClock::now() {
  const std::uint64_t tsc = read_tsc();
  if (tsc >= next_calibration_tsc_) [[unlikely]]
    recalibrate(tsc);
  const auto cycles = static_cast<double>(static_cast<std::int64_t>(tsc - base_tsc_));
  const std::int64_t ns = base_ns_ + static_cast<std::int64_t>(cycles * ns_per_cycle_);
  if (ns > last_ns_) last_ns_ = ns;  // a correction backwards stands still instead
  return Instant::from_ns(last_ns_);
}

}  // namespace linnet::time
