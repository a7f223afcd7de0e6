// SPDX-License-Identifier: BSD-3-Clause
// Two senders to whom the same happens: one asks `on_plain_ack` first, the other takes every ACK by
// `on_ack`. Nobody can tell one from the other.
#include <iterator>
#include <random>

#include "tcp/recovery_fixture.hpp"

namespace linnet::tcp {
namespace {

class PlainAck : public RecoveryCase {
 protected:
  void begin_both(std::string_view control, bool sack) {
    for (Recovery* each : {&recovery_, &slow_}) {
      each->set_congestion_control(*find_congestion_control(control), now_);
      each->start(at(0), kMss, sack, true, now_);
    }
    sent_ = acked_ = 0;
    taken_ = 0;
  }
  void transmit(SeqRange range, bool again) {
    recovery_.on_transmit(range, now_, again);
    slow_.on_transmit(range, now_, again);
  }
  void send_both(std::uint32_t bytes) {
    if (!recovery_.can_record()) return;
    transmit(range(sent_, sent_ + bytes), false);
    sent_ += bytes;
  }
  // As a connection does it.
  void ack_both(const AckEvent& event) {
    std::uint32_t newly =
        event.sack.empty() && !event.ecn_echo ? recovery_.on_plain_ack(event.ack, now_) : 0;
    taken_ += newly != 0 ? 1 : 0;
    if (newly == 0) newly = recovery_.on_ack(event, now_).newly_acked;
    EXPECT_EQ(newly, slow_.on_ack(event, now_).newly_acked);
    if (event.ack.after(at(acked_))) acked_ = event.ack - at(0);
  }
  void ack_both(std::uint32_t offset, std::vector<SeqRange> blocks = {}, bool marked = false) {
    AckEvent event;
    event.ack = at(offset);
    event.sack = blocks;
    event.ecn_echo = marked;
    ack_both(event);
  }
  void resend_both() {
    while (const auto next = recovery_.next_retransmission()) {
      if (recovery_.send_allowance() < next->length()) break;
      transmit(*next, true);
    }
  }
  void expire_both() {
    if (recovery_.deadline() > now_) return;
    const TimerOutcome outcome = recovery_.on_timer(now_);
    ASSERT_EQ(outcome, slow_.on_timer(now_));
    if (outcome != TimerOutcome::SendProbe) return;
    if (const auto last = recovery_.probe_range()) transmit(*last, true);
  }
  void expect_alike() {
    const Recovery &a = recovery_, &b = slow_;
    ASSERT_EQ(a.window().cwnd, b.window().cwnd);
    ASSERT_EQ(a.window().ssthresh, b.window().ssthresh);
    ASSERT_EQ(a.window().pacing_rate, b.window().pacing_rate);
    ASSERT_EQ(a.window().cwnd_limited, b.window().cwnd_limited);
    ASSERT_EQ(a.window().srtt, b.window().srtt);
    ASSERT_EQ(a.window().min_rtt, b.window().min_rtt);
    ASSERT_EQ(a.rtt_variance(), b.rtt_variance());
    ASSERT_EQ(a.rto(), b.rto());
    ASSERT_EQ(a.backoff(), b.backoff());
    ASSERT_EQ(a.deadline(), b.deadline());
    ASSERT_EQ(a.timer(), b.timer());
    ASSERT_EQ(a.ca_state(), b.ca_state());
    ASSERT_EQ(a.in_flight(), b.in_flight());
    ASSERT_EQ(a.sacked_bytes(), b.sacked_bytes());
    ASSERT_EQ(a.lost_bytes(), b.lost_bytes());
    ASSERT_EQ(a.retransmitted_bytes(), b.retransmitted_bytes());
    ASSERT_EQ(a.delivery_rate(), b.delivery_rate());
    ASSERT_EQ(a.delivery_rate_app_limited(), b.delivery_rate_app_limited());
    ASSERT_EQ(a.reordering(), b.reordering());
    ASSERT_EQ(a.reorderings(), b.reorderings());
    ASSERT_EQ(a.delivered(), b.delivered());
    ASSERT_EQ(a.next_retransmission(), b.next_retransmission());
    ASSERT_EQ(a.probe_range(), b.probe_range());
    ASSERT_EQ(a.pacing_release(), b.pacing_release());
  }
  void expect_counted_alike() {
    for (std::size_t i = 0; i < std::size(kCounterNames); ++i)
      ASSERT_EQ(count(Count(i)), slow_counters_.value(Count(i))) << kCounterNames[i].name;
  }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  // A block, whole segments or not, of what is out.
  std::vector<SeqRange> some_block() {
    const std::uint32_t from = acked_ + below(sent_ - acked_);
    return {range(from, std::min(sent_, from + 1 + below(4 * kMss)))};
  }
  // What a path with loss `trouble` of 100 may do next.
  void happen(std::uint32_t trouble) {
    const bool odd = below(100) < trouble;
    const std::uint32_t kind = below(4);
    if (sent_ - acked_ < 30000 && kind < 2) {
      send_both(odd ? 1 + below(3000) : kMss);
    } else if (kind == 2 && acked_ != sent_) {
      const std::uint32_t to = acked_ + below(sent_ - acked_ + 1);
      if (!odd)
        ack_both(below(2) == 0 ? sent_ : to);
      else if (below(3) == 0)
        ack_both(to, {}, true);
      else
        ack_both(below(2) == 0 ? acked_ : to, some_block());
    } else {
      wait_ms(odd ? below(400) : below(5));
      if (below(3) == 0) recovery_.set_app_limited(), slow_.set_app_limited();
    }
    expire_both();
    resend_both();
  }

  Counters slow_counters_;
  Recovery slow_{pool_, settings_, slow_counters_, *find_congestion_control("reno")};
  std::mt19937 random_{GetParam()};
  std::uint32_t acked_ = 0, taken_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Starts, PlainAck, kStarts);

TEST_P(PlainAck, DoesWhatEveryAckDoesOnAnyPath) {
  for (const char* control : {"reno", "cubic", "bbr", "dctcp"}) {
    for (const std::uint32_t trouble : {0u, 2u, 20u}) {
      for (const bool sack : {true, false}) {
        begin_both(control, sack);
        for (int i = 0; i < 4000; ++i) {
          happen(trouble);
          ASSERT_NO_FATAL_FAILURE(expect_alike()) << control << ' ' << trouble << ' ' << i;
        }
        EXPECT_GT(taken_, trouble == 0 ? 500u : 20u) << control << ' ' << trouble << ' ' << sack;
        ack_both(sent_);
        expect_counted_alike();
      }
    }
  }
}

TEST_P(PlainAck, IsNoneWhileALossIsSuspectedOrRepaired) {
  begin_both("cubic", true);
  send_both(kMss);
  wait_ms(100);
  EXPECT_EQ(recovery_.on_plain_ack(at(0), now_), 0u);         // moves nothing
  EXPECT_EQ(recovery_.on_plain_ack(at(kMss + 1), now_), 0u);  // of what was never sent
  ack_both(sent_);
  EXPECT_EQ(taken_, 1u);
  for (int i = 0; i < 5; ++i)
    send_both(kMss);
  wait_ms(100);
  ack_both(acked_, {range(acked_ + 4 * kMss, acked_ + 5 * kMss)});
  EXPECT_EQ(recovery_.on_plain_ack(at(acked_ + kMss), now_), 0u);  // something is sacked
  expire_both();
  resend_both();
  wait_ms(300);
  expire_both();
  resend_both();
  EXPECT_NE(recovery_.ca_state(), 0u);
  EXPECT_EQ(recovery_.on_plain_ack(at(acked_ + 4 * kMss), now_), 0u);  // in recovery
  ack_both(sent_);
  expect_alike();
  // All is well again: so are plain ACKs.
  send_both(kMss);
  wait_ms(100);
  taken_ = 0;
  ack_both(sent_);
  EXPECT_EQ(taken_, 1u);
  expect_alike();
}

// A flow that never pauses is never without anything in flight.
TEST_P(PlainAck, IsThereAgainAWindowAfterALoss) {
  for (const bool sack : {true, false}) {
    begin_both("cubic", sack);
    for (int i = 0; i < 10; ++i)
      send_both(kMss);
    wait_ms(50);
    for (std::uint32_t i = 2; i <= 10; ++i) {
      if (sack)
        ack_both(acked_, {range(acked_ + kMss, acked_ + i * kMss)});
      else
        ack_both(acked_);
    }
    EXPECT_NE(recovery_.ca_state(), 0u);
    resend_both();
    for (int i = 0; i < 6; ++i) {
      send_both(2 * kMss);
      wait_ms(50);
      taken_ = 0;
      ack_both(sent_ - kMss);
      EXPECT_LE(taken_, i < 1 ? 0u : 1u);
      expect_alike();
      ASSERT_NE(recovery_.in_flight(), 0u);
    }
    EXPECT_EQ(taken_, 1u) << (sack ? "with" : "without") << " SACK";
  }
}

TEST_P(PlainAck, IsNoneWhileALossProbeIsJudged) {
  begin_both("cubic", true);
  send_both(kMss);
  wait_ms(100);
  ack_both(sent_);
  send_both(kMss);
  now_ = recovery_.deadline();
  ASSERT_EQ(recovery_.timer(), RecoveryTimer::LossProbe);
  expire_both();
  EXPECT_EQ(recovery_.on_plain_ack(at(sent_), now_), 0u);
  ack_both(sent_);
  expect_alike();
}

// SYN takes no room of the window.
TEST_P(PlainAck, IsNoneOfASyn) {
  for (Recovery* each : {&recovery_, &slow_}) {
    each->start(at(0), kMss, true, true, now_, true);
    each->on_transmit(range(0, 1), now_, false);
    each->set_cwnd_limited(true);
  }
  sent_ = 1;
  wait_ms(100);
  ack_both(sent_);
  EXPECT_EQ(taken_, 0u);
  expect_alike();
}

// A round trip of the SYN-ACK: what was sent first was sent before the connection began.
TEST_P(PlainAck, TimesOutOfOrderAreNoPlainOnes) {
  begin_both("cubic", true);
  const time::Instant before = now_;
  wait_ms(50);
  send_both(kMss);
  now_ = before;
  send_both(kMss);
  wait_ms(100);
  ack_both(sent_ - kMss);
  ack_both(sent_);
  EXPECT_EQ(taken_, 0u);
  expect_alike();
}

TEST_P(PlainAck, IsNoneOfWhatWasSentBeforeWhatHasArrived) {
  begin_both("cubic", true);
  const time::Instant before = now_;
  wait_ms(50);
  send_both(kMss);
  ack_both(sent_);
  EXPECT_EQ(taken_, 1u);
  now_ = before;
  send_both(kMss);
  wait_ms(1);
  send_both(kMss);
  wait_ms(100);
  ack_both(sent_ - kMss);
  EXPECT_EQ(taken_, 1u);
  expect_alike();
}

}  // namespace
}  // namespace linnet::tcp
