// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/packet.hpp"

#include <algorithm>
#include <cstddef>

namespace linnet::tests {
namespace {

constexpr const char* kLetters = "FSRPAUEW";

void put16(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}
void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}
void set16(Bytes& out, std::size_t at, unsigned value) {
  out[at] = static_cast<std::uint8_t>(value >> 8);
  out[at + 1] = static_cast<std::uint8_t>(value);
}
std::uint16_t get16(const Bytes& in, std::size_t at) {
  return static_cast<std::uint16_t>(in[at] << 8 | in[at + 1]);
}
std::uint32_t get32(const Bytes& in, std::size_t at) {
  return std::uint32_t{get16(in, at)} << 16 | get16(in, at + 2);
}

// RFC 1071, over bytes [from, end) and a start value.
unsigned sum(const Bytes& bytes, std::size_t from, std::size_t end, unsigned long start = 0) {
  unsigned long total = start;
  for (std::size_t i = from; i < end; ++i)
    total += static_cast<unsigned long>(bytes[i]) << ((i - from) % 2 == 0 ? 8 : 0);
  while (total >> 16 != 0)
    total = (total & 0xffff) + (total >> 16);
  return static_cast<unsigned>(total);
}

unsigned long pseudo_header(const Bytes& ip, std::size_t length) {
  return sum(ip, 12, 20) + 6u + length;
}

Bytes ip_header(std::uint32_t source, std::uint32_t destination, unsigned protocol, unsigned ecn,
                std::size_t payload) {
  Bytes out = {0x45, static_cast<std::uint8_t>(ecn)};
  put16(out, static_cast<unsigned>(20 + payload));
  put16(out, 0x1234);
  put16(out, 0x4000);
  out.push_back(64);
  out.push_back(static_cast<std::uint8_t>(protocol));
  put16(out, 0);
  put32(out, source);
  put32(out, destination);
  set16(out, 10, ~sum(out, 0, 20) & 0xffff);
  return out;
}

Bytes build_options(const TcpPacket& packet) {
  Bytes out;
  if (packet.mss) {
    out.insert(out.end(), {2, 4});
    put16(out, *packet.mss);
  }
  if (packet.sack_permitted) out.insert(out.end(), {4, 2});
  if (packet.timestamps) {
    out.insert(out.end(), {8, 10});
    put32(out, packet.timestamps->first);
    put32(out, packet.timestamps->second);
  }
  if (packet.window_scale) out.insert(out.end(), {3, 3, *packet.window_scale});
  if (!packet.sack.empty()) {
    out.insert(out.end(), {5, static_cast<std::uint8_t>(2 + 8 * packet.sack.size())});
    for (const auto& [begin, end] : packet.sack) {
      put32(out, begin);
      put32(out, end);
    }
  }
  if (packet.fast_open) {
    const auto bytes = static_cast<std::uint8_t>(packet.fast_open->size());
    if (packet.fast_open_experiment)
      out.insert(out.end(), {254, static_cast<std::uint8_t>(4 + bytes), 0xf9, 0x89});
    else
      out.insert(out.end(), {34, static_cast<std::uint8_t>(2 + bytes)});
    out.insert(out.end(), packet.fast_open->begin(), packet.fast_open->end());
  }
  out.insert(out.end(), packet.raw_options.begin(), packet.raw_options.end());
  while (out.size() % 4 != 0)
    out.push_back(1);
  return out;
}

bool take_option(std::uint8_t kind, const Bytes& in, std::size_t at, std::size_t length,
                 TcpPacket& out) {
  switch (kind) {
    case 2:
      if (length != 2) return false;
      out.mss = get16(in, at);
      return true;
    case 3:
      if (length != 1) return false;
      out.window_scale = in[at];
      return true;
    case 4:
      out.sack_permitted = true;
      return length == 0;
    case 5:
      if (length == 0 || length % 8 != 0) return false;
      for (std::size_t i = at; i < at + length; i += 8)
        out.sack.emplace_back(get32(in, i), get32(in, i + 4));
      return true;
    case 8:
      if (length != 8) return false;
      out.timestamps = {get32(in, at), get32(in, at + 4)};
      return true;
    case 254:
      if (length < 2 || get16(in, at) != 0xf989) return true;
      out.fast_open_experiment = true;
      at += 2;
      length -= 2;
      [[fallthrough]];
    case 34:
      out.fast_open = Bytes(in.begin() + static_cast<std::ptrdiff_t>(at),
                            in.begin() + static_cast<std::ptrdiff_t>(at + length));
      return true;
    default:
      return true;
  }
}

bool take_options(const Bytes& in, std::size_t at, std::size_t end, TcpPacket& out) {
  while (at < end) {
    const std::uint8_t kind = in[at];
    if (kind == 0) return true;
    if (kind == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= end || in[at + 1] < 2 || at + in[at + 1] > end) return false;
    if (!take_option(kind, in, at + 2, in[at + 1] - 2u, out)) return false;
    at += in[at + 1];
  }
  return true;
}

}  // namespace

bool TcpPacket::has(char flag) const {
  const auto bit = std::string(kLetters).find(flag);
  return bit != std::string::npos && (flags >> bit & 1) != 0;
}

std::string TcpPacket::flag_letters() const {
  std::string out;
  for (const char letter : std::string("SFRPAUEW"))
    if (has(letter)) out += letter;
  return out.empty() ? "-" : out;
}

std::optional<std::uint8_t> parse_flags(const std::string& letters) {
  unsigned out = 0;
  if (letters == "-") return std::uint8_t{0};
  for (const char letter : letters) {
    const auto bit = std::string(kLetters).find(letter);
    if (bit == std::string::npos) return std::nullopt;
    out |= 1u << bit;
  }
  return static_cast<std::uint8_t>(out);
}

Bytes build(const TcpPacket& packet) {
  const Bytes options = build_options(packet);
  const std::size_t length = 20 + options.size() + packet.payload.size();
  Bytes out = ip_header(packet.source, packet.destination, 6, packet.ecn, length);
  put16(out, packet.source_port);
  put16(out, packet.destination_port);
  put32(out, packet.seq);
  put32(out, packet.ack);
  out.push_back(static_cast<std::uint8_t>((20 + options.size()) / 4 << 4));
  out.push_back(packet.flags);
  put16(out, packet.window);
  put16(out, 0);
  put16(out, packet.urgent);
  out.insert(out.end(), options.begin(), options.end());
  out.insert(out.end(), packet.payload.begin(), packet.payload.end());
  set16(out, 36, ~sum(out, 20, out.size(), pseudo_header(out, length)) & 0xffff);
  return out;
}

std::optional<TcpPacket> take_apart(const Bytes& bytes, std::string& why) {
  const auto wrong = [&](const char* what) {
    why = what;
    return std::nullopt;
  };
  if (bytes.size() < 40 || bytes[0] != 0x45) return wrong("no plain IPv4 header");
  if (get16(bytes, 2) != bytes.size()) return wrong("total length");
  if (sum(bytes, 0, 20) != 0xffff) return wrong("IPv4 checksum");
  if (bytes[9] != 6) return wrong("not TCP");
  if (sum(bytes, 20, bytes.size(), pseudo_header(bytes, bytes.size() - 20)) != 0xffff)
    return wrong("TCP checksum");
  TcpPacket out;
  out.source = get32(bytes, 12);
  out.destination = get32(bytes, 16);
  out.ecn = bytes[1] & 3;
  out.source_port = get16(bytes, 20);
  out.destination_port = get16(bytes, 22);
  out.seq = get32(bytes, 24);
  out.ack = get32(bytes, 28);
  out.flags = bytes[33];
  out.window = get16(bytes, 34);
  out.urgent = get16(bytes, 38);
  const std::size_t header = (bytes[32] >> 4) * 4u;
  if (header < 20 || 20 + header > bytes.size()) return wrong("data offset");
  if (!take_options(bytes, 40, 20 + header, out)) return wrong("options");
  out.payload.assign(bytes.begin() + 20 + static_cast<std::ptrdiff_t>(header), bytes.end());
  return out;
}

Bytes build_unreachable(std::uint32_t from, std::uint8_t code, std::uint16_t mtu,
                        const Bytes& datagram) {
  const std::size_t quoted = std::min<std::size_t>(datagram.size(), 28);
  Bytes out = ip_header(from, get32(datagram, 12), 1, 0, 8 + quoted);
  out.insert(out.end(), {3, code, 0, 0, 0, 0});
  put16(out, mtu);
  out.insert(out.end(), datagram.begin(), datagram.begin() + static_cast<std::ptrdiff_t>(quoted));
  set16(out, 22, ~sum(out, 20, out.size()) & 0xffff);
  return out;
}

}  // namespace linnet::tests
