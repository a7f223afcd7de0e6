// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/delivery_rate.hpp"

#include <algorithm>

namespace linnet::tcp {

void DeliveryRate::on_sent(SentRecord& record, bool idle, time::Instant now) {
  if (idle) first_sent_ = delivered_at_ = now;
  record.first_sent = first_sent_;
  record.delivered_at = delivered_at_;
  record.delivered = delivered_;
  record.app_limited = app_limited();
}

void DeliveryRate::on_delivered(const SentRecord& record, SeqRange part, time::Instant now) {
  delivered_ += part.length();
  delivered_at_ = now;
  const bool newer = !seen_ || record.sent > seen_sent_ ||
                     (record.sent == seen_sent_ && part.end.after(seen_end_));
  if (!newer) return;
  seen_ = true;
  seen_limited_ = record.app_limited;
  seen_delivered_ = record.delivered;
  seen_delivered_at_ = record.delivered_at;
  seen_sent_ = record.sent;
  seen_first_ = record.first_sent;
  seen_end_ = part.end;
  first_sent_ = record.sent;
}

void DeliveryRate::on_anonymous(std::uint32_t bytes, time::Instant now) {
  delivered_ += bytes;
  delivered_at_ = now;
}

void DeliveryRate::finish(RateSample& sample, time::Duration min_rtt, time::Instant now) {
  if (app_limited_until_ != 0 && delivered_ > app_limited_until_) app_limited_until_ = 0;
  if (!seen_) return;
  seen_ = false;
  sample.prior_delivered = seen_delivered_;
  sample.app_limited = seen_limited_;
  if (seen_delivered_ >= next_round_) {
    sample.round_start = true;
    next_round_ = delivered_;
  }
  const time::Duration interval = std::max(seen_sent_ - seen_first_, now - seen_delivered_at_);
  // Shorter than any round trip: the ACKs were compressed, or the peer invents them.
  if (interval < min_rtt || interval <= time::Duration()) return;
  sample.delivered = delivered_ - seen_delivered_;
  sample.interval = interval;
  const auto rate =
      static_cast<std::uint64_t>(static_cast<double>(sample.delivered) / interval.count_s());
  if (!sample.app_limited || rate_limited_ || rate >= rate_) {
    rate_ = rate;
    rate_limited_ = sample.app_limited;
  }
}

void DeliveryRate::set_app_limited(std::uint32_t in_flight) {
  app_limited_until_ = std::max<std::uint64_t>(delivered_ + in_flight, 1);
}

}  // namespace linnet::tcp
