// SPDX-License-Identifier: BSD-3-Clause
// IPv4 datagrams for this room's tests, built without the code under test.
#pragma once

#include <string>
#include <vector>

#include "support/lane_fixture.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {

// What a test says of a header; the rest is filled in.
struct HeaderSpec {
  Ipv4Address source{198, 51, 100, 1};
  Ipv4Address destination{192, 0, 2, 1};
  std::uint8_t protocol = wire::protocol::kUdp;
  std::uint8_t tos = 0;
  std::uint8_t ttl = 64;
  std::uint16_t id = 0x1234;
  unsigned offset = 0;  // bytes
  bool more = false;
  bool dont_fragment = false;
  tests::Bytes options{};
};

// RFC 1071 word by word.
inline std::uint16_t plain_checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    sum += i % 2 == 0 ? unsigned{bytes[i]} << 8 : unsigned{bytes[i]};
  while (sum > 0xffff)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

inline bool header_checksum_good(std::span<const std::uint8_t> datagram) {
  return plain_checksum(datagram.first((datagram[0] & 15u) * 4)) == 0;
}

// Bytes that differ at every place of a few thousand.
inline tests::Bytes pattern(std::size_t size) {
  tests::Bytes out(size);
  for (std::size_t i = 0; i < size; ++i)
    out[i] = static_cast<std::uint8_t>(i * 7 + (i >> 8) * 13 + 1);
  return out;
}

inline tests::Bytes datagram(const HeaderSpec& spec, const tests::Bytes& payload) {
  const std::size_t header = 20 + spec.options.size();
  tests::Bytes out(header);
  auto& ip = *reinterpret_cast<wire::Ipv4Header*>(out.data());
  ip.set_header_length(static_cast<unsigned>(header));
  ip.tos = spec.tos;
  ip.total_length = be16(static_cast<std::uint16_t>(header + payload.size()));
  ip.id = be16(spec.id);
  ip.fragment = be16(static_cast<std::uint16_t>(spec.offset / 8 | (spec.more ? 0x2000 : 0) |
                                                (spec.dont_fragment ? 0x4000 : 0)));
  ip.ttl = spec.ttl;
  ip.protocol = spec.protocol;
  ip.source = spec.source;
  ip.destination = spec.destination;
  std::copy(spec.options.begin(), spec.options.end(), out.begin() + 20);
  ip.checksum = be16(plain_checksum(out));
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

class DatagramFixture : public tests::LaneFixture {
 protected:
  // A received packet whose first segments have these lengths; data() at the IP header.
  packet::Packet receive_segments(const tests::Bytes& bytes,
                                  const std::vector<std::uint32_t>& lengths) {
    std::size_t done = 0;
    std::size_t segment = 0;
    packet::Packet out;
    while (done < bytes.size()) {
      const std::size_t want = segment < lengths.size() ? lengths[segment] : 2000;
      ++segment;
      const std::size_t part = std::min({want, bytes.size() - done, std::size_t{2000}});
      packet::Packet piece = pool_->allocate();
      EXPECT_TRUE(piece);
      std::memcpy(piece.put(static_cast<std::uint32_t>(part)), bytes.data() + done, part);
      done += part;
      if (out) {
        out.chain(std::move(piece));
      } else {
        out = std::move(piece);
      }
    }
    ledger_.received.add();
    out.meta().network_offset = out.data_offset();
    return out;
  }

  tests::Collector collector_;
};

}  // namespace linnet::ip
