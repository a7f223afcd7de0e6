// SPDX-License-Identifier: BSD-3-Clause
// A host with two networks for this room's tests: lo (0), eth0 (1) 192.0.2.1/24, eth1 (2)
// 203.0.113.1/24, default route via 192.0.2.254. What would go to the neighbours is collected.
#pragma once

#include <memory>

#include "device/loopback.hpp"
#include "device/memory_port.hpp"
#include "ip/datagram_fixture.hpp"
#include "ip/icmp.hpp"
#include "ip/output.hpp"
#include "wire/icmp.hpp"

namespace linnet::ip {

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
  HostFixture() {
    EXPECT_TRUE(devices_.add(std::make_unique<device::Loopback>()).ok());
    for (const char* name : {"eth0", "eth1"}) {
      EXPECT_TRUE(devices_
                      .add(std::make_unique<device::MemoryPort>(
                          name, MacAddress(std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 1})))
                      .ok());
    }
    for (const auto& device : devices_.all()) {
      EXPECT_TRUE(device->set_admin_up(true).ok());
      if (auto* port = dynamic_cast<device::MemoryPort*>(device.get())) port->set_link(true);
      tables_.device_changed(device->index());
      addresses_.device_changed(device->index());
    }
    address(0, "127.0.0.1/8");
    address(1, "192.0.2.1/24");
    address(2, "203.0.113.1/24");
    route::RouteSpec way;
    way.hops = {{.gateway = Ipv4Address(192, 0, 2, 254)}};
    EXPECT_TRUE(tables_.add(way).ok());
    output_.connect(collector_.stage());
  }
  void address(std::uint16_t device, const char* text) {
    const auto done = addresses_.add(device, {.interface = *Ipv4Interface::parse(text)});
    EXPECT_TRUE(done.ok()) << done.error().text();
  }

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

  Settings settings_;
  table::Rcu rcu_{1};
  device::DeviceTable devices_;
  route::Tables tables_{devices_, rcu_};
  route::Addresses addresses_{devices_, tables_, rcu_};
  hook::Hooks hooks_;
  Output output_{devices_, tables_, addresses_, hooks_, settings_, SipKey{3, 4}};
  Icmp icmp_{output_, devices_, tables_, addresses_, settings_, SipKey{5, 6}};
};

}  // namespace linnet::ip
