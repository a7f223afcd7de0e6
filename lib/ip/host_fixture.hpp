// SPDX-License-Identifier: BSD-3-Clause
// Tests of what a host (test_host.hpp) does with datagrams from its eth0. What would go to the
// neighbours is collected.
#pragma once

#include "ip/datagram_fixture.hpp"
#include "ip/test_host.hpp"
#include "wire/icmp.hpp"

namespace linnet::ip {

inline const Ipv4Address kPeer(198, 51, 100, 1);
inline const Ipv4Address kHost(192, 0, 2, 1);

// An ICMP message with its checksum.
inline tests::Bytes icmp_message(wire::IcmpType type, std::uint8_t code, std::uint32_t rest,
                                 const tests::Bytes& payload) {
  tests::Bytes out(sizeof(wire::IcmpHeader));
  auto& header = *reinterpret_cast<wire::IcmpHeader*>(out.data());
  header.type = static_cast<std::uint8_t>(type);
  header.code = code;
  header.rest = be32(rest);
  out.insert(out.end(), payload.begin(), payload.end());
  const std::uint16_t sum = plain_checksum(out);
  reinterpret_cast<wire::IcmpHeader*>(out.data())->checksum = be16(sum);
  return out;
}

// An IPv4 datagram taken apart; its checksums are checked where it is an ICMP message.
struct Parsed {
  explicit Parsed(const tests::Bytes& datagram) : bytes(datagram) {
    EXPECT_GE(bytes.size(), 20u);
    EXPECT_TRUE(header_checksum_good(bytes));
    EXPECT_EQ(ip().total_length.host(), bytes.size());
    options.assign(bytes.begin() + 20, bytes.begin() + ip().header_length());
    payload.assign(bytes.begin() + ip().header_length(), bytes.end());
    if (ip().protocol == wire::protocol::kIcmp && !ip().is_fragment()) {
      EXPECT_EQ(plain_checksum(payload), 0);
    }
  }
  const wire::Ipv4Header& ip() const {
    return *reinterpret_cast<const wire::Ipv4Header*>(bytes.data());
  }
  const wire::IcmpHeader& icmp() const {
    return *reinterpret_cast<const wire::IcmpHeader*>(payload.data());
  }
  // Behind the ICMP header.
  tests::Bytes data() const { return {payload.begin() + 8, payload.end()}; }

  tests::Bytes bytes;
  tests::Bytes options;
  tests::Bytes payload;
};

class HostFixture : public DatagramFixture {
 protected:
  HostFixture() { output_.connect(collector_.stage()); }

  // A datagram as local delivery hands it to a protocol: data() at the transport header.
  packet::Packet delivered(const tests::Bytes& bytes,
                           const std::vector<std::uint32_t>& segments = {}) {
    packet::Packet packet = arrived(bytes, segments);
    const unsigned header = (bytes[0] & 15u) * 4;
    if (header > 20) packet.meta().flags |= packet::Meta::kHasOptions;
    packet.pull(header);
    packet.meta().transport_offset = packet.data_offset();
    return packet;
  }
  // A datagram as it came in on eth0: data() at the IP header.
  packet::Packet arrived(const tests::Bytes& bytes,
                         const std::vector<std::uint32_t>& segments = {}) {
    packet::Packet packet = receive_segments(bytes, segments);
    packet.meta().input_device = 1;
    packet.meta().cast = packet::LinkCast::Host;
    return packet;
  }
  // What was sent since the last call.
  std::vector<Parsed> sent() {
    std::vector<Parsed> out;
    for (const packet::Packet& packet : collector_.packets)
      out.emplace_back(bytes_of(packet));
    collector_.clear();
    return out;
  }

  TestHost host_;
  Settings& settings_ = host_.settings;
  device::DeviceTable& devices_ = host_.devices;
  route::Tables& tables_ = host_.tables;
  Output& output_ = host_.output;
  Icmp& icmp_ = host_.icmp;
};

}  // namespace linnet::ip
