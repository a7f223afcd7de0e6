// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "tcp/sequence.hpp"
#include "time/instant.hpp"

namespace linnet::tcp {

// What the two ends agreed on in the handshake, kept by a half-open entry or a SYN cookie.
struct Handshake {
  Seq local_initial, peer_initial;
  std::uint16_t peer_mss = 536;   // what we may send, IP and TCP options not counted off
  std::uint16_t peer_window = 0;  // of the segment that completes it, not scaled
  bool window_scaling = false;
  std::uint8_t peer_scale = 0, local_scale = 0;
  bool sack = false, timestamps = false, ecn = false;
  std::uint32_t peer_ts_value = 0;  // newest TSval of the peer
  std::uint32_t ts_offset = 0;      // our timestamps are milliseconds plus this (keyed)
  time::Instant syn_ack_sent{};     // Instant(): unknown, no RTT sample
};

// What must be remembered of a connection in TIME-WAIT (RFC 9293 3.6.1, RFC 6191).
struct TimeWait {
  Seq send_next, receive_next;
  std::uint32_t receive_window = 0;  // bytes
  std::uint8_t local_scale = 0;      // ours, for the window field
  bool timestamps = false;
  std::uint32_t ts_recent = 0;
  time::Instant ts_recent_at{};
  std::uint32_t ts_offset = 0;
  time::Instant expires{};  // 2 MSL from now
};

// Older than that a timestamp says nothing (RFC 7323 section 5.5).
inline constexpr std::uint32_t kTimestampLifeSeconds = 24 * 24 * 3600;
// Of two timestamps (RFC 7323 section 5.2).
constexpr bool is_older(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) < 0;
}

// Our timestamp clock: milliseconds (RFC 7323 section 5.4), `ts_offset` apart for each connection.
inline std::uint32_t timestamp_at(time::Instant now, std::uint32_t ts_offset) {
  return static_cast<std::uint32_t>(now.since_origin_ns() / 1'000'000) + ts_offset;
}

}  // namespace linnet::tcp
