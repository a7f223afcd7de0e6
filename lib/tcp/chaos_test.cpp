// SPDX-License-Identifier: BSD-3-Clause
// Anything at any time: a peer that knows the numbers and sends what it likes, a program that calls
// what it likes, a host that cannot always send, memory that comes and goes. Nothing may abort,
// leak, or leave a connection that waits with no timer.
#include <cerrno>

#include "tcp/script_fixture.hpp"

namespace linnet::tcp::tests {
namespace {

class Chaos : public ScriptFixture, public testing::WithParamInterface<unsigned> {
 protected:
  std::int64_t near(std::int64_t position) {
    switch (random_.below(6)) {
      case 0:
        return position;
      case 1:
        return position + static_cast<std::int64_t>(random_.below(2000));
      case 2:
        return position - static_cast<std::int64_t>(random_.below(2000));
      case 3:
        return position + static_cast<std::int64_t>(random_.below(70000));
      case 4:
        return position - static_cast<std::int64_t>(random_.below(200000));
      default:
        return position + 1;
    }
  }
  // Mostly what a peer would send.
  void peer() {
    In segment;
    const bool odd = random_.below(8) == 0;
    segment.flags = odd ? static_cast<std::uint8_t>(random_.below(256)) : kA;
    if (random_.below(200) == 0) segment.flags |= flag::kFin;
    if (odd && random_.below(4) != 0) segment.flags &= static_cast<std::uint8_t>(~flag::kRst);
    segment.seq = random_.below(3) == 0 ? near(given_) : given_;
    segment.ack = random_.below(3) == 0 ? near(acked_) : acked_;
    segment.bytes = random_.below(2) == 0 ? 0 : static_cast<std::uint32_t>(random_.below(1461));
    segment.window = static_cast<std::uint16_t>(random_.below(4) == 0 ? random_.below(3000)
                                                                      : random_.below(65536));
    segment.urgent = static_cast<std::uint16_t>(random_.below(65536));
    segment.ecn = static_cast<Ecn>(random_.below(4));
    SegmentOptions& options = segment.options;
    if (random_.below(3) != 0) {
      options.has_timestamps = true;
      options.ts_value = stamp_ += static_cast<std::uint32_t>(random_.below(3));
      options.ts_echo =
          timestamp_at(clock_.now(), 0) - static_cast<std::uint32_t>(random_.below(99));
    }
    options.sack_count = static_cast<std::uint8_t>(random_.below(5));
    for (SeqRange& block : options.sack) {
      block.begin = Seq(kLocal) + static_cast<std::uint32_t>(near(acked_));
      block.end = block.begin + static_cast<std::uint32_t>(random_.below(5000));
    }
    if (random_.below(20) == 0) options.mss = static_cast<std::uint16_t>(random_.below(65536));
    if (random_.below(20) == 0) options.window_scale = static_cast<std::uint8_t>(random_.below(15));
    const bool more = random_.below(4) == 0;
    in(segment, more);
    packet::Turn now = turn();
    if (more) tcp().output(now);
  }
  void program() {
    packet::Turn now = turn();
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
        if (tcp().send_space() > 3000)
          tcp().append(now,
                       program_data(now, 0, static_cast<std::uint32_t>(1 + random_.below(1448))),
                       random_.below(10) == 0, random_.below(4) == 0);
        break;
      case 3:
      case 4:
      case 5: {
        packet::Packet data = tcp().take_received(now);
        if (!data) break;
        taken_ += data.length();
        now.deliver(std::move(data));
        break;
      }
      case 6:
      case 7: {
        const std::uint32_t part = static_cast<std::uint32_t>(random_.below(taken_ + 1));
        taken_ -= part;
        tcp().consumed(now, part);
        break;
      }
      case 8:
        if (random_.below(50) == 0) tcp().shutdown_send(now);
        if (random_.below(300) == 0) tcp().close(now, random_.below(2) == 0);
        break;
      case 9:
        side_.options.no_delay = random_.below(2) == 0;
        side_.options.cork = random_.below(8) == 0;
        side_.options.keep_alive = random_.below(2) == 0;
        side_.options.keep_idle = static_cast<std::uint16_t>(random_.below(100));
        side_.options.max_segment = static_cast<std::uint16_t>(random_.below(3) * 500);
        side_.options.receive_buffer = static_cast<std::uint32_t>(random_.below(3) * 30000);
        tcp().set_options(now, side_.options);
        break;
      case 10:
        if (random_.below(4) == 0)
          (void)tcp().path_mtu(now, Seq(kLocal) + static_cast<std::uint32_t>(near(acked_)),
                               static_cast<std::uint32_t>(random_.below(1600)));
        else
          tcp().soft_error(now, Seq(kLocal) + static_cast<std::uint32_t>(near(acked_)),
                           EHOSTUNREACH);
        break;
      default:
        side_.refuse = static_cast<unsigned>(random_.below(4));
        side_.engine.memory.limit = random_.below(3) == 0 ? random_.below(300000) : UINT64_MAX;
        break;
    }
  }
  // A connection that is not closed and owes or wants something has a timer.
  void check_alive() {
    const bool waits = tcp().unacknowledged_bytes() != 0 || tcp().state() == State::SynSent ||
                       tcp().state() == State::TimeWait;
    const bool closed = tcp().state() == State::Closed;
    if (closed || waits) {
      ASSERT_EQ(side_.wheel.armed(), closed ? 0u : 1u)
          << static_cast<int>(tcp().state()) << " unacknowledged " << tcp().unacknowledged_bytes()
          << " unsent " << tcp().unsent_bytes();
    }
  }
  void look() {
    while (waiting() != 0) {
      const Out sent = out();
      if (sent.flags & flag::kAck) given_ = std::max(given_, sent.ack);
      const std::int64_t end = sent.seq + static_cast<std::int64_t>(sent.bytes);
      if (random_.below(3) != 0) acked_ = std::max(acked_, end);
    }
  }

  std::int64_t given_ = 0, acked_ = 0;
  std::uint32_t stamp_ = 100, taken_ = 0;
};

TEST_P(Chaos, NothingBreaks) {
  random_ = time::Random(GetParam());
  for (unsigned round = 0; round < 40; ++round) {
    given_ = acked_ = 0;
    taken_ = 0;
    side_.options = SocketOptions{};
    side_.engine.memory.limit = UINT64_MAX;
    side_.refuse = 0;
    if (round % 4 == 0) {
      connecting();
    } else {
      Handshake agreed;
      agreed.sack = random_.below(2) == 0;
      agreed.timestamps = random_.below(2) == 0;
      agreed.window_scaling = random_.below(2) == 0;
      agreed.peer_scale = static_cast<std::uint8_t>(random_.below(15));
      agreed.local_scale = 7;
      agreed.ecn = random_.below(2) == 0;
      established(agreed);
    }
    for (unsigned step = 0; step < 1000; ++step) {
      const std::uint64_t what = random_.below(10);
      if (what < 5) {
        peer();
      } else if (what < 9) {
        program();
      } else {
        pass_ms(static_cast<std::int64_t>(random_.below(random_.below(20) == 0 ? 20000 : 60)));
      }
      look();
      check_alive();
      if (HasFatalFailure()) FAIL() << "round " << round << " step " << step;
      Info info;
      tcp().info(clock_.now(), info);
      (void)events();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Chaos, testing::Range(1u, 9u));

}  // namespace
}  // namespace linnet::tcp::tests
