// SPDX-License-Identifier: BSD-3-Clause
#include "ip/forward.hpp"

#include <cstddef>
#include <cstring>

#include "base/checksum.hpp"
#include "ip/options.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {
namespace {

using packet::Meta;
using packet::Packet;
using packet::Turn;
using packet::WayFields;
using wire::Ipv4Header;

// Time to live, protocol and checksum of a header as one word: the time to live is its low byte,
// the checksum its high half.
constexpr std::uint32_t kTtlBits = 0xff;
inline std::uint32_t ttl_word(const Ipv4Header& header) {
  static_assert(offsetof(Ipv4Header, ttl) == 8 && offsetof(Ipv4Header, checksum) == 10);
  std::uint32_t word;
  std::memcpy(&word, &header.ttl, sizeof word);
  return word;
}
// One hop less (RFC 1141; Linux: ip_decrease_ttl): the time to live is the high byte of a summed
// word, so the checksum grows by 0x0100, which is 1 in its high half, with an end-around carry. The
// borrow-free subtraction of 1 and the addition of 0x10000 are one addition.
inline void decrease_ttl(Ipv4Header& header, std::uint32_t word) {
  const std::uint32_t carry = word >= 0xfffe0000u ? 0x10000u : 0;
  word += 0xffff + carry;
  std::memcpy(&header.ttl, &word, sizeof word);
}
inline void decrease_ttl(Ipv4Header& header) {
  decrease_ttl(header, ttl_word(header));
}

// A next hop and its MTU, in registers for all packets of a row that take it.
struct Way {
  Way(const route::NextHop& next, std::uint32_t way_mtu)
      : hop(&next),
        fields(WayFields{.output_device = next.device,
                         .flags = Meta::kForwarded,
                         .path_mtu = static_cast<std::uint16_t>(way_mtu)}
                   .word()),
        mtu(way_mtu),
        gateway(next.gateway),
        device(next.device) {}

  void write(Meta& meta, std::uint64_t before, const Ipv4Header& header) const {
    static constexpr std::uint64_t kKept =
        WayFields{.input_device = 0xffff, .cast = packet::LinkCast{0xff}, .flags = 0xff}.word();
    meta.hop = hop;
    WayFields::write(meta, (before & kKept) | fields);
    meta.next_hop = gateway.is_any() ? header.destination : gateway;
  }
  // Sends a packet that way which needs nothing else; false: look closer, nothing was changed.
  bool take(packet::PacketRef packet) const {
    static constexpr std::uint64_t kUnusual =
        WayFields{.cast = packet::LinkCast{0xff}, .flags = Meta::kHasOptions | Meta::kLinkLocal}
            .word();
    static_assert(static_cast<unsigned>(packet::LinkCast::Host) == 0);
    Meta& meta = packet.meta();
    const std::uint64_t before = WayFields::word_of(meta);
    auto& header = *reinterpret_cast<Ipv4Header*>(packet.data());
    const std::uint32_t word = ttl_word(header);
    if (packet.length() > mtu || (word & kTtlBits) <= 1 || (before & kUnusual) != 0 ||
        std::bit_cast<WayFields>(before).input_device == device) [[unlikely]]
      return false;
    write(meta, before, header);
    decrease_ttl(header, word);
    return true;
  }

  const route::NextHop* hop;
  std::uint64_t fields;
  std::uint32_t mtu;
  Ipv4Address gateway;
  std::uint16_t device;
};

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

// Sends packets from `first` on their way while each takes the one live hop of the first one's
// route and needs nothing else; returns where they end.
[[gnu::noinline]] unsigned Forward::take_row(const packet::Burst& burst,
                                             const route::Route* const* routes,
                                             unsigned first) const {
  const route::Route* const route = routes[first];
  if (route->live_hops != 1) return first;
  const Way way(*route->hops, way_mtu(*route, *route->hops));
  const unsigned count = burst.size();
  unsigned i = first;
  while (i < count && routes[i] == route && way.take(burst[i]))
    ++i;
  return i;
}

void Forward::forward(Turn& turn, packet::Burst& burst, const route::Route* const* routes,
                      std::uint32_t octets) {
  const unsigned count = burst.size();
  unsigned kept = 0;
  bool any_rare = false;
  for (unsigned i = 0; i < count;) {
    const unsigned start = i;
    const unsigned end = take_row(burst, routes, start);
    if (kept == i) {
      kept = i = end;
    } else {
      while (i < end)
        burst.keep(i++, kept++);
    }
    if (i == count) break;
    if (i > start && routes[i] != routes[start]) continue;  // the next row
    any_rare = true;
    Packet taken = burst.take(i);
    if (rare(turn, taken, *routes[i++])) {
      decrease_ttl(*taken.header<Ipv4Header>());
      burst.keep(std::move(taken), kept++);
    }
  }
  burst.set_size(kept);
  // Packets in need of fragmentation are among the rare ones, and hooks can make others.
  any_rare |= !hooks_.empty(hook::Point::Forward);
  hooks_.run(hook::Point::Forward, turn, burst);
  if (burst.empty()) return;
  output_.count(Count::ForwDatagrams, burst.size());
  output_.post_route(turn, burst, any_rare, octets);
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
  // RFC 1812 section 5.3.4: nothing that came as a link-layer broadcast or multicast is forwarded.
  if (packet.meta().cast != packet::LinkCast::Host) {
    turn.drop(std::move(packet), Drop::UnicastInBroadcast);
    return false;
  }
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
  Way(*hop, mtu).write(meta, WayFields::word_of(meta), header);
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
