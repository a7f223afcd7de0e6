// SPDX-License-Identifier: BSD-3-Clause
// What is left of a connection that has ended: enough to acknowledge a repeated FIN, to keep old
// segments out of the next connection of the same flow, and to let that one begin early.
//
// RFC 9293 3.6.1 and 3.10.7.4 (TIME-WAIT), 1337 (a RST does not end it), 6191 (a SYN that is
// provably newer does), 7323 5.3 (PAWS); Linux: tcp_timewait_state_process, tcp_twsk_unique.
#pragma once

#include <cstdint>

#include "tcp/negotiated.hpp"
#include "tcp/segment.hpp"
#include "tcp/settings.hpp"
#include "time/instant.hpp"

namespace linnet::tcp {

enum class TimeWaitVerdict : std::uint8_t {
  Ignore,  // drop the segment
  Answer,  // send the answer, drop the segment
  Remove,  // drop segment and entry (RST, where net.ipv4.tcp_rfc1337 is 0)
  Reuse,   // a new SYN: drop the entry and give the segment to the listener, if there is one; its
           // connection starts at `next_initial`
};

// Stands in an entry of the sockets' table, which keeps its flow.
class TimeWaitEntry {
 public:
  // `left`: what Connection::time_wait said.
  explicit TimeWaitEntry(const TimeWait& left);

  // Judges a segment of this flow. Heard again what it had said before, it stays for 2 MSL more.
  TimeWaitVerdict input(const Segment& segment, const Settings& settings, time::Instant now,
                        SegmentOut& answer);
  // Whether connect() may take this flow over, where net.ipv4.tcp_tw_reuse allows it at all: only
  // with timestamps, which tell old segments apart, and once tcp_tw_reuse_delay has passed.
  bool may_reuse(const Settings& settings, time::Instant now) const;
  bool has_timestamps() const { return left_.timestamps; }
  // What a connection that takes the flow over echoes in its SYN; 0: nothing.
  std::uint32_t last_timestamp() const { return left_.timestamps ? left_.ts_recent : 0; }
  // Where the next connection of this flow starts to number, beyond all that this one has sent.
  Seq next_initial() const { return left_.send_next + (65535 + 2); }

  time::Instant deadline() const { return left_.expires; }

 private:
  SegmentOut acknowledgment(time::Instant now) const;

  TimeWait left_;
  time::Instant answered_{};  // the last answer to something out of place (rate limit)
};
static_assert(sizeof(TimeWaitEntry) <= 56);

}  // namespace linnet::tcp
