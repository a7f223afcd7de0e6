// SPDX-License-Identifier: BSD-3-Clause
#include "ip/forward.hpp"

#include "base/checksum.hpp"
#include "ip/options.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {
namespace {

using packet::Packet;
using packet::Turn;
using wire::Ipv4Header;

// Time to live and checksum in one step: the field is the high byte of a word, so the checksum
// grows by 0x0100 with an end-around carry (RFC 1141; Linux: ip_decrease_ttl).
inline void decrease_ttl(Ipv4Header& header) {
  std::uint32_t sum = header.checksum.raw();
  sum += be16(0x0100).raw();
  header.checksum = be16::from_raw(static_cast<std::uint16_t>(sum + (sum >= 0xffff ? 1 : 0)));
  --header.ttl;
}

inline void set_way(packet::Meta& meta, const Ipv4Header& header, const route::NextHop& hop,
                    std::uint32_t mtu) {
  meta.hop = &hop;
  meta.output_device = hop.device;
  meta.next_hop = hop.gateway.is_any() ? header.destination : hop.gateway;
  meta.path_mtu = static_cast<std::uint16_t>(mtu);
  meta.flags |= packet::Meta::kForwarded;
}

}  // namespace

std::uint32_t multipath_hash(packet::PacketRef packet, const SipKey& key, std::uint32_t policy) {
  const Ipv4Header& header = *packet.header<Ipv4Header>();
  const std::uint64_t addresses =
      std::uint64_t{header.source.network().raw()} << 32 | header.destination.network().raw();
  std::uint64_t ports = 0;
  const bool has_ports =
      header.protocol == wire::protocol::kTcp || header.protocol == wire::protocol::kUdp;
  if (policy == 1 && has_ports && !header.is_fragment()) {
    if (const be32* both = packet.header<be32>(header.header_length())) {
      ports = std::uint64_t{both->raw()} << 8 | header.protocol;
    }
  }
  return static_cast<std::uint32_t>(siphash13(key, addresses, ports));
}

void Forward::forward(Turn& turn, packet::Burst& burst, const route::Route* const* routes) {
  const unsigned count = burst.size();
  unsigned kept = 0;
  const route::Route* route = nullptr;
  std::uint32_t mtu = 0;  // of `route`'s way, 0 where it has not the one live hop
  bool any_rare = false;
  for (unsigned i = 0; i < count; ++i) {
    const packet::PacketRef packet = burst[i];
    if (routes[i] != route) {
      route = routes[i];
      mtu = route->live_hops == 1 ? way_mtu(*route, *route->hops) : 0;
    }
    packet::Meta& meta = packet.meta();
    auto& header = *reinterpret_cast<Ipv4Header*>(packet.data());
    constexpr unsigned kUnusual = packet::Meta::kHasOptions | packet::Meta::kLinkLocal;
    if (packet.length() <= mtu && header.ttl > 1 && (meta.flags & kUnusual) == 0 &&
        meta.input_device != route->hops->device) [[likely]] {
      set_way(meta, header, *route->hops, mtu);
      decrease_ttl(header);
      burst.keep(i, kept++);
      continue;
    }
    any_rare = true;
    Packet taken = burst.take(i);
    if (!rare(turn, taken, *route)) continue;
    decrease_ttl(*taken.header<Ipv4Header>());
    burst.keep(std::move(taken), kept++);
  }
  burst.set_size(kept);
  // Packets in need of fragmentation are among the rare ones, and hooks can make others.
  any_rare |= !hooks_.empty(hook::Point::Forward);
  hooks_.run(hook::Point::Forward, turn, burst);
  if (!burst.empty()) output_.post_route(turn, burst, any_rare);
}

std::uint32_t Forward::way_mtu(const route::Route& route, const route::NextHop& hop) const {
  return route.mtu != 0 ? route.mtu : devices_.at(hop.device)->mtu();
}

// What few packets need: a choice of hops, options, an error. False: the packet was ended here.
bool Forward::rare(Turn& turn, Packet& packet, const route::Route& route) {
  using wire::IcmpType;
  const Ipv4Header& header = *packet.header<Ipv4Header>();
  const auto refuse = [&](const IcmpError& error, Drop why) {
    icmp_.refuse(turn, std::move(packet), error, packet::reason_of(why));
    return false;
  };
  const std::uint32_t policy = settings_.fib_multipath_hash_policy.load(std::memory_order_relaxed);
  const route::NextHop* const hop =
      route.choose(route.live_hops == 1 ? 0 : multipath_hash(packet, key_, policy));
  if (hop == nullptr)
    return refuse({IcmpType::Unreachable, wire::unreachable::kHost}, Drop::NoRoute);
  // RFC 3927 section 7: link-local addresses stay on their link.
  if ((packet.meta().flags & packet::Meta::kLinkLocal) != 0) {
    turn.drop(std::move(packet), Drop::NotForwardable);
    return false;
  }
  if (header.ttl <= 1)
    return refuse({IcmpType::TimeExceeded, wire::kTtlExceeded}, Drop::TtlExceeded);
  const std::uint32_t mtu = way_mtu(route, *hop);
  if (packet.length() > mtu && header.dont_fragment()) {
    return refuse({IcmpType::Unreachable, wire::unreachable::kFragmentationNeeded, mtu},
                  Drop::FragmentationNeeded);
  }
  packet::Meta& meta = packet.meta();
  set_way(meta, header, *hop, mtu);
  if (meta.input_device == hop->device &&
      settings_.send_redirects.load(std::memory_order_relaxed) != 0) {
    redirect(turn, packet, meta.next_hop);
  }
  if ((meta.flags & packet::Meta::kHasOptions) == 0) return true;
  return options(turn, packet, hop->device);
}

// Record route and timestamp are filled in by every router (RFC 1812 sections 5.3.13.3, 5.3.13.4).
bool Forward::options(Turn& turn, Packet& packet, std::uint16_t output_device) {
  Ipv4Header& header = *packet.header<Ipv4Header>();
  const std::span<std::byte> bytes =
      packet.first_bytes().subspan(sizeof header, header.header_length() - sizeof header);
  const Options found = parse_options(bytes);
  const Ipv4Address own = addresses_.source_for(output_device, header.destination);
  if (update_options(bytes, found, own, settings_.ut_milliseconds(turn.now)) ==
      Options::Verdict::Bad) {
    icmp_.refuse(turn, std::move(packet),
                 {wire::IcmpType::ParameterProblem, 0,
                  static_cast<std::uint32_t>(sizeof header + found.timestamp) << 24},
                 packet::reason_of(Drop::BadOption));
    return false;
  }
  header.checksum = be16();
  header.checksum = internet_checksum(packet.first_bytes().first(header.header_length()));
  return true;
}

// A better first hop on the sender's own network (RFC 1812 section 5.2.7.2): only if the sender is
// on the subnet of the next hop.
void Forward::redirect(Turn& turn, const Packet& packet, Ipv4Address gateway) {
  const Ipv4Header& header = *packet.header<Ipv4Header>();
  for (const route::Address& address : addresses_.of_device(packet.meta().input_device)) {
    const Ipv4Prefix subnet = address.interface.prefix();
    if (!subnet.contains(header.source) || !subnet.contains(gateway)) continue;
    icmp_.send_error(turn, packet, {wire::IcmpType::Redirect, wire::kRedirectHost, gateway.host()});
    return;
  }
}

}  // namespace linnet::ip
