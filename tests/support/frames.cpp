// SPDX-License-Identifier: BSD-3-Clause
#include "support/frames.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace linnet::tests {
namespace {

void put8(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value));
}
void put16(Bytes& out, unsigned value) {
  put8(out, value >> 8);
  put8(out, value);
}
void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value);
}
void put(Bytes& out, const MacAddress& mac) {
  out.insert(out.end(), mac.bytes().begin(), mac.bytes().end());
}
void put(Bytes& out, Ipv4Address address) {
  put32(out, address.host());
}
void set16(Bytes& bytes, std::size_t at, unsigned value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

std::uint16_t get16(const Bytes& bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
std::uint32_t get32(const Bytes& bytes, std::size_t at) {
  return std::uint32_t{get16(bytes, at)} << 16 | get16(bytes, at + 2);
}
MacAddress get_mac(const Bytes& bytes, std::size_t at) {
  std::array<std::uint8_t, 6> out;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 6, out.begin());
  return MacAddress(out);
}
Ipv4Address get_ip(const Bytes& bytes, std::size_t at) {
  return Ipv4Address::from_host(get32(bytes, at));
}
Bytes slice(const Bytes& bytes, std::size_t from, std::size_t to) {
  return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from),
               bytes.begin() + static_cast<std::ptrdiff_t>(to));
}

// Pseudo header of UDP and TCP, RFC 768.
Bytes pseudo_header(Ipv4Address source, Ipv4Address destination, unsigned protocol,
                    std::size_t length) {
  Bytes out;
  put(out, source);
  put(out, destination);
  put16(out, protocol);
  put16(out, static_cast<unsigned>(length));
  return out;
}

std::optional<ArpSeen> parse_arp(const Bytes& bytes) {
  if (bytes.size() < 28) return std::nullopt;
  return ArpSeen{get16(bytes, 6), get_mac(bytes, 8), get_ip(bytes, 14), get_mac(bytes, 18),
                 get_ip(bytes, 24)};
}

std::optional<UdpSeen> parse_udp(const Bytes& bytes) {
  if (bytes.size() < 8) return std::nullopt;
  return UdpSeen{get16(bytes, 0), get16(bytes, 2), get16(bytes, 4), get16(bytes, 6),
                 slice(bytes, 8, bytes.size())};
}

std::string fault_of_ip(const FrameSeen& frame, std::uint32_t mtu, bool own) {
  if (!frame.ip) return "an IPv4 header that does not parse";
  const IpSeen& seen = *frame.ip;
  if (seen.version != 4) return "IP version " + std::to_string(seen.version);
  if (!seen.checksum_good) return "wrong IPv4 header checksum";
  if (seen.ttl == 0) return "TTL 0 on a wire";
  if (seen.total_length > mtu) return "a datagram longer than the MTU";
  if (seen.source.is_multicast() || seen.source.is_loopback()) return "a martian as source";
  if (seen.destination.is_loopback()) return "a loopback address on a wire";
  if (own && seen.reserved_flag) return "the reserved flag of RFC 791 is set";
  if (own && seen.dont_fragment && seen.more_fragments) return "a fragment with don't fragment";
  if (own && frame.icmp && !frame.icmp->checksum_good) return "wrong ICMP checksum";
  for (std::size_t i = seen.total_length; i < frame.payload.size(); ++i) {
    if (frame.payload[i] != 0) return "padding that is not zero";
  }
  return "";
}

}  // namespace

Bytes pattern(std::size_t count, unsigned seed) {
  Bytes out(count);
  std::uint32_t state = seed * 2654435761u + 1;
  for (std::uint8_t& byte : out) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return out;
}

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

std::string hex(const Bytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : bytes) {
    if (!out.empty()) out += ' ';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::uint16_t checksum_of(const Bytes& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
  while (sum > 0xffff)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

MacAddress mac(unsigned last) {
  return MacAddress({2, 0, 0, 0, 0, static_cast<std::uint8_t>(last)});
}
Ipv4Address ip(const std::string& text) {
  const auto out = Ipv4Address::parse(text);
  LINNET_CHECK(out.has_value());
  return *out;
}
Ipv4Prefix net(const std::string& text) {
  const auto out = Ipv4Prefix::parse(text);
  LINNET_CHECK(out.has_value());
  return *out;
}
Ipv4Interface interface_of(const std::string& text) {
  const auto out = Ipv4Interface::parse(text);
  LINNET_CHECK(out.has_value());
  return *out;
}

Bytes Ether::with(const Bytes& payload) const {
  Bytes out;
  put(out, destination);
  put(out, source);
  put16(out, type);
  return out + payload;
}

Bytes Arp::bytes() const {
  Bytes out;
  put16(out, hardware);
  put16(out, protocol);
  put8(out, hardware_size);
  put8(out, protocol_size);
  put16(out, operation);
  put(out, sender_mac);
  put(out, sender_ip);
  put(out, target_mac);
  put(out, target_ip);
  return out;
}

Bytes Ip::with(const Bytes& payload) const {
  Bytes padded = options;
  while (padded.size() % 4 != 0)
    padded.push_back(0);
  const auto header = static_cast<unsigned>(20 + padded.size());
  const unsigned flags = (dont_fragment ? 0x4000u : 0u) | (more_fragments ? 0x2000u : 0u);
  Bytes out;
  put8(out, version.value_or(4) << 4 | ihl.value_or(static_cast<std::uint8_t>(header / 4)));
  put8(out, tos);
  put16(out, total_length.value_or(static_cast<std::uint16_t>(header + payload.size())));
  put16(out, id);
  put16(out, flags_and_offset.value_or(static_cast<std::uint16_t>(flags | offset / 8)));
  put8(out, ttl);
  put8(out, protocol);
  put16(out, 0);
  put(out, source);
  put(out, destination);
  out = out + padded;
  set16(out, 10, checksum.value_or(checksum_of(out)) + static_cast<unsigned>(checksum_error));
  return out + payload;
}

std::vector<Bytes> Ip::cut(const Bytes& payload, unsigned piece) const {
  std::vector<Bytes> out;
  for (std::size_t at = 0; at < payload.size(); at += piece) {
    Ip one = *this;
    const std::size_t end = std::min(payload.size(), at + piece);
    one.offset = offset + static_cast<unsigned>(at);
    one.more_fragments = more_fragments || end < payload.size();
    out.push_back(one.with(slice(payload, at, end)));
  }
  return out;
}

Bytes Icmp::with(const Bytes& payload) const {
  Bytes out;
  put8(out, type);
  put8(out, code);
  put16(out, 0);
  put32(out, rest);
  out = out + payload;
  set16(out, 2, checksum_of(out) + static_cast<unsigned>(checksum_error));
  return out;
}

Bytes Udp::with(const Bytes& payload, Ipv4Address source, Ipv4Address destination) const {
  Bytes out;
  put16(out, source_port);
  put16(out, destination_port);
  put16(out, length.value_or(static_cast<std::uint16_t>(8 + payload.size())));
  put16(out, 0);
  out = out + payload;
  std::uint16_t sum = checksum_of(pseudo_header(source, destination, 17, out.size()) + out);
  if (sum == 0) sum = 0xffff;  // RFC 768: zero means none
  set16(out, 6, checksum.value_or(sum) + static_cast<unsigned>(checksum_error));
  return out;
}

Bytes udp_datagram(const Ip& header, const Udp& udp, const Bytes& payload) {
  return header.with(udp.with(payload, header.source, header.destination));
}

std::optional<IcmpSeen> parse_icmp(const Bytes& bytes) {
  if (bytes.size() < 8) return std::nullopt;
  return IcmpSeen{bytes[0], bytes[1], get32(bytes, 4), slice(bytes, 8, bytes.size()),
                  checksum_of(bytes) == 0};
}

std::optional<IpSeen> parse_ip(const Bytes& bytes) {
  if (bytes.size() < 20) return std::nullopt;
  IpSeen out{};
  out.header_length = (bytes[0] & 15u) * 4;
  out.total_length = get16(bytes, 2);
  if (out.header_length < 20 || out.header_length > bytes.size() ||
      out.total_length < out.header_length) {
    return std::nullopt;
  }
  out.bytes = slice(bytes, 0, std::min<std::size_t>(out.total_length, bytes.size()));
  out.version = bytes[0] >> 4;
  out.tos = bytes[1];
  out.id = get16(bytes, 4);
  const std::uint16_t flags = get16(bytes, 6);
  out.reserved_flag = (flags & 0x8000) != 0;
  out.dont_fragment = (flags & 0x4000) != 0;
  out.more_fragments = (flags & 0x2000) != 0;
  out.offset = (flags & 0x1fffu) * 8;
  out.ttl = bytes[8];
  out.protocol = bytes[9];
  out.checksum = get16(bytes, 10);
  out.source = get_ip(bytes, 12);
  out.destination = get_ip(bytes, 16);
  out.options = slice(bytes, 20, out.header_length);
  out.payload = slice(out.bytes, out.header_length, out.bytes.size());
  out.checksum_good = checksum_of(slice(bytes, 0, out.header_length)) == 0;
  return out;
}

FrameSeen parse_frame(Bytes bytes) {
  FrameSeen out;
  out.bytes = std::move(bytes);
  if (out.bytes.size() < 14) return out;
  out.destination = get_mac(out.bytes, 0);
  out.source = get_mac(out.bytes, 6);
  out.type = get16(out.bytes, 12);
  out.payload = slice(out.bytes, 14, out.bytes.size());
  if (out.type == 0x0806) out.arp = parse_arp(out.payload);
  if (out.type != 0x0800) return out;
  out.ip = parse_ip(out.payload);
  if (!out.ip || out.ip->more_fragments || out.ip->offset != 0) return out;
  if (out.ip->protocol == 1) out.icmp = parse_icmp(out.ip->payload);
  if (out.ip->protocol == 17) out.udp = parse_udp(out.ip->payload);
  return out;
}

std::string fault_of(const FrameSeen& frame, std::uint32_t mtu, bool own) {
  if (frame.bytes.size() < 14) return "a runt";
  if (frame.bytes.size() > mtu + 14) return "a frame longer than the MTU";
  if (frame.source.is_group()) return "a group address as source MAC";
  if (frame.type == 0x0806 && !frame.arp) return "a short ARP packet";
  if (frame.type == 0x0800) return fault_of_ip(frame, mtu, own);
  return frame.type == 0x0806 ? "" : "an ethertype that nobody asked for";
}

}  // namespace linnet::tests
