// SPDX-License-Identifier: BSD-3-Clause
// What is sent and when: Nagle, silly windows, closed windows, PSH, urgent data, ECN, hosts that
// cannot send now.
#include <cerrno>

#include "tcp/script_fixture.hpp"

namespace linnet::tcp::tests {
namespace {

class Output : public ScriptFixture {
 protected:
  void quiet() {
    (void)read();
    side_.sent.clear();
  }
};

TEST_F(Output, MUST17_NagleHoldsASecondSmallSegment) {
  established();
  write(100);
  write(100);
  EXPECT_EQ(out(), (Out{kPA, 0, 0, 100}));
  expect_nothing();
  write(50);
  expect_nothing();
  in({.ack = 100});
  EXPECT_EQ(out(), (Out{kPA, 100, 0, 150}));
  side_.options.no_delay = true;
  packet::Turn now = turn();
  tcp().set_options(now, side_.options);
  write(10);
  EXPECT_EQ(out(), (Out{kPA, 250, 0, 10}));
}

TEST_F(Output, NagleAsMinshallLetsASmallTailFollowFullSegments) {
  established();
  write(1460 + 100);
  EXPECT_EQ(out(), (Out{kA, 0, 0, 1460}));
  EXPECT_EQ(out(), (Out{kPA, 1460, 0, 100}));
}

TEST_F(Output, CorkHoldsAPartialSegmentForAFifthOfASecond) {
  side_.options.cork = true;
  established();
  write(1000);
  expect_nothing();
  write(1000);
  EXPECT_EQ(out(), (Out{kA, 0, 0, 1460}));
  in({.ack = 1460});
  expect_nothing();
  pass_ms(300);
  EXPECT_EQ(out(), (Out{kPA, 1460, 0, 540}));
}

TEST_F(Output, MoreToComeHoldsUntilTheLastPart) {
  established();
  write(100, false, true);
  expect_nothing();
  write(100);
  EXPECT_EQ(out(), (Out{kPA, 0, 0, 200}));
}

TEST_F(Output, MUST38_NoSillySegmentsIntoASmallWindow) {
  established();
  write(1460);
  (void)next();
  in({.ack = 1460, .window = 700});
  write(1460);
  expect_nothing();
  in({.ack = 1460, .window = 1460});
  EXPECT_EQ(out(), (Out{kPA, 1460, 0, 1460}));
}

TEST_F(Output, APeerWithATinyWindowGetsHalvesOfIt) {
  Handshake agreed;
  agreed.peer_window = 1000;
  established(agreed);
  write(1460);
  EXPECT_EQ(out(), (Out{kA, 0, 0, 500}));
  EXPECT_EQ(out(), (Out{kA, 500, 0, 500}));
  expect_nothing();
}

TEST_F(Output, MUST36_AClosedWindowIsProbedWithGrowingPauses) {
  established();
  write(1000);
  (void)next();
  in({.ack = 1000, .window = 0});
  write(500);
  expect_nothing();
  std::int64_t pause = 0, before = 0;
  for (int i = 0; i < 6; ++i) {
    const std::int64_t began = milliseconds(clock_.now());
    while (waiting() == 0)
      pass_ms(10);
    EXPECT_EQ(out(), (Out{kA, 999, 0, 0})) << "outside the window, no data";
    before = pause;
    pause = milliseconds(clock_.now()) - began;
    EXPECT_GE(pause, before + before / 2);
    in({.ack = 1000, .window = 0});  // MUST-37: it answers, the connection stays
  }
  EXPECT_EQ(count(Count::TCPWinProbe), 6u);
  in({.ack = 1000, .window = 500});
  EXPECT_EQ(out(), (Out{kPA, 1000, 0, 500}));
}

TEST_F(Output, MUST37_AClosedWindowMayStayClosedWhileThePeerAnswers) {
  established();
  write(1000);
  in({.ack = 1000, .window = 0});
  write(500);
  for (int hour = 0; hour < 24 * 12; ++hour) {
    pass(Duration::seconds(300));
    while (waiting() != 0)
      (void)next();
    in({.ack = 1000, .window = 0});
  }
  EXPECT_EQ(tcp().state(), State::Established);
  in({.ack = 1000, .window = 1000});
  EXPECT_EQ(out(), (Out{kPA, 1000, 0, 500}));
}

TEST_F(Output, T9_AClosedWindowOfASilentPeerEnds) {
  established();
  write(1000);
  in({.ack = 1000, .window = 0});
  write(500);
  pass(Duration::seconds(3600));
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(tcp().error(), ETIMEDOUT);
}

TEST_F(Output, T9_AnOrphanIsNotHeldByAClosedWindow) {
  established();
  write(1000);
  in({.ack = 1000, .window = 0});
  write(500);
  packet::Turn now = turn();
  tcp().close(now);
  for (int i = 0; i < 60 && tcp().state() != State::Closed; ++i) {
    pass(Duration::seconds(5));
    if (tcp().state() != State::Closed) in({.ack = 1000, .window = 0});
  }
  EXPECT_EQ(tcp().state(), State::Closed);
}

TEST_F(Output, T9_TheUserTimeoutEndsAClosedWindowThatAnswers) {
  side_.options.user_timeout_ms = 30'000;
  established();
  write(1000);
  in({.ack = 1000, .window = 0});
  write(500);
  for (int i = 0; i < 60 && tcp().state() != State::Closed; ++i) {
    pass(Duration::seconds(1));
    if (tcp().state() != State::Closed) in({.ack = 1000, .window = 0});
  }
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(tcp().error(), ETIMEDOUT);
}

TEST_F(Output, MUST34_AWindowThatShrinksIsObeyed) {
  established();
  write(4380);
  side_.sent.clear();
  in({.ack = 0, .window = 1460});  // the rest is beyond it now
  write(1460);
  expect_nothing();
  pass_ms(2000);
  while (waiting() != 0)
    EXPECT_LE(out().seq, 1460);
  in({.ack = 4380, .window = 65535});
  EXPECT_EQ(out(), (Out{kPA, 4380, 0, 1460}));
}

TEST_F(Output, FinWaitsForAnOpenWindow) {
  established();
  write(1000);
  side_.sent.clear();
  in({.ack = 1000, .window = 0});
  packet::Turn now = turn();
  tcp().shutdown_send(now);
  expect_nothing();
  pass_ms(500);
  EXPECT_EQ(out().bytes, 0u);
  in({.ack = 1000, .window = 1});
  EXPECT_EQ(out(), (Out{kFA, 1000, 0, 0}));
}

TEST_F(Output, FinRidesOnTheLastData) {
  established();
  write(1460 * 10);  // fills the first window
  write(200);
  packet::Turn now = turn();
  tcp().shutdown_send(now);
  side_.sent.clear();
  in({.ack = 1460 * 10});
  EXPECT_EQ(out(), (Out{kFPA, 14600, 0, 200}));
  in({.ack = 14801});
  EXPECT_EQ(tcp().state(), State::FinWait2);
}

TEST_F(Output, MUST61_TheLastQueuedByteIsPushed) {
  established();
  write(14600 + 1000);
  while (waiting() > 1)
    EXPECT_EQ(out().flags, kA) << last_.head.seq.value();
  EXPECT_EQ(out().flags, kA) << "more is queued";
  in({.ack = 14600});
  EXPECT_EQ(out(), (Out{kPA, 14600, 0, 1000}));
}

TEST_F(Output, UrgentPointerStandsOnEverySegmentBeforeIt) {
  established();
  write(100, true);
  (void)next();
  EXPECT_TRUE(last_.head.flags & flag::kUrg);
  EXPECT_EQ(last_.head.urgent, 100);
  write(50, true);
  (void)next();
  EXPECT_EQ(last_.head.urgent, 50) << "urgent data does not wait for Nagle";
  in({.ack = 150});
  write(10);
  (void)next();
  EXPECT_FALSE(last_.head.flags & flag::kUrg);
}

TEST_F(Output, AHostThatCannotSendIsAskedAgain) {
  established();
  side_.refuse = 3;
  write(1000);
  expect_nothing();
  pass_ms(20);
  EXPECT_EQ(out(), (Out{kPA, 0, 0, 1000}));
  EXPECT_EQ(tcp().unsent_bytes(), 0u);
  side_.refuse = 1;
  in({.ack = 1000, .bytes = 1460});
  pass_ms(20);
  EXPECT_EQ(out().ack, 1460);
  side_.refuse = 1;
  connecting();
  pass_ms(20);
  EXPECT_EQ(out(), (Out{kS, -1, 0, 0}));
}

TEST_F(Output, RetransmissionsAreNeverEmpty) {
  established();
  write(5000);
  side_.sent.clear();
  for (int i = 0; i < 5; ++i) {
    pass(Duration::seconds(30));
    while (waiting() != 0) {
      EXPECT_GT(out().bytes, 0u);
      EXPECT_TRUE(last_.head.retransmission);
      EXPECT_EQ(last_.data[0],
                pattern(static_cast<std::uint32_t>(last_.head.seq.value() - kLocal)));
    }
  }
}

TEST_F(Output, OneByteWritesShareABuffer) {
  established();
  write(14600);
  for (int i = 0; i < 500; ++i)
    write(1);
  EXPECT_LT(side_.engine.memory.send, 15u * 2500u);
}

TEST_F(Output, EcnMarksNewDataOnlyAndAnswersAnEcho) {
  Handshake agreed;
  agreed.ecn = true;
  established(agreed);
  write(1460 * 6);
  (void)next();
  EXPECT_EQ(last_.head.ecn, Ecn::Capable0);
  side_.sent.clear();
  in({.flags = kA | flag::kEce, .ack = 1460 * 6});
  write(1460 * 3);
  (void)next();
  EXPECT_TRUE(last_.head.flags & flag::kCwr);
  (void)next();
  EXPECT_FALSE(last_.head.flags & flag::kCwr);
  side_.sent.clear();
  pass_ms(2000);
  (void)next();
  EXPECT_TRUE(last_.head.retransmission);
  EXPECT_EQ(last_.head.ecn, Ecn::NotCapable) << "RFC 3168 6.1.5";
}

TEST_F(Output, EcnEchoesCongestionUntilTheSenderSlowsDown) {
  Handshake agreed;
  agreed.ecn = true;
  established(agreed);
  in({.bytes = 1460, .ecn = Ecn::Congested});
  EXPECT_TRUE(next().head.flags & flag::kEce);
  in({.seq = 1460, .bytes = 1460, .ecn = Ecn::Capable0});
  EXPECT_TRUE(next().head.flags & flag::kEce) << "until CWR";
  EXPECT_EQ(last_.head.ecn, Ecn::NotCapable) << "a pure ACK";
  in({.flags = kA | flag::kCwr, .seq = 2920, .bytes = 1460, .ecn = Ecn::Capable0});
  EXPECT_FALSE(next().head.flags & flag::kEce);
}

TEST_F(Output, WhatIsAppendedTogetherLeavesTogether) {
  established();
  {
    packet::Turn now = turn();
    for (unsigned i = 0; i < 3; ++i) {
      tcp().append(now, program_data(now, side_.written, 1000), false, i < 2, true);
      side_.written += 1000;
    }
  }
  expect_nothing();
  packet::Turn now = turn();
  tcp().output(now);
  EXPECT_EQ(side_.emitted, 1u);
  const std::uint32_t mss = tcp().mss();
  for (std::uint32_t at = 0; at < 3000; at += mss) {
    const bool last = at + mss >= 3000;
    const Wire wire = next();
    EXPECT_EQ(wire.head.seq, Seq(kLocal) + at);
    EXPECT_EQ(wire.data.size(), last ? 3000 - at : mss);
    EXPECT_EQ((wire.head.flags & flag::kPsh) != 0, last);
  }
  expect_nothing();
}

TEST_F(Output, FinGoesWithWhatWasAppendedBeforeIt) {
  established();
  packet::Turn now = turn();
  tcp().append(now, program_data(now, 0, 100), false, false, true);
  tcp().close(now);
  EXPECT_EQ(out(), (Out{kFPA, 0, 0, 100}));
  expect_nothing();
}

TEST_F(Output, AResetComesBehindWhatWasAppendedBeforeIt) {
  established();
  in({.bytes = 10});  // which nobody reads
  side_.sent.clear();
  packet::Turn now = turn();
  tcp().append(now, program_data(now, 0, 100), false, false, true);
  tcp().close(now);
  EXPECT_EQ(out(), (Out{kPA, 0, 10, 100}));
  EXPECT_EQ(out(), (Out{kRA, 100, 10, 0}));
}

// More than the sequence space, so that every number comes again, the initial one too.
TEST_F(Output, AStreamOfMoreThanFourGibibytesGoesOn) {
  side_.options.send_buffer = 1u << 20;
  side_.options.no_delay = true;
  established();
  side_.blind = true;
  side_.blind_end = Seq(kLocal);
  std::uint64_t acked = 0;
  while (acked < (std::uint64_t{1} << 32) + (1u << 28)) {
    packet::Turn now = turn();
    while (tcp().send_space() > 0) {
      packet::Packet data = now.generate(packet::Pool::Priority::Data);
      if (!data) break;
      ASSERT_NE(data.put(2048), nullptr);
      tcp().append(now, std::move(data));
    }
    const std::uint32_t sent = side_.blind_end - (Seq(kLocal) + static_cast<std::uint32_t>(acked));
    ASSERT_NE(sent, 0u) << "nothing moves after " << acked << " bytes";
    ASSERT_LT(sent, 1u << 21);
    acked += sent;
    advance(Duration::microseconds(100));
    in({.ack = static_cast<std::int64_t>(acked & 0xffffffffu)});
  }
  // What is lost is sent again as data, not as SYN.
  const std::uint32_t left = tcp().unacknowledged_bytes();
  EXPECT_LT(left, 2u << 20);
  side_.blind = false;
  pass(Duration::seconds(2));
  while (waiting() != 0) {
    (void)out();
    EXPECT_FALSE(last_.head.flags & flag::kSyn);
  }
}

TEST_F(Output, ARetransmissionIsCountedOnce) {
  established();
  write(100);
  pass_ms(500);
  EXPECT_EQ(count(Count::TCPOrigDataSent), 1u);
  EXPECT_EQ(count(Count::RetransSegs), waiting() - 1);
  connecting();
  pass_ms(1100);
  EXPECT_EQ(count(Count::TCPSynRetrans), 1u);
}

TEST_F(Output, AnAckThatAdvancesTellsTheWindowWhateverItsNumber) {
  established();
  in({.seq = 100, .ack = 0, .bytes = 10, .window = 5000});
  write(1000);
  side_.sent.clear();
  in({.seq = 0, .ack = 1000, .window = 0});  // overtaken by the one before
  write(500);
  expect_nothing();
}

TEST_F(Output, T9_TheUserTimeoutOfAClosedWindowIsKept) {
  side_.options.user_timeout_ms = 45'000;
  established();
  write(1000);
  in({.ack = 1000, .window = 0});
  write(500);
  for (int i = 0; i < 52 && tcp().state() != State::Closed; ++i) {
    pass(Duration::seconds(1));
    if (tcp().state() != State::Closed) in({.ack = 1000, .window = 0});
    if (i < 43) {
      EXPECT_NE(tcp().state(), State::Closed) << i;
    }
  }
  EXPECT_EQ(tcp().state(), State::Closed);
}

TEST_F(Output, MaxsegLaterCutsSegmentsForRecoveryToo) {
  established();
  side_.options.max_segment = 500;
  packet::Turn now = turn();
  tcp().set_options(now, side_.options);
  write(1000);
  side_.sent.clear();
  pass_ms(1000);
  EXPECT_EQ(out().bytes, 500u);
}

TEST_F(Output, T2_NoConnectionTakesTheLanesRecords) {
  Handshake agreed;
  agreed.sack = agreed.window_scaling = true;
  agreed.peer_scale = 14;
  established(agreed);
  side_.options.send_buffer = 4u << 20;
  packet::Turn now = turn();
  tcp().set_options(now, side_.options);
  std::int64_t acked = 0;
  for (int i = 0; i < 12; ++i) {  // the window opens
    while (tcp().send_space() > 3000 && tcp().unsent_bytes() < 100'000)
      write(1448);
    while (waiting() != 0) {
      const Out sent = out();
      acked = std::max(acked, sent.seq + static_cast<std::int64_t>(sent.bytes));
    }
    in({.ack = acked});
  }
  while (tcp().send_space() > 3000 && tcp().unsent_bytes() < 500'000)
    write(1448);
  for (std::uint32_t i = 0; i < 3000; ++i) {  // every other byte is reported
    SegmentOptions options;
    options.sack_count = 1;
    options.sack[0].begin = Seq(kLocal) + static_cast<std::uint32_t>(acked) + 2 * i + 1;
    options.sack[0].end = options.sack[0].begin + 1;
    in({.ack = acked, .options = options});
  }
  EXPECT_GE(side_.pool.available(), side_.pool.capacity() * 3 / 4);
}

TEST_F(Output, SendSpaceComesBackWhenAcknowledged) {
  side_.options.send_buffer = 16384;
  established();
  EXPECT_EQ(tcp().send_space(), 16384u);
  while (tcp().send_space() > 0)
    write(1448);
  (void)events();
  EXPECT_GE(tcp().unacknowledged_bytes(), 10000u);
  in({.ack = 1448});
  EXPECT_TRUE(events() & event::kWritable);
  EXPECT_GT(tcp().send_space(), 0u);
}

// --- Timers of the sender.

TEST_F(Output, MUST20_RetransmissionsEndTheConnectionAfterR2) {
  established();
  write(100);
  pass(Duration::seconds(600));
  EXPECT_EQ(tcp().state(), State::Established) << "R2 of at least 100 s (RFC 9293 3.8.3)";
  pass(Duration::seconds(900));
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(tcp().error(), ETIMEDOUT);
  EXPECT_EQ(count(Count::TCPAbortOnTimeout), 1u);
}

TEST_F(Output, UserTimeoutEndsItEarlier) {
  side_.options.user_timeout_ms = 5000;
  established();
  write(100);
  pass_ms(4900);
  EXPECT_EQ(tcp().state(), State::Established);
  pass_ms(1500);
  EXPECT_EQ(tcp().state(), State::Closed);
}

TEST_F(Output, MUST25_KeepAliveIsOffUnlessAskedFor) {
  established();
  pass(Duration::seconds(24 * 3600));
  expect_nothing();
}

TEST_F(Output, MUST26_KeepAliveProbesAfterIdleAndGivesUpAfterManyOnly) {
  side_.options.keep_alive = true;
  side_.options.keep_idle = 60;
  side_.options.keep_interval = 10;
  side_.options.keep_count = 3;
  established();
  pass(Duration::seconds(50));
  in({});  // not idle
  pass(Duration::seconds(50));
  expect_nothing();
  pass(Duration::seconds(20));
  EXPECT_EQ(out(), (Out{kA, -1, 0, 0}));
  EXPECT_EQ(tcp().state(), State::Established);
  in({});
  pass(Duration::seconds(59));
  expect_nothing();
  pass(Duration::seconds(60));
  EXPECT_EQ(waiting(), 4u) << "three probes and RST";
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(tcp().error(), ETIMEDOUT);
}

TEST_F(Output, MUST28_KeepAliveWaitsTwoHoursByDefault) {
  side_.options.keep_alive = true;
  established();
  pass(Duration::seconds(2 * 3600 - 1));
  expect_nothing();
  pass(Duration::seconds(1000));
  EXPECT_EQ(out(), (Out{kA, -1, 0, 0}));
}

TEST_F(Output, AKeepAliveOfThePeerIsAnswered) {
  established();
  in({.seq = -1});
  EXPECT_EQ(out(), (Out{kA, 0, 0, 0}));
}

TEST_F(Output, AnOrphanLeavesFinWait2) {
  established();
  packet::Turn now = turn();
  tcp().close(now);
  in({.ack = 1});
  EXPECT_EQ(tcp().state(), State::FinWait2);
  pass(Duration::seconds(55));
  EXPECT_EQ(tcp().state(), State::FinWait2);
  pass(Duration::seconds(15));
  EXPECT_EQ(tcp().state(), State::Closed);
}

TEST_F(Output, FinWait2OfAProgramThatReadsOnStays) {
  reach(State::FinWait2);
  pass(Duration::seconds(3600));
  EXPECT_EQ(tcp().state(), State::FinWait2);
  packet::Turn now = turn();
  tcp().close(now);
  pass(Duration::seconds(70));
  EXPECT_EQ(tcp().state(), State::Closed);
}

TEST_F(Output, LingerZeroAborts) {
  established();
  write(100);
  side_.sent.clear();
  packet::Turn now = turn();
  tcp().close(now, true);
  EXPECT_EQ(out(), (Out{kRA, 100, 0, 0}));
  EXPECT_EQ(tcp().state(), State::Closed);
}

}  // namespace
}  // namespace linnet::tcp::tests
