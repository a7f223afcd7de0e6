// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "packet/pool.hpp"
#include "socket/buffers.hpp"
#include "socket/flow.hpp"
#include "socket/hand_over.hpp"
#include "socket/ports.hpp"
#include "socket/sessions.hpp"
#include "socket/settings.hpp"
#include "tcp/settings.hpp"
#include "time/random.hpp"

namespace linnet::socket {

// What the sockets of all lanes of a stack share. Outlives the lanes.
class System {
 public:
  System(packet::Pool& buffer_pool, unsigned lanes, std::uint64_t seed)
      : System(buffer_pool, lanes, time::Random(seed)) {}

  Settings settings;
  tcp::Settings tcp_settings;
  packet::Pool& pool;
  Buffers buffers;
  Sessions sessions;
  Ports ports;
  const FlowHash flow_hash;
  // Secrets: initial sequence numbers, timestamp offsets, SYN cookies, ephemeral ports.
  const SipKey initial_key, timestamp_key, cookie_key, port_key;
  HandOver hand_over;

  // Connections of each lane that no program has any more, as of its last turn.
  std::array<std::atomic<std::uint32_t>, kMaxLanes> orphans{};

  // --- Control core: whether programs are gone and all that they had to say is said.
  bool settled() {
    return sessions.all_let_go() &&
           std::all_of(orphans.begin(), orphans.end(),
                       [](const auto& lane) { return lane.load(std::memory_order_relaxed) == 0; });
  }
  // --- Control core, now and then: what dead programs had comes back.
  void control_turn() {
    sessions.reap([this](std::uint16_t session) {
      buffers.reclaim(session);
      ports.release_session(session);
    });
  }

 private:
  static constexpr unsigned kPacketRing = 2048, kMessageRing = 64;
  System(packet::Pool& pool_in, unsigned lanes, time::Random random)
      : pool(pool_in),
        buffers(pool_in),
        sessions(lanes),
        ports(settings, lanes, random.next()),
        flow_hash(random.sip_key(), lanes),
        initial_key(random.sip_key()),
        timestamp_key(random.sip_key()),
        cookie_key(random.sip_key()),
        port_key(random.sip_key()),
        hand_over(lanes, kPacketRing, kMessageRing) {
    tcp_settings.fast_open_keys.store({random.sip_key(), {}, false});
  }
};

}  // namespace linnet::socket
