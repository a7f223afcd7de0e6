// SPDX-License-Identifier: BSD-3-Clause
// What is left of an established connection while nothing moves on it: nothing in flight, queued or
// owed. A connection made of it goes on as if it had always been there; whatever does not fit here
// without loss keeps the connection from resting.
//
//   Connection --rest--> Rested          Rested --Connection(engine, options, rested)--> Connection
#pragma once

#include <cstdint>

#include "tcp/ack_policy.hpp"
#include "tcp/congestion.hpp"
#include "tcp/receive_buffer.hpp"
#include "tcp/sequence.hpp"
#include "time/instant.hpp"

namespace linnet::tcp {

// Of Recovery. Round trips in nanoseconds: one of more than 4 s does not rest.
struct RestedRecovery {
  const CongestionControl* control = nullptr;
  RestedCongestion congestion{};
  time::Instant min_rtt_at{}, last_sent{}, used_at{};
  std::uint64_t delivered = 0, rate = 0;
  std::uint32_t app_limited = 0;  // bytes of `delivered` until it is over, plus one; 0: it is not
  std::uint32_t cwnd = 0, ssthresh = 0, used = 0;
  std::uint32_t srtt = 0, rtt_variance = 0, min_rtt = 0;
  std::uint32_t times_reordered = 0;
  std::uint32_t retransmissions = 0, duplicate_sacks = 0, delivered_ce = 0;
  Seq next;
  std::uint16_t mss = 0, reordering = 0;
  std::uint8_t rack_multiplier = 1, rack_persist = 0, backoff = 0;
  bool reordering_seen : 1 = false, rate_limited : 1 = false, cwnd_limited : 1 = false;
  bool sack : 1 = false, timestamps : 1 = false, fresh : 1 = false, probe_active : 1 = false;
};

struct Rested {
  RestedRecovery recovery{};
  AckPolicy ack{};
  time::Instant life_deadline = time::Instant::never();  // keep-alive: it must be awake by then
  std::uint64_t bytes_acked = 0, bytes_received = 0, bytes_sent = 0, bytes_again = 0;
  ReceiveBuffer receive_buffer{};
  Seq iss, irs, snd_una, snd_wl1, snd_wl2, receive_next;
  std::uint32_t snd_wnd = 0, max_window = 0, send_buffer = 0;
  std::uint32_t ts_offset = 0, ts_recent = 0, ts_recent_s = 0;
  std::uint32_t last_sent_ms = 0, last_data_ms = 0, last_heard_ms = 0, last_ack_ms = 0;
  std::uint32_t answered_ms = 0;
  std::uint32_t segments_in = 0, segments_out = 0, data_segments_in = 0, data_segments_out = 0;
  std::uint32_t beyond_segments = 0;
  std::uint32_t limited_ms[3] = {0, 0, 0};
  std::uint32_t mtu = 0;
  std::uint16_t mss = 0, peer_mss = 0, own_mss = 0, mss_cap = 0, largest_acked = 0;
  std::uint8_t snd_scale = 0, offered_scale = 0, syns_again = 0, probes = 0;
  bool scaling : 1 = false, sack_ok : 1 = false, timestamps : 1 = false, ecn : 1 = false;
  bool ecn_seen : 1 = false, echo_congestion : 1 = false, send_cwr : 1 = false;
  bool syn_seen : 1 = false, more : 1 = false, answered_once : 1 = false;
  bool window_limited : 1 = false, early : 1 = false, fast_open : 1 = false;
  bool syn_data_acked : 1 = false;
  std::uint8_t fast_open_fail : 2 = 0;
};
static_assert(sizeof(Rested) <= 448);

}  // namespace linnet::tcp
