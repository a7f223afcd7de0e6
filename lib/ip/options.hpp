// SPDX-License-Identifier: BSD-3-Clause
// IPv4 options (RFC 791 section 3.1, RFC 1122 section 3.2.1.8, RFC 1812 section 4.2.2.1
// and 5.3.13).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ipv4.hpp"

namespace linnet::ip {

// What a checked walk over the option bytes found. Offsets are from the start of the options;
// 0xff: not there.
struct Options {
  enum class Verdict : std::uint8_t { Good, Bad, SourceRoute };
  Verdict verdict = Verdict::Good;
  std::uint8_t bad_offset = 0;  // of the offending byte: ICMP parameter problem points there
  std::uint8_t record_route = 0xff;
  std::uint8_t timestamp = 0xff;
  bool router_alert = false;
};

// `options`: the bytes between the 20-byte header and the payload, at most 40. A bounded single
// pass; an option given twice where it may stand once is Bad. A source route (LSRR, SSRR) is
// reported as SourceRoute: the caller refuses it.
Options parse_options(std::span<const std::byte> options);

// What a host or router does to options that it passes on or delivers: appends `own` to a record
// route and a timestamp (milliseconds since midnight UT, RFC 791) where there is room, counts the
// timestamp's overflow. The caller fixes the header checksum. Returns Bad if the overflow counter
// is full (RFC 791: the datagram is in error).
Options::Verdict update_options(std::span<std::byte> options, const Options& found, Ipv4Address own,
                                std::uint32_t ut_milliseconds);

// Fills `out` with the options for an answer to a datagram: record route and timestamp are kept
// (RFC 1122 3.2.2.6), padded with END to a multiple of 4; returns the bytes written (<= 40).
std::size_t reply_options(std::span<const std::byte> options, const Options& found,
                          std::span<std::byte, 40> out);

// The options that go into fragments behind the first: those with the copied flag (RFC 791 3.1).
std::size_t fragment_options(std::span<const std::byte> options, std::span<std::byte, 40> out);

}  // namespace linnet::ip
