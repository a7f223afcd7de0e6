// SPDX-License-Identifier: BSD-3-Clause
// How fast data reaches the peer (draft-cheng-iccrg-delivery-rate-estimation; Linux: tcp_rate.c):
// bytes delivered between the sending of a segment and the ACK of it, over the longer of the times
// that sending and acknowledging them took.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/congestion.hpp"
#include "tcp/sent_pool.hpp"

namespace linnet::tcp {

struct RestedRecovery;

class DeliveryRate {
 public:
  // The newest segment that an ACK delivers, gathered while it is worked on.
  struct Newest {
    bool seen = false, app_limited = false;
    Seq end{};
    std::uint64_t delivered = 0;
    time::Instant delivered_at{}, sent{}, first_sent{};
  };

  // What the connection has delivered now, for the record of what is sent. `idle`: nothing is in
  // flight.
  SentStamp on_sent(bool idle, time::Instant now) {
    if (idle) first_sent_ = delivered_at_ = now;
    return {first_sent_, delivered_at_, delivered_, app_limited()};
  }
  // `part` of `record` is delivered, for the first time.
  void on_delivered(const SentRecord& record, SeqRange part, time::Instant now, Newest& newest) {
    delivered_ += part.length();
    delivered_at_ = now;
    const bool newer = !newest.seen || record.sent > newest.sent ||
                       (record.sent == newest.sent && part.end.after(newest.end));
    if (newer) take_newest(record, part.end, newest);
  }
  // The same for a record that was sent after those before it.
  void on_delivered_in_order(const SentRecord& record, SeqRange part, time::Instant now,
                             Newest& newest) {
    delivered_ += part.length();
    delivered_at_ = now;
    take_newest(record, part.end, newest);
  }
  // Delivered, but which record is not known yet (duplicate ACKs without SACK).
  void on_anonymous(std::uint32_t bytes, time::Instant now) {
    delivered_ += bytes;
    delivered_at_ = now;
  }
  // It is known now, and was counted again.
  void take_back(std::uint32_t bytes) { delivered_ -= bytes; }
  // Ends an ACK: fills the rate's part of `sample`.
  void finish(const Newest& newest, RateSample& sample, time::Duration min_rtt, time::Instant now) {
    if (app_limited_until_ != 0 && delivered_ > app_limited_until_) app_limited_until_ = 0;
    if (newest.seen) take_sample(newest, sample, min_rtt, now);
  }
  // `in_flight` bytes, and the program has no more.
  void set_app_limited(std::uint32_t in_flight) {
    app_limited_until_ = std::max<std::uint64_t>(delivered_ + in_flight, 1);
  }
  bool rest(RestedRecovery& out) const;
  void wake(const RestedRecovery& rested);
  bool app_limited() const { return app_limited_until_ != 0; }

  std::uint64_t delivered() const { return delivered_; }
  // Bytes a second, of the last sample that was not held back by the program.
  std::uint64_t rate() const { return rate_; }

 private:
  void take_newest(const SentRecord& record, Seq end, Newest& newest) {
    newest = {.seen = true,
              .app_limited = record.app_limited,
              .end = end,
              .delivered = record.delivered,
              .delivered_at = record.delivered_at,
              .sent = record.sent,
              .first_sent = record.first_sent};
    first_sent_ = record.sent;
  }
  void take_sample(const Newest& newest, RateSample& sample, time::Duration min_rtt,
                   time::Instant now) {
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

  std::uint64_t delivered_ = 0;
  std::uint64_t app_limited_until_ = 0;  // a total of delivered_; 0: not limited
  std::uint64_t next_round_ = 0;
  std::uint64_t rate_ = 0;
  time::Instant delivered_at_{}, first_sent_{};
  bool rate_limited_ = false;
};

}  // namespace linnet::tcp
