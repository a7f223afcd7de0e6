// SPDX-License-Identifier: BSD-3-Clause
// What a lane gives to the connections on it.
#pragma once

#include <cstdint>

#include "packet/turn.hpp"
#include "tcp/counters.hpp"
#include "tcp/segment.hpp"
#include "tcp/settings.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::tcp {

class Connection;
class SentPool;
struct FastOpenNews;

// Who sends for connections and hears of them.
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
  // What a connection learned that tried Fast Open; what is not kept is asked for again.
  virtual void fast_open(packet::Turn& /*turn*/, Connection& /*connection*/,
                         const FastOpenNews& /*news*/) {}
};

// What the connections of a lane hold together. The host sets the limit before the first
// connection; half of the packet pool at most (rule R4).
struct Memory {
  std::uint64_t limit = UINT64_MAX;  // truesize, bytes, both directions
  std::uint64_t send = 0, receive = 0;
  std::uint32_t orphans = 0;
  std::uint64_t held() const { return send + receive; }
  bool pressure() const { return held() > limit - limit / 4; }
  bool exhausted() const { return held() >= limit; }
};

// What all connections of a lane share.
struct Engine {
  Host& host;
  time::TimerWheel& wheel;
  SentPool& sent_pool;
  const Settings& settings;  // net.ipv4.tcp_*, written by the control core
  Counters& counters;        // Linux's Tcp* and TcpExt*
  Memory memory{};
};

}  // namespace linnet::tcp
