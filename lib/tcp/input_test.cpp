// SPDX-License-Identifier: BSD-3-Clause
// RFC 9293 3.10.7: every state and the segments that matter there.
#include <cerrno>

#include "tcp/script_fixture.hpp"

namespace linnet::tcp::tests {
namespace {

class Input : public ScriptFixture {};
class InEveryState : public ScriptFixture, public testing::WithParamInterface<State> {
 protected:
  // SND.NXT and RCV.NXT as positions.
  std::int64_t send_next() const {
    switch (GetParam()) {
      case State::SynSent:
      case State::SynReceived:
      case State::Established:
      case State::CloseWait:
        return 0;
      default:
        return 1;
    }
  }
  std::int64_t receive_next() const {
    switch (GetParam()) {
      case State::CloseWait:
      case State::LastAck:
      case State::Closing:
      case State::TimeWait:
        return 1;
      default:
        return 0;
    }
  }
  bool synchronized() const { return GetParam() != State::SynSent; }
};

constexpr State kStates[] = {State::SynSent,  State::SynReceived, State::Established,
                             State::FinWait1, State::FinWait2,    State::CloseWait,
                             State::Closing,  State::LastAck,     State::TimeWait};
INSTANTIATE_TEST_SUITE_P(All, InEveryState, testing::ValuesIn(kStates));

// --- Opening.

TEST_F(Input, SynCarriesItsOptionsAndIsAnswered) {
  connecting();
  EXPECT_EQ(out(), (Out{kS, -1, 0, 0}));
  EXPECT_EQ(last_.head.options.mss, 1460);
  EXPECT_TRUE(last_.head.options.sack_permitted);
  EXPECT_EQ(last_.head.options.window_scale, 7);
  EXPECT_TRUE(last_.head.options.has_timestamps);
  EXPECT_EQ(last_.head.options.ts_echo, 0u);
  SegmentOptions options;
  options.mss = 1000;
  in({.flags = kSA, .seq = -1, .options = options});
  EXPECT_EQ(out(), (Out{kA, 0, 0, 0}));
  EXPECT_FALSE(last_.head.options.has_timestamps) << "the peer did not offer them";
  EXPECT_EQ(tcp().state(), State::Established);
  EXPECT_EQ(tcp().mss(), 1000u);
  EXPECT_TRUE(events() & event::kConnected);
}

TEST_F(Input, MUST15_WithoutMssOption536IsAssumed) {
  connecting();
  in({.flags = kSA, .seq = -1});
  EXPECT_EQ(tcp().mss(), 536u);
}

TEST_F(Input, T22_MssOfZeroIsRaisedToTheFloor) {
  for (const unsigned mss : {0, 1, 8, 48}) {
    connecting();
    SegmentOptions options;
    options.mss = static_cast<std::uint16_t>(mss);
    in({.flags = kSA, .seq = -1, .options = options});
    EXPECT_EQ(tcp().mss(), 88u);
    write(1000);
    EXPECT_GT(waiting(), 0u);
  }
}

TEST_F(Input, RetransmittedSynKeepsItsOptionsAndNumber) {
  connecting();
  const Wire first = next();
  pass_ms(1100);
  const Wire again = next();
  EXPECT_EQ(again.head.flags, first.head.flags);
  EXPECT_EQ(again.head.seq, first.head.seq);
  EXPECT_EQ(again.head.options.mss, first.head.options.mss);
  EXPECT_EQ(again.head.options.window_scale, first.head.options.window_scale);
  EXPECT_EQ(again.head.options.sack_permitted, first.head.options.sack_permitted);
  EXPECT_TRUE(again.head.options.has_timestamps);
  EXPECT_GE(again.head.options.ts_value - first.head.options.ts_value, 1000u);
  EXPECT_TRUE(again.head.retransmission);
}

TEST_F(Input, MUST23_ConnectingGoesOnForThreeMinutes) {
  connecting();
  pass(Duration::seconds(180));
  EXPECT_EQ(tcp().state(), State::SynSent);
  pass(Duration::seconds(200));
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(tcp().error(), ETIMEDOUT);
  EXPECT_EQ(count(Count::AttemptFails), 1u);
}

TEST_F(Input, MUST23_CrossedSynsGoOnForThreeMinutesToo) {
  for (const std::int64_t before : {0, 40}) {
    connecting();
    pass(Duration::seconds(before));
    in({.flags = kS, .seq = -1});
    pass(Duration::seconds(180));
    EXPECT_EQ(tcp().state(), State::SynReceived);
    pass(Duration::seconds(200));
    EXPECT_EQ(tcp().state(), State::Closed);
    EXPECT_EQ(tcp().error(), ETIMEDOUT);
  }
}

TEST_F(Input, SynSentJudgesAckAndRst) {
  connecting();
  side_.sent.clear();
  in({.flags = kSA, .seq = -1, .ack = 1});  // acknowledges what was not sent
  EXPECT_EQ(out(), (Out{kR, 1, 0, 0}));
  in({.flags = kSA, .seq = -1, .ack = -1});
  EXPECT_EQ(out(), (Out{kR, -1, 0, 0}));
  in({.flags = kRA, .ack = 7});
  in({.flags = kR});
  in({.flags = kA});
  in({.flags = flag::kFin});
  expect_nothing();
  EXPECT_EQ(tcp().state(), State::SynSent);
  in({.flags = kRA});
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(tcp().error(), ECONNREFUSED);
  expect_nothing();
}

TEST_F(Input, SynAckMayCarryDataAndFin) {
  connecting();
  side_.sent.clear();
  in({.flags = kS | flag::kFin, .seq = -1});
  EXPECT_EQ(tcp().state(), State::SynSent) << "SYN with FIN and without ACK is dropped";
  in({.flags = kSA | flag::kFin, .seq = -1, .bytes = 100});
  EXPECT_EQ(tcp().state(), State::CloseWait);
  EXPECT_TRUE(events() & event::kPeerClosed);
  EXPECT_EQ(read(), 100u);
  EXPECT_EQ(out().ack, 101);
}

TEST_F(Input, ASynAckThatEchoesNoTimestampOfOursIsReset) {
  connecting();
  const std::uint32_t stamp = next().head.options.ts_value;
  pass_ms(1200);
  const std::uint32_t again = next().head.options.ts_value;
  ASSERT_NE(again, stamp);
  side_.sent.clear();
  SegmentOptions options;
  options.has_timestamps = true;
  for (const std::uint32_t echo : {stamp - 1, again + 10'000}) {
    options.ts_echo = echo;
    in({.flags = kSA, .seq = -1, .options = options});
    EXPECT_EQ(out().flags, kR);
    in({.flags = kRA, .options = options});
    expect_nothing();
    EXPECT_EQ(tcp().state(), State::SynSent);
  }
  EXPECT_EQ(side_.count(Count::PAWSActive), 4u);
  options.ts_echo = stamp;  // of the first, though it was sent again
  in({.flags = kSA, .seq = -1, .options = options});
  EXPECT_EQ(tcp().state(), State::Established);
}

TEST_F(Input, MUST10_SimultaneousOpen) {
  connecting();
  side_.sent.clear();
  SegmentOptions options;
  options.mss = 1200;
  in({.flags = kS, .seq = -1, .options = options});
  EXPECT_EQ(tcp().state(), State::SynReceived);
  EXPECT_EQ(out(), (Out{kSA, -1, 0, 0}));
  EXPECT_EQ(last_.head.options.mss, 1460);
  in({.flags = kSA, .seq = -1, .options = options});  // the peer's own answer
  EXPECT_EQ(tcp().state(), State::Established);
  EXPECT_TRUE(events() & event::kConnected);
  in({.seq = 0, .bytes = 10});
  EXPECT_EQ(read(), 10u);
}

TEST_F(Input, DataOfACrossedSynIsLeftToBeSentAgain) {
  connecting();
  side_.sent.clear();
  in({.flags = kS, .seq = -1, .bytes = 50});
  EXPECT_EQ(out(), (Out{kSA, -1, 0, 0}));
  in({.flags = kSA, .seq = -1});
  EXPECT_EQ(read(), 0u);
  in({.seq = 0, .bytes = 60});
  EXPECT_EQ(read(), 60u) << "by the pattern, not shifted";
}

// A Fast Open SYN that the host does not let out `refused` times.
class FastOpenSyn : public ScriptFixture {
 protected:
  void connecting_with_data(unsigned refused) {
    fresh();
    packet::Turn now = turn();
    side_.refuse = refused;
    FastOpenAttempt attempt;
    attempt.option = FastOpenCookie{8, {1, 2, 3}};
    attempt.carries_data = true;
    EXPECT_EQ(tcp().connect(now, Seq(kLocal) - 1, 0, 1500, attempt, program_data(now, 0, 100)),
              100u);
  }
};

TEST_F(FastOpenSyn, ThatCannotLeaveGoesAsARegularOne) {
  connecting_with_data(0);
  const Wire wanted = next();
  EXPECT_TRUE(wanted.head.options.has_fast_open);
  EXPECT_EQ(wanted.data.size(), 100u);
  for (const unsigned refused : {1, 3}) {
    connecting_with_data(refused);
    pass_ms(20);
    const Wire syn = next();
    EXPECT_EQ(syn.head.flags & flag::kSyn, flag::kSyn);
    EXPECT_FALSE(syn.head.options.has_fast_open) << "data goes with the cookie alone";
    EXPECT_TRUE(syn.data.empty());
    in({.flags = kSA, .seq = -1});
    EXPECT_EQ(out(), (Out{kPA, 0, 0, 100}));
  }
}

TEST_F(FastOpenSyn, ThatHasNotLeftMayBeCrossedByThePeers) {
  connecting_with_data(3);
  ASSERT_EQ(waiting(), 0u);
  in({.flags = kS, .seq = -1});
  pass_ms(20);
  EXPECT_EQ(out(), (Out{kSA, -1, 0, 0}));
  in({});
  EXPECT_EQ(tcp().state(), State::Established);
  EXPECT_EQ(out(), (Out{kPA, 0, 0, 100}));
}

TEST_F(Input, TheSynAckOfACrossedSynRepeatsItsScale) {
  connecting();
  const Wire syn = next();
  side_.settings.tcp_rmem_max = 64u << 20;
  SegmentOptions options;
  options.window_scale = 3;
  in({.flags = kS, .seq = -1, .options = options});
  EXPECT_EQ(next().head.options.window_scale, syn.head.options.window_scale);
  in({.flags = kSA, .seq = -1, .window = 8000, .options = options});
  Info info;
  tcp().info(clock_.now(), info);
  EXPECT_EQ(info.snd_wnd, 8000u) << "the window of a SYN is not scaled";
  EXPECT_EQ(info.rcv_wscale, *syn.head.options.window_scale);
}

TEST_F(Input, SimultaneousOpenRepeatsSynAckAndRefusesWrongAcks) {
  reach(State::SynReceived);
  pass_ms(1200);
  EXPECT_EQ(out(), (Out{kSA, -1, 0, 0}));
  in({.ack = 5});
  EXPECT_EQ(out(), (Out{kR, 5, 0, 0}));
  EXPECT_EQ(tcp().state(), State::SynReceived);
  in({});
  EXPECT_EQ(tcp().state(), State::Established);
}

// --- Step 2: RST. Row B1.

TEST_P(InEveryState, B1_OnlyAnExactRstResets) {
  reach(GetParam());
  const bool sent = GetParam() == State::SynSent;
  const std::uint8_t flags = sent ? kRA : kR;
  if (!sent) {
    for (const std::int64_t offset : {-1000, -1, 1, 100, 60000, 70000, 1000000}) {
      pass_ms(600);
      side_.sent.clear();
      in({.flags = flags, .seq = receive_next() + offset, .ack = send_next()});
      EXPECT_EQ(tcp().state(), GetParam()) << offset;
      const bool inside = offset > 0 && offset < 60001;
      if (GetParam() == State::TimeWait) {
        EXPECT_EQ(waiting(), 0u) << "RFC 1337";
      } else if (inside) {
        EXPECT_EQ(out(), (Out{kA, send_next(), receive_next(), 0})) << offset;
      }
    }
  }
  in({.flags = flags, .seq = receive_next(), .ack = send_next()});
  if (GetParam() == State::TimeWait) {
    EXPECT_EQ(tcp().state(), State::TimeWait) << "T14: RFC 1337";
    return;
  }
  EXPECT_EQ(tcp().state(), State::Closed);
  int error = ECONNRESET;
  if (GetParam() == State::SynSent || GetParam() == State::SynReceived) error = ECONNREFUSED;
  if (GetParam() == State::CloseWait) error = EPIPE;
  EXPECT_EQ(tcp().error(), error);
  EXPECT_EQ(side_.wheel.armed(), 0u) << "a timer that survives the reset";
  side_.sent.clear();
  pass(Duration::seconds(300));
  expect_nothing();
}

// --- Step 4: SYN. RFC 5961.

TEST_P(InEveryState, B1_SynIsChallengedOnceInAWhile) {
  if (!synchronized()) return;
  reach(GetParam());
  pass_ms(600);
  side_.sent.clear();
  for (const std::int64_t offset : {0, 5, -2000, 90000}) {
    in({.flags = kS, .seq = receive_next() + offset});
    in({.flags = kSA, .seq = receive_next() + offset + 3, .ack = send_next()});
  }
  EXPECT_EQ(tcp().state(), GetParam());
  ASSERT_GE(waiting(), 1u);
  // In SYN-RECEIVED our own SYN-ACK may be due too.
  std::size_t challenges = 0;
  while (waiting() != 0)
    challenges += out() == Out{kA, send_next(), receive_next(), 0} ? 1 : 0;
  EXPECT_EQ(challenges, 1u);
}

// --- Step 5: ACK. Row T15.

TEST_P(InEveryState, T15_AckOfWhatWasNotSentElicitsAnAckOnly) {
  if (!synchronized() || GetParam() == State::SynReceived) return;
  reach(GetParam());
  pass_ms(600);
  side_.sent.clear();
  in({.seq = receive_next(), .ack = send_next() + 1, .bytes = 10});
  EXPECT_EQ(tcp().state(), GetParam());
  EXPECT_EQ(out(), (Out{kA, send_next(), receive_next(), 0}));
  EXPECT_EQ(tcp().unread_bytes(), 0u);
  expect_nothing();
}

TEST_F(Input, B1_AnAckFromLongAgoIsChallengedWithItsData) {
  established();
  write(1000);
  side_.sent.clear();
  in({.ack = 1000});
  in({.ack = -70000, .bytes = 10});
  EXPECT_EQ(out(), (Out{kA, 1000, 0, 0}));
  EXPECT_EQ(tcp().unread_bytes(), 0u);
  // An old one within what was ever acknowledged is a late segment, its data counts.
  in({.ack = 500, .bytes = 10});
  EXPECT_EQ(tcp().unread_bytes(), 10u);
}

TEST_P(InEveryState, SegmentsWithoutAckAreDropped) {
  reach(GetParam());
  in({.flags = 0, .seq = receive_next(), .bytes = 10});
  in({.flags = flag::kPsh | flag::kUrg, .seq = receive_next(), .bytes = 10});
  in({.flags = flag::kFin, .seq = receive_next()});
  EXPECT_EQ(tcp().state(), GetParam());
  EXPECT_EQ(tcp().unread_bytes(), 0u);
}

// --- Row T13: every combination of flags at the right place, against a model.

TEST_P(InEveryState, T13_AllFlagCombinationsEndAsTheModelSays) {
  const State state = GetParam();
  for (unsigned flags = 0; flags < 256; ++flags) {
    reach(state);
    pass_ms(600);
    side_.sent.clear();
    const bool syn = flags & flag::kSyn, rst = flags & flag::kRst, fin = flags & flag::kFin,
               ack = flags & flag::kAck;
    In segment{.flags = static_cast<std::uint8_t>(flags),
               .seq = receive_next(),
               .ack = send_next(),
               .urgent = 1};
    if (state == State::SynSent) segment.seq = -1;
    in(segment);
    State expected = state;
    // RFC 9293 3.10.7.3: a SYN-ACK may have FIN.
    const bool said_all = state == State::SynSent && syn && ack && fin && !rst;
    if (said_all) {
      expected = State::CloseWait;
    } else if (syn && (fin || rst)) {
      // dropped
    } else if (state == State::SynSent) {
      if (rst && ack)
        expected = State::Closed;
      else if (syn)
        expected = ack ? State::Established : State::SynReceived;
    } else if (rst) {
      if (state != State::TimeWait) expected = State::Closed;
    } else if (!syn && ack) {
      switch (state) {
        case State::SynReceived:
        case State::Established:
          expected = fin ? State::CloseWait : State::Established;
          break;
        case State::FinWait1:
          expected = fin ? State::TimeWait : State::FinWait2;
          break;
        case State::FinWait2:
          expected = fin ? State::TimeWait : State::FinWait2;
          break;
        case State::Closing:
          expected = State::TimeWait;
          break;
        case State::LastAck:
          expected = State::Closed;
          break;
        default:
          break;
      }
    }
    EXPECT_EQ(static_cast<int>(tcp().state()), static_cast<int>(expected))
        << "flags " << flags << " in state " << static_cast<int>(state);
    // Nobody answers a RST, or what no sender sends.
    if ((rst && state != State::TimeWait) || (syn && (fin || rst) && !said_all)) {
      EXPECT_EQ(waiting(), 0u) << flags;
    }
  }
}

// --- Closing.

TEST_F(Input, SimultaneousClose) {
  reach(State::Closing);
  in({.seq = 1, .ack = 1});
  EXPECT_EQ(tcp().state(), State::TimeWait);
}

TEST_F(Input, HalfCloseReceivesOn) {
  reach(State::FinWait2);
  in({.ack = 1, .bytes = 500});
  EXPECT_EQ(read(), 500u);
  side_.sent.clear();
  in({.flags = kFA, .seq = 500, .ack = 1});
  EXPECT_EQ(tcp().state(), State::TimeWait);
  EXPECT_EQ(out().ack, 501);
  const TimeWait left = tcp().time_wait(clock_.now());
  EXPECT_EQ(left.receive_next, Seq(kPeer) + 501);
  EXPECT_EQ(left.send_next, Seq(kLocal) + 1);
}

TEST_F(Input, CloseWaitSendsOn) {
  reach(State::CloseWait);
  write(700);
  EXPECT_EQ(out(), (Out{kPA, 0, 1, 700}));
  packet::Turn now = turn();
  tcp().shutdown_send(now);
  EXPECT_EQ(out(), (Out{kFA, 700, 1, 0}));
  EXPECT_EQ(tcp().state(), State::LastAck);
  in({.seq = 1, .ack = 701});
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(tcp().error(), 0);
  EXPECT_TRUE(events() & event::kClosed);
}

TEST_F(Input, FinWithDataOutOfOrderCountsInItsPlace) {
  established();
  in({.flags = kFPA, .seq = 100, .bytes = 50});
  EXPECT_EQ(tcp().state(), State::Established);
  EXPECT_EQ(out().ack, 0);
  in({.seq = 0, .bytes = 100});
  EXPECT_EQ(tcp().state(), State::CloseWait);
  EXPECT_EQ(read(), 150u);
  EXPECT_EQ(out().ack, 151);
  // FIN alone, ahead of data that is missing.
  established();
  side_.read = 0;
  in({.flags = kFA, .seq = 10});
  EXPECT_EQ(tcp().state(), State::Established);
  in({.seq = 0, .bytes = 10});
  EXPECT_EQ(tcp().state(), State::CloseWait);
}

TEST_F(Input, FinTakesSequenceSpaceWhenSentAgain) {
  established();
  write(100);
  packet::Turn now = turn();
  tcp().shutdown_send(now);
  EXPECT_EQ(out(), (Out{kPA, 0, 0, 100}));
  EXPECT_EQ(out(), (Out{kFA, 100, 0, 0}));
  in({.ack = 100});
  pass_ms(400);
  EXPECT_EQ(out(), (Out{kFA, 100, 0, 0}));
  EXPECT_EQ(tcp().state(), State::FinWait1);
  in({.ack = 101});
  EXPECT_EQ(tcp().state(), State::FinWait2);
}

TEST_F(Input, FinAgainInTimeWaitIsAcknowledgedAndStartsTheWaitAnew) {
  reach(State::TimeWait);
  pass(Duration::seconds(50));
  in({.flags = kFA, .ack = 1});
  EXPECT_EQ(out(), (Out{kA, 1, 1, 0}));
  pass(Duration::seconds(50));
  EXPECT_EQ(tcp().state(), State::TimeWait);
  pass(Duration::seconds(20));
  EXPECT_EQ(tcp().state(), State::Closed);
}

TEST_F(Input, ClosingWithUnreadDataResets) {
  established();
  in({.bytes = 10});
  side_.sent.clear();
  packet::Turn now = turn();
  tcp().close(now);
  EXPECT_EQ(out(), (Out{kRA, 0, 10, 0}));
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(count(Count::TCPAbortOnClose), 1u);
}

TEST_F(Input, DataForAProgramThatIsGoneResets) {
  established();
  packet::Turn now = turn();
  tcp().close(now);
  EXPECT_EQ(out(), (Out{kFA, 0, 0, 0}));
  in({.ack = 1, .bytes = 10});
  EXPECT_EQ(out(), (Out{kR, 1, 0, 0}));
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(count(Count::TCPAbortOnData), 1u);
}

TEST_F(Input, ReceivedDataOutlivesTheReset) {
  established();
  in({.bytes = 100});
  in({.seq = 200, .bytes = 100});
  in({.flags = kR, .seq = 100});
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(tcp().error(), ECONNRESET);
  EXPECT_EQ(read(), 100u);
}

// --- Timestamps.

class Timestamps : public ScriptFixture {
 protected:
  void SetUp() override {
    Handshake agreed;
    agreed.timestamps = true;
    agreed.peer_ts_value = 0xfffffffeu;
    agreed.ts_offset = 0xffffff00u;
    established(agreed);
  }
  static SegmentOptions stamp(std::uint32_t value, std::uint32_t echo = 0) {
    SegmentOptions options;
    options.has_timestamps = true;
    options.ts_value = value;
    options.ts_echo = echo;
    return options;
  }
};

TEST_F(Timestamps, StandInEverySegmentAndEchoTheNewest) {
  in({.bytes = 10, .options = stamp(3)});
  read();
  write(100);
  const Wire data = next();
  EXPECT_TRUE(data.head.options.has_timestamps);
  EXPECT_EQ(data.head.options.ts_echo, 3u) << "newer than 0xfffffffe";
  // Beyond a hole: the echo stays that of the last in order (RFC 7323 4.3).
  in({.seq = 20, .bytes = 10, .options = stamp(9)});
  EXPECT_EQ(next().head.options.ts_echo, 3u);
}

TEST_F(Timestamps, PawsDropsTheOldButNotRst) {
  in({.bytes = 10, .options = stamp(100)});
  read();
  side_.sent.clear();
  in({.seq = 10, .bytes = 10, .options = stamp(99)});
  EXPECT_EQ(tcp().unread_bytes(), 0u);
  EXPECT_EQ(out(), (Out{kA, 0, 10, 0}));
  EXPECT_EQ(count(Count::PAWSEstab), 1u);
  in({.flags = kR, .seq = 10, .options = stamp(50)});
  EXPECT_EQ(tcp().state(), State::Closed);
}

TEST_F(Timestamps, PawsForgetsAfter24Days) {
  in({.bytes = 10, .options = stamp(100)});
  pass(Duration::seconds(25 * 24 * 3600));
  in({.seq = 10, .bytes = 10, .options = stamp(99)});
  EXPECT_EQ(read(), 20u);
}

TEST_F(Timestamps, SegmentsWithoutThemAreStillTaken) {
  in({.bytes = 10});
  EXPECT_EQ(read(), 10u);
  EXPECT_EQ(tcp().state(), State::Established);
}

TEST_F(Timestamps, ARepeatedSegmentIsEchoedForItsRtt) {
  in({.bytes = 10, .options = stamp(100)});
  in({.seq = 10, .bytes = 10, .options = stamp(101)});
  pass(Duration::seconds(5));
  side_.sent.clear();
  in({.seq = 0, .bytes = 10, .options = stamp(5101)});
  EXPECT_EQ(next().head.options.ts_echo, 5101u);
}

}  // namespace
}  // namespace linnet::tcp::tests
