// SPDX-License-Identifier: BSD-3-Clause
// The receiver: reassembly against a model, windows, memory, SACK, delayed ACKs, urgent data.
#include "tcp/script_fixture.hpp"

namespace linnet::tcp::tests {
namespace {

class Receive : public ScriptFixture {};

Handshake with_sack() {
  Handshake agreed;
  agreed.sack = true;
  return agreed;
}

SeqRange wire_range(std::uint32_t begin, std::uint32_t end) {
  return {Seq(0xffffffc0u) + begin, Seq(0xffffffc0u) + end};
}

// --- Reassembly.

// Row T5. Segments that contradict each other about the same byte: what came first is what the
// program reads, never both, never neither.
TEST_F(Receive, T5_OfContradictingBytesTheFirstCounts) {
  for (unsigned round = 0; round < 60; ++round) {
    established(with_sack());
    constexpr std::uint32_t kBytes = 6000;
    std::vector<int> model(kBytes, -1);
    std::uint32_t done = 0;
    Bytes got;
    for (unsigned i = 0; i < 400 && done < kBytes; ++i) {
      const auto begin = static_cast<std::uint32_t>(
          i % 5 == 0 ? done : random_.below(std::min(kBytes, done + 3000)));
      const auto length = std::min<std::uint32_t>(
          static_cast<std::uint32_t>(1 + random_.below(i % 3 ? 40 : 1200)), kBytes - begin);
      const auto fill = static_cast<std::uint8_t>(i + 1);
      Wire wire;
      wire.head.flags = kA;
      wire.head.seq = Seq(kPeer) + begin;
      wire.head.ack = Seq(kLocal);
      wire.head.window = 65535;
      wire.data.assign(length, fill);
      packet::Turn now = turn();
      tcp().input(now, arrived(wire));
      for (std::uint32_t at = begin; at < begin + length; ++at)
        if (model[at] < 0) model[at] = fill;
      while (done < kBytes && model[done] >= 0)
        ++done;
      if (i % 7 == 0) {
        while (packet::Packet data = tcp().take_received(now)) {
          const Bytes bytes = bytes_of(data);
          got.insert(got.end(), bytes.begin(), bytes.end());
          now.deliver(std::move(data));
          tcp().consumed(now, static_cast<std::uint32_t>(bytes.size()));
        }
      }
    }
    packet::Turn now = turn();
    while (packet::Packet data = tcp().take_received(now)) {
      const Bytes bytes = bytes_of(data);
      got.insert(got.end(), bytes.begin(), bytes.end());
      now.deliver(std::move(data));
      tcp().consumed(now, static_cast<std::uint32_t>(bytes.size()));
    }
    ASSERT_EQ(got.size(), done) << "round " << round;
    for (std::uint32_t at = 0; at < done; ++at)
      ASSERT_EQ(got[at], model[at]) << "round " << round << " byte " << at;
    EXPECT_EQ(tcp().unread_bytes(), 0u);
  }
}

TEST_F(Receive, T4_SmallSegmentsOutOfOrderDoNotPinABufferEach) {
  established(with_sack());
  for (std::uint32_t i = 0; i < 2000; ++i)
    in({.seq = 4000 - i, .bytes = 1});  // backwards, each touches the last
  EXPECT_LT(side_.engine.memory.receive, 131072u / 2);
  for (std::uint32_t i = 0; i < 20000; ++i)
    in({.seq = 5000 + 2 * (i % 20000), .bytes = 1});  // every other byte: nothing touches
  EXPECT_LE(side_.engine.memory.receive, 131072u) << "never more than the receive buffer";
  in({.seq = 0, .bytes = 1460});
  EXPECT_GT(count(Count::OfoPruned), 0u);
  EXPECT_EQ(read(), 1460u) << "in-order data is taken before what lies beyond";
}

TEST_F(Receive, MemoryThatIsAllTakenStopsTheWindowButNotTheConnection) {
  established();
  side_.engine.memory.limit = 20000;
  std::uint32_t sent = 0;
  for (int i = 0; i < 40; ++i) {
    in({.seq = sent, .bytes = 1000});
    sent = static_cast<std::uint32_t>(tcp().unread_bytes());
  }
  EXPECT_LE(side_.engine.memory.receive, 20000u + 2500u);
  const std::uint64_t got = read();
  EXPECT_GT(got, 0u);
  side_.engine.memory.limit = UINT64_MAX;
  side_.sent.clear();
  in({.seq = static_cast<std::int64_t>(got), .bytes = 1000});
  EXPECT_EQ(read(), 1000u);
}

// --- Acknowledging.

TEST_F(Receive, MUST40_EverySecondFullSegmentIsAcknowledgedAtOnce) {
  established();
  std::int64_t at = 0;
  for (int i = 0; i < 40; ++i) {  // the start is acknowledged segment by segment
    in({.seq = at, .bytes = 1460});
    at += 1460;
    (void)read();
  }
  pass_ms(100);
  side_.sent.clear();
  in({.seq = at, .bytes = 1460});
  (void)read();
  const std::size_t after_one = waiting();
  in({.seq = at + 1460, .bytes = 1460});
  (void)read();
  EXPECT_EQ(after_one, 0u);
  EXPECT_EQ(waiting(), 1u);
  EXPECT_EQ(out().ack, at + 2920);
}

TEST_F(Receive, MUST59_SegmentsOfOneBurstAreAcknowledgedTogether) {
  established();
  for (int i = 0; i < 10; ++i)
    in({.seq = i * 1460, .bytes = 1460}, i < 9);
  EXPECT_EQ(out(), (Out{kA, 0, 14600, 0}));
  expect_nothing();
  // But each segment beyond a hole is told of (RFC 5681 4.2).
  for (int i = 0; i < 3; ++i)
    in({.seq = 20000 + i * 100, .bytes = 100}, i < 2);
  EXPECT_EQ(waiting(), 3u);
}

TEST_F(Receive, MUST40_ADelayedAckComesWithinHalfASecond) {
  established();
  std::int64_t at = 0;
  for (int i = 0; i < 40; ++i) {
    in({.seq = at, .bytes = 1460});
    at += 1460;
  }
  (void)read();
  pass_ms(100);
  side_.sent.clear();
  in({.seq = at, .bytes = 100});
  expect_nothing();
  pass_ms(490);
  EXPECT_EQ(out().ack, at + 100);
  EXPECT_GE(count(Count::DelayedACKs), 1u);
}

TEST_F(Receive, AnAnswerCarriesTheAck) {
  established();
  in({.bytes = 10});
  side_.sent.clear();
  write(10);
  in({.seq = 10, .ack = 10, .bytes = 10});
  write(10);
  EXPECT_EQ(out(), (Out{kPA, 0, 10, 10}));
  EXPECT_EQ(out(), (Out{kPA, 10, 20, 10})) << "no pure ACK between";
  pass_ms(400);
  while (waiting() != 0)
    EXPECT_NE(out().bytes, 0u);
}

TEST_F(Receive, OnlyAnAckOfLittleInOrderMayWaitForAnAnswer) {
  established();
  in({.bytes = 100}, true);
  EXPECT_TRUE(tcp().answer_may_acknowledge());
  in({.seq = 100, .bytes = 1460}, true);
  EXPECT_FALSE(tcp().answer_may_acknowledge()) << "more than a segment";
  packet::Turn now = turn();
  tcp().output(now);
  EXPECT_EQ(out(), (Out{kA, 0, 1560, 0}));
  write(20'000);  // more than the first window takes
  side_.sent.clear();
  EXPECT_FALSE(tcp().answer_may_acknowledge()) << "there is something to send";
}

TEST_F(Receive, WhatIsReadBeforeAnAnswerIsToldByTheAnswer) {
  established();
  in({.bytes = 100}, true);  // one of the first, which are acknowledged at once
  packet::Turn now = turn();
  packet::Packet data = tcp().take_received(now);
  now.deliver(std::move(data));
  tcp().consumed(now, 100, true);
  expect_nothing();
  write(10);
  EXPECT_EQ(out(), (Out{kPA, 0, 100, 10}));
  expect_nothing();
}

TEST_F(Receive, SackReportsTheNewestBlockFirstAndDuplicatesBeforeIt) {
  established(with_sack());
  in({.seq = 1000, .bytes = 100});
  (void)next();
  ASSERT_EQ(last_.head.options.sack_count, 1);
  EXPECT_EQ(last_.head.options.sack[0], wire_range(1000, 1100));
  in({.seq = 3000, .bytes = 100});
  in({.seq = 5000, .bytes = 100});
  side_.sent.clear();
  in({.seq = 1100, .bytes = 100});
  (void)next();
  ASSERT_EQ(last_.head.options.sack_count, 3);
  EXPECT_EQ(last_.head.options.sack[0], wire_range(1000, 1200));
  EXPECT_EQ(last_.head.options.sack[1], wire_range(5000, 5100));
  EXPECT_EQ(last_.head.options.sack[2], wire_range(3000, 3100));
  in({.seq = 3000, .bytes = 100});  // again
  (void)next();
  EXPECT_EQ(last_.head.options.sack[0], wire_range(3000, 3100));
  EXPECT_EQ(last_.head.options.sack_count, 4);
  in({.seq = 0, .bytes = 1000});
  (void)next();
  EXPECT_EQ(last_.head.ack, Seq(kPeer) + 1200);
  EXPECT_EQ(last_.head.options.sack_count, 2);
  in({.seq = 0, .bytes = 500});  // old
  (void)next();
  EXPECT_EQ(last_.head.options.sack[0], wire_range(0, 500));
}

TEST_F(Receive, WithoutSackThereAreNoBlocks) {
  established();
  in({.seq = 1000, .bytes = 100});
  EXPECT_EQ(next().head.options.sack_count, 0);
}

// --- Windows.

TEST_F(Receive, TheRightEdgeNeverMovesBack) {
  Handshake agreed;
  agreed.window_scaling = true;
  agreed.local_scale = 7;
  agreed.peer_scale = 7;
  established(agreed);
  std::int64_t edge = 0;
  std::uint64_t taken = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto length = static_cast<std::uint32_t>(1 + random_.below(1460));
    in({.seq = static_cast<std::int64_t>(taken), .bytes = length});
    taken = side_.read + tcp().unread_bytes();
    if (random_.below(10) == 0) (void)read();
    while (waiting() != 0) {
      const Out sent = out();
      const std::int64_t right = sent.ack + (std::int64_t{last_.head.window} << 7);
      ASSERT_GE(right, edge);
      edge = right;
    }
  }
}

TEST_F(Receive, AShortSegmentSaysNothingOfTheBuffersOfTheNextBurst) {
  Handshake agreed;
  agreed.window_scaling = true;
  agreed.local_scale = agreed.peer_scale = 7;
  side_.options.receive_buffer = 131072;
  established(agreed);
  std::int64_t at = 0;
  const auto window_after = [&](std::uint32_t bytes) {
    for (int i = 0; i < 200; ++i, at += bytes) {
      in({.seq = at, .bytes = bytes});
      (void)read();
    }
    pass_ms(300);
    while (waiting() != 0)
      (void)next();
    return std::uint32_t{last_.head.window} << 7;
  };
  const std::uint32_t full = window_after(1460);
  EXPECT_GE(window_after(700), full);
}

TEST_F(Receive, APauseIsOneRoundTripWhateverFollowsIt) {
  Handshake agreed;
  agreed.timestamps = true;
  established(agreed);
  std::int64_t at = 0;
  const auto data = [&](std::uint32_t echo) {
    SegmentOptions options;
    options.has_timestamps = true;
    options.ts_value = 1000;
    options.ts_echo = echo;
    in({.seq = at, .bytes = 1460, .options = options});
    at += 1460;
    (void)read();
  };
  const auto last_sent = [&] {
    while (waiting() != 0)
      (void)next();
    return last_.head.options.ts_value;
  };
  for (int i = 0; i < 100; ++i) {
    data(last_sent());
    pass_ms(10);
  }
  const std::uint32_t old = last_sent();
  pass_ms(1000);
  for (int i = 0; i < 10; ++i)
    data(old);
  Info info{};
  tcp().info(clock_.now(), info);
  EXPECT_LT(info.rcv_rtt, 200'000u) << "an eighth of the pause once";
  EXPECT_GT(info.rcv_rtt, 100'000u);
}

TEST_F(Receive, MUST39_TheWindowOpensInLargeSteps) {
  side_.options.receive_buffer = 20000;
  established();
  std::int64_t at = 0;
  while (tcp().unread_bytes() == at) {  // until the window is closed
    in({.seq = at, .bytes = 1000});
    if (tcp().unread_bytes() == at) break;
    at = tcp().unread_bytes();
  }
  while (waiting() != 0)
    (void)next();
  EXPECT_EQ(last_.head.window, 0u);
  // A little is read: nothing is told of that.
  packet::Turn now = turn();
  packet::Packet data = tcp().take_received(now);
  const std::uint32_t length = data.length();
  now.deliver(std::move(data));
  side_.read += length;
  tcp().consumed(now, std::min(length, 100u));
  expect_nothing();
  (void)read();
  EXPECT_GE(next().head.window, 1000u);
}

TEST_F(Receive, MUST66_RstUrgAndAckCountWithAClosedWindow) {
  side_.options.receive_buffer = 10000;
  established();
  write(100);
  std::int64_t at = 0;
  for (int i = 0; i < 20; ++i) {
    in({.seq = at, .bytes = 1000});
    at = tcp().unread_bytes();
  }
  pass_ms(300);
  while (waiting() != 0)
    (void)next();
  ASSERT_EQ(last_.head.window, 0u);
  (void)events();
  in({.flags = kA | flag::kUrg, .seq = at, .ack = 100, .urgent = 5});
  EXPECT_EQ(tcp().unacknowledged_bytes(), 0u);
  EXPECT_TRUE(events() & event::kUrgent);
  in({.seq = at, .ack = 100, .bytes = 1});  // a probe
  EXPECT_EQ(out().ack, at);
  in({.flags = kR, .seq = at});
  EXPECT_EQ(tcp().state(), State::Closed);
}

TEST_F(Receive, TheBufferGrowsWithTheProgramsRate) {
  Handshake agreed;
  agreed.window_scaling = agreed.timestamps = true;
  agreed.local_scale = 7;
  established(agreed);
  std::int64_t at = 0;
  std::uint32_t widest = 0;
  for (int round = 0; round < 60 && widest <= 1000000; ++round) {
    // A window in one round trip of 20 ms, read at once.
    const std::uint32_t window = std::max(widest, 64000u);
    const std::uint32_t stamp = timestamp_at(clock_.now(), 0);
    pass_ms(20);
    for (std::uint32_t sent = 0; sent + 1460 <= window; sent += 1460) {
      SegmentOptions options;
      options.has_timestamps = true;
      options.ts_value = stamp;
      options.ts_echo = stamp;
      in({.seq = at, .bytes = 1460, .options = options});
      at += 1460;
      (void)read();
    }
    while (waiting() != 0)
      widest = std::max(widest, std::uint32_t{next().head.window} << 7);
  }
  EXPECT_GT(widest, 1000000u);
}

// --- Urgent data. Row T6.

TEST_F(Receive, T6_UrgentPointersAreHintsWhereverTheyPoint) {
  for (const unsigned urgent : {0u, 1u, 10u, 11u, 1000u, 65535u}) {
    for (const State state : {State::Established, State::CloseWait, State::FinWait1,
                              State::FinWait2, State::Closing, State::LastAck, State::TimeWait}) {
      reach(state);
      const bool ended = state == State::CloseWait || state == State::Closing ||
                         state == State::LastAck || state == State::TimeWait;
      in({.flags = kA | flag::kUrg,
          .seq = ended ? 1 : 0,
          .ack = state == State::FinWait2 || state == State::TimeWait ? 1 : 0,
          .bytes = 10,
          .urgent = static_cast<std::uint16_t>(urgent)});
      if (ended) {
        EXPECT_FALSE(tcp().urgent_offset()) << urgent;
      } else if (urgent != 0) {
        EXPECT_EQ(tcp().urgent_offset(), static_cast<std::int32_t>(urgent) - 1) << urgent;
        side_.read = 0;
        EXPECT_EQ(read(), 10u) << "the byte stays in the stream";
      }
    }
  }
}

TEST_F(Receive, TheNewestUrgentPointerCountsAndOldOnesDoNot) {
  established();
  in({.flags = kA | flag::kUrg, .bytes = 100, .urgent = 50});
  EXPECT_TRUE(events() & event::kUrgent);
  in({.flags = kA | flag::kUrg, .seq = 100, .bytes = 100, .urgent = 100});
  EXPECT_EQ(tcp().urgent_offset(), 199);
  (void)events();
  in({.flags = kA | flag::kUrg, .bytes = 10, .urgent = 50});
  EXPECT_FALSE(events() & event::kUrgent);
  EXPECT_EQ(read(), 200u);
  EXPECT_FALSE(tcp().urgent_offset());
}

// Its host has counted those that were joined as delivered.
TEST_F(Receive, ARowWithoutRoomIsDroppedSegmentBySegment) {
  established();
  in({.seq = 0, .bytes = 1000});
  side_.engine.memory.limit = 1;
  Wire wire;
  wire.head.flags = flag::kAck;
  wire.head.seq = Seq(kPeer) + 1000u;
  wire.head.ack = Seq(kLocal);
  wire.head.window = 65535;
  for (unsigned i = 0; i < 1500; ++i)
    wire.data.push_back(pattern(1000 + i));
  ledger_.received.add(2);
  ledger_.delivered.add(2);
  Segment row = arrived(wire);
  row.count = 3;
  row.size = 500;
  packet::Turn now = turn();
  tcp().input(now, std::move(row));
  EXPECT_EQ(drops(Drop::ReceiveMemory), 3u);
  EXPECT_EQ(read(), 1000u);
}

}  // namespace
}  // namespace linnet::tcp::tests
