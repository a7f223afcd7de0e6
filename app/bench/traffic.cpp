// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/traffic.hpp"

#include <cstring>
#include <fstream>
#include <unordered_set>

#include "base/checksum.hpp"
#include "time/random.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/udp.hpp"

namespace linnet::bench {
namespace {

struct Share {
  unsigned percent;
  unsigned length;
};
// Shares of prefix lengths in a full table; the rest are /24.
constexpr Share kShares[] = {{1, 16}, {1, 18},  {2, 19},  {4, 20},
                             {5, 21}, {11, 22}, {10, 23}, {2, 28}};

unsigned length_of(std::uint64_t percent) {
  unsigned sum = 0;
  for (const Share& share : kShares) {
    sum += share.percent;
    if (percent < sum) return share.length;
  }
  return 24;
}

// An address of the unicast space that is no special range's first octet.
std::uint32_t usable_address(time::Random& random) {
  for (;;) {
    const auto host = static_cast<std::uint32_t>(random.next());
    const std::uint32_t octet = host >> 24;
    if (octet >= 1 && octet < 224 && octet != 127 && octet != 169 && octet != 198 && octet != 10) {
      return host;
    }
  }
}

void put(std::ofstream& out, const void* bytes, std::size_t size) {
  out.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
}

std::vector<char> make_frame(Ipv4Address destination, unsigned flow, const FrameOptions& options) {
  std::vector<char> frame(options.frame_bytes, 0);
  const auto ip_length =
      static_cast<std::uint16_t>(options.frame_bytes - sizeof(wire::EthernetHeader));
  wire::EthernetHeader ethernet{options.destination, MacAddress({2, 0, 0, 0, 0, 0xee}),
                                be16(wire::ethertype::kIpv4)};
  wire::Ipv4Header ip{};
  ip.set_header_length(sizeof ip);
  ip.total_length = be16(ip_length);
  ip.ttl = 64;
  ip.protocol = wire::protocol::kUdp;
  ip.source = Ipv4Address(198, 18, 0, flow % 250 + 1);
  ip.destination = destination;
  ip.checksum = internet_checksum(std::as_bytes(std::span(&ip, 1)));
  const wire::UdpHeader udp{be16(static_cast<std::uint16_t>(1024 + flow % 50000)), be16(9),
                            be16(static_cast<std::uint16_t>(ip_length - sizeof ip)), be16()};
  std::memcpy(frame.data(), &ethernet, sizeof ethernet);
  std::memcpy(frame.data() + sizeof ethernet, &ip, sizeof ip);
  std::memcpy(frame.data() + sizeof ethernet + sizeof ip, &udp, sizeof udp);
  return frame;
}

}  // namespace

std::vector<Ipv4Prefix> internet_like_prefixes(std::size_t count, std::uint64_t seed) {
  time::Random random(seed);
  std::unordered_set<std::uint64_t> seen;
  std::vector<Ipv4Prefix> out;
  out.reserve(count);
  while (out.size() < count) {
    const unsigned length = length_of(random.below(100));
    const Ipv4Prefix prefix(Ipv4Address::from_host(usable_address(random)), length);
    if (!seen.insert(std::uint64_t{prefix.address().host()} << 8 | length).second) continue;
    out.push_back(prefix);
  }
  return out;
}

Result<> write_frames(const std::vector<Ipv4Prefix>& prefixes, const FrameOptions& options) {
  constexpr std::size_t kSmallest =
      sizeof(wire::EthernetHeader) + sizeof(wire::Ipv4Header) + sizeof(wire::UdpHeader);
  if (options.frame_bytes < kSmallest || options.frame_bytes > 1514) {
    return Error{"impossible frame length", std::to_string(options.frame_bytes), -1, "42 to 1514"};
  }
  std::ofstream out(options.path, std::ios::binary | std::ios::trunc);
  const std::uint32_t head[] = {0xa1b2c3d4, 2 | 4u << 16, 0, 0, 65535, 1};
  put(out, head, sizeof head);
  time::Random random(options.seed);
  for (unsigned flow = 0; flow < options.flows; ++flow) {
    const Ipv4Prefix& prefix = prefixes[random.below(prefixes.size())];
    const auto host = static_cast<std::uint32_t>(random.next());
    const Ipv4Address destination =
        Ipv4Address::from_host(prefix.address().host() | (host & ~prefix.mask()));
    const std::vector<char> frame = make_frame(destination, flow, options);
    const auto size = static_cast<std::uint32_t>(frame.size());
    const std::uint32_t record[] = {0, flow, size, size};
    put(out, record, sizeof record);
    put(out, frame.data(), frame.size());
  }
  out.close();
  if (!out) return Error{"cannot write the capture", options.path};
  return Ok{};
}

}  // namespace linnet::bench
