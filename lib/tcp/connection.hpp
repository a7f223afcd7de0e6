// SPDX-License-Identifier: BSD-3-Clause
// One TCP connection: segment or call and now in, segments and events out (RFC 9293). It knows no
// IP, no clock, no pool: its host sends what it emits and hands it what arrived.
//
//   program --append--> send queue --output--> Host::emit --> packets
//   packets --input--> reassembly --> receive queue --Host::notify, take_received--> program
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "packet/turn.hpp"
#include "tcp/recovery.hpp"
#include "tcp/segment.hpp"
#include "tcp/settings.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::tcp {

// RFC 9293 section 3.3.2; numbers as Linux's TCP_INFO has them.
enum class State : std::uint8_t {
  Established = 1, SynSent, SynReceived, FinWait1, FinWait2, TimeWait, Closed, CloseWait, LastAck,
  Listen, Closing
};

// What happened since the host last looked (Connection::take_events).
namespace event {
inline constexpr std::uint16_t kConnected = 1;     // ESTABLISHED was reached
inline constexpr std::uint16_t kReadable = 2;      // in-order data waits
inline constexpr std::uint16_t kPeerClosed = 4;    // FIN was reached in sequence
inline constexpr std::uint16_t kWritable = 8;      // send buffer space came free
inline constexpr std::uint16_t kError = 16;        // Connection::error() says which; state Closed
inline constexpr std::uint16_t kUrgent = 32;       // the urgent pointer moved on
inline constexpr std::uint16_t kTimeWait = 64;     // Connection::time_wait() may be taken over by
                                                   // the compact table, then release this one
inline constexpr std::uint16_t kClosed = 128;      // nothing will happen any more: release it
}  // namespace event

class Connection;

// What a lane gives to the connections on it.
class Host {
 public:
  virtual ~Host() = default;
  // Sends a segment. False: it could not be sent now (no buffer, a full ring); nothing was counted
  // as sent and the connection tries again at `Host`'s next `output` or its timer.
  virtual bool emit(packet::Turn& turn, Connection& connection, const SegmentOut& segment) = 0;
  // The connection has events; called once until they are taken. Never re-enters the connection.
  virtual void notify(packet::Turn& turn, Connection& connection) = 0;
  // The neighbour is alive (Linux: dst_confirm): an ACK moved forward.
  virtual void confirm(packet::Turn& turn, Connection& connection) = 0;
};

// What all connections of a lane share.
struct Engine {
  Host& host;
  time::TimerWheel& wheel;
  SentPool& sent_pool;
  const Settings& settings;   // net.ipv4.tcp_*, written by the control core
  Counters& counters;         // Linux's Tcp* and TcpExt*
};

// Options of one socket, as setsockopt set them; zero is "not set" where Linux has a default.
struct SocketOptions;

// What the two ends agreed on in the handshake, kept by a half-open entry or a SYN cookie.
struct Handshake {
  Seq local_initial, peer_initial;
  std::uint16_t peer_mss = 536;          // what we may send, IP and TCP options not counted off
  std::uint16_t peer_window = 0;         // of the segment that completes it, not scaled
  bool window_scaling = false;
  std::uint8_t peer_scale = 0, local_scale = 0;
  bool sack = false, timestamps = false, ecn = false;
  std::uint32_t peer_ts_value = 0;       // newest TSval of the peer
  std::uint32_t ts_offset = 0;           // our timestamps are milliseconds plus this (keyed)
  time::Instant syn_ack_sent{};          // Instant(): unknown, no RTT sample
};

class Connection {
 public:
  Connection(Engine& engine, const SocketOptions& options);
  ~Connection();  // timers are off, queues empty: `abandon` first if it is not Closed

  // --- Opening. `mtu`: of the route, bytes of IP datagram. Emits the SYN.
  void connect(packet::Turn& turn, Seq initial, std::uint32_t ts_offset, std::uint32_t mtu);
  // Passive: the three-way handshake is complete; ESTABLISHED. The segment that completed it is
  // given to `input` next.
  void accept(packet::Turn& turn, const Handshake& handshake, std::uint32_t mtu);

  // --- Segments that belong to this connection. Ends the payload packet in every case.
  void input(packet::Turn& turn, Segment&& segment);
  // Sends what may be sent now: after calls, and when `emit` had said false.
  void output(packet::Turn& turn);
  // ICMP about a segment of ours whose quoted sequence number is `seq` (RFC 5927, 1191, 5461).
  void path_mtu(packet::Turn& turn, Seq seq, std::uint32_t mtu);
  void soft_error(packet::Turn& turn, Seq seq, int error);

  // --- Calls of the program. Bytes in `data` become the connection's; they are freed when
  // acknowledged. The caller keeps within `send_space`; the last part is pushed (PSH).
  void append(packet::Turn& turn, packet::Packet&& data, bool urgent = false, bool more = false);
  std::uint32_t send_space() const;
  // In-order data, in the order of the stream; empty handle if there is none. The caller owns it.
  packet::Packet take_received();
  // The program has used up `bytes` of what was taken: the window opens (RFC 9293 3.8.6.2.2).
  void consumed(packet::Turn& turn, std::uint32_t bytes);
  void shutdown_send(packet::Turn& turn);
  // close(2): FIN after what is queued, RST if received data was not read (RFC 2525 2.17); the
  // connection is an orphan now. `linger_zero`: RST at once (RFC 9293 3.9.1 ABORT).
  void close(packet::Turn& turn, bool linger_zero = false);
  void abort(packet::Turn& turn);
  // Ends without a word, for shutdown of the stack: frees all it holds.
  void abandon(packet::Turn& turn);
  void set_options(packet::Turn& turn, const SocketOptions& options);

  // --- Looking.
  State state() const;
  int error() const;                     // errno, host's; 0: none
  std::uint16_t take_events();
  // The bytes of a range that is in the send queue: calls `piece(packet, offset, count)` in order.
  template <typename Piece>
  void payload(SeqRange range, Piece&& piece) const;
  // TCP_INFO as Linux lays it out (linux/tcp.h struct tcp_info).
  void info(time::Instant now, struct Info& out) const;

  // --- For the host.
  void* user = nullptr;   // the socket
};

}  // namespace linnet::tcp
