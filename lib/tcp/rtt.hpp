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

}  // namespace linnet::tcp
