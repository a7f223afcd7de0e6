// SPDX-License-Identifier: BSD-3-Clause
// TCP segments by hand, written from RFC 9293 and not from lib/wire.
#pragma once

#include <optional>

#include "support/frames.hpp"

namespace linnet::tests {

struct TcpFrame {
  std::uint16_t source_port = 40000;
  std::uint16_t destination_port = 80;
  std::uint32_t seq = 1;
  std::uint32_t ack = 0;
  std::uint8_t flags = 2;
  std::uint16_t window = 65535;
  Bytes options{};  // padded here to a multiple of 4
  std::optional<std::uint8_t> data_offset{};

  Bytes with(const Bytes& payload, Ipv4Address source, Ipv4Address destination) const {
    Bytes out;
    const auto put = [&](std::uint64_t value, unsigned bytes) {
      for (unsigned i = bytes; i-- > 0;)
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    };
    Bytes padded = options;
    padded.resize((padded.size() + 3) / 4 * 4);
    put(source_port, 2);
    put(destination_port, 2);
    put(seq, 4);
    put(ack, 4);
    put(std::uint64_t{data_offset.value_or(static_cast<std::uint8_t>(5 + padded.size() / 4))} << 4,
        1);
    put(flags, 1);
    put(window, 2);
    put(0, 4);
    out = out + padded + payload;
    const std::uint16_t sum = sum_of(out, source, destination);
    out[16] = static_cast<std::uint8_t>(sum >> 8);
    out[17] = static_cast<std::uint8_t>(sum);
    return out;
  }
  // Over the pseudo header and the segment.
  static std::uint16_t sum_of(const Bytes& segment, Ipv4Address source, Ipv4Address destination) {
    Bytes summed;
    for (const std::uint32_t address : {source.host(), destination.host()}) {
      for (int shift = 24; shift >= 0; shift -= 8)
        summed.push_back(static_cast<std::uint8_t>(address >> shift));
    }
    summed.push_back(0);
    summed.push_back(6);
    summed.push_back(static_cast<std::uint8_t>(segment.size() >> 8));
    summed.push_back(static_cast<std::uint8_t>(segment.size()));
    return checksum_of(summed + segment);
  }
};

struct TcpSeen {
  std::uint16_t source_port, destination_port, window;
  std::uint32_t seq, ack;
  std::uint8_t flags;
  Bytes options, payload;
  bool checksum_good;
};

inline std::optional<TcpSeen> parse_tcp(const IpSeen& ip) {
  const Bytes& b = ip.payload;
  if (b.size() < 20 || (b[12] >> 4) * 4u > b.size()) return std::nullopt;
  const auto get = [&](unsigned at, unsigned bytes) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < bytes; ++i)
      value = value << 8 | b[at + i];
    return value;
  };
  const auto header = static_cast<std::ptrdiff_t>((b[12] >> 4) * 4);
  return TcpSeen{static_cast<std::uint16_t>(get(0, 2)),
                 static_cast<std::uint16_t>(get(2, 2)),
                 static_cast<std::uint16_t>(get(14, 2)),
                 get(4, 4),
                 get(8, 4),
                 b[13],
                 Bytes(b.begin() + 20, b.begin() + header),
                 Bytes(b.begin() + header, b.end()),
                 TcpFrame::sum_of(b, ip.source, ip.destination) == 0};
}

}  // namespace linnet::tests
