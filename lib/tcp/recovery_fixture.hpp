// SPDX-License-Identifier: BSD-3-Clause
// For tests: a sender by hand, in offsets from the first byte, so that a case reads the same at any
// sequence number and runs again just before the wrap.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

#include "tcp/recovery.hpp"

namespace linnet::tcp {

struct Block {
  std::uint32_t begin, end;
};

class RecoveryCase : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  static constexpr std::uint32_t kMss = 1000;

  RecoveryCase() { begin("reno"); }

  void begin(std::string_view control, bool sack = true, std::uint32_t mss = kMss) {
    mss_ = mss;
    sent_ = 0;
    recovery_.set_congestion_control(*find_congestion_control(control), now_);
    recovery_.start(at(0), mss, sack, true, now_);
  }

  Seq at(std::uint32_t offset) const { return Seq(GetParam()) + offset; }
  SeqRange range(std::uint32_t begin, std::uint32_t end) const { return {at(begin), at(end)}; }
  void wait_ms(std::int64_t ms) { now_ = now_ + time::Duration::milliseconds(ms); }
  static time::Duration ms(std::int64_t n) { return time::Duration::milliseconds(n); }

  // New segments of full size, each at the time that stands.
  void send(std::uint32_t segments) {
    for (; segments != 0; --segments)
      send_bytes(mss_);
  }
  void send_bytes(std::uint32_t bytes) {
    ASSERT_TRUE(recovery_.can_record());
    recovery_.on_transmit(range(sent_, sent_ + bytes), now_, false);
    sent_ += bytes;
  }
  AckOutcome ack(std::uint32_t offset, std::initializer_list<Block> blocks = {}) {
    return ack_echo(offset, blocks, false, {});
  }
  // With a timestamp that was sent at `echoed`.
  AckOutcome ack_echo(std::uint32_t offset, std::initializer_list<Block> blocks, bool echo,
                      time::Instant echoed, bool more_to_send = false) {
    std::vector<SeqRange> sack;
    for (const Block& block : blocks)
      sack.push_back(range(block.begin, block.end));
    AckEvent event;
    event.ack = at(offset);
    event.sack = sack;
    event.has_timestamp_echo = echo;
    event.echoed_at = echoed;
    event.more_to_send = more_to_send;
    return recovery_.on_ack(event, now_);
  }
  // What is to be sent again now, as the allowance admits; sends it.
  std::vector<std::uint32_t> resend() {
    std::vector<std::uint32_t> out;
    while (const auto next = recovery_.next_retransmission()) {
      if (recovery_.send_allowance() < next->length()) break;
      out.push_back(next->begin - at(0));
      recovery_.on_transmit(*next, now_, true);
    }
    return out;
  }
  // One round trip of 100 ms that measures it and leaves nothing in flight.
  void measure() {
    send(1);
    wait_ms(100);
    ack(sent_);
    EXPECT_EQ(recovery_.srtt(), ms(100));
  }
  // Grows the window without loss until it has `segments`.
  void open_window(std::uint32_t segments) {
    while (recovery_.window().cwnd < segments * mss_) {
      const std::uint32_t first = sent_;
      send(recovery_.send_allowance() / mss_);
      wait_ms(100);
      for (std::uint32_t done = first + mss_; done <= sent_; done += mss_)
        ack(done);
    }
  }
  TimerOutcome expire() {
    now_ = recovery_.deadline();
    return recovery_.on_timer(now_);
  }
  std::uint64_t count(Count what) const { return counters_.value(what); }

  SentPool pool_{100000};
  Settings settings_;
  Counters counters_;
  time::Instant now_ = time::Instant::from_ns(5'000'000'000);
  std::uint32_t mss_ = kMss;
  std::uint32_t sent_ = 0;
  Recovery recovery_{pool_, settings_, counters_, *find_congestion_control("reno")};
};

inline const auto kStarts =
    ::testing::Values(1000u, 0u - 500u, 0u - 3000u, 0u - 30000u, 0x80000000u - 2500u);

}  // namespace linnet::tcp
