// SPDX-License-Identifier: BSD-3-Clause
// IPv4 datagrams with TCP or ICMP, built and taken apart. The offsets come from the RFCs; no code
// is shared with lib/wire, so that two mistakes would have to be the same to hide each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace linnet::tests {

using Bytes = std::vector<std::uint8_t>;

struct TcpPacket {
  std::uint32_t source = 0, destination = 0;  // host order
  std::uint16_t source_port = 0, destination_port = 0;
  std::uint32_t seq = 0, ack = 0;
  std::uint8_t flags = 0;
  std::uint8_t ecn = 0;
  std::uint16_t window = 0, urgent = 0;
  std::optional<std::uint16_t> mss;
  std::optional<std::uint8_t> window_scale;
  bool sack_permitted = false;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> timestamps;  // value, echo
  std::vector<std::pair<std::uint32_t, std::uint32_t>> sack;
  std::optional<Bytes> fast_open;     // the cookie of RFC 7413, empty: it is asked for
  bool fast_open_experiment = false;  // it stands in option 254
  Bytes raw_options;                  // added as they are
  Bytes payload;

  bool has(char flag) const;
  std::string flag_letters() const;
};

// "SA", "F.", ...; nothing: a letter that is no flag.
std::optional<std::uint8_t> parse_flags(const std::string& letters);

Bytes build(const TcpPacket& packet);
// Says in `why` what is wrong with the bytes: lengths, checksums, options.
std::optional<TcpPacket> take_apart(const Bytes& bytes, std::string& why);

// ICMP destination unreachable of `code` (and next-hop MTU) about a datagram of ours.
Bytes build_unreachable(std::uint32_t from, std::uint8_t code, std::uint16_t mtu,
                        const Bytes& datagram);

}  // namespace linnet::tests
