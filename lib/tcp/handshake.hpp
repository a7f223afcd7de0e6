// SPDX-License-Identifier: BSD-3-Clause
// The passive side before there is a connection: keyed initial numbers, half-open entries, SYN
// cookies. Values and pure functions; who keeps them in a table by four-tuple, and when a queue is
// full, is the sockets' business.
//
//   SYN --room in the queue--> HalfOpen --ACK--> Handshake --> Connection::accept
//   SYN --queue full---------> SynCookies::make, nothing kept
//   ACK --no entry, overflowed lately--> SynCookies::check --> Handshake
//
// RFC 9293 3.10.7.2 and 3.10.7.4 (SYN-RECEIVED), 6528 (ISN), 7323 5.4 (timestamp offset),
// 4987 (SYN floods), 5961 (challenge ACKs); Linux: tcp_conn_request, tcp_check_req, syncookies.c.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/siphash.hpp"
#include "tcp/negotiated.hpp"
#include "tcp/segment.hpp"

namespace linnet::tcp {

// The addresses and ports of a connection, local first, in any fixed form: only hashed here.
using FlowBytes = std::span<const std::byte>;

// RFC 6528: a keyed hash of the flow plus a clock of 4 us, so that numbers of one flow grow and
// those of two flows tell nothing about each other.
Seq initial_sequence(const SipKey& key, FlowBytes flow, time::Instant now);
// Fixed for a flow, so that timestamps grow from one connection to the next of the same flow.
std::uint32_t timestamp_offset(const SipKey& key, FlowBytes flow);

// What the listener offers.
struct PassiveOptions {
  std::uint16_t mss = 1460;      // goes into the SYN-ACK: what we can receive
  std::uint16_t window = 65535;  // of the SYN-ACK, not scaled (RFC 7323 section 2.2)
  bool window_scaling = true;    // net.ipv4.tcp_window_scaling and so on
  std::uint8_t scale = 7;
  bool sack = true, timestamps = true, ecn = false;
};

// The RST that answers `segment` where there is no connection (RFC 9293 3.10.7.1); nothing for a
// RST.
std::optional<SegmentOut> reset_for(const Segment& segment);

enum class HalfOpenVerdict : std::uint8_t {
  Ignore,       // the segment is used up: drop it, the entry stays
  Answer,       // send the answer, drop the segment, the entry stays
  Remove,       // the peer took it back (RST): drop the segment and the entry
  Established,  // the handshake is complete: Connection::accept, then its input gets the segment
};

enum class HalfOpenTimer : std::uint8_t { Nothing, Resend, GiveUp };

// A connection in SYN-RECEIVED. Stands in an entry of the sockets' table, which keeps its flow.
class HalfOpen {
 public:
  // `syn` has SYN and neither RST nor ACK. The caller sends `syn_ack` next.
  HalfOpen(const Segment& syn, const PassiveOptions& options, Seq initial, std::uint32_t ts_offset,
           time::Instant now);

  // The SYN-ACK, first or again; says when it was sent.
  SegmentOut syn_ack(time::Instant now);
  // Judges a segment of this flow. `answer` is written where the verdict is Answer.
  HalfOpenVerdict input(const Segment& segment, time::Instant now, SegmentOut& answer);
  // After Established: what was agreed. If the connection cannot be taken now, drop the segment:
  // the SYN-ACK is sent again when its time comes (Linux with tcp_abort_on_overflow 0).
  Handshake handshake(const Segment& completing) const;

  // When the SYN-ACK is due again: after 1 s, 2 s, 4 s ...; `retries` of them
  // (net.ipv4.tcp_synack_retries), `longest` apart at most (tcp_rto_max_ms), then the entry is
  // given up.
  time::Instant deadline() const { return deadline_; }
  HalfOpenTimer on_timer(time::Instant now, unsigned retries, time::Duration longest);
  unsigned retransmissions() const { return retransmissions_; }
  Seq local_initial() const { return local_initial_; }
  Seq peer_initial() const { return peer_initial_; }

 private:
  SegmentOut acknowledgment(time::Instant now) const;
  bool old_timestamp(const Segment& segment) const;

  // The widest first: what is left free at the end is the host's (TcpSockets::HalfOpenEntry).
  time::Instant sent_{}, deadline_{};
  time::Instant answered_{};  // the last answer to something out of place (rate limit)
  Seq local_initial_, peer_initial_;
  std::uint32_t ts_offset_ = 0;
  std::uint32_t peer_ts_value_ = 0;
  std::uint16_t local_mss_, peer_mss_ = 536, window_;
  bool window_scaling_ : 1, sack_ : 1, timestamps_ : 1, ecn_ : 1;
  bool sent_once_ : 1 = false;  // a SYN-ACK
  std::uint8_t local_scale_, peer_scale_;
  std::uint8_t retransmissions_ = 0;
};
static_assert(sizeof(HalfOpen) <= 56);

// When a listener's queue was last full: cookies are made then and looked at for a while after.
class SynOverflow {
 public:
  void happened(time::Instant now) { last_ = now; }
  // Whether an ACK without an entry may be a cookie of ours (Linux:
  // tcp_synq_no_recent_overflow).
  bool recent(time::Instant now) const {
    return last_ != time::Instant::never() && now - last_ <= time::Duration::seconds(120);
  }

 private:
  time::Instant last_ = time::Instant::never();
};

// Stateless handshakes. What does not fit into the 32 bits of the sequence number (MSS class and
// minute are there) goes into the low 6 bits of the SYN-ACK's timestamp: window scale, SACK, ECN;
// a peer without timestamps gets none of them. The minute is hashed in, so that a cookie dies after
// two of them.
class SynCookies {
 public:
  SynCookies(const SipKey& cookie_key, const SipKey& timestamp_key)
      : cookie_key_(cookie_key), timestamp_key_(timestamp_key) {}

  // The SYN-ACK that carries the cookie; it is never sent again.
  SegmentOut make(FlowBytes flow, const Segment& syn, const PassiveOptions& options,
                  time::Instant now) const;
  // The handshake that `ack` completes, if it carries a cookie of ours. Costs two hashes, one where
  // it is none.
  std::optional<Handshake> check(FlowBytes flow, const Segment& ack, const PassiveOptions& options,
                                 time::Instant now) const;

 private:
  std::uint32_t base(FlowBytes flow) const;
  std::uint32_t blind(FlowBytes flow, Seq peer_initial, std::uint32_t minute) const;

  SipKey cookie_key_, timestamp_key_;
};

}  // namespace linnet::tcp
