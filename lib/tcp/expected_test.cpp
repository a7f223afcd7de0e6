// SPDX-License-Identifier: BSD-3-Clause
// Two connections to which the same happens, but that each segment for the second carries URG with
// a pointer of 0, which says nothing and is never what is expected: it goes through every step of
// RFC 9293 3.10.7. Nobody can tell one connection from the other.
#include <cstring>
#include <iterator>

#include "tcp/script_fixture.hpp"

namespace linnet::tcp::tests {
namespace {

// What header prediction counts, and what the long way counts instead.
bool tells_the_way(Count what) {
  return what == Count::TCPHPHits || what == Count::TCPHPAcks || what == Count::TCPPureAcks;
}

class Expected : public ConnectionFixture, public testing::WithParamInterface<unsigned> {
 protected:
  static constexpr std::uint32_t kOurs = 0xffffff80u, kTheirs = 0xffffffc0u;
  ~Expected() override {
    for (Side* side : {&plain_, &slow_})
      end(*side);
  }

  void begin(bool timestamps, bool ecn, const char* control, std::uint32_t receive_buffer) {
    Handshake agreed;
    agreed.local_initial = Seq(kOurs) - 1;
    agreed.peer_initial = Seq(kTheirs) - 1;
    agreed.peer_mss = 1460;
    agreed.peer_window = 65535;
    agreed.sack = true;
    agreed.timestamps = timestamps;
    agreed.ecn = ecn;
    agreed.peer_ts_value = stamp_;
    packet::Turn now = turn();
    agreed.syn_ack_sent = now.now;
    advance(Duration::milliseconds(1));
    both([&](Side& side) {
      side.options.congestion_control = find_congestion_control(control);
      side.options.receive_buffer = receive_buffer;
      side.connection = std::make_unique<Connection>(side.engine, side.options);
      packet::Turn later = turn();
      side.connection->accept(later, agreed, 1500);
    });
    given_ = acked_ = sent_ = 0;
  }
  template <typename What>
  void both(What&& what) {
    what(plain_);
    what(slow_);
  }
  // What the host's service does with what a connection sent.
  void take_sent() {
    ASSERT_EQ(plain_.sent.size(), slow_.sent.size());
    while (!plain_.sent.empty()) {
      const Wire a = plain_.sent.front(), b = slow_.sent.front();
      plain_.sent.pop_front();
      slow_.sent.pop_front();
      ASSERT_EQ(a.data, b.data);
      ASSERT_EQ(a.head.seq, b.head.seq);
      ASSERT_EQ(a.head.ack, b.head.ack);
      ASSERT_EQ(a.head.flags, b.head.flags);
      ASSERT_EQ(a.head.window, b.head.window);
      ASSERT_EQ(a.head.ecn, b.head.ecn);
      ASSERT_EQ(a.head.options.ts_value, b.head.options.ts_value);
      ASSERT_EQ(a.head.options.ts_echo, b.head.options.ts_echo);
      ASSERT_EQ(a.head.options.sack_count, b.head.options.sack_count);
      for (unsigned i = 0; i < a.head.options.sack_count; ++i)
        ASSERT_EQ(a.head.options.sack[i], b.head.options.sack[i]);
      const auto end = static_cast<std::int32_t>(a.head.seq.value() - kOurs + a.length());
      sent_ = std::max<std::int64_t>(sent_, end);
    }
  }
  void expect_alike() {
    Info a, b;
    plain_.connection->info(clock_.now(), a);
    slow_.connection->info(clock_.now(), b);
    ASSERT_EQ(std::memcmp(&a, &b, sizeof a), 0);
    ASSERT_EQ(plain_.connection->take_events(), slow_.connection->take_events());
    ASSERT_EQ(plain_.connection->state(), slow_.connection->state());
    ASSERT_EQ(plain_.connection->error(), slow_.connection->error());
    ASSERT_EQ(plain_.connection->send_space(), slow_.connection->send_space());
    ASSERT_EQ(plain_.connection->unread_bytes(), slow_.connection->unread_bytes());
    ASSERT_EQ(plain_.connection->unacknowledged_bytes(), slow_.connection->unacknowledged_bytes());
    ASSERT_EQ(plain_.engine.memory.held(), slow_.engine.memory.held());
    ASSERT_EQ(plain_.wheel.next_deadline(), slow_.wheel.next_deadline());
    ASSERT_EQ(plain_.notified, slow_.notified);
    ASSERT_EQ(plain_.confirmed, slow_.confirmed);
    for (std::size_t i = 0; i < std::size(kCounterNames); ++i) {
      if (tells_the_way(Count(i))) continue;
      ASSERT_EQ(plain_.count(Count(i)), slow_.count(Count(i))) << kCounterNames[i].name;
    }
    ASSERT_EQ(slow_.count(Count::TCPHPHits), 0u);
  }

  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_.below(n)); }
  // Of 100 segments `trouble` are none that is expected.
  void peer(unsigned trouble) {
    Wire wire;
    std::int64_t seq = given_, ack = acked_ + below(static_cast<std::uint32_t>(sent_ - acked_) + 1);
    wire.head.flags = below(2) == 0 ? kA : kPA;
    wire.head.window = static_cast<std::uint16_t>(40000 + below(20000));
    wire.head.options.has_timestamps = true;
    wire.head.options.ts_value = stamp_ += below(3);
    wire.head.options.ts_echo = timestamp_at(clock_.now(), 0) - below(5);
    if (below(20) == 0) wire.head.ecn = Ecn::Congested;
    std::uint32_t bytes = below(3) == 0 ? 0 : below(8) == 0 ? 1448 : 1 + below(200);
    if (below(100) < trouble) switch (below(9)) {
        case 0:
          seq += 1 + below(3000);
          break;
        case 1:
          seq -= std::min<std::int64_t>(seq, 1 + below(3000));
          break;
        case 2:
          wire.head.flags |= below(2) == 0 ? flag::kEce : flag::kCwr;
          break;
        case 3:
          wire.head.window = static_cast<std::uint16_t>(below(2) == 0 ? 0 : below(3000));
          break;
        case 4:
          ack += static_cast<std::int64_t>(below(9000)) - 3000;
          break;
        case 5:
          wire.head.options.ts_value -= 1 + below(1000);
          break;
        case 6:
          wire.head.options.has_timestamps = false;
          break;
        case 7:
          wire.head.options.sack_count = 1;
          wire.head.options.sack[0].begin = Seq(kOurs) + static_cast<std::uint32_t>(ack);
          wire.head.options.sack[0].end = wire.head.options.sack[0].begin + below(5000);
          break;
        default:
          bytes = 1460 * (1 + below(30));  // many in one, beyond what the window may hold
      }
    wire.head.seq = Seq(kTheirs) + static_cast<std::uint32_t>(seq);
    wire.head.ack = Seq(kOurs) + static_cast<std::uint32_t>(ack);
    for (std::uint32_t i = 0; i < std::min(bytes, 1460u); ++i)
      wire.data.push_back(pattern(static_cast<std::uint64_t>(seq + i)));
    deliver(wire, bytes > 1460 ? bytes / 1460 : 1, below(4) == 0);
  }
  // `count` of them, the next ones chained behind the first, as a row of a burst is.
  void deliver(const Wire& wire, std::uint32_t count, bool more) {
    both([&](Side& side) {
      Segment segment = arrived(wire);
      segment.size = static_cast<std::uint16_t>(segment.payload_length);
      for (; segment.count < count; ++segment.count) {
        segment.payload.chain(receive(wire.data));
        packet::Turn now = turn();
        now.ledger.delivered.add();
        segment.payload_length += segment.size;
      }
      if (&side == &slow_) segment.flags |= flag::kUrg;
      packet::Turn now = turn();
      side.connection->input(now, std::move(segment), more);
      if (more) side.connection->output(now);
    });
    given_ = plain_given();
    if (wire.head.ack.at_or_before(Seq(kOurs) + static_cast<std::uint32_t>(sent_)))
      acked_ =
          std::max<std::int64_t>(acked_, static_cast<std::int32_t>(wire.head.ack.value() - kOurs));
  }
  std::int64_t plain_given() {
    return static_cast<std::int32_t>(
        plain_.connection->time_wait(clock_.now()).receive_next.value() - kTheirs);
  }
  void program() {
    const std::uint32_t kind = below(4), length = 1 + below(below(4) == 0 ? 1448 : 100);
    const std::uint64_t at = plain_.written;
    both([&](Side& side) {
      packet::Turn now = turn();
      if (kind == 0 && side.connection->send_space() > 4000) {
        side.connection->append(now, program_data(now, at, length));
        side.written += length;
      } else if (kind < 3) {
        while (packet::Packet data = side.connection->take_received(now)) {
          const std::uint32_t count = data.length();
          now.deliver(std::move(data));
          side.connection->consumed(now, count);
        }
      }
    });
  }
  void pass() {
    advance(Duration::microseconds(below(30) == 0 ? 400'000 : below(3000)));
    both([&](Side& side) {
      packet::Turn now = turn();
      side.wheel.advance(now.now, 64, &now);
    });
  }
  void happen(unsigned trouble) {
    switch (below(4)) {
      case 0:
      case 1:
        peer(trouble);
        break;
      case 2:
        program();
        break;
      default:
        pass();
    }
    if (below(200) == 0)
      both([&](Side& side) { side.engine.memory.limit = memory_short_ ? UINT64_MAX : 1000; }),
          memory_short_ = !memory_short_;
  }
  void finish() {
    both([&](Side& side) {
      side.engine.memory.limit = UINT64_MAX;
      end(side);
      side.sent.clear();
    });
  }

  Side plain_{clock_.now(), "plain"}, slow_{clock_.now(), "slow"};
  std::int64_t given_ = 0, acked_ = 0, sent_ = 0;
  std::uint32_t stamp_ = 5000;
  bool memory_short_ = false;
};
INSTANTIATE_TEST_SUITE_P(Seeds, Expected, testing::Range(0u, 6u));

TEST_P(Expected, DoesWhatEverySegmentDoes) {
  random_ = time::Random(GetParam());
  for (const bool timestamps : {true, false}) {
    for (const char* control : {"cubic", "dctcp"}) {
      for (const unsigned trouble : {0u, 5u, 30u}) {
        const std::uint32_t buffer = below(2) == 0 ? 0 : 8000 + below(20000);
        begin(timestamps, true, control, buffer);
        for (int i = 0; i < 1500 && plain_.connection->state() != State::Closed; ++i) {
          happen(trouble);
          ASSERT_NO_FATAL_FAILURE(take_sent()) << control << ' ' << trouble << ' ' << i;
          ASSERT_NO_FATAL_FAILURE(expect_alike()) << control << ' ' << trouble << ' ' << i;
        }
        finish();
      }
    }
  }
}

// FIN is known, and the hole before it is filled by a segment that is expected but for that.
TEST_P(Expected, IsNoneThatFillsTheHoleBeforeFin) {
  begin(true, false, "cubic", 0);
  Wire wire;
  wire.head.flags = kFA;
  wire.head.seq = Seq(kTheirs) + 100;
  wire.head.ack = Seq(kOurs);
  wire.head.window = 50000;
  wire.head.options.has_timestamps = true;
  wire.head.options.ts_value = stamp_;
  deliver(wire, 1, false);
  wire.head.flags = kA;
  wire.head.seq = Seq(kTheirs);
  wire.data.assign(100, 7);
  deliver(wire, 1, false);
  take_sent();
  expect_alike();
  EXPECT_EQ(plain_.connection->state(), State::CloseWait);
}

}  // namespace
}  // namespace linnet::tcp::tests
