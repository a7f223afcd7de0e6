// SPDX-License-Identifier: BSD-3-Clause
// Small clocks, modulo 2^32, and the numbers that all parts of a connection share.
#pragma once

#include <algorithm>
#include <cstdint>

#include "time/instant.hpp"

namespace linnet::tcp {

constexpr std::uint32_t milliseconds(time::Instant now) {
  return static_cast<std::uint32_t>(now.since_origin_ns() / 1'000'000);
}
constexpr std::uint32_t seconds(time::Instant now) {
  return static_cast<std::uint32_t>(now.since_origin_ns() / 1'000'000'000);
}
// By value: std::min would keep both in memory.
constexpr time::Instant sooner(time::Instant a, time::Instant b) {
  return a < b ? a : b;
}
// How long it is until `at`, as others are told: 0 when it is past.
constexpr std::uint32_t milliseconds_until(time::Instant now, time::Instant at) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>((at - now).count_ms(), 0, INT32_MAX));
}

inline constexpr std::uint32_t kHeaders = 40;         // IPv4 and TCP without options, bytes
inline constexpr std::uint32_t kTimestampBytes = 12;  // of the option, padded
inline constexpr std::uint32_t kLeastMtu = 552;       // RFC 5927 section 7.2; Linux: ip_rt_min_pmtu
inline constexpr std::uint32_t kSmallestMtu = 128;    // what a route may say at least
inline constexpr time::Duration kTimeWait = time::Duration::seconds(60);  // 2 MSL, as Linux

}  // namespace linnet::tcp
