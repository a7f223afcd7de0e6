// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/ipv4.hpp"
#include "base/siphash.hpp"

namespace linnet::socket {

// Two ends of a conversation; ports in host order.
struct Flow {
  Ipv4Address local{}, peer{};
  std::uint16_t local_port = 0, peer_port = 0;
  friend constexpr bool operator==(const Flow&, const Flow&) = default;
  constexpr Flow turned() const { return {peer, local, peer_port, local_port}; }
};
static_assert(sizeof(Flow) == 12);

inline std::span<const std::byte> bytes_of(const Flow& flow) {
  return std::as_bytes(std::span(&flow, 1));
}

// The keyed hash that names a flow's lane and its place in tables; the same for both directions.
class FlowHash {
 public:
  FlowHash(SipKey key, unsigned lanes) : key_(key), lanes_(lanes) {}

  std::uint32_t of(const Flow& flow, std::uint8_t protocol) const {
    std::uint64_t one = end(flow.local, flow.local_port), other = end(flow.peer, flow.peer_port);
    if (one > other) std::swap(one, other);
    return static_cast<std::uint32_t>(siphash13(key_, one | std::uint64_t{protocol} << 48, other));
  }
  // Of what the fragments of one datagram have in common (RFC 791).
  std::uint32_t of_fragments(Ipv4Address source, Ipv4Address destination, std::uint16_t id,
                             std::uint8_t protocol) const {
    return static_cast<std::uint32_t>(
        siphash13(key_, std::uint64_t{source.host()} << 32 | destination.host(),
                  std::uint64_t{id} << 8 | protocol));
  }
  // The lane that owns flows of this hash.
  unsigned owner(std::uint32_t hash) const {
    return static_cast<unsigned>(std::uint64_t{hash} * lanes_ >> 32);
  }
  unsigned lanes() const { return lanes_; }

 private:
  static std::uint64_t end(Ipv4Address address, std::uint16_t port) {
    return std::uint64_t{address.host()} << 16 | port;
  }
  SipKey key_;
  unsigned lanes_;
};

}  // namespace linnet::socket
