// SPDX-License-Identifier: BSD-3-Clause
#include "ip/input.hpp"

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

// Takes link padding off. False: the packet is not as long as it says.
[[gnu::noinline]] bool trim_padding(PacketRef packet, std::uint32_t total) {
  if (total < sizeof(Ipv4Header) || total > packet.length()) return false;
  packet.trim(total);
  return true;
}

// The packet that needs no closer look: 20 bytes of header in one piece, checksum right, as long as
// it says (padding behind it is taken off), and neither address doubtful. The link layer hands up
// no packet whose first segment is shared.
[[gnu::always_inline]] inline bool common(const route::Addresses& addresses, PacketRef packet,
                                          const Ipv4Header* header) {
  if (packet.contiguous() < sizeof(Ipv4Header)) [[unlikely]]
    return false;
  const unsigned facts = octet_facts(header->source) | octet_facts(header->destination);
  if (header->version_ihl != 0x45 || !ipv4_header_good20(header) || facts != 0 ||
      addresses.may_be_ours(header->source)) [[unlikely]]
    return false;
  const std::uint32_t total = header->total_length.host();
  return total == packet.length() || trim_padding(packet, total);
}

}  // namespace

// Notes the destinations of the common packets from `first` on and returns where they end.
[[gnu::noinline]] unsigned Input::take_common(const Burst& burst, unsigned first,
                                              Ipv4Address* destinations) const {
  const route::Addresses& addresses = addresses_;
  const unsigned count = burst.size();
  unsigned i = first;
  for (; i < count; ++i) {
    const PacketRef packet = burst[i];
    const std::uint16_t offset = packet.data_offset();
    const auto* const header = packet.header_at<Ipv4Header>(offset);
    if (!common(addresses, packet, header)) [[unlikely]]
      break;
    destinations[i] = header->destination;
    packet.meta().network_offset = offset;
  }
  return i;
}

void Input::input(Turn& turn, Burst& burst) {
  Destinations destinations;
  // Reverse path filtering looks at each packet by itself.
  const bool each = settings_.rp_filter.load(std::memory_order_relaxed) != 0;
  const unsigned plain = each ? 0 : take_common(burst, 0, destinations.slots);
  if (plain < burst.size()) [[unlikely]]
    sort(turn, burst, plain, destinations.slots);
  if (!hooks_.empty(hook::Point::PreRouting)) [[unlikely]] {
    hooks_.run(hook::Point::PreRouting, turn, burst);
    for (unsigned i = 0; i < burst.size(); ++i)
      destinations.slots[i] = burst[i].header<Ipv4Header>()->destination;
  }
  if (!burst.empty()) route(turn, burst, destinations.slots);
}

// From the first packet on that is not common, or where each is looked at: good ones close up.
void Input::sort(Turn& turn, Burst& burst, unsigned first, Ipv4Address* destinations) {
  const bool reverse_path = settings_.rp_filter.load(std::memory_order_relaxed) != 0;
  const unsigned count = burst.size();
  unsigned kept = first;
  const auto keep = [&](Packet&& packet) {
    destinations[kept] = packet.header<Ipv4Header>()->destination;
    burst.keep(std::move(packet), kept++);
  };
  for (unsigned i = first; i < count; ++i) {
    for (const unsigned end = take_common(burst, i, destinations); i < end; ++i) {
      Packet packet = burst.take(i);
      if (!reverse_path || check_reverse_path(turn, packet)) keep(std::move(packet));
    }
    if (i == count) break;
    Packet packet = burst.take(i);
    if (check(turn, packet)) keep(std::move(packet));
  }
  burst.set_size(kept);
}

// Decides for each packet whether it is for us, to be forwarded, or refused.
void Input::route(Turn& turn, Burst& burst, const Ipv4Address* destinations) {
  const route::Route* routes[Burst::kCapacity];
  const route::Looked looked = tables_.lookup(destinations, burst.size(), routes);
  if (looked == route::Looked::NeedKeys) [[unlikely]]
    look_up(burst, routes);
  const bool forwarding = settings_.ip_forward.load(std::memory_order_relaxed) != 0;
  const auto passes = [&](const route::Route* route) {
    return forwarding && route != nullptr && route->type == route::Type::Unicast;
  };
  if (looked == route::Looked::Same && passes(routes[0])) [[likely]]
    return forward_.forward(turn, burst, routes);
  Burst local;
  const unsigned count = burst.size();
  unsigned kept = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (passes(routes[i])) {
      routes[kept] = routes[i];
      burst.keep(i, kept++);
    } else {
      decide(turn, burst.take(i), routes[i], local);
    }
  }
  burst.set_size(kept);
  if (kept > 0) forward_.forward(turn, burst, routes);
  if (!local.empty()) local_.deliver(turn, local);
}

// True: the packet is well formed, trimmed to its total length, and may go on.
bool Input::check(Turn& turn, Packet& packet) {
  if (!check_header(turn, packet)) return false;
  const Ipv4Header& header = *packet.header<Ipv4Header>();
  const std::uint32_t total = header.total_length.host();
  if (total < header.header_length() || total > packet.length()) {
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
  if (header.destination.is_limited_broadcast()) return local.push(std::move(packet));
  if (header.destination.is_multicast()) {
    // All-systems is the one group every host is in (RFC 1112 section 4); others are joined by
    // IGMP.
    if (header.destination == Ipv4Address(224, 0, 0, 1)) return local.push(std::move(packet));
    return turn.drop(std::move(packet), Drop::MulticastNotMember);
  }
  if (route != nullptr && route->type == route::Type::Broadcast)
    return local.push(std::move(packet));
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
      return icmp_.refuse(turn, std::move(packet), {IcmpType::Unreachable, code::kNet},
                          packet::reason_of(Drop::NoRoute));
  }
}

}  // namespace linnet::ip
