// SPDX-License-Identifier: BSD-3-Clause
// What two programs do to each other while a stack between them is measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace linnet::bench {

enum class Work : std::uint8_t {
  Request,  // `bytes` there and back, one after the other on each connection
  Offer,    // likewise, but sent when they are due by `rate`, answered or not
  Connect,  // connect, one request, the server closes
  Bulk,     // the client writes 64 KiB at a time
  Check,    // likewise, and the server compares each byte with what was to come
};

struct Task {
  Work work = Work::Request;
  std::uint32_t bytes = 1;
  unsigned connections = 1;
  double seconds = 1;
  double rate = 0;          // Offer: requests a second, of all connections
  std::uint64_t count = 0;  // ends after so many requests (Bulk: writes); 0: after `seconds`
};

constexpr bool is_bulk(Work work) {
  return work == Work::Bulk || work == Work::Check;
}

struct Outcome {
  std::uint64_t requests = 0;  // answered
  std::uint64_t offered = 0;   // that were due (Offer)
  std::uint64_t bytes = 0;     // received by who is there to receive
  std::uint64_t failed = 0;    // connections that ended before their time
  std::uint64_t wrong = 0;     // reads with a byte that was not the one to come (Check)
  double seconds = 0;
  double p50_us = 0, p99_us = 0, longest_us = 0;  // from sending to the whole answer

  std::string json() const;
};

// What a Check sends: bytes that come again after a prime number of them only, so that a piece that
// is lost, doubled or moved is seen.
class Pattern {
 public:
  static constexpr std::size_t kPeriod = 65521;
  static constexpr std::size_t kMost = 64 * 1024;  // bytes that follow each other from anywhere on
  // The bytes from `offset` of the stream on.
  static const std::byte* at(std::uint64_t offset);
};

// The times that requests took, in cycles of the time-stamp counter.
class Latencies {
 public:
  Latencies() { times_.reserve(1 << 22); }
  void add(std::uint64_t cycles) {
    if (times_.size() < times_.capacity()) times_.push_back(static_cast<std::uint32_t>(cycles));
  }
  void tell(double cycles_a_second, Outcome& out);

 private:
  std::vector<std::uint32_t> times_;
};

// A clock that costs the same in every program: the time-stamp counter, and how fast it ran.
class Stopwatch {
 public:
  Stopwatch();
  static std::uint64_t cycles();
  static double cpu_seconds();  // that all threads of this process have had of their cores
  std::uint64_t start() const { return start_; }
  double seconds() const;             // since the start, by CLOCK_MONOTONIC
  double cycles_a_second() const;     // as measured since the start
  static double nominal_frequency();  // from a short measurement at the first call

 private:
  std::uint64_t start_;
  std::int64_t start_ns_;
};

}  // namespace linnet::bench
