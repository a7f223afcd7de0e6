// SPDX-License-Identifier: BSD-3-Clause
#include "ip/input.hpp"

#include <algorithm>

#include "base/checksum.hpp"
#include "ip/martian.hpp"
#include "ip/options.hpp"
#include "packet/drops.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {

using packet::Burst;
using packet::LinkCast;
using packet::Meta;
using packet::Packet;
using packet::PacketRef;
using packet::Turn;
using wire::Ipv4Header;

namespace {

// Room for a burst's destinations that is not zeroed first.
union Destinations {
  Destinations() {}  // NOLINT: the slots are made as they are filled
  Ipv4Address slots[Burst::kCapacity];
};

bool is_group(Ipv4Address destination) {
  return destination.is_multicast() || destination.is_limited_broadcast();
}

// Takes link padding off and tells how much. 0: the packet is not as long as it says.
[[gnu::noinline]] std::uint32_t trim_padding(PacketRef packet, std::uint32_t total) {
  const std::uint32_t length = packet.length();
  if (total < sizeof(Ipv4Header) || total > length) return 0;
  packet.trim(total);
  return length - total;
}

// Octets of packets added up: trimmed in the low half, padding in the high one, so that both take
// one register.
using Octets = std::uint64_t;

// The packet that needs no closer look: 20 bytes of header in one piece, checksum right, as long as
// it says (padding behind it is taken off), and neither address doubtful. The link layer hands up
// no packet whose first segment is shared.
[[gnu::always_inline]] inline bool common(const route::Addresses& addresses, PacketRef packet,
                                          const Ipv4Header* header, Octets& octets) {
  if (packet.contiguous() < sizeof(Ipv4Header)) [[unlikely]]
    return false;
  const unsigned facts = octet_facts(header->source) | octet_facts(header->destination);
  if (header->version_ihl != 0x45 || !ipv4_header_good20(header) || facts != 0 ||
      addresses.may_be_ours(header->source)) [[unlikely]]
    return false;
  Octets total = header->total_length.host();
  asm("" : "+r"(total));  // one register for both, else it is widened twice
  if (static_cast<std::uint32_t>(total) != packet.length()) {
    const Octets padding = trim_padding(packet, static_cast<std::uint32_t>(total));
    if (padding == 0) return false;
    octets += padding << 32;
  }
  octets += total;
  return true;
}

// Whether there is one destination: what comes in for a host, mostly.
bool one_only(const Ipv4Address* destinations, unsigned count) {
  const Ipv4Address first = destinations[0];
  if (destinations[count - 1] != first) return false;
  unsigned i = 1;
  while (i < count && destinations[i] == first)
    ++i;
  return i >= count;
}

// Whether all packets of one destination, whose route this is, came in for us and nobody else, by a
// way that its address may come.
bool for_us(const Burst& burst, const route::Route* route, Ipv4Address destination) {
  if (route == nullptr || route->type != route::Type::Local || destination.is_loopback())
    return false;
  bool ours = true;
  for (unsigned i = 0; i < burst.size(); ++i)
    ours &= burst[i].meta().cast == LinkCast::Host;
  return ours;
}

}  // namespace

// Notes the destinations of the common packets from `first` on.
[[gnu::noinline]] Input::Taken Input::take_common(const Burst& burst, unsigned first,
                                                  Ipv4Address* destinations) const {
  const route::Addresses& addresses = addresses_;
  const unsigned count = burst.size();
  unsigned i = first;
  Octets octets = 0;
  for (; i < count; ++i) {
    const PacketRef packet = burst[i];
    const std::uint16_t offset = packet.data_offset();
    const auto* const header = packet.header_at<Ipv4Header>(offset);
    packet.meta().network_offset = offset;
    if (!common(addresses, packet, header, octets)) [[unlikely]]
      break;
    destinations[i] = header->destination;
  }
  const auto trimmed = static_cast<std::uint32_t>(octets);
  const auto padding = static_cast<std::uint32_t>(octets >> 32);
  return {i, trimmed + padding, padding};
}

void Input::input(Turn& turn, Burst& burst) {
  Destinations destinations;
  // Reverse path filtering looks at each packet by itself.
  const bool each = settings_.rp_filter.load(std::memory_order_relaxed) != 0;
  const Taken plain = each ? Taken{} : take_common(burst, 0, destinations.slots);
  counters_.add(Count::InReceives, burst.size());
  counters_.add(Count::InOctets, plain.octets);
  std::uint32_t octets = plain.octets - plain.padding;
  bool groups = false;
  if (plain.end < burst.size()) [[unlikely]] {
    groups = sort(turn, burst, plain.end, destinations.slots);
    octets = static_cast<std::uint32_t>(burst.bytes());
  }
  if (!hooks_.empty(hook::Point::PreRouting)) [[unlikely]] {
    groups = true;  // a hook may write any destination
    hooks_.run(hook::Point::PreRouting, turn, burst);
    for (unsigned i = 0; i < burst.size(); ++i)
      destinations.slots[i] = burst[i].header<Ipv4Header>()->destination;
    octets = static_cast<std::uint32_t>(burst.bytes());
  }
  if (!burst.empty()) route(turn, burst, destinations.slots, octets, groups);
}

// From the first packet on that is not common, or where each is looked at: good ones close up.
// True: some are for a group or all of a link.
bool Input::sort(Turn& turn, Burst& burst, unsigned first, Ipv4Address* destinations) {
  const bool reverse_path = settings_.rp_filter.load(std::memory_order_relaxed) != 0;
  const unsigned count = burst.size();
  unsigned kept = first;
  bool groups = false;
  const auto keep = [&](Packet&& packet) {
    destinations[kept] = packet.header<Ipv4Header>()->destination;
    groups |= is_group(destinations[kept]);
    burst.keep(std::move(packet), kept++);
  };
  for (unsigned i = first; i < count; ++i)
    counters_.add(Count::InOctets, burst[i].length());
  for (unsigned i = first; i < count; ++i) {
    for (const unsigned end = take_common(burst, i, destinations).end; i < end; ++i) {
      Packet packet = burst.take(i);
      if (!reverse_path || check_reverse_path(turn, packet)) keep(std::move(packet));
    }
    if (i == count) break;
    Packet packet = burst.take(i);
    if (check(turn, packet)) keep(std::move(packet));
  }
  burst.set_size(kept);
  return groups;
}

// Decides for each packet whether it is for us, to be forwarded, or refused. `octets` of all;
// `groups`: some may be for a group or all of a link, which are never forwarded, whatever a default
// route says (RFC 1812 section 5.3.5.1).
void Input::route(Turn& turn, Burst& burst, const Ipv4Address* destinations, std::uint32_t octets,
                  bool groups) {
  const route::Route* routes[Burst::kCapacity];
  const unsigned count = burst.size();
  const bool one = one_only(destinations, count);
  route::Looked looked = tables_.lookup(destinations, one ? 1 : count, routes);
  if (looked == route::Looked::NeedKeys) [[unlikely]] {
    look_up(burst, routes);
  } else if (one) {
    std::fill_n(routes + 1, count - 1, routes[0]);
    looked = route::Looked::Same;
    if (!groups && for_us(burst, routes[0], destinations[0])) return local_.deliver(turn, burst);
  }
  const bool forwarding = settings_.ip_forward.load(std::memory_order_relaxed) != 0;
  const auto passes = [&](const route::Route* route) {
    return forwarding && route != nullptr && route->type == route::Type::Unicast;
  };
  if (looked == route::Looked::Same && !groups && passes(routes[0])) [[likely]]
    return forward_.forward(turn, burst, routes, octets);
  Burst local;
  unsigned kept = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (passes(routes[i]) && !(groups && is_group(destinations[i]))) {
      routes[kept] = routes[i];
      burst.keep(i, kept++);
    } else {
      decide(turn, burst.take(i), routes[i], local);
    }
  }
  burst.set_size(kept);
  if (kept < count) octets = static_cast<std::uint32_t>(burst.bytes());
  if (kept > 0) forward_.forward(turn, burst, routes, octets);
  if (!local.empty()) local_.deliver(turn, local);
}

// True: the packet is well formed, trimmed to its total length, and may go on.
bool Input::check(Turn& turn, Packet& packet) {
  if (!check_header(turn, packet)) return false;
  const Ipv4Header& header = *packet.header<Ipv4Header>();
  const std::uint32_t total = header.total_length.host();
  if (total < header.header_length() || total > packet.length()) {
    if (total > packet.length()) counters_.add(Count::InTruncatedPkts);
    turn.drop(std::move(packet), Drop::BadTotalLength);
    return false;
  }
  packet.trim(total);  // link padding
  packet.meta().network_offset = packet.data_offset();
  if (!check_addresses(turn, packet)) return false;
  if (header.version_ihl != 0x45 && !check_options(turn, packet)) return false;
  return settings_.rp_filter.load(std::memory_order_relaxed) == 0 ||
         check_reverse_path(turn, packet);
}

// RFC 1812 section 5.2.2, in its order.
bool Input::check_header(Turn& turn, Packet& packet) {
  const auto end = [&](auto why) {
    turn.drop(std::move(packet), why);
    return false;
  };
  if (packet.length() < sizeof(Ipv4Header)) return end(Drop::Truncated);
  if (!packet.gather(sizeof(Ipv4Header), turn.pool)) return end(packet::Drop::NoBuffer);
  const unsigned length = packet.header<Ipv4Header>()->header_length();
  if (length < sizeof(Ipv4Header) || length > packet.length()) return end(Drop::BadHeaderLength);
  if (!packet.gather(length, turn.pool)) return end(packet::Drop::NoBuffer);
  if (packet.checksum_sum(0, length) != 0xffff) return end(Drop::BadChecksum);
  if (packet.header<Ipv4Header>()->version() != 4) return end(Drop::BadVersion);
  return true;
}

// Martians (RFC 1812 section 5.3.7).
bool Input::check_addresses(Turn& turn, Packet& packet) {
  const auto end = [&](Drop why) {
    turn.drop(std::move(packet), why);
    return false;
  };
  const Ipv4Header& header = *packet.header<Ipv4Header>();
  const Meta& meta = packet.meta();
  const std::uint8_t source = octet_facts(header.source);
  const std::uint8_t destination = octet_facts(header.destination);
  const bool looped = (meta.flags & Meta::kLooped) != 0;
  if (looped) return true;  // what we sent ourselves was checked on its way out
  if ((source & octet::kBadSource) != 0) {
    // A host that asks for its address sends from 0.0.0.0 to 255.255.255.255 (RFC 1122 3.2.1.3).
    const bool asking = header.source.is_any() && header.destination.is_limited_broadcast();
    if (!asking) return end(Drop::MartianSource);
  }
  const bool to_all = header.destination.is_limited_broadcast();
  if ((destination & octet::kBadDestination) != 0 && !to_all) return end(Drop::MartianDestination);
  if (addresses_.is_ours(header.source)) return end(Drop::OwnSource);
  if (header.source.is_link_local() || header.destination.is_link_local())
    packet.meta().flags |= Meta::kLinkLocal;
  // RFC 1122 section 3.2.1.3 (e): a subnet's broadcast address is never a source.
  if (addresses_.is_our_broadcast(header.source)) return end(Drop::MartianSource);
  return true;
}

bool Input::check_options(Turn& turn, Packet& packet) {
  const unsigned length = packet.header<Ipv4Header>()->header_length();
  const Options found =
      parse_options(packet.first_bytes().subspan(sizeof(Ipv4Header), length - sizeof(Ipv4Header)));
  packet.meta().flags |= Meta::kHasOptions;
  if (found.verdict == Options::Verdict::Good) [[likely]]
    return true;
  if (found.verdict == Options::Verdict::SourceRoute) {
    turn.drop(std::move(packet), Drop::SourceRoute);
    return false;
  }
  const auto pointer = static_cast<std::uint32_t>(sizeof(Ipv4Header) + found.bad_offset);
  icmp_.refuse(turn, std::move(packet), {wire::IcmpType::ParameterProblem, 0, pointer << 24},
               packet::reason_of(Drop::BadOption));
  return false;
}

// RFC 3704: the source must be reachable, in strict mode by the device it came in on (Linux:
// rp_filter 1 and 2).
bool Input::check_reverse_path(Turn& turn, Packet& packet) {
  const Ipv4Header& header = *packet.header<Ipv4Header>();
  const Meta& meta = packet.meta();
  if (header.source.is_any() || (meta.flags & Meta::kLooped) != 0) return true;
  const route::Route* const back = tables_.lookup(
      route::Key{.destination = header.source, .source = header.destination, .tos = header.tos});
  bool good = back != nullptr && back->type == route::Type::Unicast && back->live_hops > 0;
  if (good && settings_.rp_filter.load(std::memory_order_relaxed) == 1) {
    good = false;
    for (unsigned i = 0; i < back->live_hops; ++i)
      good |= back->hops[i].device == meta.input_device;
  }
  if (!good) turn.drop(std::move(packet), Drop::ReversePath);
  return good;
}

void Input::look_up(const Burst& burst, const route::Route** routes) const {
  for (unsigned i = 0; i < burst.size(); ++i) {
    const Ipv4Header& header = *burst[i].header<Ipv4Header>();
    routes[i] = tables_.lookup(route::Key{.destination = header.destination,
                                          .source = header.source,
                                          .tos = header.tos,
                                          .input_device = burst[i].meta().input_device,
                                          .mark = burst[i].meta().mark});
  }
}

// Everything but a unicast packet to be forwarded.
void Input::decide(Turn& turn, Packet&& packet, const route::Route* route, Burst& local) {
  const Ipv4Header& header = *packet.header<Ipv4Header>();
  const auto hear = [&](Count packets, Count octets) {
    counters_.add(packets);
    counters_.add(octets, packet.length());
    local.push(std::move(packet));
  };
  if (header.destination.is_limited_broadcast())
    return hear(Count::InBcastPkts, Count::InBcastOctets);
  if (header.destination.is_multicast()) {
    // All-systems is the one group every host is in (RFC 1112 section 4); others are joined by
    // IGMP.
    if (header.destination == Ipv4Address(224, 0, 0, 1))
      return hear(Count::InMcastPkts, Count::InMcastOctets);
    return turn.drop(std::move(packet), Drop::MulticastNotMember);
  }
  if (route != nullptr && route->type == route::Type::Broadcast)
    return hear(Count::InBcastPkts, Count::InBcastOctets);
  if (packet.meta().cast != LinkCast::Host) {
    return turn.drop(std::move(packet), Drop::UnicastInBroadcast);
  }
  if (route != nullptr && route->type == route::Type::Local) {
    const bool looped = (packet.meta().flags & Meta::kLooped) != 0;
    if (header.destination.is_loopback() && !looped) {
      return turn.drop(std::move(packet), Drop::LoopbackMartian);
    }
    return local.push(std::move(packet));
  }
  if (settings_.ip_forward.load(std::memory_order_relaxed) == 0) {
    return turn.drop(std::move(packet), Drop::ForwardingOff);
  }
  refuse_unroutable(turn, std::move(packet), route);
}

// Destinations that a router refuses, each with the error its route type asks for (RFC 1812 section
// 5.2.7.1, RFC 1122 section 3.2.2.1; Linux: ip_error).
void Input::refuse_unroutable(Turn& turn, Packet&& packet, const route::Route* route) {
  using wire::IcmpType;
  namespace code = wire::unreachable;
  if (route == nullptr) {
    counters_.add(Count::InNoRoutes);
    return icmp_.refuse(turn, std::move(packet), {IcmpType::Unreachable, code::kNet},
                        packet::reason_of(Drop::NoRoute));
  }
  switch (route->type) {
    case route::Type::Blackhole:
      return turn.drop(std::move(packet), Drop::RouteBlackhole);
    case route::Type::Prohibit:
      return icmp_.refuse(turn, std::move(packet), {IcmpType::Unreachable, code::kAdminProhibited},
                          packet::reason_of(Drop::RouteProhibit));
    case route::Type::Unreachable:
      return icmp_.refuse(turn, std::move(packet), {IcmpType::Unreachable, code::kHost},
                          packet::reason_of(Drop::RouteUnreachable));
    default:
      counters_.add(Count::InNoRoutes);
      return icmp_.refuse(turn, std::move(packet), {IcmpType::Unreachable, code::kNet},
                          packet::reason_of(Drop::NoRoute));
  }
}

}  // namespace linnet::ip
