// SPDX-License-Identifier: BSD-3-Clause
// What was sent and not yet acknowledged: when, what SACK says of it, what counts as lost, what is
// to be sent again, and how much may be in flight. Knows sequence ranges and time; never a byte.
//
// RFC 6298 (RTO), 2018/2883/6675 (SACK, D-SACK), 8985 (RACK-TLP), 6937 (PRR), 5682 (F-RTO),
// 3042 (limited transmit), 5681/6582 (without SACK), 7323 4 (RTTM), delivery rate for BBR.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "tcp/congestion.hpp"
#include "tcp/counters.hpp"
#include "tcp/delivery_rate.hpp"
#include "tcp/milliseconds.hpp"
#include "tcp/rack.hpp"
#include "tcp/rtt.hpp"
#include "tcp/scoreboard.hpp"
#include "tcp/sequence.hpp"
#include "tcp/settings.hpp"
#include "time/instant.hpp"

namespace linnet::tcp {

struct RestedRecovery;

using RecoverySettings = Settings;  // net.ipv4.tcp_*: reordering, early_retrans, frto, rto_min, ...
using RecoveryCounters = Counters;  // Linux's TcpExt names

// An acceptable ACK, as the connection has judged it (RFC 5961 section 5 passed).
struct AckEvent {
  Seq ack;                           // SEG.ACK
  std::span<const SeqRange> sack{};  // as on the wire; judged here, never trusted
  bool has_timestamp_echo = false;
  time::Instant echoed_at{};    // when the segment with the echoed timestamp was sent
  bool carries_data = false;    // the segment has data: no duplicate ACK
  bool window_changed = false;  // likewise
  bool ecn_echo = false;
  bool more_to_send = false;  // unsent data waits that the peer's window admits (RFC 5682 2 b)
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
  // Whatever is still in flight is forgotten.
  ~Recovery() = default;

  // --- Facts of the connection.
  // `initial`: the first number that will be sent. `syn`: it is a SYN's; `negotiated` follows.
  void start(Seq initial, std::uint32_t mss, bool sack, bool timestamps, time::Instant now,
             bool syn = false);
  // What the SYN-ACK agreed to, of a connection that began with `start(iss, ...)` and SYN: what is
  // known of RTT, timers and backoff stays. RFC 6298 5.7: RTO is 3 s if the SYN's timer went off.
  void negotiated(std::uint32_t mss, bool sack, bool timestamps);
  void set_mss(std::uint32_t mss);
  void set_congestion_control(const CongestionControl& control, time::Instant now);

  // --- Sending. A range that was sent, first time or again; SYN and FIN take one.
  // False: no record is free, the range must not be sent now.
  [[nodiscard]] bool can_record() const { return board_.room(); }
  // New ranges follow each other without a gap.
  // `most`: of the pacing rate, see `pacing_rate`.
  void on_transmit(SeqRange range, time::Instant now, bool retransmission, double most = 0);
  // The program had no more to send though the window was open (delivery rate, RFC 9438 4.2).
  void set_app_limited() {
    if (board_.lost() == 0 && in_flight() < window_.cwnd) rate_.set_app_limited(in_flight());
  }
  void set_cwnd_limited(bool limited);

  // --- Receiving.
  AckOutcome on_ack(const AckEvent& event, time::Instant now);
  // What `on_ack` does where an ACK says nothing but that the front of what was sent once, in
  // order, has arrived, and nothing is suspected or being reduced. The ACK has no SACK blocks and
  // no ECE. Returns the bytes it acknowledges; 0: it is another one, nothing was done, `on_ack` it.
  [[nodiscard]] std::uint32_t on_plain_ack(Seq ack, time::Instant now) {
    const SentRecord* const first = board_.first();
    const bool plain = first != nullptr && ack.after(una_) && ack.at_or_before(nxt_) &&
                       board_.in_order() && phase_ == Phase::Open && !syn_ && !probe_active_ &&
                       !(undo_valid_ && undo_retransmissions_ == 0) && reno_sacked_ == 0 &&
                       rack_.behind(*first);
    return plain ? take_plain_ack(ack, now) : 0;
  }
  // Data that went with the SYN (RFC 7413) is acknowledged up to `to`, and nothing else is in
  // flight: its round trip was the SYN's.
  void skip(Seq to);
  // What went with the SYN beyond that, up to `end`, was not: it is to be sent again. Says nothing
  // of congestion (Linux: tcp_rcv_fastopen_synack).
  void lose_syn_data(Seq end, time::Instant now);
  // The path does not carry our SYN with what it has: it is to be sent again (Linux:
  // tcp_simple_retransmit).
  void lose_syn(time::Instant now) {
    board_.mark_all_lost(false);
    arm_retransmission(now);
  }
  // In SYN-SENT the first timeouts do not double (tcp_syn_linear_timeouts).
  void set_syn_sent(bool on) { syn_sent_ = on; }

  // --- What to do. The first range that is to be sent again now, at most `mss` long.
  std::optional<SeqRange> next_retransmission() const;
  // Bytes that may be put in flight now by cwnd, PRR or limited transmit; for retransmissions too.
  std::uint32_t send_allowance() const {
    // A SYN takes no room (RFC 7413 section 4.2.2: data may follow our SYN-ACK at once).
    const std::uint32_t used = in_flight() - (syn_in_flight() ? 1 : 0);
    const std::uint32_t cwnd = std::max(window_.cwnd, window_.mss);
    return cwnd - std::min(cwnd, used);
  }
  // By pacing: not before this instant (Instant() : now).
  time::Instant pacing_release() const {
    return pacing_at_ == time::Instant() ? pacing_at_ : pacing_at_ - kPacingQuantum;
  }
  // Bytes a second, 0: not paced. `most` (0: no limit) bounds what the congestion control asks for;
  // one that does not pace gets Linux's rate then, a little over cwnd a round trip.
  double pacing_rate(double most) const {
    return most == 0 ? static_cast<double>(window_.pacing_rate) : bounded_pacing_rate(most);
  }
  std::uint64_t whole_pacing_rate(double most) const {
    return most == 0 ? window_.pacing_rate : static_cast<std::uint64_t>(bounded_pacing_rate(most));
  }
  // What is in flight holds nothing back any more: the limit was changed.
  void restart_pacing() { pacing_at_ = time::Instant(); }
  // In fast recovery or after a timeout.
  bool in_recovery() const { return phase_ == Phase::Recovery || phase_ == Phase::Loss; }
  // What a tail loss probe repeats where there is no new data: the last segment in flight.
  std::optional<SeqRange> probe_range() const;

  // --- Timers: one deadline at a time; `Instant::never()` when nothing is in flight.
  time::Instant deadline() const {
    if (board_.empty()) return time::Instant::never();
    return sooner(retransmission_at_, sooner(probe_at_, reordering_at_));
  }
  RecoveryTimer timer() const;
  TimerOutcome on_timer(time::Instant now);
  std::uint32_t backoff() const;                   // consecutive RTOs without progress
  unsigned doublings() const { return backoff_; }  // those of them that doubled the RTO
  time::Duration rto() const {                     // with backoff
    return backoff_ == 0 ? rtt_.rto(settings_) : backed_off_rto();
  }
  // The path's MTU fell and `set_mss` was told: what is in flight in segments longer than the mss
  // is lost and sent again, without punishing cwnd (Linux: tcp_simple_retransmit).
  void path_changed();

  // --- Resting (tcp/rested.hpp). False: not all that counts fits into `out`.
  bool rest(time::Instant now, RestedRecovery& out) const;
  void wake(const RestedRecovery& rested);  // instead of `start`

  // --- For TCP_INFO and events.
  const CongestionWindow& window() const { return window_; }
  const CongestionControl& control() const { return *control_; }
  std::uint32_t in_flight() const {  // bytes (RFC 6675 pipe)
    const std::uint32_t out = board_.outstanding();
    return out - std::min(out, reno_sacked_);
  }
  std::uint32_t sacked_bytes() const { return sack_ ? board_.sacked() : reno_sacked_; }
  std::uint32_t lost_bytes() const { return board_.lost(); }
  std::uint32_t retransmitted_bytes() const { return board_.retransmitted(); }    // in flight again
  std::uint32_t total_retransmissions() const { return total_retransmissions_; }  // segments
  std::uint64_t delivery_rate() const { return rate_.rate(); }                    // bytes a second
  bool delivery_rate_app_limited() const { return rate_.app_limited(); }
  std::uint32_t reordering() const { return rack_.reordering(); }  // segments
  std::uint8_t ca_state() const;    // Linux: TCP_CA_Open 0, Disorder, CWR, Recovery, Loss
  std::uint32_t delivered() const;  // segments
  std::uint32_t delivered_ce() const { return delivered_ce_; }        // segments
  std::uint32_t duplicate_sacks() const { return duplicate_sacks_; }  // events
  std::uint32_t reorderings() const { return rack_.times_reordered(); }
  time::Duration srtt() const { return rtt_.srtt(); }
  time::Duration rtt_variance() const { return rtt_.variance(); }
  time::Duration min_rtt() const { return rtt_.min_rtt(); }
  // Steps over records since the start, for tests of cost.
  std::uint64_t steps() const { return board_.steps(); }

 private:
  // Linux's TCP_CA_Open (and Disorder), CWR, Recovery and Loss.
  enum class Phase : std::uint8_t { Open, Reduced, Recovery, Loss };

  static constexpr time::Duration kNoRtt = time::Duration::nanoseconds(-1);
  // What of cwnd / pacing rate may go out at once: a turn of the lane's timers.
  static constexpr time::Duration kPacingQuantum = time::Duration::milliseconds(1);
  // An ACK while it is worked on (recovery_ack.cpp).
  struct Ack {
    const AckEvent& event;
    time::Instant now;
    Seq prior_una;
    Seq prior_highest{};  // the highest end that was delivered
    AckOutcome out{};
    RateSample sample{};
    DeliveryRate::Newest newest{};
    bool late = false;  // something came behind what was sent later, from `late_from` on
    Seq late_from{};
    bool newly_sacked = false;
    bool original = false;       // data that was never sent again is delivered
    bool retransmitted = false;  // data that was sent again is cumulatively acked
    bool duplicate = false;      // RFC 5681 section 2
    bool probe_dsack = false;    // a D-SACK of what the loss probe repeated
    time::Duration rtt_oldest = kNoRtt, rtt_newest = kNoRtt, rtt_sack = kNoRtt;
  };
  std::uint32_t take_plain_ack(Seq to, time::Instant now);
  void take_sack(Ack& ack);
  void take_block(Ack& ack, SeqRange block);
  void take_dsack(Ack& ack, SeqRange block);
  void deliver(Ack& ack, const SentRecord& record, SeqRange part);
  void advance(Ack& ack);
  void sample_rtt(Ack& ack);
  void take_rtt(time::Duration rtt, time::Instant now) {
    rtt_.sample(rtt, now, settings_);
    window_.srtt = rtt_.srtt();
    window_.min_rtt = rtt_.min_rtt();
    backoff_ = 0;  // RFC 6298 section 5.7: the path answers again, and how fast is known
  }
  void judge_probe(Ack& ack);
  void take_duplicate(Ack& ack);
  std::uint32_t most_reno_sacked() const;
  bool syn_outstanding() const { return syn_ && una_ == initial_; }
  bool syn_in_flight() const {
    return syn_outstanding() && !board_.empty() && board_.first()->state == SentState::Outstanding;
  }

  // The phases (recovery_phase.cpp).
  void react(Ack& ack);
  void react_recovered(Ack& ack);  // SND.UNA has reached high_
  void react_open(Ack& ack);
  void react_recovery(Ack& ack);
  void react_loss(Ack& ack);
  bool react_frto(Ack& ack);
  void find_losses(Ack& ack);
  void mark_head_lost(std::uint32_t bytes);
  void begin_reduction(time::Instant now, bool marked = false);
  void enter_recovery(Ack& ack);
  void enter_reduced(Ack& ack);
  void enter_loss(time::Instant now);
  void end_reduction();
  void init_undo();
  bool may_undo(const Ack& ack) const;
  void note_late(Seq low);
  bool delayed(const Ack& ack) const;
  void undo(bool unmark, time::Instant now);
  std::uint32_t current_ssthresh() const;
  void reduce_proportionally(const Ack& ack);
  void control_congestion(Ack& ack);

  // Timers (recovery_timer.cpp).
  void arm_retransmission(time::Instant now) { retransmission_at_ = now + rto(); }
  time::Duration backed_off_rto() const;
  double bounded_pacing_rate(double most) const;
  void pace(std::uint32_t bytes, time::Instant now, double most);
  void arm_probe(time::Instant now) {
    if (probe_allowed())
      stand_probe(now);
    else
      probe_at_ = time::Instant::never();
  }
  void stand_probe(time::Instant now);
  void arm_after_ack(const Ack& ack);
  bool probe_allowed() const {
    return settings_.tcp_early_retrans >= 3 && sack_ && !syn_outstanding() && !probe_active_ &&
           (phase_ == Phase::Open || phase_ == Phase::Reduced) && board_.sacked() == 0 &&
           !board_.empty();
  }
  void mark_transmitted_again(SeqRange range, time::Instant now);
  // Linux: tcp_is_cwnd_limited. In slow start a window grows to twice what was used of it (RFC 7661
  // section 4.1), and no further.
  bool window_used() const {
    return cwnd_limited_ || (window_.cwnd < window_.ssthresh && window_.cwnd < 2 * max_out_);
  }
  inline void validate_window(time::Instant now);
  void restart_after_idle(time::Instant now) {
    if (settings_.tcp_slow_start_after_idle == 0 || nxt_ == initial_) return;
    const time::Duration idle = now - last_sent_;
    const time::Duration rto = rtt_.rto(settings_);
    if (idle > rto) [[unlikely]]
      shrink_after_idle(idle, rto, now);
  }
  void shrink_after_idle(time::Duration idle, time::Duration rto, time::Instant now);

  const Settings& settings_;
  Counters& counters_;
  const CongestionControl* control_;
  Scoreboard board_;
  CongestionWindow window_;
  RttEstimator rtt_;
  Rack rack_;
  DeliveryRate rate_;

  Seq initial_, una_, nxt_;
  Seq high_;         // SND.NXT when the phase began (RFC 6582's recover)
  Seq undo_marker_;  // SND.UNA then
  Seq probe_end_;    // SND.NXT when a loss probe was sent
  Seq usage_end_;    // SND.NXT when the use of cwnd was last judged
  bool sack_ = false, timestamps_ = false, syn_ = false, syn_sent_ = false;
  bool undo_valid_ = false;
  bool probe_active_ = false, probe_due_ = false, probe_repeated_ = false;
  bool frto_ = false, frto_new_data_ = false;
  bool reneging_suspected_ = false;
  bool cwnd_limited_ = false;  // the window held data back when it was last judged
  Phase phase_ = Phase::Open;
  std::uint16_t duplicates_ = 0;            // ACKs in a row, without SACK
  std::uint8_t backoff_ = 0;                // exponent of the RTO
  std::uint8_t timeouts_ = 0;               // without progress
  std::int32_t undo_retransmissions_ = -1;  // segments that D-SACKs have yet to explain; -1: none
  std::uint32_t prior_cwnd_ = 0, prior_ssthresh_ = 0;
  std::uint32_t reduction_cwnd_ = 0, prr_delivered_ = 0, prr_out_ = 0;
  std::uint32_t reno_sacked_ = 0;  // bytes that duplicate ACKs stand for, without SACK
  std::uint32_t max_out_ = 0;      // most bytes in flight while usage was judged
  std::uint32_t used_ = 0;
  std::uint32_t total_retransmissions_ = 0, duplicate_sacks_ = 0, delivered_ce_ = 0;
  time::Instant last_sent_{}, last_event_{}, used_at_{};
  time::Instant first_retransmission_{};  // of this phase (Eifel); Instant(): none
  time::Instant retransmission_at_ = time::Instant::never();
  time::Instant probe_at_ = time::Instant::never();
  time::Instant reordering_at_ = time::Instant::never();
  time::Instant pacing_at_{};
  CongestionState control_state_;
};

}  // namespace linnet::tcp
