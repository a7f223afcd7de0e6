// SPDX-License-Identifier: BSD-3-Clause
// HyStart++ (RFC 9406): slow start ends before it overflows the queue, when round trips grow
// longer.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/congestion.hpp"

namespace linnet::tcp {

class HyStart {
 public:
  // Of an ACK in slow start. True: slow start is over, ssthresh is to be set to cwnd.
  bool on_ack(const RateSample& sample) {
    if (sample.round_start) next_round();
    if (sample.rtt > time::Duration()) {
      current_ = std::min(current_, sample.rtt.count_ns());
      if (samples_ < 255) ++samples_;
    }
    if (samples_ < kSamples || current_ == kNone || last_ == kNone) return false;
    if (css_rounds_ == 0) {
      const std::int64_t threshold = std::clamp(last_ / 8, kMinThreshold, kMaxThreshold);
      if (current_ >= last_ + threshold) {
        baseline_ = current_;
        css_rounds_ = 1;
      }
    } else if (current_ < baseline_) {
      css_rounds_ = 0;  // it was jitter
    }
    return css_rounds_ > kConservativeRounds;
  }
  // Conservative slow start grows by a quarter.
  unsigned divisor() const { return css_rounds_ == 0 ? 1 : 4; }

 private:
  static constexpr std::int64_t kNone = INT64_MAX;
  static constexpr std::int64_t kMinThreshold = 4'000'000, kMaxThreshold = 16'000'000;  // ns
  static constexpr std::uint8_t kSamples = 8, kConservativeRounds = 5;

  void next_round() {
    last_ = current_;
    current_ = kNone;
    samples_ = 0;
    if (css_rounds_ != 0) ++css_rounds_;
  }

  std::int64_t last_ = kNone, current_ = kNone, baseline_ = kNone;
  std::uint8_t samples_ = 0, css_rounds_ = 0;
};

}  // namespace linnet::tcp
