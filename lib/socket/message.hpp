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

// `program` names the socket in the program's own numbers, chosen by it; events carry it back. A
// socket on the lane is named by `handle`, which Opened and Accepted tell; it is that lane's alone.
// `cookie` of Listen, Connect, Open and SetPeer: the Ticket of Ports where `local.port` is bound,
// else 0.
enum class RequestKind : std::uint8_t {
  Open,       // datagram, ping, raw, packet: to every lane. local (datagram and ping: as Ports
              // bound it), peer (port 0: not connected; SetPeer later). raw, packet: option =
              // protocol (ethertype; 3: all), packet: local.device. -> Opened
  Listen,     // to every lane: local, cookie, value = backlog -> Opened; again: a new backlog
  Connect,    // to any lane: local (address any: by route; port 0: ephemeral), peer -> Opened from
              // the lane that owns the flow, then Connected or Failed. Options before Opened:
              // SetOption with handle 0 and `program`, sent to the same lane before Connect.
              // kFastOpen: by RFC 7413; buffer: what the SYN may carry, Opened's value says how
              // much of its front it took; value = bytes of a thread that sleeps until connected;
              // kDefer: where the SYN could carry data nothing is done
              // -> Failed EINPROGRESS
  SetPeer,    // to every lane: local (its address from now on; any: by route), peer; peer.port 0
              // dissolves -> Connected or Failed, with the cookie. What it does not hold by its
              // cookie, as that stands when the lane looks, it hears nothing of
  Send,       // stream: buffer, flags kUrgent, kPushLater (MSG_MORE); while there is credit
  SendTo,     // datagram, to one lane: buffer, kMore: it goes on in the next message. In the first
              // one: peer (port 0: the connected one), local (address, device: where to send from,
              // IP_PKTINFO), option = ControlData
  Consumed,   // stream: value = bytes that the program has read: the window opens. May carry a
              // buffer to return
  Exchange,   // Consumed, then Send: value as of the first, option = number of its buffer; buffer
              // and flags as of the second
  Return,     // a buffer of a Data event goes back; datagram: handle too, its charge ends
  SetOption,  // option and value: socket/options.hpp. To every lane where the socket stands
  Shutdown,   // value = SHUT_RD.. of POSIX
  Close,      // -> Closed, at once but for lingering: value = linger time in ms + 1 (0: no linger;
              // stream: Closed comes when all was acknowledged). kAbort: reset
  Accepted,   // the program has taken a connection off the listener's queue (its handle)
  Query,      // value = QueryKind -> Answer
};

enum class EventKind : std::uint8_t {
  Opened,     // handle of `program`'s socket on this lane
  Connected,  // local, peer; value = bytes of send credit, option as in Space
  Accepted,   // a new connection: handle; listener in `program`; local, peer; value = send credit,
              // option as in Space. Later events of it carry program 0 until SetOption, Send, ...
              // named one: any request with its handle and a program number adopts that number
  Data,       // buffer; stream: in order. Datagram: peer is the sender, local where it was sent to
              // and the device it came in on, option = ControlData, kMore: it goes on; option and
              // addresses stand in the first message. kTruncated: never set by lanes
  EndOfStream,
  Space,      // value = bytes of send credit more (or less: a bound was set), option = with so
              // much of it left the socket is not writable
  Failed,     // value = errno: the socket's pending error
  SoftError,  // value = errno, option = ICMP type | code << 8 | rest's low half << 16, peer = where
              // the packet went, local.address = who says so
  Urgent,     // value = offset of the mark from the next unread byte
  Closed,     // the handle is gone; answers Close, or the lane gave it up after Failed: a
              // connection's buffer is what TCP_INFO says of it from now on
  Answer,     // to Query: option = errno; value; buffer where the query wants one
};

namespace message_flag {
inline constexpr std::uint8_t kMore = 1, kUrgent = 2, kAbort = 4, kPushLater = 8, kTruncated = 16,
                              kOutOfBand = 32, kFastOpen = 64, kDefer = 128;
}

// What goes along with a datagram, in Message.option.
// With packet sockets the option is ethertype | kind << 16 (Linux: PACKET_HOST ..), and `peer` is
// the link-layer address: six bytes in address and port.
struct ControlData {
  std::uint8_t tos = 0, ttl = 0;
  bool has_tos = false, has_ttl = false;

  constexpr std::uint32_t packed() const {
    return tos | std::uint32_t{ttl} << 8 | (has_tos ? 1u << 16 : 0) | (has_ttl ? 1u << 17 : 0);
  }
  static constexpr ControlData of(std::uint32_t packed) {
    return {static_cast<std::uint8_t>(packed), static_cast<std::uint8_t>(packed >> 8),
            (packed >> 16 & 1) != 0, (packed >> 17 & 1) != 0};
  }
};

struct Message {
  std::uint8_t kind = 0;  // RequestKind or EventKind
  std::uint8_t flags = 0;
  Kind socket_kind = Kind::Stream;
  std::uint8_t spare = 0;
  std::uint32_t program = 0;  // the program's number of the socket
  Handle handle{};
  BufferRef buffer{};
  Endpoint local{};
  Endpoint peer{};
  std::uint32_t option = 0;
  std::uint32_t spare2 = 0;
  std::uint64_t value = 0;
  std::uint64_t cookie = 0;  // comes back with Answer and the answer to SetPeer
};
static_assert(sizeof(Message) == 64);
static_assert(std::is_trivially_copyable_v<Message>);

}  // namespace linnet::socket
