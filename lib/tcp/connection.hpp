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
#include "tcp/engine.hpp"
#include "tcp/info.hpp"
#include "tcp/negotiated.hpp"
#include "tcp/options.hpp"
#include "tcp/recovery.hpp"
#include "tcp/segment.hpp"

namespace linnet::tcp {

// RFC 9293 section 3.3.2; numbers as Linux's TCP_INFO has them.
enum class State : std::uint8_t {
  Established = 1,
  SynSent,
  SynReceived,
  FinWait1,
  FinWait2,
  TimeWait,
  Closed,
  CloseWait,
  LastAck,
  Listen,
  Closing
};

// What happened since the host last looked (Connection::take_events).
namespace event {
inline constexpr std::uint16_t kConnected = 1;   // ESTABLISHED was reached
inline constexpr std::uint16_t kReadable = 2;    // in-order data waits
inline constexpr std::uint16_t kPeerClosed = 4;  // FIN was reached in sequence
inline constexpr std::uint16_t kWritable = 8;    // send buffer space came free
inline constexpr std::uint16_t kError = 16;      // Connection::error() says which; state Closed
inline constexpr std::uint16_t kUrgent = 32;     // the urgent pointer moved on
inline constexpr std::uint16_t kTimeWait = 64;   // Connection::time_wait() may be taken over by
                                                 // the compact table, then release this one
inline constexpr std::uint16_t kClosed = 128;    // nothing will happen any more: release it
}  // namespace event

class Connection {
 public:
  Connection(Engine& engine, const SocketOptions& options);
  ~Connection();  // must be Closed and empty: `abandon` first if it is not
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

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
  // `mtu` as the message has it, 0 where it names none. True: the path's MTU is lower now.
  bool path_mtu(packet::Turn& turn, Seq seq, std::uint32_t mtu);
  // A destination-unreachable or the like; `error` an errno. Source quench is not to be given.
  void soft_error(packet::Turn& turn, Seq seq, int error);

  // --- Calls of the program. Bytes in `data` become the connection's; they are freed when
  // acknowledged. The packet was counted as generated; it is `held` while it stands here, and its
  // Meta is the queue's: reset it on a clone. The caller keeps within `send_space`; the last part
  // is pushed (PSH) unless `more` (MSG_MORE). `urgent`: the last byte is (MSG_OOB). Sends what may
  // be sent. After FIN or in Closed: the data is dropped by name.
  void append(packet::Turn& turn, packet::Packet&& data, bool urgent = false, bool more = false);
  // Bytes that may be appended now; 0 before ESTABLISHED is allowed to grow later (kWritable).
  std::uint32_t send_space() const;
  // In-order data, in the order of the stream; empty handle if there is none. The caller owns it
  // (no longer `held`), its Meta is zeros.
  packet::Packet take_received(packet::Turn& turn);
  // The program has used up `bytes` of what was taken: the window opens (RFC 9293 3.8.6.2.2).
  void consumed(packet::Turn& turn, std::uint32_t bytes);
  void shutdown_send(packet::Turn& turn);
  // close(2): FIN after what is queued, RST if received data was not read (RFC 2525 2.17); the
  // connection is an orphan now. `linger_zero`: RST at once (RFC 9293 3.9.1 ABORT).
  void close(packet::Turn& turn, bool linger_zero = false);
  void abort(packet::Turn& turn);
  // Ends without a word, for shutdown of the stack: frees all it holds. No event follows.
  void abandon(packet::Turn& turn);
  void set_options(packet::Turn& turn, const SocketOptions& options);

  // --- Looking.
  State state() const;
  int error() const;      // errno, host's; 0: none
  int take_soft_error();  // the last ICMP error that was not fatal, for SO_ERROR; then 0
  std::uint16_t take_events();
  const SocketOptions& options() const;
  // The bytes of a range that is in the send queue, in order: `piece(packet::PacketRef packet,
  // std::uint32_t offset, std::uint32_t count)`, offset from the packet's data().
  template <typename Piece>
  void payload(SeqRange range, Piece&& piece) const;
  void info(time::Instant now, Info& out) const;
  std::uint32_t unread_bytes() const;          // in order, not yet consumed (SIOCINQ)
  std::uint32_t unacknowledged_bytes() const;  // in the send queue (SIOCOUTQ)
  std::uint32_t unsent_bytes() const;          // (SIOCOUTQNSD)
  std::uint32_t mss() const;                   // bytes of data in a full segment (TCP_MAXSEG)
  // Where the peer's urgent byte stands: from the next byte that `take_received` gives (negative:
  // it was given already). Nothing: none is pending. The byte stays in the stream; without
  // SO_OOBINLINE the program's side takes it out.
  std::optional<std::int32_t> urgent_offset() const;
  TimeWait time_wait(time::Instant now) const;  // in TimeWait

  // --- For the host.
  void* user = nullptr;  // the socket
};

}  // namespace linnet::tcp
