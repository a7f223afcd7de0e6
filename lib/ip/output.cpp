// SPDX-License-Identifier: BSD-3-Clause
#include "ip/output.hpp"

#include <algorithm>
#include <cstring>

#include "base/checksum.hpp"
#include "device/segmentation.hpp"
#include "ip/fragment.hpp"
#include "packet/drops.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {
namespace {

using packet::Burst;
using packet::Packet;
using packet::Turn;
using wire::Ipv4Header;

constexpr std::uint32_t kLongest = 65535;
constexpr Ipv4Address kLinkBroadcast(255, 255, 255, 255);
// `lo` is the first device of every stack, as it is Linux's interface 1.
constexpr std::uint16_t kLoopbackDevice = 0;

// The longest datagram on the wire that this packet becomes, fragments left aside (Linux:
// skb_gso_validate_network_len).
std::uint32_t longest_of(packet::PacketRef packet) {
  return packet.large() ? device::Segmentation::headers_of(packet) + packet.piece_payload()
                        : packet.length();
}

}  // namespace

Output::Output(const device::DeviceTable& devices, const route::Tables& tables,
               const route::Addresses& addresses, hook::Hooks& hooks, const Settings& settings,
               SipKey key)
    : devices_(devices),
      tables_(tables),
      addresses_(addresses),
      hooks_(hooks),
      settings_(settings),
      key_(key) {}

const route::Route* Output::look_up(const SendRequest& request) const {
  return tables_.lookup(route::Key{.destination = request.destination,
                                   .source = request.source,
                                   .tos = request.tos,
                                   .output_device = request.output_device,
                                   .mark = request.mark});
}

// Linux ip_route_output_key_hash_rcu with flowi4_oif: routes through that device count and no
// others. A group needs none; where there is none, the destination is taken to be on the link.
bool Output::take_route_on(const device::Device* device, const SendRequest& request,
                           OutputRoute& out) const {
  if (device == nullptr || !device->admin_up()) return false;
  out.device = device->index();
  out.next_hop = request.destination;
  if (request.destination.is_multicast() || request.destination.is_limited_broadcast()) return true;
  const route::Route* const route = look_up(request);
  if (route == nullptr) return true;
  if (route->type == route::Type::Local) {
    out.route = route;
    out.device = kLoopbackDevice;
    return true;
  }
  out.hop = route->hop_on(out.device);
  if (out.hop == nullptr) return true;
  out.route = route;
  if (!out.hop->gateway.is_any()) out.next_hop = out.hop->gateway;
  if (route->type == route::Type::Broadcast) out.next_hop = kLinkBroadcast;
  return true;
}

// Fills in hop, device and next hop from the tables. False: no way.
bool Output::take_route(const SendRequest& request, OutputRoute& out) const {
  if (request.output_device != packet::kNoDevice) [[unlikely]]
    return take_route_on(devices_.at(request.output_device), request, out);
  out.route = look_up(request);
  if (out.route == nullptr) return false;
  switch (out.route->type) {
    case route::Type::Local:
      out.device = kLoopbackDevice;
      out.next_hop = request.destination;
      return true;
    case route::Type::Broadcast:
    case route::Type::Unicast:
    case route::Type::Multicast:
      break;
    default:
      return false;
  }
  std::uint32_t flow = 0;  // read with several hops only
  if (out.route->live_hops > 1) {
    const std::uint64_t pair =
        std::uint64_t{request.source.network().raw()} << 32 | request.destination.network().raw();
    flow = static_cast<std::uint32_t>(siphash13(key_, pair, 0));
  }
  out.hop = out.route->choose(flow);
  if (out.hop == nullptr) return false;
  out.device = out.hop->device;
  out.next_hop = out.hop->gateway.is_any() ? request.destination : out.hop->gateway;
  if (out.route->type == route::Type::Broadcast) out.next_hop = kLinkBroadcast;
  return true;
}

std::uint32_t Output::mtu_of(const OutputRoute& way) const {
  const std::uint32_t mtu = devices_.at(way.device)->mtu();
  const bool less = way.route != nullptr && way.route->mtu != 0 && way.route->mtu < mtu;
  return less ? way.route->mtu : mtu;
}

OutputRoute Output::route_for(const SendRequest& request) const {
  OutputRoute out;
  if (!take_route(request, out)) return out;
  out.reachable = true;
  out.mtu = mtu_of(out);
  out.source = request.source;
  if (!out.source.is_any()) return out;
  if (out.route != nullptr && !out.route->preferred_source.is_any()) {
    out.source = out.route->preferred_source;
  } else if (out.route != nullptr && out.route->type == route::Type::Local) {
    out.source = request.destination;
  } else if (out.route == nullptr) {
    out.source = addresses_.source_for(out.device, Ipv4Address(), route::Scope::Link);
  } else {
    out.source = addresses_.source_for(out.device, out.next_hop);
  }
  return out;
}

// RFC 6864: only datagrams that may be fragmented need an ID that is unique for a while among those
// of the same addresses and protocol; no counter is shared with strangers (reliability row B6). The
// first of `count` that follow each other.
std::uint16_t Output::next_id(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol,
                              std::uint32_t count, Turn& turn) {
  const std::uint64_t pair =
      std::uint64_t{source.network().raw()} << 32 | destination.network().raw();
  std::uint16_t& counter = ids_[siphash13(key_, pair, protocol) % kIdSlots];
  const auto first = static_cast<std::uint16_t>(counter + 1 + turn.random.below(8));
  counter = static_cast<std::uint16_t>(first + count - 1);
  return first;
}

std::optional<SendResult> Output::refuse(Turn& turn, Packet& packet, const SendRequest& request,
                                         const OutputRoute& way, std::uint32_t total,
                                         std::uint32_t longest) {
  const auto end = [&](auto why, SendResult result) {
    turn.drop(std::move(packet), why);
    return result;
  };
  if (!way.reachable) {
    const bool prohibited = way.route != nullptr && way.route->type == route::Type::Prohibit;
    return prohibited ? end(Drop::RouteProhibit, SendResult::Prohibited)
                      : end(Drop::NoRoute, SendResult::NoRoute);
  }
  if (way.source.is_any() && !request.allow_no_source) {
    return end(Drop::OutputNoSource, SendResult::NoSource);
  }
  if (total > kLongest) return end(Drop::OutputTooLong, SendResult::TooLong);
  if (request.dont_fragment && longest > way.mtu) {
    return end(Drop::FragmentationNeeded, SendResult::TooLong);
  }
  return std::nullopt;
}

SendResult Output::send(Turn& turn, Packet&& packet, const SendRequest& request,
                        const OutputRoute& way) {
  const SendResult result = put_header(turn, packet, request, way);
  return result == SendResult::Sent ? pass_on(turn, std::move(packet), way) : result;
}

// Sent: the packet has its header and knows its way. Else it was dropped by name.
SendResult Output::put_header(Turn& turn, Packet& packet, const SendRequest& request,
                              const OutputRoute& way) {
  const auto header_length =
      static_cast<std::uint32_t>(sizeof(Ipv4Header) + request.options.size());
  const std::uint32_t total = packet.length() + header_length;
  std::uint32_t pieces = 1;
  if (!way.reachable || way.source.is_any() || total > way.mtu || packet.large()) [[unlikely]] {
    std::uint32_t longest = total;
    if (packet.large()) {
      longest = header_length + packet.transport_header() + packet.piece_payload();
      pieces = packet.pieces(packet.transport_header());
    }
    if (const auto refused = refuse(turn, packet, request, way, total, longest)) return *refused;
  }
  packet.meta().transport_offset = packet.data_offset();
  std::byte* room = packet.push(header_length);
  if (room == nullptr) [[unlikely]] {
    if (!packet.make_headroom(header_length, turn.pool)) {
      turn.drop(std::move(packet), packet::Drop::NoBuffer);
      return SendResult::NoBuffer;
    }
    room = packet.push(header_length);
  }
  auto& header = *reinterpret_cast<Ipv4Header*>(room);
  header.set_header_length(header_length);
  header.tos = request.tos;
  header.total_length = be16(static_cast<std::uint16_t>(total));
  header.id = be16(request.dont_fragment
                       ? std::uint16_t{0}
                       : next_id(way.source, request.destination, request.protocol, pieces, turn));
  header.fragment = be16(request.dont_fragment ? Ipv4Header::kDontFragment : std::uint16_t{0});
  header.ttl = ttl_of(request);
  header.protocol = request.protocol;
  header.checksum = be16();
  header.source = way.source;
  header.destination = request.destination;
  if (!request.options.empty()) {
    std::memcpy(&header + 1, request.options.data(), request.options.size());
  }
  header.checksum = header_length == sizeof(Ipv4Header)
                        ? ipv4_header_checksum20(&header)
                        : internet_checksum(packet.first_bytes().first(header_length));
  note_way(packet, request, way);
  return SendResult::Sent;
}

// Linux: raw_send_hdrinc.
SendResult Output::send_whole(Turn& turn, Packet&& packet, const SendRequest& request,
                              const OutputRoute& way) {
  const std::uint32_t total = packet.length();
  if (const auto refused = refuse(turn, packet, request, way, total, total)) return *refused;
  auto& header = *packet.header<Ipv4Header>();
  const unsigned header_length = header.header_length();
  packet.meta().transport_offset = static_cast<std::uint16_t>(packet.data_offset() + header_length);
  header.total_length = be16(static_cast<std::uint16_t>(total));
  if (header.source.is_any()) header.source = way.source;
  if (header.id == be16())
    header.id = be16(next_id(header.source, request.destination, request.protocol, 1, turn));
  header.checksum = be16();
  header.checksum = internet_checksum(packet.first_bytes().first(header_length));
  note_way(packet, request, way);
  return pass_on(turn, std::move(packet), way);
}

void Output::note_way(packet::PacketRef packet, const SendRequest& request,
                      const OutputRoute& way) {
  packet::Meta& meta = packet.meta();
  meta.network_offset = packet.data_offset();
  meta.output_device = way.device;
  meta.next_hop = way.next_hop;
  meta.hop = way.hop;
  meta.path_mtu = static_cast<std::uint16_t>(std::min(way.mtu, kLongest));
  meta.mark = request.mark;
}

SendResult Output::pass_on(Turn& turn, Packet&& packet, const OutputRoute& way) {
  const std::uint32_t octets = packet.length();
  // A hook may make packets longer.
  const bool any_long = way.next_hop.is_multicast() || way.next_hop.is_limited_broadcast() ||
                        longest_of(packet) > way.mtu || !hooks_.empty(hook::Point::Output);
  counters_.add(Count::OutRequests);
  if (!any_long && hooks_.empty(hook::Point::PostRouting) && one_.run != nullptr) [[likely]] {
    counters_.add(Count::OutTransmits);
    counters_.add(Count::OutOctets, octets);
    one_.run(one_.self, turn, std::move(packet));
    return SendResult::Sent;
  }
  Burst burst;
  burst.push(std::move(packet));
  hooks_.run(hook::Point::Output, turn, burst);
  if (!burst.empty()) post_route(turn, burst, any_long, octets);
  return SendResult::Sent;
}

void Output::post_route(Turn& turn, Burst& burst, bool any_long, std::uint32_t octets) {
  // A hook may make packets longer.
  any_long |= !hooks_.empty(hook::Point::PostRouting);
  hooks_.run(hook::Point::PostRouting, turn, burst);
  if (any_long) [[unlikely]]
    return fragment_long(turn, burst);
  if (burst.empty()) return;
  counters_.add(Count::OutTransmits, burst.size());
  counters_.add(Count::OutOctets, octets);
  neighbours_(turn, burst);
}

// Linux ip_finish_output2, where more than the common case is to be counted.
void Output::finish(Turn& turn, Burst& burst) {
  counters_.add(Count::OutTransmits, burst.size());
  counters_.add(Count::OutOctets, burst.bytes());
  for (unsigned i = 0; i < burst.size(); ++i) {
    const Ipv4Address to = burst[i].meta().next_hop;
    if (!to.is_multicast() && !to.is_limited_broadcast()) continue;
    counters_.add(to.is_multicast() ? Count::OutMcastPkts : Count::OutBcastPkts);
    counters_.add(to.is_multicast() ? Count::OutMcastOctets : Count::OutBcastOctets,
                  burst[i].length());
  }
  neighbours_(turn, burst);
}

// Some packet of the burst is longer than its way's MTU; the order of the others is kept. Pieces of
// a large one are fragmented each (Linux: ip_finish_output_gso).
void Output::fragment_long(Turn& turn, Burst& burst) {
  Burst fitting;
  const auto flush = [&] {
    if (!fitting.empty()) finish(turn, fitting);
  };
  burst.drain([&](Packet&& packet) {
    const std::uint32_t mtu = packet.meta().path_mtu;
    if (longest_of(packet) <= mtu) return fitting.push(std::move(packet));
    flush();
    const packet::Stage out = packet::Stage::of<&Output::finish>(*this);
    if (!packet.large()) return fragment(turn, std::move(packet), mtu, out);
    device::Segmentation pieces(turn, std::move(packet), 0);
    while (Packet piece = pieces.next())
      fragment(turn, std::move(piece), mtu, out);
  });
  flush();
}

}  // namespace linnet::ip
