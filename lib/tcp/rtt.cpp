// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/rtt.hpp"

namespace linnet::tcp {

void RttEstimator::sample(time::Duration rtt, time::Instant now, const Settings& settings) {
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
