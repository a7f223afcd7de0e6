// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/handshake.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace linnet::tcp {
namespace {

constexpr SipKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};
constexpr auto kStart = time::Instant::from_ns(400'000'000'000);

// Of an IPv4 flow: two addresses, two ports.
std::array<std::byte, 12> flow_of(std::uint32_t peer, std::uint16_t port = 40000) {
  std::array<std::byte, 12> out{};
  std::memcpy(out.data() + 4, &peer, 4);
  std::memcpy(out.data() + 10, &port, 2);
  return out;
}

Segment syn_of(Seq seq) {
  Segment out;
  out.seq = seq;
  out.flags = flag::kSyn;
  out.window = 64240;
  out.options.mss = 1460;
  out.options.window_scale = 9;
  out.options.sack_permitted = true;
  out.options.has_timestamps = true;
  out.options.ts_value = 7777;
  return out;
}

Segment ack_of(const SegmentOut& syn_ack) {
  Segment out;
  out.seq = syn_ack.ack;
  out.ack = syn_ack.seq + 1;
  out.flags = flag::kAck;
  out.window = 501;
  out.options.has_timestamps = syn_ack.options.has_timestamps;
  out.options.ts_value = syn_ack.options.ts_echo + 3;
  out.options.ts_echo = syn_ack.options.ts_value;
  return out;
}

// The statistic of n counts that should be equal, as standard deviations from its mean.
double chi_square_deviation(const std::vector<std::uint32_t>& counts) {
  double total = 0, sum = 0;
  for (const std::uint32_t count : counts)
    total += count;
  const double expected = total / static_cast<double>(counts.size());
  for (const std::uint32_t count : counts)
    sum += (count - expected) * (count - expected) / expected;
  const double freedom = static_cast<double>(counts.size()) - 1;
  return (sum - freedom) / std::sqrt(2 * freedom);
}

TEST(InitialSequence, B3_FlowsTellNothingAboutEachOther) {
  constexpr std::uint32_t kFlows = 1'000'000;
  std::vector<std::uint32_t> high(256), low(256), difference(256);
  double product = 0, square = 0;
  std::uint32_t before = 0;
  for (std::uint32_t i = 0; i < kFlows; ++i) {
    const auto flow = flow_of(i);
    const std::uint32_t isn = initial_sequence(kKey, flow, kStart).value();
    ++high[isn >> 24];
    ++low[isn & 255];
    ++difference[(isn - before) >> 24];
    const double x = isn / 4294967296.0 - 0.5, y = before / 4294967296.0 - 0.5;
    product += x * y;
    square += x * x;
    before = isn;
  }
  for (const auto* counts : {&high, &low, &difference})
    EXPECT_LT(std::abs(chi_square_deviation(*counts)), 4);
  EXPECT_LT(std::abs(product / square), 0.004);  // four deviations of 1/sqrt(n)
}

TEST(InitialSequence, B3_BootsTellNothingAboutEachOther) {
  std::mt19937_64 random(3);
  const auto a = flow_of(1), b = flow_of(2);
  std::vector<std::uint32_t> same_flow(256), distance(256);
  for (int boot = 0; boot < 200'000; ++boot) {
    const SipKey key{random(), random()};
    const std::uint32_t isn = initial_sequence(key, a, kStart).value();
    ++same_flow[isn >> 24];
    ++distance[(isn ^ initial_sequence(key, b, kStart).value()) >> 24];
  }
  EXPECT_LT(std::abs(chi_square_deviation(same_flow)), 4);
  EXPECT_LT(std::abs(chi_square_deviation(distance)), 4);
}

TEST(InitialSequence, B3_OneFlowGrowsByFourMicroseconds) {
  const auto flow = flow_of(9);
  const Seq first = initial_sequence(kKey, flow, kStart);
  EXPECT_EQ(initial_sequence(kKey, flow, kStart + time::Duration::microseconds(4)) - first, 1u);
  EXPECT_EQ(initial_sequence(kKey, flow, kStart + time::Duration::seconds(60)) - first,
            15'000'000u);
}

TEST(TimestampOffset, B5_FixedForAFlowIndependentBetweenFlows) {
  std::vector<std::uint32_t> counts(256);
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const auto flow = flow_of(i);
    const std::uint32_t offset = timestamp_offset(kKey, flow);
    EXPECT_EQ(offset, timestamp_offset(kKey, flow));
    ++counts[(offset - timestamp_offset(kKey, flow_of(i + 1))) >> 24];
  }
  EXPECT_LT(std::abs(chi_square_deviation(counts)), 4);
  const auto flow = flow_of(5);
  EXPECT_NE(timestamp_offset(kKey, flow), initial_sequence(kKey, flow, time::Instant()).value());
}

class HalfOpenCase : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  static time::Duration ms(std::int64_t n) { return time::Duration::milliseconds(n); }
  HalfOpenVerdict input(const Segment& segment) { return entry_.input(segment, now_, answer_); }
  Segment ack() { return ack_of(syn_ack_); }

  time::Instant now_ = kStart;
  PassiveOptions options_;
  Seq peer_{GetParam()}, local_{GetParam() + 77};
  HalfOpen entry_{syn_of(peer_), options_, local_, 1000, now_};
  SegmentOut syn_ack_ = entry_.syn_ack(now_);
  SegmentOut answer_;
};
INSTANTIATE_TEST_SUITE_P(Starts, HalfOpenCase,
                         ::testing::Values(1u, 0xffffffffu, 0x7fffffffu, 0u - 78u));

TEST_P(HalfOpenCase, TheHandshakeKeepsWhatWasAgreed) {
  EXPECT_EQ(syn_ack_.flags, flag::kSyn | flag::kAck);
  EXPECT_EQ(syn_ack_.seq, local_);
  EXPECT_EQ(syn_ack_.ack, peer_ + 1);
  EXPECT_EQ(syn_ack_.options.mss, 1460);
  EXPECT_EQ(syn_ack_.options.window_scale, 7);
  EXPECT_TRUE(syn_ack_.options.sack_permitted);
  EXPECT_EQ(syn_ack_.options.ts_echo, 7777u);
  EXPECT_EQ(syn_ack_.options.ts_value, timestamp_at(now_, 1000));
  now_ = now_ + ms(30);
  ASSERT_EQ(input(ack()), HalfOpenVerdict::Established);
  const Handshake agreed = entry_.handshake(ack());
  EXPECT_EQ(agreed.local_initial, local_);
  EXPECT_EQ(agreed.peer_initial, peer_);
  EXPECT_EQ(agreed.peer_mss, 1460);
  EXPECT_EQ(agreed.peer_window, 501);
  EXPECT_TRUE(agreed.window_scaling && agreed.sack && agreed.timestamps && !agreed.ecn);
  EXPECT_EQ(agreed.peer_scale, 9);
  EXPECT_EQ(agreed.local_scale, 7);
  EXPECT_EQ(agreed.peer_ts_value, 7780u);
  EXPECT_EQ(agreed.syn_ack_sent, kStart);
}

TEST_P(HalfOpenCase, WhatOneSideLacksIsNotAgreed) {
  Segment syn = syn_of(peer_);
  syn.options = SegmentOptions();
  HalfOpen bare(syn, options_, local_, 0, now_);
  const SegmentOut out = bare.syn_ack(now_);
  EXPECT_FALSE(out.options.window_scale || out.options.sack_permitted ||
               out.options.has_timestamps);
  EXPECT_EQ(bare.handshake(ack()).peer_mss, 536);  // RFC 9293 MUST-15
  options_.sack = options_.timestamps = options_.window_scaling = false;
  HalfOpen plain(syn_of(peer_), options_, local_, 0, now_);
  const Handshake agreed = plain.handshake(ack());
  EXPECT_FALSE(agreed.sack || agreed.timestamps || agreed.window_scaling);
  EXPECT_EQ(agreed.local_scale, 0);
}

TEST_P(HalfOpenCase, EcnNeedsBothBitsAndTheSetting) {
  Segment syn = syn_of(peer_);
  syn.flags |= flag::kEce | flag::kCwr;
  EXPECT_FALSE(HalfOpen(syn, options_, local_, 0, now_).syn_ack(now_).flags & flag::kEce);
  options_.ecn = true;
  EXPECT_TRUE(HalfOpen(syn, options_, local_, 0, now_).syn_ack(now_).flags & flag::kEce);
  syn.flags = flag::kSyn | flag::kEce;
  EXPECT_FALSE(HalfOpen(syn, options_, local_, 0, now_).syn_ack(now_).flags & flag::kEce);
}

TEST_P(HalfOpenCase, TheSynAckIsSentAgainWithBackoffAndGivenUp) {
  const std::vector<int> waits = {1, 2, 4, 8, 16};
  for (const int wait : waits) {
    EXPECT_EQ(entry_.on_timer(now_, 5, time::Duration::seconds(120)), HalfOpenTimer::Nothing);
    EXPECT_EQ(entry_.deadline() - now_, time::Duration::seconds(wait));
    now_ = entry_.deadline();
    EXPECT_EQ(entry_.on_timer(now_, 5, time::Duration::seconds(120)), HalfOpenTimer::Resend);
    EXPECT_TRUE(entry_.syn_ack(now_).retransmission);
  }
  now_ = entry_.deadline();
  EXPECT_EQ(entry_.on_timer(now_, 5, time::Duration::seconds(120)), HalfOpenTimer::GiveUp);
  EXPECT_EQ(now_ - kStart, time::Duration::seconds(63));
  EXPECT_EQ(entry_.handshake(ack()).syn_ack_sent, time::Instant());  // Karn
}

TEST_P(HalfOpenCase, ARepeatedSynIsAnsweredAgainAtALimitedRate) {
  EXPECT_EQ(input(syn_of(peer_)), HalfOpenVerdict::Answer);
  EXPECT_EQ(answer_.flags, flag::kSyn | flag::kAck);
  EXPECT_EQ(answer_.seq, local_);
  EXPECT_EQ(input(syn_of(peer_)), HalfOpenVerdict::Ignore);
  now_ = now_ + ms(500);
  EXPECT_EQ(input(syn_of(peer_)), HalfOpenVerdict::Answer);
}

TEST_P(HalfOpenCase, B1_OnlyAnExactResetEndsIt) {
  Segment reset = ack();
  reset.flags = flag::kRst;
  reset.seq = peer_ + 2;
  EXPECT_EQ(input(reset), HalfOpenVerdict::Answer);
  EXPECT_EQ(answer_.flags, flag::kAck);
  EXPECT_EQ(answer_.ack, peer_ + 1);
  reset.seq = peer_ + 1 + 70000;
  EXPECT_EQ(input(reset), HalfOpenVerdict::Ignore);
  reset.seq = peer_;
  EXPECT_EQ(input(reset), HalfOpenVerdict::Ignore);
  reset.seq = peer_ + 1;
  EXPECT_EQ(input(reset), HalfOpenVerdict::Remove);
}

TEST_P(HalfOpenCase, B1_AnotherSynInTheWindowIsChallenged) {
  EXPECT_EQ(input(syn_of(peer_ + 10)), HalfOpenVerdict::Answer);
  EXPECT_EQ(answer_.flags, flag::kAck);
}

TEST_P(HalfOpenCase, AWrongAcknowledgmentIsReset) {
  Segment wrong = ack();
  for (const std::uint32_t off : {1u, 0xffffffffu, 0x80000000u}) {
    wrong.ack = local_ + 1 + off;
    EXPECT_EQ(input(wrong), HalfOpenVerdict::Answer);
    EXPECT_EQ(answer_.flags, flag::kRst);
    EXPECT_EQ(answer_.seq, wrong.ack);
  }
}

TEST_P(HalfOpenCase, SegmentsWithoutAckOrOutOfWindowDoNotComplete) {
  Segment data = ack();
  data.flags = 0;
  data.payload_length = 5;
  EXPECT_EQ(input(data), HalfOpenVerdict::Ignore);
  data = ack();
  data.seq = peer_ + 1 + 65535;
  EXPECT_EQ(input(data), HalfOpenVerdict::Answer);  // an ACK
  data.seq = peer_;                                 // a keep-alive's
  EXPECT_EQ(input(data), HalfOpenVerdict::Ignore);  // rate
  data = ack();
  data.options.ts_value = 7776;  // PAWS
  EXPECT_NE(input(data), HalfOpenVerdict::Established);
  data.options.ts_value = 7777;
  EXPECT_EQ(input(data), HalfOpenVerdict::Established);
}

TEST(Reset, AnswersAsRfc9293Has) {
  Segment segment;
  segment.seq = Seq(0xfffffffe);
  segment.flags = flag::kSyn;
  segment.payload_length = 5;
  auto out = reset_for(segment);
  EXPECT_EQ(out->flags, flag::kRst | flag::kAck);
  EXPECT_EQ(out->seq, Seq(0));
  EXPECT_EQ(out->ack, Seq(4));
  segment.flags = flag::kAck;
  segment.ack = Seq(99);
  out = reset_for(segment);
  EXPECT_EQ(out->flags, flag::kRst);
  EXPECT_EQ(out->seq, Seq(99));
  segment.flags = flag::kRst;
  EXPECT_FALSE(reset_for(segment));
}

// --- Cookies.

TEST(SynCookie, T11_KeepsMssWindowScaleSackAndEcn) {
  const SynCookies cookies(kKey, {5, 6});
  PassiveOptions options;
  options.ecn = true;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    const auto flow = flow_of(i);
    Segment syn = syn_of(Seq(i * 7919u));
    syn.options.window_scale = static_cast<std::uint8_t>(i % 15);
    if (i % 3 == 0) syn.options.window_scale.reset();
    syn.options.sack_permitted = i % 2 == 0;
    syn.options.mss = static_cast<std::uint16_t>(500 + i * 8);
    if (i % 5 == 0) syn.flags |= flag::kEce | flag::kCwr;
    const auto now = kStart + time::Duration::milliseconds(i * 37);
    const SegmentOut out = cookies.make(flow, syn, options, now);
    const auto agreed =
        cookies.check(flow, ack_of(out), options, now + time::Duration::seconds(30));
    ASSERT_TRUE(agreed);
    EXPECT_EQ(agreed->peer_initial, syn.seq);
    EXPECT_EQ(agreed->local_initial, out.seq);
    EXPECT_LE(agreed->peer_mss, *syn.options.mss);
    EXPECT_EQ(agreed->sack, syn.options.sack_permitted);
    EXPECT_EQ(agreed->window_scaling, syn.options.window_scale.has_value());
    EXPECT_EQ(agreed->peer_scale, syn.options.window_scale.value_or(0));
    EXPECT_EQ(agreed->ecn, i % 5 == 0);
    EXPECT_EQ(out.flags & flag::kEce, i % 5 == 0 ? flag::kEce : 0);
    // The clock of the connection goes on from the SYN-ACK's timestamp.
    EXPECT_LE(
        static_cast<std::int32_t>(out.options.ts_value - timestamp_at(now, agreed->ts_offset)), 0);
  }
}

TEST(SynCookie, T11_WithoutTimestampsOnlyTheMssIsKept) {
  const SynCookies cookies(kKey, {5, 6});
  const auto flow = flow_of(1);
  Segment syn = syn_of(Seq(5));
  syn.options.has_timestamps = false;
  const SegmentOut out = cookies.make(flow, syn, {}, kStart);
  EXPECT_FALSE(out.options.window_scale || out.options.sack_permitted);
  const auto agreed = cookies.check(flow, ack_of(out), {}, kStart);
  ASSERT_TRUE(agreed);
  EXPECT_EQ(agreed->peer_mss, 1460);
  EXPECT_FALSE(agreed->sack || agreed->window_scaling || agreed->timestamps);
}

TEST(SynCookie, T11_DiesAfterTwoMinutesAndIsOfOneFlow) {
  const SynCookies cookies(kKey, {5, 6});
  const auto flow = flow_of(1);
  const SegmentOut out = cookies.make(flow, syn_of(Seq(5)), {}, kStart);
  EXPECT_TRUE(cookies.check(flow, ack_of(out), {}, kStart + time::Duration::seconds(60)));
  EXPECT_FALSE(cookies.check(flow, ack_of(out), {}, kStart + time::Duration::seconds(120)));
  EXPECT_FALSE(cookies.check(flow_of(2), ack_of(out), {}, kStart));
  EXPECT_FALSE(SynCookies({1, 2}, {5, 6}).check(flow, ack_of(out), {}, kStart));
  Segment other = ack_of(out);
  other.seq = other.seq + 1;
  EXPECT_FALSE(cookies.check(flow, other, {}, kStart));
  other = ack_of(out);
  other.flags = flag::kAck | flag::kRst;
  EXPECT_FALSE(cookies.check(flow, other, {}, kStart));
}

TEST(SynCookie, T12_GuessesSucceedAsRarelyAsTheyShould) {
  const SynCookies cookies(kKey, {5, 6});
  std::mt19937 random(1);
  const auto flow = flow_of(1);
  // Where the minute's bits are right by construction the rest must still be met: 2^-24 for each of
  // eight MSS classes.
  const SegmentOut real = cookies.make(flow, syn_of(Seq(5)), {}, kStart);
  int accepted = 0;
  for (int i = 0; i < 4'000'000; ++i) {
    Segment guess = ack_of(real);
    guess.ack = Seq((real.seq.value() & 0xff000000u) | (random() & 0xffffffu)) + 1;
    accepted += cookies.check(flow, guess, {}, kStart) ? 1 : 0;
  }
  EXPECT_LE(accepted, 3 * (4'000'000.0 * 8 / 16'777'216 + 1));
}

TEST(SynCookie, T12_AreLookedAtOnlyBehindAnOverflow) {
  SynOverflow overflow;
  EXPECT_FALSE(overflow.recent(time::Instant()));
  EXPECT_FALSE(overflow.recent(kStart));
  overflow.happened(kStart);
  EXPECT_TRUE(overflow.recent(kStart + time::Duration::seconds(119)));
  EXPECT_FALSE(overflow.recent(kStart + time::Duration::seconds(121)));
}

}  // namespace
}  // namespace linnet::tcp
