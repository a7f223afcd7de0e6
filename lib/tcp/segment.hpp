// SPDX-License-Identifier: BSD-3-Clause
// Segments as the engine sees them: fields in host order, no IP, no buffers but the payload's.
#pragma once

#include <cstdint>

#include "packet/packet.hpp"
#include "tcp/sequence.hpp"
#include "wire/tcp.hpp"

namespace linnet::tcp {

namespace flag = wire::tcp_flag;

// What the options of one segment say; `wire` parses and emits them.
using SegmentOptions = wire::TcpOptions;

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
  // More than one: consecutive segments of one burst that differ in nothing else, their payload
  // chained (Linux: GRO's gso_segs), each of `size` bytes but for a shorter last one.
  std::uint16_t count = 1;
  std::uint16_t size = 0;

  // Bytes of data in each that came, but for a shorter last one.
  std::uint32_t each() const { return count > 1 ? size : payload_length; }
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
  std::uint16_t mss = 0;  // bytes of data in one segment
  bool retransmission = false;
};

}  // namespace linnet::tcp
