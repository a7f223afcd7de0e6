// SPDX-License-Identifier: BSD-3-Clause
// When data that came in is acknowledged: at once for every second full segment, at the start of a
// stream and around holes; else later, joined to what the program answers (RFC 9293 3.8.6.3,
// RFC 5681 4.2; Linux: struct inet_connection_sock::icsk_ack, tcp_event_data_recv,
// tcp_send_delayed_ack).
#pragma once

#include <cstdint>

#include "time/instant.hpp"

namespace linnet::tcp {

class AckPolicy {
 public:
  static constexpr time::Duration kMin = time::Duration::milliseconds(40);
  static constexpr time::Duration kMax = time::Duration::milliseconds(200);

  // Data came in: learns the peer's segment size and its rhythm. `window`: what is offered.
  void on_data(time::Instant now, std::uint32_t bytes, std::uint32_t window, std::uint32_t mss,
               time::Duration rto);
  // An ACK is owed; at once for a hole, a duplicate, a filled hole.
  void owe() { owed_ = true; }
  void owe_now() { owed_ = now_ = true; }
  // An ACK is owed that data of ours will carry in a moment (Linux: sk_write_pending).
  void wait_for_data(time::Instant now, std::uint32_t window);
  // Every ACK that follows is sent at once, up to half a window of them.
  void enter_quick(std::uint32_t window, unsigned most);
  // Whether to send one now: `unacked` bytes in order came since the last one.
  bool due(std::uint32_t unacked) const {
    return now_ || unacked > peer_mss_ || (quick_ != 0 && interactive_ == 0 && !waits_);
  }
  // Puts it off. False: it is due now (the deadline stood already and is near).
  bool delay(time::Instant now, time::Duration srtt);
  // The delay is over: the next will wait longer, or shorter for who answers anyway.
  void on_deadline(time::Duration rto);
  // A segment with the ACK bit left.
  void on_sent(unsigned segments) {
    if (quick_ != 0) use_quick(segments);
    cancel();
  }
  // The program's data left: an answer soon after data makes the connection interactive.
  void on_data_sent(time::Instant now, unsigned threshold);

  bool owed() const { return owed_; }
  bool now() const { return now_; }
  time::Instant deadline() const { return deadline_; }
  std::uint32_t peer_mss() const { return peer_mss_; }  // a guess: Linux's rcv_mss
  void start(std::uint32_t mss_guess) { peer_mss_ = static_cast<std::uint16_t>(mss_guess); }
  std::uint32_t timeout_ms() const { return timeout_ms_; }
  bool interactive() const { return interactive_ != 0; }
  void set_interactive(bool on) { interactive_ = answers_ = on ? 1 : 0; }
  void cancel() {
    owed_ = now_ = waits_ = false;
    deadline_ = time::Instant::never();
  }

 private:
  void use_quick(unsigned segments);

  time::Instant deadline_ = time::Instant::never();
  std::uint32_t last_data_ms_ = 0;
  std::uint16_t timeout_ms_ = 0;  // 0: no data yet
  std::uint16_t peer_mss_ = 88;
  std::uint8_t quick_ = 0;        // ACKs yet to be sent at once
  std::uint8_t answers_ = 0;      // in a row, each soon after data
  std::uint8_t interactive_ = 0;  // ACKs travel on the answers
  bool owed_ = false;
  bool now_ = false;
  bool waits_ = false;  // for data of ours
};

}  // namespace linnet::tcp
