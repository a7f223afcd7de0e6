// SPDX-License-Identifier: BSD-3-Clause
// Congestion control behind one interface (Linux: struct tcp_congestion_ops). Algorithms keep their
// state in CongestionState, so that a connection needs no allocation and TCP_CONGESTION can change
// the algorithm at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "time/instant.hpp"

namespace linnet::tcp {

// A delivery-rate sample (Linux: struct rate_sample; draft-cheng-iccrg-delivery-rate-estimation).
struct RateSample {
  std::uint64_t delivered = 0;        // bytes delivered in `interval`
  std::uint64_t prior_delivered = 0;  // the connection's total when the newest acked one was sent
  time::Duration interval{};          // zero: no sample
  time::Duration rtt{};               // of this ACK; zero: none (Karn)
  std::uint32_t newly_acked = 0;      // bytes acked or sacked by this ACK
  std::uint32_t newly_lost = 0;       // bytes marked lost by this ACK
  std::uint32_t prior_in_flight = 0;  // bytes before this ACK
  std::uint32_t in_flight = 0;        // bytes now
  std::uint32_t acked = 0;            // those of `newly_acked` for which a window may grow
  bool app_limited = false;
  bool ecn_echo = false;  // this ACK carried ECE
  bool round_start = false;
};

// What every algorithm and the engine share: bytes.
struct CongestionWindow {
  std::uint32_t mss = 536;
  std::uint32_t cwnd = 0;
  std::uint32_t ssthresh = 0x7fffffff;
  std::uint64_t pacing_rate = 0;  // bytes a second; 0: not paced
  bool cwnd_limited = false;      // the window, not the program, held data back
  time::Duration srtt{}, min_rtt{};
};

struct alignas(8) CongestionState {
  std::byte bytes[144];
};

// What is left of an algorithm's state while a connection rests (tcp/rested.hpp).
struct alignas(8) RestedCongestion {
  std::byte bytes[64];
};

class CongestionControl {
 public:
  virtual std::string_view name() const = 0;  // as TCP_CONGESTION has it
  virtual void start(CongestionState&, CongestionWindow&, time::Instant now) const = 0;
  // Every ACK that delivered something, outside of recovery (`in_recovery` false) and in it. Behind
  // a timeout the window grows by slow start: that is no recovery, but for who owns it.
  virtual void on_ack(CongestionState&, CongestionWindow&, const RateSample&, bool in_recovery,
                      time::Instant now) const = 0;
  // ECN echoed, or loss found (`on_loss`): the new ssthresh in bytes (Linux: ssthresh()); PRR moves
  // cwnd there.
  virtual std::uint32_t on_congestion(CongestionState&, CongestionWindow&,
                                      time::Instant now) const = 0;
  // Loss found, where it is not answered as marks are.
  virtual std::uint32_t on_loss(CongestionState& state, CongestionWindow& window,
                                time::Instant now) const {
    return on_congestion(state, window, now);
  }
  // The retransmission timer expired: cwnd is one segment now.
  virtual void on_timeout(CongestionState&, CongestionWindow&, time::Instant now) const = 0;
  // The reduction was spurious (F-RTO, D-SACK, Eifel): back to what was before.
  virtual void on_undo(CongestionState&, CongestionWindow&, time::Instant now) const = 0;
  // Nothing was sent for `idle` (RFC 5681 section 4.1, RFC 9438 section 5.8).
  virtual void on_idle(CongestionState&, CongestionWindow&, time::Duration idle,
                       time::Instant now) const = 0;
  // The algorithm sets cwnd itself in recovery, PRR is not used (BBR).
  virtual bool owns_recovery() const { return false; }
  // Each mark counts: ECN is asked for whatever tcp_ecn says (Linux: TCP_CONG_NEEDS_ECN), and what
  // the peer's packets carry is echoed as it is, not until CWR comes (RFC 8257 section 3.2).
  virtual bool counts_marks() const { return false; }
  // Nothing is in flight: writes all that counts later. False: it is more than there is room for.
  virtual bool rest(const CongestionState&, const CongestionWindow&, RestedCongestion&) const {
    return false;
  }
  virtual void wake(CongestionState&, const RestedCongestion&) const {}

 protected:
  ~CongestionControl() = default;  // they live for ever
};

// "reno", "cubic", "bbr", "dctcp"; nullptr: there is none of that name. They live for ever.
const CongestionControl* find_congestion_control(std::string_view name);
// Names, blank between, as net.ipv4.tcp_available_congestion_control has them.
std::string_view available_congestion_controls();

}  // namespace linnet::tcp
