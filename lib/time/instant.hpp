// SPDX-License-Identifier: BSD-3-Clause
// Points and spans of monotonic time, in nanoseconds. Time is told: logic takes an Instant as an
// argument; only a lane's turn and the control loop read a Clock.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace linnet::time {

class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration nanoseconds(std::int64_t n) { return Duration(n); }
  static constexpr Duration microseconds(std::int64_t n) { return Duration(n * 1'000); }
  static constexpr Duration milliseconds(std::int64_t n) { return Duration(n * 1'000'000); }
  static constexpr Duration seconds(std::int64_t n) { return Duration(n * 1'000'000'000); }

  constexpr std::int64_t count_ns() const { return ns_; }
  constexpr std::int64_t count_us() const { return ns_ / 1'000; }
  constexpr std::int64_t count_ms() const { return ns_ / 1'000'000; }
  constexpr double count_s() const { return static_cast<double>(ns_) / 1e9; }

  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return Duration(a.ns_ + b.ns_); }
  friend constexpr Duration operator-(Duration a, Duration b) { return Duration(a.ns_ - b.ns_); }
  friend constexpr Duration operator*(Duration a, std::int64_t n) { return Duration(a.ns_ * n); }
  friend constexpr Duration operator/(Duration a, std::int64_t n) { return Duration(a.ns_ / n); }

 private:
  constexpr explicit Duration(std::int64_t ns) : ns_(ns) {}
  std::int64_t ns_ = 0;
};

// Nanoseconds since an origin that only the clock knows; never wall-clock time.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant from_ns(std::int64_t ns) {
    Instant out;
    out.ns_ = ns;
    return out;
  }
  static constexpr Instant never() { return from_ns(std::numeric_limits<std::int64_t>::max()); }

  constexpr std::int64_t since_origin_ns() const { return ns_; }

  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend constexpr Duration operator-(Instant a, Instant b) {
    return Duration::nanoseconds(a.ns_ - b.ns_);
  }
  friend constexpr Instant operator+(Instant a, Duration d) {
    return from_ns(a.ns_ + d.count_ns());
  }
  friend constexpr Instant operator-(Instant a, Duration d) {
    return from_ns(a.ns_ - d.count_ns());
  }

 private:
  std::int64_t ns_ = 0;
};

}  // namespace linnet::time
