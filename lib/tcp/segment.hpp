// SPDX-License-Identifier: BSD-3-Clause
// Segments as the engine sees them: fields in host order, no IP, no buffers but the payload's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "packet/packet.hpp"
#include "tcp/sequence.hpp"

namespace linnet::tcp {

namespace flag {
inline constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32,
                              kEce = 64, kCwr = 128;
}

// What the options of one segment say (RFC 9293 3.2, 7323, 2018, 7413). Parsed by `wire`; an option
// of illegal length is left out and the rest still read (MUST-7).
struct SegmentOptions {
  static constexpr unsigned kMaxSackBlocks = 4;
  std::optional<std::uint16_t> mss;
  std::optional<std::uint8_t> window_scale;  // as it stood on the wire; over 14 counts as 14
  bool sack_permitted = false;
  bool has_timestamps = false;
  std::uint32_t ts_value = 0, ts_echo = 0;
  std::uint8_t sack_count = 0;
  std::array<SeqRange, kMaxSackBlocks> sack{};  // in the order of the wire, not judged
  bool has_fast_open = false;                   // a cookie request is a cookie of length 0
  std::uint8_t fast_open_length = 0;
  std::array<std::uint8_t, 16> fast_open{};
};

// How the IP header's ECN field stood (RFC 3168).
enum class Ecn : std::uint8_t { NotCapable = 0, Capable1 = 1, Capable0 = 2, Congested = 3 };

// A segment that came in: checksum and lengths good, data() of `payload` at its first data byte.
struct Segment {
  Seq seq, ack;
  std::uint8_t flags = 0;
  Ecn ecn = Ecn::NotCapable;
  std::uint16_t window = 0;  // as it stood on the wire, not scaled
  std::uint16_t urgent = 0;
  SegmentOptions options;
  packet::Packet payload{};  // owned; may be empty bytes. Who consumes the segment ends the packet
  std::uint32_t payload_length = 0;

  bool has(std::uint8_t bits) const { return (flags & bits) == bits; }
  // SEG.LEN: what it takes of sequence space.
  std::uint32_t length() const {
    return payload_length + ((flags & flag::kSyn) != 0 ? 1 : 0) +
           ((flags & flag::kFin) != 0 ? 1 : 0);
  }
  Seq end() const { return seq + length(); }
};

// A segment that is to go out. `payload` names bytes of the connection's send queue; who builds the
// packet refers to them there (`Connection::payload`), shared and not copied.
struct SegmentOut {
  Seq seq, ack;
  std::uint8_t flags = 0;
  Ecn ecn = Ecn::NotCapable;
  std::uint16_t window = 0;  // as it is to stand on the wire
  std::uint16_t urgent = 0;
  SegmentOptions options;
  SeqRange payload{};  // empty: no data. Longer than `mss`: to be cut into segments of `mss` (TSO)
  std::uint16_t mss = 0;      // bytes of data in one segment
  bool retransmission = false;
};

}  // namespace linnet::tcp
