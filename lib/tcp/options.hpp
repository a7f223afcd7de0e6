// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace linnet::tcp {

class CongestionControl;

// Options of one socket, as setsockopt set them. Zero is "not set" where the text says nothing
// else: the setting of net.ipv4.tcp_* counts then. Who sets them has checked their ranges.
struct SocketOptions {
  const CongestionControl* congestion_control = nullptr;  // TCP_CONGESTION
  std::uint32_t send_buffer = 0;      // SO_SNDBUF as it counts (doubled), bytes; 0: grows by itself
  std::uint32_t receive_buffer = 0;   // SO_RCVBUF likewise
  std::uint32_t window_clamp = 0;     // TCP_WINDOW_CLAMP, bytes
  std::uint32_t user_timeout_ms = 0;  // TCP_USER_TIMEOUT
  std::uint32_t notsent_lowat = 0;    // TCP_NOTSENT_LOWAT, bytes
  std::int32_t linger2 = 0;           // TCP_LINGER2, seconds in FIN-WAIT-2; negative: none
  float max_pacing_rate = 0;          // SO_MAX_PACING_RATE, bytes a second; 24 bits are enough
  std::uint16_t max_segment = 0;      // TCP_MAXSEG, bytes
  std::uint16_t keep_idle = 0;        // TCP_KEEPIDLE, seconds
  std::uint16_t keep_interval = 0;    // TCP_KEEPINTVL, seconds
  std::uint8_t keep_count = 0;        // TCP_KEEPCNT
  std::uint8_t syn_count = 0;         // TCP_SYNCNT
  bool no_delay : 1 = false;          // TCP_NODELAY
  bool cork : 1 = false;              // TCP_CORK
  bool keep_alive : 1 = false;        // SO_KEEPALIVE

  friend bool operator==(const SocketOptions&, const SocketOptions&) = default;
};
static_assert(sizeof(SocketOptions) == 48);

}  // namespace linnet::tcp
