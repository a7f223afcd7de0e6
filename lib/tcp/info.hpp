// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace linnet::tcp {

// TCP_INFO, laid out as Linux's struct tcp_info (linux/tcp.h). Times in microseconds but the four
// `last_*`, which are milliseconds ago.
struct Info {
  static constexpr std::uint8_t kTimestamps = 1, kSack = 2, kWindowScale = 4, kEcn = 8,
                                kEcnSeen = 16, kSynData = 32;
  std::uint8_t state, ca_state, retransmits, probes, backoff, options;
  std::uint8_t snd_wscale : 4, rcv_wscale : 4;
  std::uint8_t delivery_rate_app_limited : 1, fastopen_client_fail : 2;
  std::uint32_t rto, ato, snd_mss, rcv_mss;
  std::uint32_t unacked, sacked, lost, retrans, fackets;  // segments
  std::uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
  std::uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
  std::uint32_t rcv_rtt, rcv_space, total_retrans;
  std::uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
  std::uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
  std::uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
  std::uint32_t delivered, delivered_ce;
  std::uint64_t bytes_sent, bytes_retrans;
  std::uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd;
};
static_assert(sizeof(Info) == 232);

// What a socket waits for (Linux: inet_diag_msg's idiag_timer, idiag_expires, idiag_retrans).
struct PendingTimer {
  static constexpr std::uint8_t kNone = 0, kRetransmit = 1, kKeepAlive = 2, kTimeWait = 3,
                                kPersist = 4;
  std::uint8_t kind = kNone;
  std::uint8_t retries = 0;  // so far, without an answer
  std::uint32_t left_ms = 0;
};

}  // namespace linnet::tcp
