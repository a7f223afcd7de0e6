// SPDX-License-Identifier: BSD-3-Clause
// What was sent and not yet acknowledged: when, what SACK says of it, what counts as lost, what is
// to be sent again, and how much may be in flight. Knows sequence ranges and time; never a byte.
//
// RFC 6298 (RTO), 2018/2883/6675 (SACK, D-SACK), 8985 (RACK-TLP), 6937 (PRR), 5682 (F-RTO),
// 3042 (limited transmit), 5681/6582 (without SACK), 7323 4 (RTTM), delivery rate for BBR.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "tcp/congestion.hpp"
#include "tcp/counters.hpp"
#include "tcp/sequence.hpp"
#include "tcp/settings.hpp"
#include "time/instant.hpp"

namespace linnet::tcp {

using RecoverySettings = Settings;  // net.ipv4.tcp_*: reordering, early_retrans, frto, rto_min, ...
using RecoveryCounters = Counters;  // Linux's TcpExt names
class SentPool;                     // records of sent ranges, one pool a lane, no heap on the way

// An acceptable ACK, as the connection has judged it (RFC 5961 section 5 passed).
struct AckEvent {
  Seq ack;                           // SEG.ACK
  std::span<const SeqRange> sack{};  // as on the wire; judged here, never trusted
  bool has_timestamp_echo = false;
  time::Instant echoed_at{};    // when the segment with the echoed timestamp was sent
  bool carries_data = false;    // the segment has data: no duplicate ACK
  bool window_changed = false;  // likewise
  bool ecn_echo = false;
};

struct AckOutcome {
  std::uint32_t newly_acked = 0;  // bytes of sequence space cumulatively acked
  bool advanced = false;          // SND.UNA moved
  bool spurious = false;          // an earlier recovery was undone
  bool duplicate_sack = false;    // the peer told of a segment that came twice
  bool sack_reneged = false;
};

// Which timer `deadline` is for (RFC 8985 section 7.2: TLP stands in for the RTO).
enum class RecoveryTimer : std::uint8_t { None, Retransmission, LossProbe, Reordering };

enum class TimerOutcome : std::uint8_t {
  Nothing,
  Retransmit,  // ask next_retransmission
  SendProbe,   // RFC 8985 7.3: new data if there is any, else the last segment again
};

class Recovery {
 public:
  Recovery(SentPool& pool, const RecoverySettings& settings, RecoveryCounters& counters,
           const CongestionControl& control);
  ~Recovery();

  // --- Facts of the connection.
  void start(Seq initial, std::uint32_t mss, bool sack, bool timestamps, time::Instant now);
  // What the SYN-ACK agreed to, of a connection that began with `start(iss, ...)` and SYN: what is
  // known of RTT, timers and backoff stays. RFC 6298 5.7: RTO is 3 s if the SYN's timer went off.
  void negotiated(std::uint32_t mss, bool sack, bool timestamps);
  void set_mss(std::uint32_t mss);
  void set_congestion_control(const CongestionControl& control, time::Instant now);

  // --- Sending. A range that was sent, first time or again; SYN and FIN take one.
  // False: no record is free, the range must not be sent now.
  [[nodiscard]] bool can_record() const;
  void on_transmit(SeqRange range, time::Instant now, bool retransmission);
  // The program had no more to send though the window was open (delivery rate, RFC 9438 4.2).
  void set_app_limited();
  void set_cwnd_limited(bool limited);

  // --- Receiving.
  AckOutcome on_ack(const AckEvent& event, time::Instant now);

  // --- What to do. The first range that is to be sent again now, at most `mss` long.
  std::optional<SeqRange> next_retransmission() const;
  // Bytes that may be put in flight now by cwnd, PRR or limited transmit; for retransmissions too.
  std::uint32_t send_allowance() const;
  // By pacing: not before this instant (Instant() : now).
  time::Instant pacing_release() const;
  bool in_recovery() const;

  // --- Timers: one deadline at a time; `Instant::never()` when nothing is in flight.
  time::Instant deadline() const;
  RecoveryTimer timer() const;
  TimerOutcome on_timer(time::Instant now);
  std::uint32_t backoff() const;  // consecutive RTOs without progress
  time::Duration rto() const;     // with backoff
  // The path's MTU fell and `set_mss` was told: what is in flight in segments longer than the mss
  // is lost and sent again, without punishing cwnd (Linux: tcp_simple_retransmit).
  void path_changed();

  // --- For TCP_INFO and events.
  const CongestionWindow& window() const;
  const CongestionControl& control() const;
  std::uint32_t in_flight() const;  // bytes (RFC 6675 pipe)
  std::uint32_t sacked_bytes() const, lost_bytes() const, retransmitted_bytes() const;
  std::uint32_t total_retransmissions() const;  // segments
  std::uint64_t delivery_rate() const;          // bytes a second
  std::uint32_t reordering() const;             // segments
  std::uint8_t ca_state() const;  // Linux: TCP_CA_Open 0, Disorder, CWR, Recovery, Loss
  std::uint32_t delivered() const, delivered_ce() const;       // segments
  std::uint32_t duplicate_sacks() const, reorderings() const;  // events
  time::Duration srtt() const, rtt_variance() const, min_rtt() const;
};

}  // namespace linnet::tcp
