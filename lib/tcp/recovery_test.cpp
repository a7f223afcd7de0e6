// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/recovery_fixture.hpp"
#include "tcp/rested.hpp"

namespace linnet::tcp {
namespace {

class Recover : public RecoveryCase {};
INSTANTIATE_TEST_SUITE_P(Starts, Recover, kStarts);

using List = std::vector<std::uint32_t>;

TEST_P(Recover, RtoFollowsRfc6298WithLinuxFloor) {
  EXPECT_EQ(recovery_.rto(), ms(1000));
  send(1);
  EXPECT_EQ(recovery_.deadline(), now_ + ms(1000));
  wait_ms(100);
  ack(1000);
  EXPECT_EQ(recovery_.srtt(), ms(100));
  EXPECT_EQ(recovery_.rtt_variance(), ms(50));
  EXPECT_EQ(recovery_.rto(), ms(300));
  send(1);
  wait_ms(500);
  ack(2000);
  EXPECT_EQ(recovery_.srtt(), ms(150));                     // 7/8 100 + 1/8 500
  EXPECT_EQ(recovery_.rtt_variance().count_us(), 137'500);  // 3/4 50 + 1/4 400
  EXPECT_EQ(recovery_.rto().count_us(), 150'000 + 4 * 137'500);
  EXPECT_EQ(recovery_.deadline(), time::Instant::never());
}

// The ACKs that told of the second segment were lost: when it is heard of, it came long before.
TEST_P(Recover, WhatIsSackedLateIsNoRoundTripWhereTheEchoKnowsBetter) {
  measure();
  const std::uint32_t first = sent_;
  send(3);
  ASSERT_EQ(expire(), TimerOutcome::SendProbe);
  ASSERT_EQ(expire(), TimerOutcome::Retransmit);
  ASSERT_EQ(resend(), std::vector<std::uint32_t>{first});
  const time::Instant again = now_;
  wait_ms(100);
  ack_echo(first + kMss, {{first + 2 * kMss, first + 3 * kMss}}, true, again);
  EXPECT_EQ(recovery_.srtt(), ms(100));
}

TEST_P(Recover, RoundTripOfNoTimeIsMeasuredToo) {
  send(1);
  ack(1000);
  EXPECT_EQ(recovery_.rto().count_us(), 200'001);
}

TEST_P(Recover, RtoDoublesToItsCeilingAndAnAmbiguousAckKeepsIt) {
  settings_.tcp_early_retrans = 0;
  measure();
  send(3);
  time::Duration expected = recovery_.rto();
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(recovery_.timer(), RecoveryTimer::Retransmission);
    EXPECT_EQ(recovery_.deadline() - now_, expected);
    EXPECT_EQ(expire(), TimerOutcome::Retransmit);
    EXPECT_EQ(recovery_.window().cwnd, kMss);
    EXPECT_EQ(resend(), List{1000});
    expected = std::min(expected * 2, time::Duration::seconds(120));
  }
  EXPECT_EQ(recovery_.backoff(), 12u);
  // Karn: which transmission is acknowledged nobody knows.
  wait_ms(10);
  ack(2000);
  EXPECT_EQ(recovery_.backoff(), 0u);
  EXPECT_EQ(recovery_.rto(), time::Duration::seconds(120));
  EXPECT_EQ(recovery_.srtt(), ms(100));
  EXPECT_EQ(resend(), (List{2000, 3000}));
  // A timestamp says which.
  wait_ms(40);
  ack_echo(4000, {}, true, now_ - ms(40));
  EXPECT_EQ(recovery_.rto(), recovery_.srtt() + std::max(ms(200), recovery_.rtt_variance() * 4));
}

TEST_P(Recover, AsLongAsAnythingIsInFlightATimerStands) {
  measure();
  send(5);
  ack(1000, {{4000, 5000}, {5000, 6000}});
  for (int i = 0; i < 40; ++i) {
    ASSERT_NE(recovery_.deadline(), time::Instant::never());
    ASSERT_GT(recovery_.deadline(), now_ - ms(1));
    expire();
    resend();
  }
  ack(6000);
  EXPECT_EQ(recovery_.deadline(), time::Instant::never());
  EXPECT_EQ(recovery_.timer(), RecoveryTimer::None);
  EXPECT_EQ(pool_.available(), pool_.capacity());
}

TEST_P(Recover, LimitedTransmitThenFastRetransmitBySack) {
  measure();
  open_window(10);
  const std::uint32_t base = sent_;
  send(10);
  wait_ms(100);
  const std::uint32_t before = recovery_.send_allowance();
  ack(base, {{base + 1000, base + 2000}});
  EXPECT_EQ(recovery_.send_allowance(), before + kMss);  // RFC 3042
  EXPECT_FALSE(recovery_.in_recovery());
  ack(base, {{base + 1000, base + 3000}});
  EXPECT_FALSE(recovery_.next_retransmission());
  EXPECT_EQ(recovery_.timer(), RecoveryTimer::Reordering);
  ack(base, {{base + 1000, base + 4000}});
  EXPECT_TRUE(recovery_.in_recovery());
  EXPECT_EQ(recovery_.lost_bytes(), kMss);
  EXPECT_EQ(resend(), List{base});
  EXPECT_EQ(count(Count::TCPSackRecovery), 1u);
  EXPECT_EQ(count(Count::TCPFastRetrans), 1u);
}

TEST_P(Recover, ReorderingTimerFindsTheLossThatTooFewSacksTell) {
  measure();
  send(2);
  wait_ms(100);
  ack(1000, {{2000, 3000}});
  EXPECT_EQ(recovery_.timer(), RecoveryTimer::Reordering);
  EXPECT_EQ(recovery_.deadline(), now_ + ms(25));  // a quarter of the shortest round trip
  EXPECT_EQ(expire(), TimerOutcome::Retransmit);
  EXPECT_EQ(resend(), List{1000});
}

TEST_P(Recover, RackKnowsALostRetransmission) {
  measure();
  open_window(10);
  const std::uint32_t base = sent_;
  send(8);
  wait_ms(100);
  ack(base, {{base + 1000, base + 4000}});
  EXPECT_EQ(resend(), List{base});
  wait_ms(1);
  send(1);  // later than the retransmission
  wait_ms(130);
  ack(base, {{base + 8000, base + 9000}, {base + 1000, base + 4000}});
  EXPECT_EQ(count(Count::TCPLostRetransmit), 1u);
  EXPECT_EQ(resend().front(), base);
}

TEST_P(Recover, ReorderingInsideTheWindowIsNoLoss) {
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(1);
  wait_ms(5);
  send(9);
  wait_ms(100);
  ack(base, {{base + 1000, base + 2000}});
  ack(base, {{base + 1000, base + 3000}});
  wait_ms(1);
  ack(base + 3000);  // the first one came at last
  EXPECT_FALSE(recovery_.next_retransmission());
  EXPECT_GE(count(Count::TCPTSReorder), 1u);
  // From now on three duplicates are no proof.
  const std::uint32_t again = base + 3000;
  ack(again, {{again + 1000, again + 5000}});
  EXPECT_FALSE(recovery_.next_retransmission());
  EXPECT_EQ(recovery_.timer(), RecoveryTimer::Reordering);
  EXPECT_EQ(recovery_.reorderings(), 1u);
}

TEST_P(Recover, WhatComesLateCountsOnceAnAck) {
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(10);
  wait_ms(100);
  ack(base, {{base + 9000, base + 10'000}});
  EXPECT_EQ(recovery_.reorderings(), 0u);
  ack(base, {{base + 2000, base + 4000}, {base + 9000, base + 10'000}});
  EXPECT_EQ(recovery_.reorderings(), 1u);
  EXPECT_EQ(recovery_.reordering(), 8u);
  ack(base + 10'000);
  EXPECT_EQ(recovery_.reorderings(), 2u);
  EXPECT_EQ(recovery_.reordering(), 10u);
}

TEST_P(Recover, NewRenoRepairsAHoleARoundTripWithoutSack) {
  begin("reno", false);
  measure();
  open_window(12);
  const std::uint32_t base = sent_;
  send(10);  // the 1st and the 5th are lost
  wait_ms(100);
  const std::uint32_t allowance = recovery_.send_allowance();
  ack(base);
  EXPECT_EQ(recovery_.send_allowance(), allowance + kMss);  // RFC 3042 without SACK
  ack(base);
  EXPECT_FALSE(recovery_.next_retransmission());
  ack(base);
  EXPECT_EQ(resend(), List{base});
  for (int i = 0; i < 5; ++i)
    ack(base);
  const std::uint32_t ssthresh = recovery_.window().ssthresh;
  EXPECT_EQ(count(Count::TCPRenoRecovery), 1u);
  wait_ms(100);
  ack(base + 4000);  // partial
  EXPECT_TRUE(recovery_.in_recovery());
  EXPECT_EQ(resend(), List{base + 4000});
  wait_ms(100);
  // RFC 6582 section 4: all is acknowledged, and nothing beyond.
  ack(base + 10000);
  send(1);
  wait_ms(100);
  ack(sent_);
  EXPECT_FALSE(recovery_.in_recovery());
  EXPECT_LE(recovery_.window().cwnd, ssthresh + kMss);
  EXPECT_EQ(count(Count::RetransSegs), 2u);
}

TEST_P(Recover, SmallSegmentsWithoutSackAreCountedByDuplicates) {
  begin("reno", false);
  measure();
  for (int i = 0; i < 5; ++i) {
    send_bytes(10);
    wait_ms(1);
  }
  wait_ms(100);
  for (int i = 0; i < 3; ++i)
    ack(1000);
  ASSERT_TRUE(recovery_.next_retransmission());
  EXPECT_EQ(recovery_.next_retransmission()->begin, at(1000));
}

// RFC 6937: over the whole recovery not more is sent than share of what was delivered, and the
// window ends at ssthresh.
TEST_P(Recover, ReductionIsProportional) {
  measure();
  open_window(40);
  const std::uint32_t base = sent_;
  send(40);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  wait_ms(100);
  std::uint32_t out = 0;
  for (std::uint32_t i = 2; i <= 40; ++i) {
    ack(base, {{base + 1000, base + 1000 * i}});
    out += static_cast<std::uint32_t>(resend().size());
    while (recovery_.send_allowance() >= kMss) {
      send(1);
      ++out;
    }
  }
  EXPECT_GE(out, 17u);
  EXPECT_LE(out, 23u);
  EXPECT_EQ(recovery_.window().ssthresh, cwnd / 2);
  wait_ms(100);
  ack(sent_);
  EXPECT_FALSE(recovery_.in_recovery());
  EXPECT_GE(recovery_.window().cwnd, cwnd / 2);
  EXPECT_LE(recovery_.window().cwnd, cwnd / 2 + kMss);
}

TEST_P(Recover, EcnReducesOnceAWindow) {
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(20);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  wait_ms(100);
  const auto echo = [&](std::uint32_t to) {
    AckEvent event;
    event.ack = at(to);
    event.ecn_echo = true;
    recovery_.on_ack(event, now_);
  };
  echo(base + 1000);
  EXPECT_EQ(recovery_.ca_state(), 2);
  const std::uint32_t ssthresh = recovery_.window().ssthresh;
  EXPECT_EQ(ssthresh, cwnd / 2);
  for (std::uint32_t i = 2; i <= 20; ++i)
    echo(base + 1000 * i);
  EXPECT_EQ(recovery_.window().ssthresh, ssthresh);
  send(1);
  wait_ms(100);
  ack(sent_);
  EXPECT_EQ(recovery_.ca_state(), 0);
  EXPECT_GE(recovery_.window().cwnd, ssthresh);
  EXPECT_LE(recovery_.window().cwnd, ssthresh + kMss);
}

TEST_P(Recover, DSackTakesAReductionBack) {
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(10);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  wait_ms(100);
  ack(base, {{base + 1000, base + 5000}});
  EXPECT_EQ(resend(), List{base});
  wait_ms(100);
  ack(base + 10000);
  EXPECT_LT(recovery_.window().cwnd, cwnd);
  wait_ms(10);
  send(1);
  wait_ms(100);
  const auto outcome = ack(sent_, {{base, base + 1000}});
  EXPECT_TRUE(outcome.duplicate_sack);
  EXPECT_TRUE(outcome.spurious);
  EXPECT_GE(recovery_.window().cwnd, cwnd);
  EXPECT_EQ(count(Count::TCPDSACKUndo), 1u);
}

TEST_P(Recover, TheRoundOfADSackEndsOnceForAll) {
  constexpr std::uint32_t kLarge = 60'000;
  begin("reno", true, kLarge);
  measure();
  open_window(10);
  std::uint32_t base = sent_;
  send(6);
  wait_ms(100);
  ack(base, {{base + kLarge, base + 6 * kLarge}});
  EXPECT_EQ(resend(), List{base});
  wait_ms(100);
  ack(sent_);
  send(1);
  wait_ms(100);
  EXPECT_TRUE(ack(sent_, {{base, base + kLarge}}).duplicate_sack);
  // More than half of the sequence space later its end does not lie ahead.
  for (std::uint64_t done = 0; done < 3'000'000'000; done += kLarge) {
    send(1);
    wait_ms(1);
    ack(sent_);
  }
  wait_ms(10'000);
  RestedRecovery out;
  EXPECT_TRUE(recovery_.rest(now_, out));
}

TEST_P(Recover, EifelTakesAReductionBack) {
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  const time::Instant first = now_;
  send(10);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  wait_ms(100);
  ack(base, {{base + 1000, base + 5000}});
  EXPECT_EQ(resend(), List{base});
  wait_ms(20);
  // The original arrives: the echo is older than the retransmission.
  const auto outcome = ack_echo(base + 10000, {}, true, first);
  EXPECT_TRUE(outcome.spurious);
  EXPECT_GE(recovery_.window().cwnd, cwnd);
  EXPECT_EQ(count(Count::TCPFullUndo), 1u);
  EXPECT_FALSE(recovery_.in_recovery());
}

TEST_P(Recover, T16_InventedDSacksUndoNothing) {
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(10);
  wait_ms(100);
  ack(base, {{base + 1000, base + 5000}});
  resend();
  const std::uint32_t ssthresh = recovery_.window().ssthresh;
  ack(base, {{0, 1000}, {base + 1000, base + 6000}});            // long ago
  ack(base, {{base - 9000, base}, {base + 1000, base + 6000}});  // more than was sent twice
  EXPECT_GE(count(Count::TCPDSACKIgnoredOld), 1u);
  EXPECT_GE(count(Count::TCPDSACKIgnoredDubious), 1u);
  EXPECT_TRUE(recovery_.in_recovery());
  EXPECT_EQ(recovery_.window().ssthresh, ssthresh);
}

TEST_P(Recover, WhatWentWithTheSynAloneLeavesARestingConnection) {
  recovery_.skip(at(500));
  RestedRecovery out;
  EXPECT_TRUE(recovery_.rest(now_, out));
}

TEST_P(Recover, FrtoFindsASpuriousTimeoutBySack) {
  settings_.tcp_early_retrans = 0;
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(10);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  EXPECT_EQ(expire(), TimerOutcome::Retransmit);
  EXPECT_EQ(resend(), List{base});
  EXPECT_EQ(recovery_.window().cwnd, kMss);
  wait_ms(10);
  // RFC 5682 3.1: data that was sent once arrives; the ACKs had only been late.
  const auto outcome = ack(base, {{base + 1000, base + 2000}});
  EXPECT_TRUE(outcome.spurious);
  EXPECT_GE(recovery_.window().cwnd, cwnd);
  EXPECT_EQ(recovery_.lost_bytes(), 0u);
  EXPECT_EQ(count(Count::TCPSpuriousRTOs), 1u);
}

TEST_P(Recover, FrtoSendsNewDataToTellWithoutSack) {
  begin("reno", false);
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(10);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  expire();
  EXPECT_EQ(resend(), List{base});
  wait_ms(10);
  ack_echo(base + 1000, {}, false, {}, true);     // step 2: the first ACK
  EXPECT_FALSE(recovery_.next_retransmission());  // 2 b: two new segments instead
  EXPECT_GE(recovery_.send_allowance(), 2 * kMss);
  send(2);
  wait_ms(10);
  const auto outcome = ack(base + 2000);  // step 3 b
  EXPECT_TRUE(outcome.spurious);
  EXPECT_GE(recovery_.window().cwnd, cwnd);
}

TEST_P(Recover, FrtoIsNotEndedByWhatSaysNothingOfTheTimeout) {
  begin("reno", false);
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(10);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  expire();
  EXPECT_EQ(resend(), List{base});
  AckEvent data;  // of the other direction: no duplicate ACK
  data.ack = at(base);
  data.carries_data = true;
  recovery_.on_ack(data, now_);
  wait_ms(10);
  ack_echo(base + 1000, {}, false, {}, true);
  EXPECT_FALSE(recovery_.next_retransmission());
  send(2);
  recovery_.on_ack(data, now_);
  wait_ms(10);
  EXPECT_TRUE(ack(base + 2000).spurious);
  EXPECT_GE(recovery_.window().cwnd, cwnd);
}

TEST_P(Recover, FrtoGoesOnAsUsualWhereTheTimeoutWasRight) {
  begin("reno", false);
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(10);
  expire();
  EXPECT_EQ(resend(), List{base});
  wait_ms(10);
  ack_echo(base + 1000, {}, false, {}, true);
  send(2);
  wait_ms(100);
  ack(base + 1000);  // step 3 a: a duplicate
  EXPECT_TRUE(recovery_.in_recovery());
  EXPECT_EQ(recovery_.next_retransmission()->begin, at(base + 1000));
}

TEST_P(Recover, RenegingIsSeenAndAllIsSentAgain) {
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(10);
  wait_ms(100);
  ack(base, {{base + 2000, base + 6000}});
  resend();
  // What was told to be there is not acknowledged when the hole is filled.
  ack(base + 2000);
  EXPECT_LE(recovery_.deadline() - now_, ms(60));
  expire();
  EXPECT_EQ(count(Count::TCPSACKReneging), 1u);
  EXPECT_EQ(recovery_.sacked_bytes(), 0u);
  EXPECT_EQ(recovery_.lost_bytes(), 8000u);
  EXPECT_EQ(resend(), List{base + 2000});
}

TEST_P(Recover, PathChangeSendsWhatIsTooLongWithoutPunishment) {
  measure();
  const std::uint32_t cwnd = recovery_.window().cwnd;
  send(4);
  recovery_.set_mss(600);
  recovery_.path_changed();
  EXPECT_EQ(recovery_.window().cwnd, cwnd);
  ASSERT_TRUE(recovery_.next_retransmission());
  EXPECT_EQ(*recovery_.next_retransmission(), range(1000, 1600));
  EXPECT_EQ(resend().size(), 7u);  // 4000 bytes in pieces of 600
}

TEST_P(Recover, IdleClosesTheWindowStepByStep) {
  measure();
  open_window(80);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  wait_ms(recovery_.rto().count_ms() + 1);
  send(1);
  EXPECT_EQ(recovery_.window().cwnd, cwnd / 2);
  wait_ms(100);
  ack(sent_);
  wait_ms(60000);
  send(1);
  EXPECT_EQ(recovery_.window().cwnd, 10 * kMss);
}

TEST_P(Recover, AWindowThatIsNotUsedDoesNotGrow) {
  measure();
  open_window(20);
  recovery_.set_cwnd_limited(false);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  for (int i = 0; i < 50; ++i) {
    send(1);
    recovery_.set_app_limited();
    recovery_.set_cwnd_limited(false);
    wait_ms(100);
    ack(sent_);
  }
  EXPECT_LE(recovery_.window().cwnd, cwnd);
}

TEST_P(Recover, DeliveryRateIsThatOfThePath) {
  measure();
  open_window(20);
  std::uint32_t done = sent_;
  for (int i = 0; i < 10; ++i) {
    send(1);
    wait_ms(10);
  }
  for (int i = 0; i < 40; ++i) {  // a segment every 10 ms, a round trip of 100 ms
    ack(done += 1000);
    send(1);
    wait_ms(10);
  }
  EXPECT_NEAR(static_cast<double>(recovery_.delivery_rate()), 100'000, 10'000);
}

TEST_P(Recover, SynTimesOutWithoutCostAndTheHandshakeGoesOn) {
  recovery_.start(at(0), kMss, false, false, now_, true);
  recovery_.set_syn_sent(true);
  send_bytes(1);
  for (int i = 0; i < 4; ++i) {  // tcp_syn_linear_timeouts
    EXPECT_EQ(recovery_.deadline() - now_, ms(1000));
    EXPECT_EQ(expire(), TimerOutcome::Retransmit);
    EXPECT_EQ(resend(), List{0});
  }
  EXPECT_EQ(recovery_.deadline() - now_, ms(1000));
  expire();
  EXPECT_EQ(recovery_.deadline() - now_, ms(2000));
  EXPECT_EQ(resend(), List{0});
  EXPECT_EQ(count(Count::TCPSynRetrans), 5u);
  wait_ms(10);
  ack(1);
  recovery_.negotiated(kMss, true, true);
  EXPECT_EQ(recovery_.window().cwnd, kMss);  // RFC 5681 3.1
  EXPECT_EQ(recovery_.deadline(), time::Instant::never());
}

TEST_P(Recover, TailLossProbeRepeatsTheLastSegmentAndItsRepairCostsWindow) {
  measure();
  open_window(10);
  const std::uint32_t base = sent_;
  send(3);
  EXPECT_EQ(recovery_.timer(), RecoveryTimer::LossProbe);
  EXPECT_EQ(recovery_.deadline(), now_ + recovery_.srtt() * 2 + ms(2));
  EXPECT_EQ(expire(), TimerOutcome::SendProbe);
  ASSERT_TRUE(recovery_.probe_range());
  EXPECT_EQ(*recovery_.probe_range(), range(base + 2000, base + 3000));
  recovery_.on_transmit(*recovery_.probe_range(), now_, true);
  EXPECT_EQ(recovery_.timer(), RecoveryTimer::Retransmission);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  wait_ms(100);
  // The probe arrived, its original too: nothing was lost.
  ack(base + 3000, {{base + 2000, base + 3000}});
  EXPECT_GE(recovery_.window().cwnd, cwnd);
  EXPECT_EQ(count(Count::TCPLossProbeRecovery), 0u);

  send(1);
  expire();
  recovery_.on_transmit(*recovery_.probe_range(), now_, true);
  wait_ms(100);
  ack(sent_);
  send(1);
  wait_ms(100);
  ack(sent_);
  EXPECT_EQ(count(Count::TCPLossProbes), 2u);
  EXPECT_EQ(count(Count::TCPLossProbeRecovery), 1u);
  EXPECT_LT(recovery_.window().cwnd, cwnd);
}

TEST_P(Recover, TailLossProbeWithNewDataNeedsNoJudgement) {
  measure();
  send(2);
  EXPECT_EQ(expire(), TimerOutcome::SendProbe);
  send(1);
  const std::uint32_t cwnd = recovery_.window().cwnd;
  wait_ms(100);
  ack(sent_);
  EXPECT_GE(recovery_.window().cwnd, cwnd);
  EXPECT_EQ(count(Count::TCPLossProbeRecovery), 0u);
}

TEST_P(Recover, AProbeThatCouldNotBeSentLeavesTheTimeout) {
  measure();
  send(2);
  EXPECT_EQ(expire(), TimerOutcome::SendProbe);
  EXPECT_EQ(recovery_.timer(), RecoveryTimer::Retransmission);
  EXPECT_EQ(expire(), TimerOutcome::Retransmit);
}

TEST_P(Recover, TailLossIsRepairedByProbeAndSackInsteadOfATimeout) {
  measure();
  open_window(10);
  const std::uint32_t base = sent_;
  send(5);  // the last three are lost
  wait_ms(100);
  ack(base + 2000);
  EXPECT_EQ(expire(), TimerOutcome::SendProbe);
  recovery_.on_transmit(*recovery_.probe_range(), now_, true);
  wait_ms(100);
  ack(base + 2000, {{base + 4000, base + 5000}});
  if (!recovery_.next_retransmission()) expire();
  EXPECT_EQ(resend(), List{base + 2000});
  wait_ms(100);
  ack(base + 3000, {{base + 4000, base + 5000}});
  EXPECT_EQ(resend(), List{base + 3000});
  EXPECT_EQ(count(Count::TCPTimeouts), 0u);
}

TEST_P(Recover, T16_AcksOfSingleBytesOpenTheWindowAsOneAckDoes) {
  measure();
  open_window(11);
  const std::uint32_t base = sent_;
  send(2);
  const std::uint32_t before = recovery_.window().cwnd;
  recovery_.set_cwnd_limited(true);
  for (std::uint32_t i = 1; i <= 2000; ++i)
    ack(base + i);
  EXPECT_EQ(recovery_.window().cwnd, before + 2000);
}

}  // namespace
}  // namespace linnet::tcp
