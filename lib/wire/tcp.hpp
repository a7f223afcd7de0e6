// SPDX-License-Identifier: BSD-3-Clause
// The TCP header and its options (RFC 9293 section 3.1 and 3.2, RFC 7323, 2018, 7413).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "base/endian.hpp"
#include "base/sequence.hpp"

namespace linnet::wire {

struct TcpHeader {
  be16 source_port;
  be16 destination_port;
  be32 sequence;
  be32 acknowledgment;
  std::uint8_t offset_reserved;  // the data offset in words stands in the high four bits
  std::uint8_t flags;            // FIN is bit 0, CWR bit 7
  be16 window;                   // not scaled
  be16 checksum;
  be16 urgent;

  unsigned header_length() const { return (offset_reserved >> 4) * 4u; }  // bytes
  void set_header_length(unsigned bytes) {
    offset_reserved = static_cast<std::uint8_t>(bytes / 4 << 4);
  }
  // Whether the data offset is possible in a segment of `length` bytes, header included. `length`
  // comes from the IP header, never from the frame.
  bool length_good(std::size_t length) const {
    return header_length() >= sizeof(TcpHeader) && header_length() <= length;
  }
};
static_assert(sizeof(TcpHeader) == 20 && alignof(TcpHeader) == 1);

namespace tcp_flag {
inline constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32,
                              kEce = 64, kCwr = 128;
}

inline constexpr unsigned kTcpMinHeader = 20;
inline constexpr unsigned kTcpMaxOptions = 40;
inline constexpr std::uint8_t kTcpMaxWindowScale = 14;  // RFC 7323 section 2.3

// Kinds (IANA TCP Parameters).
namespace tcp_option {
inline constexpr std::uint8_t kEnd = 0;
inline constexpr std::uint8_t kNop = 1;
inline constexpr std::uint8_t kMss = 2;
inline constexpr std::uint8_t kWindowScale = 3;
inline constexpr std::uint8_t kSackPermitted = 4;
inline constexpr std::uint8_t kSack = 5;
inline constexpr std::uint8_t kTimestamps = 8;
inline constexpr std::uint8_t kFastOpen = 34;
inline constexpr std::uint8_t kExperiment = 254;              // RFC 6994: an identifier follows
inline constexpr std::uint16_t kFastOpenExperiment = 0xf989;  // Fast Open before it had a kind
}  // namespace tcp_option

// What the options of one segment say.
struct TcpOptions {
  static constexpr unsigned kMaxSackBlocks = 4;
  static constexpr unsigned kMaxFastOpenCookie = 16;
  std::optional<std::uint16_t> mss;
  std::optional<std::uint8_t> window_scale;  // as it stood on the wire; over 14 counts as 14
  bool sack_permitted = false;
  bool has_timestamps = false;
  std::uint32_t ts_value = 0, ts_echo = 0;
  std::uint8_t sack_count = 0;
  std::array<SeqRange, kMaxSackBlocks> sack{};  // in the order of the wire, not judged
  bool has_fast_open = false;                   // a cookie request is a cookie of length 0
  bool fast_open_experiment = false;            // it stood, or is to stand, in kExperiment
  std::uint8_t fast_open_length = 0;            // 0, or 4 to 16 and even
  std::array<std::uint8_t, kMaxFastOpenCookie> fast_open{};
};

// NOP, NOP, timestamps: what nearly every segment of a connection has, and nothing else (Linux:
// tcp_parse_aligned_timestamp).
inline constexpr be32 kNopNopTimestamps{0x0101080a};
inline bool read_aligned_timestamps(std::span<const std::byte> bytes, TcpOptions& out) {
  std::array<be32, 3> words;
  if (bytes.size() != sizeof words) return false;
  std::memcpy(words.data(), bytes.data(), sizeof words);
  if (words[0] != kNopNopTimestamps) return false;
  out.has_timestamps = true;
  out.ts_value = words[1].host();
  out.ts_echo = words[2].host();
  return true;
}

// Reads the options in `bytes` (the header's part behind its first 20 bytes). An option of a known
// kind and illegal length is left out and the rest still read (RFC 9293 MUST-7); behind a length
// that cannot be stepped over (0, 1, beyond the end) nothing is read. Options that belong to SYN
// only are left out of others and the other way round, as Linux does (tcp_parse_options); of two of
// one kind the later counts. `malformed`: options that were left out for their length.
struct ParsedTcpOptions {
  TcpOptions options;
  unsigned malformed = 0;
};
ParsedTcpOptions parse_tcp_options(std::span<const std::byte> bytes, bool syn);

// Writes the options, padded with NOP so that numbers lie on 4-byte boundaries, in Linux's order.
// Returns the bytes written: a multiple of 4, at most 40. What does not fit any more is left out
// from the end: SACK blocks first to last, then the Fast Open cookie.
unsigned emit_any_tcp_options(const TcpOptions& options, std::span<std::byte, kTcpMaxOptions> out);
inline unsigned emit_tcp_options(const TcpOptions& options,
                                 std::span<std::byte, kTcpMaxOptions> out) {
  const bool others = options.mss || options.window_scale || options.sack_permitted ||
                      options.sack_count != 0 || options.has_fast_open;
  if (others) return emit_any_tcp_options(options, out);
  if (!options.has_timestamps) return 0;
  const std::array<be32, 3> words{kNopNopTimestamps, be32(options.ts_value), be32(options.ts_echo)};
  std::memcpy(out.data(), words.data(), sizeof words);
  return sizeof words;
}
// The bytes that `emit_tcp_options` would write.
unsigned tcp_options_length(const TcpOptions& options);

}  // namespace linnet::wire
