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

void DeliveryRate::on_delivered(const SentRecord& record, SeqRange part, time::Instant now,
                                Newest& newest) {
  delivered_ += part.length();
  delivered_at_ = now;
  const bool newer = !newest.seen || record.sent > newest.sent ||
                     (record.sent == newest.sent && part.end.after(newest.end));
  if (!newer) return;
  newest = {.seen = true,
            .app_limited = record.app_limited,
            .end = part.end,
            .delivered = record.delivered,
            .delivered_at = record.delivered_at,
            .sent = record.sent,
            .first_sent = record.first_sent};
  first_sent_ = record.sent;
}

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

void DeliveryRate::set_app_limited(std::uint32_t in_flight) {
  app_limited_until_ = std::max<std::uint64_t>(delivered_ + in_flight, 1);
}

}  // namespace linnet::tcp
