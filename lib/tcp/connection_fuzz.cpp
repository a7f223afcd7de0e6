// SPDX-License-Identifier: BSD-3-Clause
// One connection in any of its states: segments whose numbers follow what it sent and acknowledged,
// options as bytes (SACK blocks among them placed in what is in flight), calls, time. Each byte of
// either stream says where it stands, so what comes out wrong is seen.
// Opened by a Fast Open SYN, ours or the peer's, too.
//   Input: a byte for how it opens, for Fast Open what the SYN has, then records of 8 bytes and
//   what those ask for.
#include <array>
#include <cstring>
#include <memory>

#include "support/fuzz_eal.hpp"
#include "support/fuzz_input.hpp"
#include "tcp/congestion.hpp"
#include "tcp/connection.hpp"
#include "tcp/sent_pool.hpp"

namespace {

using namespace linnet;
using tcp::Seq;
using tcp::State;
using tests::FuzzInput;

constexpr std::uint32_t kLocal = 0xffffe000u, kPeer = 0xfffff800u;  // first data byte: before wraps

std::uint8_t byte_at(std::uint32_t position) {
  return static_cast<std::uint8_t>(position * 2654435761u >> 24);
}

// What a connection sends is looked at and forgotten, but for the numbers.
class Wire final : public tcp::Host {
 public:
  bool emit(packet::Turn&, tcp::Connection& from, const tcp::SegmentOut& segment) override {
    if (refuse > 0) {
      --refuse;
      return false;
    }
    std::uint32_t position = segment.payload.begin.value() - kLocal;
    std::uint32_t bytes = 0;
    from.payload(
        segment.payload, [&](packet::PacketRef packet, std::uint32_t offset, std::uint32_t count) {
          std::array<std::byte, 2048> piece;
          LINNET_CHECK(packet.copy_out(offset, std::span(piece).first(count)));
          for (std::uint32_t i = 0; i < count; ++i)
            LINNET_CHECK_OP(std::to_integer<unsigned>(piece[i]), ==, unsigned{byte_at(position++)});
          bytes += count;
        });
    LINNET_CHECK_OP(bytes, ==, segment.payload.length());
    LINNET_CHECK(!segment.retransmission || bytes != 0 ||
                 (segment.flags & (tcp::flag::kSyn | tcp::flag::kFin)) != 0);
    const bool takes = bytes != 0 || (segment.flags & (tcp::flag::kSyn | tcp::flag::kFin)) != 0;
    const Seq end = segment.seq + bytes + ((segment.flags & tcp::flag::kFin) != 0 ? 1 : 0) +
                    ((segment.flags & tcp::flag::kSyn) != 0 ? 1 : 0);
    if ((segment.flags & tcp::flag::kRst) == 0) {
      if (takes && end.after(sent)) sent = end;
      if ((segment.flags & tcp::flag::kAck) != 0) {
        LINNET_CHECK(segment.ack.at_or_after(acknowledged));
        acknowledged = segment.ack;
      }
      if (segment.options.has_timestamps) stamp = segment.options.ts_value;
    }
    return true;
  }
  void notify(packet::Turn&, tcp::Connection&) override {}
  void confirm(packet::Turn&, tcp::Connection&) override {}
  void fast_open(packet::Turn&, tcp::Connection&, const tcp::FastOpenNews& news) override {
    if (news.kind != tcp::FastOpenNews::Kind::Answer) return;
    LINNET_CHECK_OP(++answers, ==, 1u);
    LINNET_CHECK(!news.cookie || asked);
  }

  Seq sent{kLocal}, acknowledged{kPeer - 1};
  std::uint32_t stamp = 0;
  unsigned refuse = 0;
  unsigned answers = 0;  // that told of Fast Open
  bool asked = false;    // our SYN had its option
};

class Session {
 public:
  explicit Session(FuzzInput& input) : input_(input) {
    const std::uint8_t how = input_.byte();
    settings_.tcp_timestamps = how & 1;
    settings_.tcp_sack = how >> 1 & 1;
    settings_.tcp_recovery = how >> 2 & 1;
    static constexpr const char* kControls[] = {"cubic", "reno", "bbr", "dctcp"};
    options_.congestion_control = tcp::find_congestion_control(kControls[how >> 3 & 3]);
    connection_ = std::make_unique<tcp::Connection>(engine_, options_);
    packet::Turn turn = lane_.turn();
    if ((how & 32) != 0) {
      open_by_syn(turn, how >> 6);
    } else {
      tcp::Handshake agreed;
      agreed.local_initial = Seq(kLocal) - 1;
      agreed.peer_initial = Seq(kPeer) - 1;
      agreed.peer_mss = 1460;
      agreed.peer_window = 65535;
      agreed.window_scaling = (how & 64) != 0;
      agreed.peer_scale = agreed.local_scale = (how & 64) != 0 ? 7 : 0;
      agreed.sack = (how & 2) != 0;
      agreed.timestamps = (how & 1) != 0;
      agreed.ecn = (how & 128) != 0;
      agreed.syn_ack_sent = turn.now;
      connection_->accept(turn, agreed, 1500);
      wire_.acknowledged = Seq(kPeer);
    }
  }

  void run() {
    while (input_.left() > 0) {
      const std::uint8_t what = input_.byte();
      if (what < 160)
        segment(what);
      else
        call(what);
      check();
    }
  }

  // Whatever happened, the connection ends by itself once its program and its peer are gone.
  void finish() {
    packet::Turn turn = lane_.turn();
    wire_.refuse = 0;
    engine_.memory.limit = UINT64_MAX;
    drain();
    connection_->close(turn);
    for (unsigned i = 0; i < 4000 && connection_->state() != State::Closed; ++i) {
      LINNET_CHECK(wheel_.next_deadline() != time::Instant::never());
      pass(std::max(wheel_.next_deadline() - lane_.now(), time::Duration::milliseconds(1)));
    }
    LINNET_CHECK_OP(static_cast<int>(connection_->state()), ==, static_cast<int>(State::Closed));
    LINNET_CHECK_OP(wheel_.armed(), ==, 0u);
    packet::Turn last = lane_.turn();
    connection_->abandon(last);
    connection_.reset();
    LINNET_CHECK_OP(engine_.memory.held(), ==, 0u);
    LINNET_CHECK_OP(engine_.memory.orphans, ==, 0u);
    LINNET_CHECK_OP(pool_.available(), ==, pool_.capacity());
    lane_.check_balance();
  }

 private:
  // `way` 0: a regular SYN, 1: one that asks for a cookie, 2: ours with data, 3: the peer's with
  // data.
  void open_by_syn(packet::Turn& turn, int way) {
    const Seq initial = Seq(kLocal) - 1;
    if (way == 0) return connection_->connect(turn, initial, 0, 1500);
    tcp::FastOpenAttempt attempt;
    const std::uint8_t how = way == 1 ? std::uint8_t{1} : input_.byte();
    if ((how & 1) != 0) attempt.option = tcp::FastOpenCookie{};
    wire_.asked = way != 3 && attempt.option.has_value();
    if (way == 1) {
      connection_->connect(turn, initial, 0, 1500, attempt, {});
      return;
    }
    if ((how & 1) != 0) attempt.option->length = (how & 2) != 0 ? 8 : 0;
    attempt.carries_data = (how & 4) == 0;
    attempt.peer_mss = (how & 8) != 0 ? input_.word() : std::uint16_t{0};
    const std::uint32_t count = input_.word() % 1461u;
    if (way == 3) return open_by_peer(turn, attempt, how, count);
    packet::Packet data = (how & 16) == 0 ? packet_of(turn, count + 1) : packet::Packet();
    written_ = connection_->connect(turn, initial, 0, 1500, attempt, std::move(data));
    LINNET_CHECK_OP(written_, <=, count + 1);
  }

  void open_by_peer(packet::Turn& turn, const tcp::FastOpenAttempt& answer, std::uint8_t how,
                    std::uint32_t count) {
    tcp::Segment syn;
    syn.flags = tcp::flag::kSyn | ((how & 32) != 0 ? tcp::flag::kEce | tcp::flag::kCwr : 0);
    syn.seq = Seq(kPeer) - 1;
    syn.window = (how & 64) != 0 ? input_.word() : 65535;
    options_of(static_cast<std::uint8_t>((how & 128) != 0 ? 16 : 0), syn);
    give_payload(syn, count);
    connection_->open_passive(turn, std::move(syn), Seq(kLocal) - 1, 0, 1500,
                              answer.option ? &*answer.option : nullptr);
  }

  // A number near one that matters.
  Seq near(Seq base, unsigned choice, std::uint16_t by) const {
    switch (choice & 7) {
      case 0:
      case 1:
      case 2:
        return base;
      case 3:
        return base + by % 3000u;
      case 4:
        return base - by % 3000u;
      case 5:
        return base + by;
      case 6:
        return base - by;
      default:
        return base + (std::uint32_t{by} << 16);
    }
  }

  void segment(std::uint8_t what) {
    static constexpr std::uint8_t kFlags[] = {16, 16, 16, 24, 24, 17, 18, 2, 4, 20, 48, 0};
    const std::uint8_t chosen = input_.byte(), numbers = input_.byte();
    const std::uint16_t by_seq = input_.word(), by_ack = input_.word();
    tcp::Segment in;
    in.flags = chosen < 192 ? kFlags[chosen % std::size(kFlags)] : input_.byte();
    in.seq = near(wire_.acknowledged, numbers, by_seq);
    // Where the peer's stream begins is for the checks to know.
    const bool opening =
        connection_->state() == State::SynSent || connection_->state() == State::SynReceived;
    if (opening && in.has(tcp::flag::kSyn)) in.seq = Seq(kPeer) - 1;
    // Of what was sent, a part that the record names; or beyond.
    const Seq una = una_;
    Seq ack = (numbers >> 3 & 7) < 4 ? wire_.sent : near(una, numbers >> 3, by_ack);
    in.ack = ack;
    if (ack.after(una_) && ack.at_or_before(wire_.sent)) una_ = ack;
    in.window = (what & 1) != 0 ? 65535 : input_.word();
    in.urgent = (what & 2) != 0 ? input_.word() : std::uint16_t{0};
    in.ecn = tcp::Ecn{static_cast<std::uint8_t>(numbers >> 6)};
    options_of(what, in);
    give_payload(in, (what & 4) != 0 ? input_.word() % 1461u : 0);
    packet::Turn turn = lane_.turn();
    connection_->input(turn, std::move(in), (what & 8) != 0);
    if ((what & 8) != 0) connection_->output(turn);
  }

  // Of the peer's stream, as the number says.
  void give_payload(tcp::Segment& in, std::uint32_t count) {
    std::array<std::uint8_t, 1460> bytes;
    const std::uint32_t first =
        in.seq.value() - kPeer + ((in.flags & tcp::flag::kSyn) != 0 ? 1 : 0);
    for (std::uint32_t i = 0; i < count; ++i)
      bytes[i] = byte_at(first + i);
    in.payload = lane_.receive({bytes.data(), count});
    in.payload_length = count;
  }

  void options_of(std::uint8_t what, tcp::Segment& in) {
    if ((what & 16) != 0) {  // as they come
      const auto bytes = input_.bytes(input_.byte() % 41);
      const bool syn = (in.flags & tcp::flag::kSyn) != 0;
      in.options = wire::parse_tcp_options(std::as_bytes(std::span(bytes)), syn).options;
    }
    if ((what & 32) != 0) {
      in.options.sack_count = static_cast<std::uint8_t>(1 + input_.byte() % 4);
      for (unsigned i = 0; i < in.options.sack_count; ++i) {
        in.options.sack[i].begin = una_ + input_.word();
        in.options.sack[i].end = in.options.sack[i].begin + input_.word() % 4000u;
      }
    }
    if (settings_.tcp_timestamps != 0 && (what & 64) == 0) {
      in.options.has_timestamps = true;
      in.options.ts_value = peer_stamp_ += input_.byte() % 4;
      in.options.ts_echo = wire_.stamp;
    }
  }

  void call(std::uint8_t what) {
    packet::Turn turn = lane_.turn();
    switch (what % 12) {
      case 0:
      case 1:
        append(turn);
        break;
      case 2:
      case 3:
        drain();
        break;
      case 4:
        take();
        break;
      case 5:
        connection_->shutdown_send(turn);
        break;
      case 6: {
        const std::uint8_t which = input_.byte();
        options_.no_delay = which & 1;
        options_.cork = which >> 1 & 1;
        options_.keep_alive = which >> 2 & 1;
        options_.keep_idle = which >> 4;
        options_.user_timeout_ms = (which & 8) != 0 ? 3000 : 0;
        options_.receive_buffer = (which & 128) != 0 ? 20'000 : 0;
        options_.max_pacing_rate = (which & 3) == 3 ? 1e5f : 0;
        connection_->set_options(turn, options_);
        break;
      }
      case 7:
        (void)connection_->path_mtu(turn, near(una_, what >> 4, 100), input_.word() % 1600);
        break;
      case 8:
        connection_->soft_error(turn, una_, 113);
        break;
      case 9:
        wire_.refuse = input_.byte() % 4;
        engine_.memory.limit = (what & 16) != 0 ? input_.word() * 8u : UINT64_MAX;
        break;
      default:
        pass(time::Duration::milliseconds(what % 2 == 0 ? input_.byte() : input_.word() * 4));
        break;
    }
  }

  void append(packet::Turn& turn) {
    const State state = connection_->state();
    if (state == State::Closed || connection_->send_space() < 4096) return;
    const std::uint8_t how = input_.byte();
    const std::uint32_t count = 1 + how * 5u;
    packet::Packet data = packet_of(turn, count);
    if (!data) return;
    written_ += count;
    connection_->append(turn, std::move(data), how % 16 == 0, how % 4 == 0);
  }

  // The next bytes of our stream.
  packet::Packet packet_of(packet::Turn& turn, std::uint32_t count) {
    packet::Packet data = turn.generate(packet::Pool::Priority::Data);
    if (!data) return data;
    std::byte* const room = data.put(count);
    for (std::uint32_t i = 0; i < count; ++i)
      room[i] = std::byte{byte_at(written_ + i)};
    return data;
  }

  // Takes what is in order and looks at it.
  std::uint32_t take() {
    packet::Turn turn = lane_.turn();
    packet::Packet data = connection_->take_received(turn);
    if (!data) return 0;
    const std::uint32_t count = data.length();
    std::array<std::byte, 65536> bytes;
    LINNET_CHECK(data.copy_out(0, std::span(bytes).first(count)));
    for (std::uint32_t i = 0; i < count; ++i)
      LINNET_CHECK_OP(std::to_integer<unsigned>(bytes[i]), ==, unsigned{byte_at(read_++)});
    turn.deliver(std::move(data));
    unused_ += count;
    return count;
  }
  void drain() {
    while (take() != 0) {
    }
    packet::Turn turn = lane_.turn();
    connection_->consumed(turn, std::exchange(unused_, 0u));
    LINNET_CHECK_OP(connection_->unread_bytes(), ==, 0u);
  }

  void pass(time::Duration span) {
    lane_.advance(span);
    packet::Turn turn = lane_.turn();
    while (wheel_.advance(turn.now, 64, &turn) != 0) {
    }
  }

  void check() {
    const State state = connection_->state();
    const bool waits = connection_->unacknowledged_bytes() != 0 || state == State::SynSent ||
                       state == State::TimeWait;
    if (state == State::Closed) LINNET_CHECK_OP(wheel_.armed(), ==, 0u);
    if (state != State::Closed && waits) LINNET_CHECK_OP(wheel_.armed(), ==, 1u);
    LINNET_CHECK(lane_.ledger().balanced());
    (void)connection_->take_events();
    tcp::Info info;
    connection_->info(lane_.now(), info);
  }

  tests::FuzzLane& lane_ = tests::FuzzLane::instance();
  FuzzInput& input_;
  Wire wire_;
  time::TimerWheel wheel_{lane_.now()};
  tcp::SentPool pool_{1024};
  tcp::Settings settings_;
  tcp::Counters counters_;
  tcp::Engine engine_{wire_, wheel_, pool_, settings_, counters_, {}};
  tcp::SocketOptions options_;
  std::unique_ptr<tcp::Connection> connection_;
  Seq una_{kLocal};
  std::uint32_t peer_stamp_ = 100, written_ = 0, read_ = 0, unused_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  tests::FuzzLane::instance().restart();
  FuzzInput input(data, size);
  Session session(input);
  session.run();
  session.finish();
  return 0;
}
