// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/load.hpp"

#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

namespace linnet::bench {
namespace {

std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::string Outcome::json() const {
  std::ostringstream out;
  out << "{\"requests\": " << requests << ", \"offered\": " << offered << ", \"bytes\": " << bytes
      << ", \"failed\": " << failed << ", \"wrong\": " << wrong << ", \"seconds\": " << seconds
      << ", \"p50_us\": " << p50_us << ", \"p99_us\": " << p99_us
      << ", \"longest_us\": " << longest_us << "}";
  return out.str();
}

const std::byte* Pattern::at(std::uint64_t offset) {
  static const std::vector<std::byte> bytes = [] {
    std::vector<std::byte> out(kPeriod + kMost);
    std::uint32_t state = 1;  // the minimal standard generator
    for (std::size_t i = 0; i < out.size(); ++i) {
      state = static_cast<std::uint32_t>(std::uint64_t{state} * 48271 % 0x7fffffff);
      out[i] = i < kPeriod ? static_cast<std::byte>(state >> 8) : out[i - kPeriod];
    }
    return out;
  }();
  return bytes.data() + offset % kPeriod;
}

void Latencies::tell(double cycles_a_second, Outcome& out) {
  if (times_.empty()) return;
  const auto at = [&](double part) {
    const auto index = static_cast<std::ptrdiff_t>(part * static_cast<double>(times_.size() - 1));
    std::nth_element(times_.begin(), times_.begin() + index, times_.end());
    return times_[static_cast<std::size_t>(index)] / cycles_a_second * 1e6;
  };
  out.p50_us = at(0.5);
  out.p99_us = at(0.99);
  out.longest_us = at(1);
}

Stopwatch::Stopwatch() : start_(cycles()), start_ns_(monotonic_ns()) {}

double Stopwatch::cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

std::uint64_t Stopwatch::cycles() {
  return __rdtsc();
}

double Stopwatch::seconds() const {
  return static_cast<double>(monotonic_ns() - start_ns_) / 1e9;
}

double Stopwatch::cycles_a_second() const {
  return static_cast<double>(cycles() - start_) / seconds();
}

double Stopwatch::nominal_frequency() {
  static const double measured = [] {
    const Stopwatch watch;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return watch.cycles_a_second();
  }();
  return measured;
}

}  // namespace linnet::bench
