// SPDX-License-Identifier: BSD-3-Clause
// One connection and a peer whose segments the test writes. Positions count from the first data
// byte of each direction; both directions begin just before the wrap of sequence numbers.
#pragma once

#include <ostream>

#include "tcp/connection_fixture.hpp"

namespace linnet::tcp::tests {

// A segment of the peer's: positions, not numbers.
struct In {
  std::uint8_t flags = flag::kAck;
  std::int64_t seq = 0, ack = 0;
  std::uint32_t bytes = 0;
  std::uint16_t window = 65535;
  std::uint16_t urgent = 0;
  Ecn ecn = Ecn::NotCapable;
  SegmentOptions options{};
};

// What is said of a segment that was sent.
struct Out {
  std::uint8_t flags;
  std::int64_t seq, ack;
  std::size_t bytes;
  friend bool operator==(const Out&, const Out&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Out& segment) {
    static constexpr const char* kNames = "FSRPAUEC";
    for (unsigned bit = 0; bit < 8; ++bit)
      if ((segment.flags >> bit & 1) != 0) out << kNames[bit];
    return out << " seq " << segment.seq << " ack " << segment.ack << " bytes " << segment.bytes;
  }
};

inline constexpr std::uint8_t kA = flag::kAck, kPA = flag::kPsh | flag::kAck,
                              kFA = flag::kFin | flag::kAck, kRA = flag::kRst | flag::kAck,
                              kSA = flag::kSyn | flag::kAck, kFPA = kFA | flag::kPsh,
                              kS = flag::kSyn, kR = flag::kRst;

class ScriptFixture : public ConnectionFixture {
 protected:
  static constexpr std::uint32_t kLocal = 0xffffff80u, kPeer = 0xffffffc0u;
  ~ScriptFixture() override { end(side_); }

  Connection& tcp() { return *side_.connection; }

  // Passive, without options but those asked for.
  void established(Handshake agreed = {}, std::uint32_t mtu = 1500) {
    fresh();
    agreed.local_initial = Seq(kLocal) - 1;
    agreed.peer_initial = Seq(kPeer) - 1;
    if (agreed.peer_mss == 536) agreed.peer_mss = 1460;
    if (agreed.peer_window == 0) agreed.peer_window = 65535;
    packet::Turn now = turn();
    agreed.syn_ack_sent = now.now;
    advance(Duration::milliseconds(10));
    packet::Turn later = turn();
    tcp().accept(later, agreed, mtu);
    (void)tcp().take_events();
  }
  void fresh() {
    end(side_);
    side_.connection = std::make_unique<Connection>(side_.engine, side_.options);
    side_.sent.clear();
  }
  void connecting(std::uint32_t mtu = 1500) {
    fresh();
    packet::Turn now = turn();
    tcp().connect(now, Seq(kLocal) - 1, 0, mtu);
  }
  // Brings the connection to a state; what was sent on the way is forgotten.
  void reach(State state) {
    if (state == State::SynSent || state == State::SynReceived) {
      connecting();
      if (state == State::SynReceived) in({.flags = kS, .seq = -1});
    } else {
      established();
      packet::Turn now = turn();
      switch (state) {
        case State::CloseWait:
          in({.flags = kFA});
          break;
        case State::LastAck:
          in({.flags = kFA});
          tcp().shutdown_send(now);
          break;
        case State::FinWait1:
          tcp().shutdown_send(now);
          break;
        case State::FinWait2:
          tcp().shutdown_send(now);
          in({.ack = 1});
          break;
        case State::Closing:
          tcp().shutdown_send(now);
          in({.flags = kFA});
          break;
        case State::TimeWait:
          tcp().shutdown_send(now);
          in({.flags = kFA, .ack = 1});
          break;
        default:
          break;
      }
    }
    ASSERT_EQ(tcp().state(), state);
    side_.sent.clear();
    (void)tcp().take_events();
  }

  void in(const In& segment, bool more = false) {
    Wire wire;
    wire.head.flags = segment.flags;
    wire.head.seq = Seq(kPeer) + static_cast<std::uint32_t>(segment.seq);
    wire.head.ack = Seq(kLocal) + static_cast<std::uint32_t>(segment.ack);
    wire.head.window = segment.window;
    wire.head.urgent = segment.urgent;
    wire.head.ecn = segment.ecn;
    wire.head.options = segment.options;
    const std::int64_t first = (segment.flags & flag::kSyn) != 0 ? segment.seq + 1 : segment.seq;
    for (std::uint32_t i = 0; i < segment.bytes; ++i)
      wire.data.push_back(pattern(static_cast<std::uint64_t>(first + i)));
    packet::Turn now = turn();
    tcp().input(now, arrived(wire), more);
  }

  std::size_t waiting() const { return side_.sent.size(); }
  // The oldest segment that was sent and not looked at.
  Wire next() {
    EXPECT_FALSE(side_.sent.empty()) << "nothing was sent";
    if (side_.sent.empty()) return Wire{};
    Wire wire = std::move(side_.sent.front());
    side_.sent.pop_front();
    last_ = wire;
    return wire;
  }
  Out out() {
    const Wire wire = next();
    return {wire.head.flags, static_cast<std::int32_t>(wire.head.seq.value() - kLocal),
            (wire.head.flags & flag::kAck) != 0
                ? static_cast<std::int32_t>(wire.head.ack.value() - kPeer)
                : 0,
            wire.data.size()};
  }
  void expect_nothing() {
    EXPECT_EQ(waiting(), 0u);
    while (waiting() != 0)
      ADD_FAILURE() << out();
  }

  void write(std::uint32_t count, bool urgent = false, bool more = false) {
    packet::Turn now = turn();
    while (count != 0) {
      const std::uint32_t piece = std::min(count, 1448u);
      count -= piece;
      tcp().append(now, program_data(now, side_.written, piece), urgent && count == 0,
                   more || count != 0);
      side_.written += piece;
    }
  }
  // Takes and checks all that is in order; returns how many bytes that was.
  std::uint64_t read() {
    const std::uint64_t before = side_.read;
    packet::Turn now = turn();
    for (;;) {
      packet::Packet data = tcp().take_received(now);
      if (!data) break;
      for (const std::uint8_t byte : bytes_of(data))
        side_.wrong += byte != pattern(side_.read++) ? 1 : 0;
      const std::uint32_t count = data.length();
      now.deliver(std::move(data));
      tcp().consumed(now, count);
    }
    EXPECT_EQ(side_.wrong, 0u);
    return side_.read - before;
  }
  // Time passes, timers fire when they are due.
  void pass(Duration span) {
    const time::Instant stop = clock_.now() + span;
    for (;;) {
      const time::Instant at = side_.wheel.next_deadline();
      if (at > stop) break;
      clock_.set(at);
      packet::Turn now = turn();
      side_.wheel.advance(now.now, 64, &now);
    }
    clock_.set(stop);
    packet::Turn now = turn();
    side_.wheel.advance(now.now, 64, &now);
  }
  void pass_ms(std::int64_t ms) { pass(Duration::milliseconds(ms)); }
  std::uint16_t events() { return tcp().take_events(); }
  std::uint64_t count(Count what) const { return side_.count(what); }

  Side side_{clock_.now(), "linnet"};
  Wire last_;
};

}  // namespace linnet::tcp::tests
