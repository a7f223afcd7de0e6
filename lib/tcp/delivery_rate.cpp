// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/delivery_rate.hpp"

#include <algorithm>

namespace linnet::tcp {

void DeliveryRate::on_anonymous(std::uint32_t bytes, time::Instant now) {
  delivered_ += bytes;
  delivered_at_ = now;
}

void DeliveryRate::finish(const Newest& newest, RateSample& sample, time::Duration min_rtt,
                          time::Instant now) {
  if (app_limited_until_ != 0 && delivered_ > app_limited_until_) app_limited_until_ = 0;
  if (!newest.seen) return;
  sample.prior_delivered = newest.delivered;
  sample.app_limited = newest.app_limited;
  if (newest.delivered >= next_round_) {
    sample.round_start = true;
    next_round_ = delivered_;
  }
  const time::Duration interval =
      std::max(newest.sent - newest.first_sent, now - newest.delivered_at);
  // Shorter than any round trip: the ACKs were compressed, or the peer invents them.
  if (interval < min_rtt || interval <= time::Duration()) return;
  sample.delivered = delivered_ - newest.delivered;
  sample.interval = interval;
  const auto rate =
      static_cast<std::uint64_t>(static_cast<double>(sample.delivered) / interval.count_s());
  if (!sample.app_limited || rate_limited_ || rate >= rate_) {
    rate_ = rate;
    rate_limited_ = sample.app_limited;
  }
}

}  // namespace linnet::tcp
