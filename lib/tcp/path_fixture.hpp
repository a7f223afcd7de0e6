// SPDX-License-Identifier: BSD-3-Clause
// For tests: a sender whose engine is `Recovery`, a path with a bottleneck, and a receiver that
// acknowledges as RFC 2018 and 2883 have it. Virtual time.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <vector>

#include "tcp/recovery.hpp"

namespace linnet::tcp {

inline constexpr auto kStart = time::Instant::from_ns(5'000'000'000);

struct PathOptions {
  double loss = 0, ack_loss = 0, duplicate = 0, reorder = 0;  // shares of packets
  double rate = 1.25e6;                                       // bytes a second; 0: no limit
  time::Duration one_way = time::Duration::milliseconds(25);
  time::Duration late{};                 // of what is reordered; zero: a quarter of `one_way`
  std::uint32_t queue = 100'000;         // bytes before the bottleneck
  std::uint32_t mark_over = 0xffffffff;  // bytes in the queue over which packets are marked (ECN)
  bool sack = true, timestamps = true, dsack = true;
  std::uint32_t receive_window = 1u << 30;
  std::uint32_t mss = 1000;
  unsigned seed = 1;
};

class PathModel {
 public:
  PathModel(Recovery& recovery, const PathOptions& options, std::uint64_t bytes, Seq initial,
            time::Instant now)
      : recovery_(recovery),
        options_(options),
        total_(bytes),
        initial_(initial),
        now_(now),
        random_(options.seed) {
    recovery_.start(initial, options.mss, options.sack, options.timestamps, now);
  }

  // Runs until all is acknowledged or `limit` has passed. True: all is.
  bool run(time::Duration limit) {
    const time::Instant end = now_ + limit;
    output();
    while (acked_ < total_) {
      const time::Instant next = next_event();
      if (next > end || next == time::Instant::never()) return false;
      now_ = std::max(now_, next);
      step();
      if (check) check();
    }
    return true;
  }

  std::function<void()> check;  // after each event
  time::Instant now() const { return now_; }
  std::uint64_t acked() const { return acked_; }
  std::uint64_t sent() const { return sent_; }  // of the stream; each byte once
  std::uint64_t wire_bytes() const { return wire_bytes_; }

 private:
  struct Event {
    bool is_ack = false;
    std::uint64_t begin = 0, end = 0;  // data; `begin` of an ACK: what it acknowledges
    std::vector<std::pair<std::uint64_t, std::uint64_t>> blocks;
    time::Instant stamp{};
    bool marked = false;
  };

  Seq at(std::uint64_t offset) const { return initial_ + static_cast<std::uint32_t>(offset); }
  std::uint64_t offset(Seq seq) const { return acked_ + (seq - at(acked_)); }
  bool chance(double share) { return std::uniform_real_distribution<>(0, 1)(random_) < share; }

  time::Instant next_event() const {
    time::Instant next = recovery_.deadline();
    if (!events_.empty()) next = std::min(next, events_.begin()->first);
    if (blocked_) next = std::min(next, recovery_.pacing_release());
    return next;
  }

  void step() {
    if (!events_.empty() && events_.begin()->first <= now_) {
      const Event event = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      event.is_ack ? take_ack(event) : take_data(event);
      if (event.is_ack) output();
      return;
    }
    if (recovery_.deadline() <= now_ && recovery_.on_timer(now_) == TimerOutcome::SendProbe) {
      if (sent_ < total_ && sent_ - acked_ < options_.receive_window) {
        send_new();
      } else if (const auto range = recovery_.probe_range()) {
        transmit(offset(range->begin), offset(range->end), true);
      }
    }
    output();
  }

  void output() {
    blocked_ = false;
    while (true) {
      if (recovery_.pacing_release() > now_) {
        blocked_ = true;
        return;
      }
      if (const auto again = recovery_.next_retransmission()) {
        if (recovery_.send_allowance() < again->length()) return;
        transmit(offset(again->begin), offset(again->end), true);
        continue;
      }
      if (sent_ == total_ || sent_ - acked_ >= options_.receive_window) {
        recovery_.set_app_limited();
        recovery_.set_cwnd_limited(false);
        return;
      }
      if (recovery_.send_allowance() < options_.mss || !recovery_.can_record()) {
        recovery_.set_cwnd_limited(true);
        return;
      }
      send_new();
    }
  }

  void send_new() {
    const std::uint64_t end = std::min(sent_ + options_.mss, total_);
    const std::uint64_t begin = sent_;
    sent_ = end;
    transmit(begin, end, false);
  }

  void transmit(std::uint64_t begin, std::uint64_t end, bool again) {
    recovery_.on_transmit({at(begin), at(end)}, now_, again);
    wire_bytes_ += end - begin;
    Event event{.begin = begin, .end = end, .blocks = {}, .stamp = now_};
    time::Instant arrival = now_ + options_.one_way;
    if (options_.rate > 0) {
      const auto wait = std::max(free_at_ - now_, time::Duration());
      const double queued = wait.count_s() * options_.rate;
      if (queued > options_.queue) return;  // dropped at the tail
      event.marked = queued > options_.mark_over;
      const double ns = 1e9 * static_cast<double>(end - begin + 40) / options_.rate;
      free_at_ = now_ + wait + time::Duration::nanoseconds(static_cast<std::int64_t>(ns));
      arrival = free_at_ + options_.one_way;
    }
    if (chance(options_.loss)) return;
    if (chance(options_.reorder))
      arrival = arrival + (options_.late.count_ns() != 0 ? options_.late : options_.one_way / 4);
    if (chance(options_.duplicate))
      events_.emplace(arrival + time::Duration::milliseconds(1), event);
    events_.emplace(arrival, std::move(event));
  }

  void take_data(const Event& data) {
    Event ack{.is_ack = true, .blocks = {}, .stamp = data.stamp, .marked = data.marked};
    const bool repeated = data.end <= received_ || covers(data.begin, data.end);
    if (repeated && options_.dsack) ack.blocks.emplace_back(data.begin, data.end);
    insert(std::max(data.begin, received_), data.end);
    ack.begin = received_;
    // The newest block first, then others.
    for (const auto& [begin, end] : blocks_)
      if (begin <= data.begin && data.end <= end && !repeated) ack.blocks.emplace_back(begin, end);
    for (auto i = blocks_.rbegin(); i != blocks_.rend() && ack.blocks.size() < 3; ++i)
      if (std::find(ack.blocks.begin(), ack.blocks.end(), std::pair(i->first, i->second)) ==
          ack.blocks.end())
        ack.blocks.emplace_back(i->first, i->second);
    if (!options_.sack) ack.blocks.clear();
    if (!chance(options_.ack_loss)) events_.emplace(now_ + options_.one_way, std::move(ack));
  }

  bool covers(std::uint64_t begin, std::uint64_t end) const {
    for (const auto& [from, to] : blocks_)
      if (from <= begin && end <= to) return true;
    return false;
  }

  void insert(std::uint64_t begin, std::uint64_t end) {
    if (begin >= end) return;
    auto i = blocks_.lower_bound(begin);
    if (i != blocks_.begin() && std::prev(i)->second >= begin) --i;
    while (i != blocks_.end() && i->first <= end) {
      begin = std::min(begin, i->first);
      end = std::max(end, i->second);
      i = blocks_.erase(i);
    }
    blocks_.emplace(begin, end);
    if (blocks_.begin()->first <= received_) {
      received_ = blocks_.begin()->second;
      blocks_.erase(blocks_.begin());
    }
  }

  void take_ack(const Event& ack) {
    if (ack.begin < acked_) return;
    std::vector<SeqRange> blocks;
    for (const auto& [begin, end] : ack.blocks)
      blocks.push_back({at(begin), at(end)});
    AckEvent event;
    event.ack = at(ack.begin);
    event.sack = blocks;
    event.has_timestamp_echo = options_.timestamps;
    event.echoed_at = time::Instant::from_ns(ack.stamp.since_origin_ns() / 1'000'000 * 1'000'000);
    event.ecn_echo = ack.marked;
    event.more_to_send = sent_ < total_;
    recovery_.on_ack(event, now_);
    acked_ = std::max(acked_, ack.begin);
  }

  Recovery& recovery_;
  PathOptions options_;
  std::uint64_t total_;
  Seq initial_;
  time::Instant now_;
  std::mt19937 random_;
  std::multimap<time::Instant, Event> events_;
  std::map<std::uint64_t, std::uint64_t> blocks_;
  std::uint64_t sent_ = 0, acked_ = 0, received_ = 0, wire_bytes_ = 0;
  time::Instant free_at_{};
  bool blocked_ = false;
};

}  // namespace linnet::tcp
