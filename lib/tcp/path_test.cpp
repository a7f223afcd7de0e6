// SPDX-License-Identifier: BSD-3-Clause
// What ICMP may and may not do (row B8, RFC 5927), path MTU, black holes.
#include <cerrno>

#include "tcp/script_fixture.hpp"

namespace linnet::tcp::tests {
namespace {

class Path : public ScriptFixture {
 protected:
  Seq local(std::int64_t position) const {
    return Seq(kLocal) + static_cast<std::uint32_t>(position);
  }
  void error(std::int64_t position, int number) {
    packet::Turn now = turn();
    tcp().soft_error(now, local(position), number);
  }
  bool too_long(std::int64_t position, std::uint32_t mtu) {
    packet::Turn now = turn();
    return tcp().path_mtu(now, local(position), mtu);
  }
};

TEST_F(Path, B8_MUST54_NoIcmpEndsAnEstablishedConnection) {
  for (const State state : {State::Established, State::CloseWait, State::FinWait1}) {
    for (const int number : {ECONNREFUSED, ENOPROTOOPT, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN}) {
      reach(state);
      if (state != State::FinWait1) write(100);
      error(0, number);
      EXPECT_EQ(tcp().state(), state);
      EXPECT_EQ(tcp().error(), 0);
      EXPECT_EQ(tcp().take_soft_error(), number);
      EXPECT_EQ(tcp().take_soft_error(), 0);
    }
  }
}

TEST_F(Path, B8_AnErrorAboutWhatIsNotInFlightIsIgnored) {
  established();
  write(100);
  in({.ack = 50});
  for (const std::int64_t position : {-1, 49, 100, 101, 1000000}) {
    error(position, EHOSTUNREACH);
    EXPECT_EQ(tcp().take_soft_error(), 0);
    EXPECT_FALSE(too_long(position, 600));
  }
  EXPECT_EQ(count(Count::OutOfWindowIcmps), 10u);
}

TEST_F(Path, SHLD26_AHardErrorEndsConnectingASoftOneDoesNot) {
  connecting();
  error(-1, EHOSTUNREACH);
  EXPECT_EQ(tcp().state(), State::SynSent);
  error(-1, ECONNREFUSED);
  EXPECT_EQ(tcp().state(), State::Closed);
  EXPECT_EQ(tcp().error(), ECONNREFUSED);
  connecting();
  error(-1, EHOSTUNREACH);
  pass(Duration::seconds(600));
  EXPECT_EQ(tcp().error(), EHOSTUNREACH) << "what is known of it beats ETIMEDOUT";
}

TEST_F(Path, ATooLongSegmentIsSentAgainInSmallerOnesAtOnce) {
  established();
  write(1460);
  (void)next();
  EXPECT_TRUE(too_long(0, 1000));
  EXPECT_EQ(tcp().mss(), 960u);
  EXPECT_EQ(out(), (Out{kA, 0, 0, 960}));
  EXPECT_EQ(out(), (Out{kPA, 960, 0, 500}));
  Info info;
  tcp().info(clock_.now(), info);
  EXPECT_EQ(info.pmtu, 1000u);
}

TEST_F(Path, B8_AForgedTinyMtuStopsAtTheFloor) {
  established();
  write(1460);
  EXPECT_TRUE(too_long(0, 68));
  EXPECT_EQ(tcp().mss(), 512u);
  EXPECT_FALSE(too_long(0, 0));
  EXPECT_FALSE(too_long(0, 1400)) << "it never rises";
  EXPECT_EQ(tcp().mss(), 512u);
}

TEST_F(Path, B8_AnMtuBelowWhatWasAcknowledgedWaitsForATimeout) {
  established();
  write(1460);
  in({.ack = 1460});
  write(1460);
  side_.sent.clear();
  EXPECT_FALSE(too_long(1460, 600));
  EXPECT_EQ(tcp().mss(), 1460u);
  in({.ack = 2920});  // it got through: the message lied
  write(1460);
  pass_ms(3000);
  EXPECT_EQ(tcp().mss(), 1460u);
  // A route that really became narrower.
  in({.ack = 4380});
  write(1460);
  EXPECT_FALSE(too_long(4380, 600));
  pass_ms(3000);
  EXPECT_EQ(tcp().mss(), 560u);
}

class PathPair : public PairFixture {};

TEST_F(PathPair, ABlackHoleIsPassedWithSmallerSegments) {
  ab_.drop = [](const Wire& wire) { return wire.data.size() > 1100; };
  a_.to_write = 100'000;
  a_.half_close = b_.half_close = true;
  establish();
  run(Duration::seconds(300), [&] { return both_ended(); });
  EXPECT_EQ(b_.read, 100'000u);
  EXPECT_EQ(b_.wrong, 0u);
  EXPECT_GE(a_.count(Count::TCPMTUPFail), 1u);
}

// Each timer is alive: the one packet is lost that it alone repairs.

class Liveness : public PairFixture {
 protected:
  // Loses the `n`th segment that `which` names.
  static std::function<bool(const Wire&)> lose(std::function<bool(const Wire&)> which, int n = 1) {
    return
        [which = std::move(which), n](const Wire& wire) mutable { return which(wire) && --n == 0; };
  }
  void expect_complete(Duration limit) {
    run(limit, [&] { return both_ended(); });
    EXPECT_EQ(b_.read, a_.to_write);
    EXPECT_EQ(a_.read, b_.to_write);
    EXPECT_EQ(a_.wrong + b_.wrong, 0u);
    EXPECT_TRUE(both_ended());
  }
};

TEST_F(Liveness, LostOnlyDataSegment) {
  a_.to_write = 100;
  a_.half_close = b_.half_close = true;
  ab_.drop = lose([](const Wire& wire) { return !wire.data.empty(); });
  establish();
  expect_complete(Duration::seconds(5));
}

TEST_F(Liveness, LostTail) {
  a_.to_write = 20'000;
  a_.half_close = b_.half_close = true;
  ab_.drop = lose([](const Wire& wire) { return (wire.head.flags & flag::kFin) != 0; });
  establish();
  expect_complete(Duration::seconds(5));
}

TEST_F(Liveness, LostFinOfBothSidesAndTheLastAck) {
  a_.half_close = b_.half_close = true;
  ab_.drop = lose([](const Wire& wire) { return (wire.head.flags & flag::kFin) != 0; });
  ba_.drop = lose([](const Wire& wire) { return (wire.head.flags & flag::kFin) != 0; });
  establish();
  expect_complete(Duration::seconds(10));
}

TEST_F(Liveness, LostWindowUpdate) {
  a_.to_write = 400'000;
  a_.half_close = b_.half_close = true;
  b_.reading = false;
  establish();
  run(Duration::seconds(3));
  EXPECT_LT(b_.connection->unread_bytes(), 400'000u);
  bool blind = true;
  ba_.drop = [&blind](const Wire&) { return blind; };
  b_.reading = true;
  run(Duration::milliseconds(1));  // it reads; the update is lost
  blind = false;
  expect_complete(Duration::seconds(120));
}

TEST_F(Liveness, AllAcksOfAWhileAreLost) {
  a_.to_write = 200'000;
  a_.half_close = b_.half_close = true;
  bool blind = false;
  ba_.drop = [&blind](const Wire&) { return blind; };
  establish();
  run(Duration::milliseconds(30));
  blind = true;
  run(Duration::seconds(2));
  blind = false;
  expect_complete(Duration::seconds(60));
}

TEST_F(Liveness, TinySegmentsAtTheMtuFloor) {
  mtu_ = 576;
  a_.to_write = 50'000;
  b_.to_write = 50'000;
  a_.piece = 7;
  b_.piece = 1;
  ab_.loss = ba_.loss = 20;
  a_.half_close = b_.half_close = true;
  establish();
  expect_complete(Duration::seconds(600));
}

TEST_F(Liveness, WithoutTimestampsSackOrScaling) {
  a_.settings.tcp_timestamps = 0;
  a_.settings.tcp_sack = 0;
  a_.settings.tcp_window_scaling = 0;
  a_.to_write = 300'000;
  b_.to_write = 100'000;
  ab_.loss = ba_.loss = 30;
  ab_.reorder = 50;
  a_.half_close = b_.half_close = true;
  establish();
  expect_complete(Duration::seconds(600));
}

TEST_F(Liveness, PacedByBbr) {
  a_.options.congestion_control = find_congestion_control("bbr");
  a_.to_write = 1'000'000;
  ab_.loss = 10;
  a_.half_close = b_.half_close = true;
  establish();
  expect_complete(Duration::seconds(60));
}

TEST_F(Liveness, EcnMarksInsteadOfLosses) {
  a_.settings.tcp_ecn = 1;
  ab_.mark_congestion = true;
  a_.to_write = 300'000;
  a_.half_close = b_.half_close = true;
  establish();
  expect_complete(Duration::seconds(120));
  EXPECT_EQ(a_.count(Count::RetransSegs), 0u);
}

}  // namespace
}  // namespace linnet::tcp::tests
