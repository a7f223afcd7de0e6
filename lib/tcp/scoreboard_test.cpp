// SPDX-License-Identifier: BSD-3-Clause
// The scoreboard under peers that wish to make it slow or wrong: against a byte map, and by
// counting steps and records.
#include "tcp/scoreboard.hpp"

#include <random>
#include <utility>

#include "tcp/recovery_fixture.hpp"

namespace linnet::tcp {
namespace {

class Board : public RecoveryCase {};
INSTANTIATE_TEST_SUITE_P(Starts, Board, kStarts);

// What a byte map says of bytes in `state`.
std::uint32_t bytes_in(const std::vector<char>& map, std::uint32_t from, char state) {
  std::uint32_t out = 0;
  for (std::size_t i = from; i < map.size(); ++i)
    out += map[i] == state ? 1 : 0;
  return out;
}

TEST_P(Board, RandomBlocksGiveWhatAByteMapGives) {
  constexpr std::uint32_t kSegment = 10;
  std::mt19937 random(GetParam());
  for (int round = 0; round < 200; ++round) {
    Scoreboard board(pool_, 100000);
    std::vector<char> map;
    std::uint32_t una = 0;
    const auto below = [&](std::size_t n) { return static_cast<std::uint32_t>(random() % n); };
    for (int step = 0; step < 100; ++step) {
      const auto end = static_cast<std::uint32_t>(map.size());
      switch (below(5)) {
        case 0: {
          const std::uint32_t length = kSegment * (1 + below(20));
          SentStamp stamp;
          stamp.delivered = static_cast<std::uint64_t>(step);
          board.push(range(end, end + length), now_, kSegment, stamp);
          map.insert(map.end(), length, 'o');
          break;
        }
        case 1:
          if (una == end) break;
          una += kSegment * below((end - una) / kSegment + 1);
          board.acknowledge(at(una), [](const SentRecord&, SeqRange) {});
          break;
        case 2: {
          if (una == end) break;
          const std::uint32_t from = una + below(end - una), to = from + below(end - from) + 1;
          std::uint32_t newly = 0;
          board.sack(range(from, to), kSegment,
                     [&](const SentRecord& record) { newly += record.range.length(); });
          std::uint32_t expected = 0;
          // Only whole segments count.
          for (std::uint32_t at = (from + kSegment - 1) / kSegment * kSegment; at + kSegment <= to;
               at += kSegment) {
            if (map[at] == 's') continue;
            expected += kSegment;
            std::fill_n(map.begin() + at, kSegment, 's');
          }
          ASSERT_EQ(newly, expected);
          break;
        }
        case 3: {
          SentRecord* record = board.oldest();
          if (record == nullptr) break;
          const std::uint32_t from = record->range.begin - at(0);
          std::fill_n(map.begin() + from, record->range.length(), 'l');
          board.mark_lost(*record);
          break;
        }
        default: {
          const SentRecord* lost = board.first_lost();
          if (lost == nullptr) break;
          SentRecord* record = board.find(lost->range.begin);
          ASSERT_EQ(record, lost);
          if (record->range.length() > kSegment) {
            ASSERT_TRUE(board.split(*record, record->range.begin + kSegment));
          }
          std::fill_n(map.begin() + (record->range.begin - at(0)), record->range.length(), 'o');
          board.mark_sent(*record, now_, SentStamp());
        }
      }
      ASSERT_EQ(board.outstanding(), bytes_in(map, una, 'o'));
      ASSERT_EQ(board.sacked(), bytes_in(map, una, 's'));
      ASSERT_EQ(board.lost(), bytes_in(map, una, 'l'));
      ASSERT_LE(board.retransmitted(), board.outstanding());
      ASSERT_LE(board.size(), (map.size() - una) / kSegment);
    }
    board.clear();
    ASSERT_EQ(pool_.available(), pool_.capacity());
  }
}

TEST_P(Board, StandsInOrderUntilItIsAskedForMore) {
  constexpr std::uint32_t kSegment = 10;
  Scoreboard board(pool_, 100000);
  std::uint32_t end = 0;
  const auto push = [&](std::uint32_t length) {
    wait_ms(1);
    board.push(range(end, end + length), now_, kSegment, SentStamp());
    end += length;
  };
  const auto acknowledge = [&](std::uint32_t una) {
    std::vector<SeqRange> parts;
    board.acknowledge(at(una), [&](const SentRecord&, SeqRange part) { parts.push_back(part); });
    return parts;
  };
  EXPECT_TRUE(board.in_order());
  EXPECT_EQ(std::as_const(board).first(), nullptr);
  EXPECT_EQ(board.last(), nullptr);
  for (int i = 0; i < 4; ++i)
    push(20);
  EXPECT_TRUE(board.in_order());
  EXPECT_EQ(acknowledge(25), (std::vector{range(0, 20), range(20, 25)}));
  EXPECT_EQ(board.first()->range, range(25, 40));
  EXPECT_EQ(board.last()->range, range(60, 80));
  EXPECT_EQ(board.oldest(), board.first());
  EXPECT_EQ(board.outstanding(), 55u);
  EXPECT_EQ(board.size(), 3u);
  EXPECT_TRUE(board.in_order());
  // A look inside of it: each record goes into the tree once.
  const std::uint64_t before = board.steps();
  EXPECT_EQ(board.find(at(45))->range, range(40, 60));
  EXPECT_EQ(board.steps() - before, 3u);
  EXPECT_FALSE(board.in_order());
  push(20);
  EXPECT_EQ(board.find(at(85))->range, range(80, 100));
  EXPECT_EQ(board.steps() - before, 3u);
  EXPECT_EQ(acknowledge(70), (std::vector{range(25, 40), range(40, 60), range(60, 70)}));
  EXPECT_FALSE(board.in_order());
  // All that stood there then is gone.
  EXPECT_EQ(acknowledge(90), (std::vector{range(70, 80), range(80, 90)}));
  EXPECT_TRUE(board.in_order());
  EXPECT_EQ(board.first()->range, range(90, 100));
  EXPECT_EQ(acknowledge(100), std::vector{range(90, 100)});
  EXPECT_TRUE(board.in_order());
  EXPECT_TRUE(board.empty());
  // Time that goes back: the order of sending is another one.
  push(20);
  now_ = now_ - ms(10);
  push(20);
  EXPECT_FALSE(board.in_order());
  board.clear();
  EXPECT_EQ(pool_.available(), pool_.capacity());
}

TEST_P(Board, T2_StepsAreBoundedByWhatChangesUnderAlternateHoles) {
  measure();
  constexpr std::uint32_t kSegments = 20000;
  // A window as large as a peer could wish.
  for (std::uint32_t i = 0; i < kSegments; i += 40)
    recovery_.on_transmit(range(1000 + i * kMss, 1000 + (i + 40) * kMss), now_, false);
  wait_ms(100);
  std::uint64_t worst = 0, before = recovery_.steps();
  const auto spent = [&] {
    const std::uint64_t steps = recovery_.steps() - before;
    before = recovery_.steps();
    return steps;
  };
  // The first that is told of costs a step for each record, once.
  ack(1000, {{1000 + (kSegments - 1) * kMss, 1000 + kSegments * kMss}});
  EXPECT_LE(spent(), kSegments / 40 + 4);
  // Every other segment, from the far end, one an ACK.
  for (std::uint32_t i = kSegments - 3; i > 2; i -= 2) {
    ack(1000, {{1000 + i * kMss, 1000 + (i + 1) * kMss}});
    worst = std::max(worst, spent());
    resend();
    spent();
  }
  EXPECT_LE(worst, 4u);
  // Blocks over everything, again and again: the first time costs, then it is one record.
  ack(1000, {{2000, 1000 + kSegments * kMss}});
  EXPECT_LE(spent(), kSegments + 10u);
  for (int i = 0; i < 100; ++i) {
    ack(1000, {{2000, 1000 + kSegments * kMss}, {3000, 9000}, {2000, 4000}, {2000, 50000}});
    EXPECT_LE(spent(), 8u);
  }
  EXPECT_LE(pool_.capacity() - pool_.available(), 3u);
}

TEST_P(Board, T2_CutsAtSingleBytesMakeNoRecords) {
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(10);
  wait_ms(100);
  const auto records = [&] { return pool_.capacity() - pool_.available(); };
  for (std::uint32_t i = 0; i < 9000; i += 7)
    ack(base, {{base + i, base + i + 5}, {base + i + 1, base + i + 2}});
  EXPECT_LE(records(), 10u);
  EXPECT_EQ(recovery_.sacked_bytes(), 0u);
  EXPECT_EQ(recovery_.lost_bytes(), 0u);
}

TEST_P(Board, T1_ManyTinySegmentsAreCountedRight) {
  begin("cubic", true, 1);
  std::uint32_t total = 0;
  for (int i = 0; i < 2000; ++i) {
    recovery_.on_transmit(range(total, total + 65000), now_, false);
    total += 65000;
  }
  wait_ms(100);
  for (std::uint32_t i = 1; i < 4000; i += 2)
    ack(0, {{i, i + 1}});
  EXPECT_EQ(recovery_.in_flight() + recovery_.sacked_bytes() + recovery_.lost_bytes(), total);
  ack(total);
  EXPECT_EQ(recovery_.in_flight(), 0u);
  EXPECT_EQ(pool_.available(), pool_.capacity());
}

TEST_P(Board, BlocksThatCannotBeAreDiscarded) {
  measure();
  open_window(20);
  const std::uint32_t base = sent_;
  send(10);
  wait_ms(100);
  const std::uint64_t before = count(Count::TCPSACKDiscard);
  ack(base, {{base + 5000, base + 4000},   // backwards
             {base + 9000, base + 11000},  // never sent
             {base + 0x7fffffff, base + 0x80000000},
             {base + 3000, base + 3000}});  // nothing
  EXPECT_EQ(count(Count::TCPSACKDiscard) - before, 4u);
  EXPECT_EQ(recovery_.sacked_bytes(), 0u);
  EXPECT_EQ(recovery_.in_flight(), 10000u);
}

TEST_P(Board, AnEmptyPoolCostsPrecisionNotProgress) {
  SentPool small(4);
  Recovery recovery(small, settings_, counters_, *find_congestion_control("reno"));
  recovery.start(at(0), kMss, true, true, now_);
  recovery.on_transmit(range(0, 10000), now_, false);
  now_ = now_ + ms(100);
  std::vector<SeqRange> blocks = {range(2000, 3000), range(5000, 6000), range(7000, 8000)};
  AckEvent event;
  event.ack = at(0);
  event.sack = blocks;
  recovery.on_ack(event, now_);
  EXPECT_EQ(small.available(), 1u);  // a quarter is left to others
  EXPECT_FALSE(recovery.can_record());
  // Whatever happens, data is sent until all is acknowledged.
  std::uint32_t una = 0;
  for (int i = 0; i < 100 && una < 10000; ++i) {
    now_ = recovery.deadline();
    recovery.on_timer(now_);
    while (const auto next = recovery.next_retransmission()) {
      if (recovery.send_allowance() < next->length()) break;
      recovery.on_transmit(*next, now_, true);
      if (next->begin == at(una)) una += next->length();
    }
    event.ack = at(una);
    event.sack = {};
    recovery.on_ack(event, now_);
  }
  EXPECT_GE(una, 10000u);
}

}  // namespace
}  // namespace linnet::tcp
