// SPDX-License-Identifier: BSD-3-Clause
// What tests of connections need: two of them joined by a pipe that loses, doubles, delays and
// reorders as it is told, or one and a peer whose segments the test writes; all in virtual time.
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "support/lane_fixture.hpp"
#include "tcp/connection.hpp"
#include "tcp/sent_pool.hpp"

namespace linnet::tcp::tests {

using Bytes = linnet::tests::Bytes;
using time::Duration;

// A segment as it travels.
struct Wire {
  SegmentOut head;
  Bytes data;
  std::uint32_t length() const {
    return static_cast<std::uint32_t>(data.size()) + ((head.flags & flag::kSyn) != 0 ? 1 : 0) +
           ((head.flags & flag::kFin) != 0 ? 1 : 0);
  }
};

inline std::uint8_t pattern(std::uint64_t position) {
  return static_cast<std::uint8_t>((position * 2654435761u) >> 13);
}

// One side: engine, host and (after `open`) a connection.
class Side final : public Host {
 public:
  Side(time::Instant now, std::string name_in) : wheel(now), name(std::move(name_in)) {}

  bool emit(packet::Turn& turn, Connection& from, const SegmentOut& segment) override {
    if (refuse > 0) {
      --refuse;
      return false;
    }
    if (blind) {
      blind_end = segment.payload.empty() ? blind_end : segment.payload.end;
      return true;
    }
    Bytes data;
    from.payload(
        segment.payload, [&](packet::PacketRef packet, std::uint32_t offset, std::uint32_t count) {
          const std::size_t at = data.size();
          data.resize(at + count);
          EXPECT_TRUE(
              packet.copy_out(offset, std::as_writable_bytes(std::span(data)).subspan(at, count)));
        });
    EXPECT_EQ(data.size(), segment.payload.length());
    emitted += data.empty() ? 0 : 1;
    std::size_t at = 0;
    do {
      const std::size_t count = std::min<std::size_t>(data.size() - at, segment.mss);
      const bool last = at + count == data.size();
      Wire wire{segment, Bytes(data.begin() + static_cast<std::ptrdiff_t>(at),
                               data.begin() + static_cast<std::ptrdiff_t>(at + count))};
      wire.head.seq = segment.seq + static_cast<std::uint32_t>(at);
      if (!last) wire.head.flags &= static_cast<std::uint8_t>(~(flag::kFin | flag::kPsh));
      if (at != 0) wire.head.flags &= static_cast<std::uint8_t>(~flag::kCwr);
      if (on_sent)
        on_sent(turn, wire);
      else
        sent.push_back(std::move(wire));
      at += count;
    } while (at < data.size());
    return true;
  }
  void notify(packet::Turn&, Connection&) override { ++notified; }
  void confirm(packet::Turn&, Connection&) override { ++confirmed; }

  time::TimerWheel wheel;
  SentPool pool{4096};
  Settings settings;
  Counters counters;
  Engine engine{*this, wheel, pool, settings, counters, {}};
  SocketOptions options;
  std::unique_ptr<Connection> connection;
  std::function<void(packet::Turn&, Wire&)> on_sent;  // where set, `sent` stays empty
  std::deque<Wire> sent;
  std::string name;
  bool blind = false;  // segments are not looked at but for where the newest ends
  Seq blind_end;
  unsigned refuse = 0, notified = 0, confirmed = 0;
  unsigned emitted = 0;  // segments with data, before they are cut

  // What a program does: reads all at once, writes as much as may be.
  std::uint16_t events = 0;
  std::uint64_t read = 0, wrong = 0, written = 0, to_write = 0;
  std::uint32_t piece = 1448;
  bool reading = true, close_when_written = false, close_on_end = false, closed = false;
  bool half_close = false;

  std::uint64_t count(Count what) const { return counters.value(what); }
};

class ConnectionFixture : public linnet::tests::LaneFixture {
 protected:
  packet::Turn turn() { return LaneFixture::turn(); }

  // A packet of the program's with `count` bytes of the stream from `position`.
  packet::Packet program_data(packet::Turn& turn, std::uint64_t position, std::uint32_t count) {
    packet::Packet data = turn.generate(packet::Pool::Priority::Data);
    EXPECT_TRUE(data);
    std::byte* const room = data.put(count);
    EXPECT_NE(room, nullptr);
    for (std::uint32_t i = 0; i < count; ++i)
      room[i] = static_cast<std::byte>(pattern(position + i));
    return data;
  }

  // What arrived off the wire, as a segment with a packet of its own.
  Segment arrived(const Wire& wire) {
    Segment in;
    in.seq = wire.head.seq;
    in.ack = wire.head.ack;
    in.flags = wire.head.flags;
    in.ecn = wire.head.ecn;
    in.window = wire.head.window;
    in.urgent = wire.head.urgent;
    in.options = wire.head.options;
    in.payload = receive(wire.data);
    in.payload_length = static_cast<std::uint32_t>(wire.data.size());
    return in;
  }

  // Reads, checks against the pattern, writes, closes: as the side's program was told.
  void run_program(Side& side) {
    Connection& connection = *side.connection;
    packet::Turn now = turn();
    side.events = static_cast<std::uint16_t>(side.events | connection.take_events());
    if (side.closed) return;
    while (side.reading) {
      packet::Packet data = connection.take_received(now);
      if (!data) break;
      const Bytes bytes = bytes_of(data);
      for (const std::uint8_t byte : bytes)
        side.wrong += byte != pattern(side.read++) ? 1 : 0;
      now.deliver(std::move(data));
      connection.consumed(now, static_cast<std::uint32_t>(bytes.size()));
    }
    const State state = connection.state();
    if (state == State::Established || state == State::CloseWait) {
      while (side.written < side.to_write && connection.send_space() >= 1) {
        const auto count = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(side.piece, side.to_write - side.written));
        connection.append(now, program_data(now, side.written, count));
        side.written += count;
      }
      const bool done = side.written == side.to_write;
      if (done && side.half_close) connection.shutdown_send(now);
      if ((done && side.close_when_written) ||
          (done && side.close_on_end && (side.events & event::kPeerClosed) != 0)) {
        side.closed = true;
        connection.close(now);
      }
    }
  }

  void end(Side& side) {
    if (side.connection == nullptr) return;
    packet::Turn now = turn();
    side.connection->abandon(now);
    side.connection.reset();
    EXPECT_EQ(side.engine.memory.held(), 0u);
    EXPECT_EQ(side.engine.memory.orphans, 0u);
    EXPECT_EQ(side.wheel.armed(), 0u);
    EXPECT_EQ(side.pool.available(), side.pool.capacity());
    EXPECT_EQ(side.count(Count::CurrEstab), 0u);
  }
};

// Two connections and the pipe between them.
class PairFixture : public ConnectionFixture {
 protected:
  struct Direction {
    Duration delay = Duration::milliseconds(10);
    unsigned loss = 0, duplicate = 0, reorder = 0;  // of 1000
    std::function<bool(const Wire&)> drop;          // true: it is lost
    std::uint64_t carried = 0, lost = 0;
    bool mark_congestion = false;
  };

  ~PairFixture() override {
    end(a_);
    end(b_);
  }

  // Both open, `b` passively, by a handshake without loss: sequence numbers as given.
  void establish(std::uint32_t a_initial = 0xfffffff0u, std::uint32_t b_initial = 0xffffff00u) {
    a_.connection = std::make_unique<Connection>(a_.engine, a_.options);
    b_.connection = std::make_unique<Connection>(b_.engine, b_.options);
    packet::Turn now = turn();
    a_.connection->connect(now, Seq(a_initial), 0xfffff000u, mtu_);
    ASSERT_EQ(a_.sent.size(), 1u);
    const SegmentOut syn = a_.sent.front().head;
    a_.sent.clear();
    Handshake agreed;
    agreed.local_initial = Seq(b_initial);
    agreed.peer_initial = Seq(a_initial);
    agreed.peer_mss = syn.options.mss.value_or(536);
    agreed.window_scaling = syn.options.window_scale.has_value();
    agreed.peer_scale = syn.options.window_scale.value_or(0);
    agreed.local_scale = first_offer(b_.settings, b_.options, mtu_ - 40).scale;
    agreed.sack = syn.options.sack_permitted;
    agreed.timestamps = syn.options.has_timestamps;
    agreed.peer_ts_value = syn.options.ts_value;
    agreed.ts_offset = 77;
    agreed.ecn = (syn.flags & flag::kEce) != 0;
    agreed.syn_ack_sent = now.now;
    Segment answer;
    answer.seq = Seq(b_initial);
    answer.ack = Seq(a_initial) + 1;
    answer.flags = flag::kSyn | flag::kAck;
    if (agreed.ecn) answer.flags |= flag::kEce;
    answer.window = first_offer(b_.settings, b_.options, mtu_ - 40).window;
    answer.options.mss = static_cast<std::uint16_t>(mtu_ - 40);
    if (agreed.window_scaling) answer.options.window_scale = agreed.local_scale;
    answer.options.sack_permitted = agreed.sack;
    if (agreed.timestamps) {
      answer.options.has_timestamps = true;
      answer.options.ts_value = timestamp_at(now.now, 77);
      answer.options.ts_echo = syn.options.ts_value;
    }
    join();
    advance(both_delay());
    packet::Turn later = turn();
    agreed.peer_window = 0xffff;
    a_.connection->input(later, std::move(answer));
    agreed.peer_window = static_cast<std::uint16_t>(65535 >> agreed.peer_scale);
    b_.connection->accept(later, agreed, mtu_);
    run_program(a_);
    run_program(b_);
  }
  Duration both_delay() const { return ab_.delay + ba_.delay; }

  // From now on what one sends travels to the other.
  void join() {
    a_.on_sent = [this](packet::Turn&, Wire& wire) { carry(wire, ab_, b_); };
    b_.on_sent = [this](packet::Turn&, Wire& wire) { carry(wire, ba_, a_); };
  }

  void carry(Wire& wire, Direction& way, Side& to) {
    ++way.carried;
    const bool hit = way.drop && way.drop(wire);
    if (hit || chance(way.loss)) {
      ++way.lost;
      return;
    }
    if (way.mark_congestion && wire.head.ecn != Ecn::NotCapable) wire.head.ecn = Ecn::Congested;
    Duration delay = way.delay;
    if (chance(way.reorder)) delay = delay + Duration::milliseconds(1 + random_.below(20));
    const unsigned copies = chance(way.duplicate) ? 2 : 1;
    for (unsigned i = 0; i < copies; ++i)
      flying_.emplace(clock_.now() + delay, Flight{wire, &to});
  }
  bool chance(unsigned per_mille) { return per_mille != 0 && random_.below(1000) < per_mille; }

  // Runs both programs and the pipe until `limit` or until nothing more can happen.
  void run(Duration limit, const std::function<bool()>& done = {}) {
    const time::Instant stop = clock_.now() + limit;
    step();
    for (unsigned long steps = 0; steps < 20'000'000; ++steps) {
      if (done && done()) return;
      time::Instant next = std::min(a_.wheel.next_deadline(), b_.wheel.next_deadline());
      if (!flying_.empty()) next = std::min(next, flying_.begin()->first);
      if (next > stop) break;
      clock_.set(next);
      step();
    }
    clock_.set(stop);
    step();
  }
  void step() {
    while (!flying_.empty() && flying_.begin()->first <= clock_.now()) {
      Flight flight = std::move(flying_.begin()->second);
      flying_.erase(flying_.begin());
      packet::Turn now = turn();
      flight.to->connection->input(now, arrived(flight.wire));
      run_program(*flight.to);
    }
    packet::Turn now = turn();
    a_.wheel.advance(now.now, 64, &now);
    b_.wheel.advance(now.now, 64, &now);
    run_program(a_);
    run_program(b_);
  }
  bool both_ended() const {
    const auto ended = [](const Side& side) {
      return side.connection->state() == State::Closed ||
             side.connection->state() == State::TimeWait;
    };
    return ended(a_) && ended(b_);
  }

  struct Flight {
    Wire wire;
    Side* to;
  };
  std::uint32_t mtu_ = 1500;
  Direction ab_, ba_;
  std::multimap<time::Instant, Flight> flying_;
  Side a_{clock_.now(), "a"}, b_{clock_.now(), "b"};
};

}  // namespace linnet::tcp::tests
