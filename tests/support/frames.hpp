// SPDX-License-Identifier: BSD-3-Clause
// Frames as byte vectors: built field by field, right or deliberately wrong, and taken apart again.
// Written from the RFCs, not from lib/wire, so that an offset that is wrong there shows here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ipv4.hpp"
#include "base/mac.hpp"

namespace linnet::tests {

using Bytes = std::vector<std::uint8_t>;

// `count` bytes that differ from their neighbours and from frame to frame.
Bytes pattern(std::size_t count, unsigned seed = 1);
Bytes operator+(Bytes left, const Bytes& right);
// "45 00 00 1c", for messages.
std::string hex(const Bytes& bytes);
// RFC 1071 over the bytes as they stand.
std::uint16_t checksum_of(const Bytes& bytes);

MacAddress mac(unsigned last);                        // 02:00:00:00:00:last
Ipv4Address ip(const std::string& text);              // aborts on what is no address
Ipv4Prefix net(const std::string& text);              // likewise
Ipv4Interface interface_of(const std::string& text);  // likewise

// --- Builders. A field that is left out is computed.
struct Ether {
  MacAddress destination;
  MacAddress source;
  std::uint16_t type = 0x0800;
  Bytes with(const Bytes& payload) const;
};

struct Arp {
  std::uint16_t operation = 1;
  MacAddress sender_mac;
  Ipv4Address sender_ip;
  MacAddress target_mac;
  Ipv4Address target_ip;
  std::uint16_t hardware = 1;
  std::uint16_t protocol = 0x0800;
  std::uint8_t hardware_size = 6;
  std::uint8_t protocol_size = 4;
  Bytes bytes() const;
};

struct Ip {
  Ipv4Address source;
  Ipv4Address destination;
  std::uint8_t protocol = 17;
  std::uint8_t ttl = 64;
  std::uint8_t tos = 0;
  std::uint16_t id = 0x1234;
  bool dont_fragment = false;
  bool more_fragments = false;
  unsigned offset = 0;  // bytes, a multiple of 8
  Bytes options{};      // padded here to a multiple of 4
  std::optional<std::uint8_t> version{};
  std::optional<std::uint8_t> ihl{};
  std::optional<std::uint16_t> total_length{};
  std::optional<std::uint16_t> flags_and_offset{};
  std::optional<std::uint16_t> checksum{};
  int checksum_error = 0;  // added to the right checksum
  Bytes with(const Bytes& payload) const;
  // The datagram cut into pieces of `piece` payload bytes (a multiple of 8), in order.
  std::vector<Bytes> cut(const Bytes& payload, unsigned piece) const;
};

struct Icmp {
  std::uint8_t type = 8;
  std::uint8_t code = 0;
  std::uint32_t rest = 0x00010001;
  int checksum_error = 0;
  Bytes with(const Bytes& payload) const;
};

struct Udp {
  std::uint16_t source_port = 40000;
  std::uint16_t destination_port = 50000;
  std::optional<std::uint16_t> length{};
  std::optional<std::uint16_t> checksum{};
  int checksum_error = 0;
  // The checksum's pseudo header wants the addresses.
  Bytes with(const Bytes& payload, Ipv4Address source, Ipv4Address destination) const;
};

// A whole UDP datagram with its IP header.
Bytes udp_datagram(const Ip& header, const Udp& udp, const Bytes& payload);

// --- Parsers.
struct ArpSeen {
  std::uint16_t operation;
  MacAddress sender_mac;
  Ipv4Address sender_ip;
  MacAddress target_mac;
  Ipv4Address target_ip;
};

struct IpSeen {
  Bytes bytes;  // header and payload as the total length says
  unsigned header_length;
  std::uint8_t version, tos, ttl, protocol;
  std::uint16_t total_length, id, checksum;
  bool dont_fragment, more_fragments, reserved_flag;
  unsigned offset;  // bytes
  Ipv4Address source, destination;
  Bytes options;
  Bytes payload;
  bool checksum_good;
};

struct IcmpSeen {
  std::uint8_t type, code;
  std::uint32_t rest;
  Bytes payload;
  bool checksum_good;
  std::uint16_t id() const { return static_cast<std::uint16_t>(rest >> 16); }
  std::uint16_t sequence() const { return static_cast<std::uint16_t>(rest); }
};

struct UdpSeen {
  std::uint16_t source_port, destination_port, length, checksum;
  Bytes payload;
};

struct FrameSeen {
  Bytes bytes;
  MacAddress destination, source;
  std::uint16_t type = 0;
  Bytes payload;                 // with padding
  std::optional<ArpSeen> arp{};  // set where the bytes are one
  std::optional<IpSeen> ip{};
  std::optional<IcmpSeen> icmp{};  // of unfragmented datagrams
  std::optional<UdpSeen> udp{};
};

// Takes apart what is there; what is too short stays unset. Shorter than 14 bytes: only `bytes`.
FrameSeen parse_frame(Bytes bytes);
std::optional<IpSeen> parse_ip(const Bytes& bytes);
std::optional<IcmpSeen> parse_icmp(const Bytes& bytes);

// Why a frame that a stack sent is not as the RFCs want it; empty: nothing to say. `mtu`: of the
// link. `own`: the stack made the datagram itself and answers for what is inside, too.
std::string fault_of(const FrameSeen& frame, std::uint32_t mtu, bool own);

}  // namespace linnet::tests
