// SPDX-License-Identifier: BSD-3-Clause
// What travels between programs and lanes. Fixed size, no pointers: buffers are named by their
// number in the packet pool, sockets by handles. The rings that carry them may stand in memory that
// an untrusted process shares, so whoever takes a message copies it out once and judges the copy.
//
//   program --Request ring--> lane     one ring a session and lane; one producer at a time
//   program <--Event ring---- lane     one ring a session and lane
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/endian.hpp"
#include "base/ipv4.hpp"

namespace linnet::socket {

// A socket as a lane knows it. 0 names none. The generation makes a stale handle harmless.
struct Handle {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  friend constexpr bool operator==(Handle, Handle) = default;
  explicit operator bool() const { return generation != 0; }
};

struct Endpoint {
  Ipv4Address address{};
  std::uint16_t port = 0;  // host order
  std::uint16_t device = 0xffff;
  friend constexpr bool operator==(const Endpoint&, const Endpoint&) = default;
};

enum class Kind : std::uint8_t { Stream, Datagram, Ping, Raw, PacketRaw, PacketDatagram };

// A piece of a buffer. `next` continues the message in another buffer of the same message train.
struct BufferRef {
  std::uint32_t index = kNone;  // in the pool
  std::uint16_t offset = 0;     // from the buffer's start
  std::uint16_t length = 0;
  static constexpr std::uint32_t kNone = 0xffffffff;
};

enum class RequestKind : std::uint8_t {
  // `program` names the socket in the program's own numbers; `handle` names it on the lane.
  Open,        // makes a datagram, ping, raw or packet endpoint, or a connection-to-be; -> Opened
  Listen,      // (program, local, value = backlog) on every lane; -> Opened
  Connect,     // (program, local, peer): makes a connection, -> Opened, then Connected or Failed
  SetPeer,     // connected datagram socket; peer.port 0 dissolves
  Send,        // stream: buffer; flags
  SendTo,      // datagram: buffer, peer; kMore: continues with the next message (one datagram)
  Consumed,    // value = bytes that the program has read: the window opens
  Return,      // buffer goes back to the pool (may be joined to Consumed)
  SetOption,   // option, value (net.ipv4 and SOL_* as numbers of `Option`)
  Shutdown,    // value = SHUT_RD.. of POSIX
  Close,       // value != 0: linger time in ms; flags kAbort: reset
  Accepted,    // the program has taken one connection off the listener's queue
  Query,       // value = QueryKind; buffer receives the answer; -> Answer
};

enum class EventKind : std::uint8_t {
  Opened,      // handle of `program`'s socket on this lane
  Connected,   // local, peer
  Accepted,    // a new connection: handle; listener in `program`; local, peer
  Data,        // buffer; stream: in order; datagram: peer is the sender, kMore: the datagram goes on
  EndOfStream,
  Space,       // value = bytes of send buffer that came free
  Failed,      // value = errno: the socket's pending error
  SoftError,   // value = errno (IP_RECVERR and connected datagram sockets): peer, buffer may quote
  Urgent,      // value = offset of the mark from the next unread byte
  Closed,      // the handle is gone; answers Close, or the lane gave it up
  Answer,      // to Query
};

namespace message_flag {
inline constexpr std::uint8_t kMore = 1, kUrgent = 2, kAbort = 4, kPushLater = 8, kTruncated = 16,
                              kOutOfBand = 32;
}

struct Message {
  std::uint8_t kind = 0;       // RequestKind or EventKind
  std::uint8_t flags = 0;
  Kind socket_kind = Kind::Stream;
  std::uint8_t spare = 0;
  std::uint32_t program = 0;   // the program's number of the socket
  Handle handle{};
  BufferRef buffer{};
  Endpoint local{};
  Endpoint peer{};
  std::uint32_t option = 0;
  std::uint32_t spare2 = 0;
  std::uint64_t value = 0;
  std::uint64_t cookie = 0;    // comes back with Answer
};
static_assert(sizeof(Message) == 64);
static_assert(std::is_trivially_copyable_v<Message>);

}  // namespace linnet::socket
