// SPDX-License-Identifier: BSD-3-Clause
// What all sockets of a lane have in common: a place in the handle table, the session that they
// belong to, options.
#pragma once

#include <cstdint>

#include "base/intrusive_list.hpp"
#include "packet/packet.hpp"
#include "socket/channel.hpp"
#include "socket/message.hpp"
#include "socket/options.hpp"
#include "tcp/options.hpp"

namespace linnet::socket {

// Everything that SetOption can say, set before a socket exists or later.
struct OptionSet {
  tcp::SocketOptions tcp{};
  std::uint32_t mark = 0;
  std::uint32_t receive_buffer = 0;  // bytes of truesize; 0: rmem_default
  std::uint32_t icmp_filter = 0;     // a bit for each ICMP type that is not wanted
  std::uint32_t local_ports = 0;     // IP_LOCAL_PORT_RANGE; see ephemeral_ports
  std::uint16_t device = packet::kNoDevice;
  std::uint8_t tos = 0;
  std::uint8_t ttl = 0;  // 0: ip_default_ttl
  std::uint8_t multicast_ttl = 1;
  MtuDiscover mtu_discover = MtuDiscover::Want;
  bool broadcast : 1 = false;
  bool reuse_address : 1 = false;
  bool reuse_port : 1 = false;
  bool no_check : 1 = false;
  bool receive_error : 1 = false;
  bool header_included : 1 = false;
  bool fast_open_no_cookie : 1 = false;  // TCP_FASTOPEN_NO_COOKIE

  friend bool operator==(const OptionSet&, const OptionSet&) = default;

  // 0 or an errno: ENOPROTOOPT for an option that no lane knows, EINVAL for a value out of range.
  int set(std::uint32_t option, std::uint64_t value);
};

enum class Role : std::uint8_t { Connection, Listener, Datagram };

struct LaneSession;

struct Socket {
  Socket(Role role_in, Kind kind_in) : role(role_in), kind(kind_in) {}

  const Role role;
  const Kind kind;
  std::uint32_t program = 0;  // the program's number of it
  Handle handle{};
  std::uint32_t number = 0;        // in the slab of its role
  LaneSession* session = nullptr;  // nullptr: an orphan
  ListHook in_session;
  ListHook waiting;  // for room in the event ring
};

// A lane's side of a session.
struct LaneSession {
  Session* shared = nullptr;  // nullptr: none has this number now
  std::uint16_t number = 0;
  std::uint32_t let_go = 0;  // generation of the last one that this lane let go of
  bool spoken = false;       // events were written since the last `wake`
  bool deaf = false;         // the program is gone: what it asked for is done, nobody hears of it
  IntrusiveList<Socket, &Socket::in_session> sockets{};
  IntrusiveList<Socket, &Socket::waiting> waiting{};
  // Options told before the socket that they are for (Message.handle 0).
  std::uint32_t early_program = 0;
  OptionSet early{};

  // What was told for the program's socket that is made now; it counts once.
  OptionSet take_early(std::uint32_t program) {
    const OptionSet told = early_program == program ? early : OptionSet{};
    early_program = 0;
    early = {};
    return told;
  }
};

}  // namespace linnet::socket
