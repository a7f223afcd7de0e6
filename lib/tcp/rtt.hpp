// SPDX-License-Identifier: BSD-3-Clause
// Round-trip time and the retransmission timeout (RFC 6298, with Linux's floor: the variance counts
// for 200 ms at least, tcp_rtt_estimator).
#pragma once

#include <algorithm>

#include "tcp/settings.hpp"
#include "time/instant.hpp"

namespace linnet::tcp {

struct RestedRecovery;

class RttEstimator {
 public:
  // A measured round trip; `newest` is when the measured segment was acknowledged.
  void sample(time::Duration rtt, time::Instant now, const Settings& settings);
  bool measured() const { return srtt_ != time::Duration(); }
  // Before the first sample: 1 s (RFC 6298 2.1), 3 s once a SYN was lost (5.7).
  void set_initial(time::Duration rto) { initial_ = rto; }

  time::Duration srtt() const { return srtt_; }
  time::Duration variance() const { return variance_; }
  time::Duration min_rtt() const { return min_rtt_; }
  bool rest(RestedRecovery& out) const;
  void wake(const RestedRecovery& rested);
  // Without backoff.
  time::Duration rto(const Settings& settings) const {
    if (!measured()) return initial_;
    const auto floor = time::Duration::microseconds(settings.tcp_rto_min_us);
    const auto ceiling = time::Duration::milliseconds(settings.tcp_rto_max_ms);
    return std::min(srtt_ + std::max(variance_ * 4, floor), ceiling);
  }

 private:
  time::Duration srtt_{}, variance_{}, min_rtt_{};
  time::Instant min_at_{};
  time::Duration initial_ = time::Duration::seconds(1);
};

inline void RttEstimator::sample(time::Duration rtt, time::Instant now, const Settings& settings) {
  // On one machine a round trip can take less than the clock tells apart.
  rtt = std::max(rtt, time::Duration::microseconds(1));
  if (!measured()) {
    srtt_ = rtt;
    variance_ = rtt / 2;
  } else {
    const time::Duration error = rtt > srtt_ ? rtt - srtt_ : srtt_ - rtt;
    variance_ = (variance_ * 3 + error) / 4;
    srtt_ = (srtt_ * 7 + rtt) / 8;
  }
  const bool expired = now - min_at_ > time::Duration::seconds(settings.tcp_min_rtt_wlen);
  if (min_rtt_ == time::Duration() || rtt <= min_rtt_ || expired) {
    min_rtt_ = rtt;
    min_at_ = now;
  }
}

}  // namespace linnet::tcp
