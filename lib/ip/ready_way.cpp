// SPDX-License-Identifier: BSD-3-Clause
// Ways that are taken again and again (Linux: ip_queue_xmit with a socket's dst_entry).
#include <cstring>

#include "base/checksum.hpp"
#include "ip/output.hpp"

namespace linnet::ip {
namespace {

using packet::Packet;
using packet::Turn;
using wire::Ipv4Header;

constexpr std::uint8_t kEcn = 3;

// No secret: two pairs of addresses at one place cost each other a look-up.
unsigned place_of(const SendRequest& request, unsigned places) {
  const std::uint64_t pair =
      std::uint64_t{request.source.network().raw()} << 32 | request.destination.network().raw();
  return static_cast<unsigned>((pair * 0x9e3779b97f4a7c15ULL) >> 40) & (places - 1);
}

bool is_of(const ReadyWay& way, const SendRequest& request) {
  return way.destination == request.destination && way.source == request.source &&
         way.mark == request.mark && way.output_device == request.output_device &&
         way.tos == (request.tos & ~kEcn) && way.protocol == request.protocol;
}

}  // namespace

const ReadyWay& Output::way_for(const SendRequest& request) {
  const std::uint64_t generation = tables_.generation();
  ReadyWay& way = ways_[place_of(request, kWays)];
  if (way.generation == generation && is_of(way, request)) [[likely]] {
    // A device's MTU is no matter of the tables.
    if (way.usual) way.route.mtu = mtu_of(way.route);
    return way;
  }
  // An address of ours that is to be chosen is none either.
  const bool kept = generation % 2 == 0 && !request.source.is_any();
  ReadyWay& made = kept ? way : unkept_;
  make_way(made, request, kept ? generation : ReadyWay::kNone);
  return made;
}

void Output::make_way(ReadyWay& way, const SendRequest& request, std::uint64_t generation) const {
  way.generation = generation;
  way.route = route_for(request);
  way.destination = request.destination;
  way.source = request.source;
  way.mark = request.mark;
  way.output_device = request.output_device;
  way.tos = request.tos & ~kEcn;
  way.protocol = request.protocol;
  way.usual = way.route.reachable && !way.route.source.is_any();
  way.header = {};
  way.header.set_header_length(sizeof way.header);
  way.header.fragment = be16(Ipv4Header::kDontFragment);
  way.header.protocol = request.protocol;
  way.header.source = way.route.source;
  way.header.destination = request.destination;
}

SendResult Output::send(Turn& turn, Packet&& packet, const SendRequest& request,
                        const ReadyWay& way) {
  const std::uint32_t total = packet.length() + static_cast<std::uint32_t>(sizeof way.header);
  const bool usual = way.usual && request.dont_fragment && request.options.empty() &&
                     total <= way.route.mtu && !packet.large();
  const std::uint16_t transport_offset = packet.data_offset();
  std::byte* const room = usual ? packet.push(sizeof way.header) : nullptr;
  if (room == nullptr) [[unlikely]]
    return send(turn, std::move(packet), request, way.route);
  packet.meta().transport_offset = transport_offset;
  Ipv4Header header = way.header;
  header.tos = request.tos;
  header.total_length = be16(static_cast<std::uint16_t>(total));
  header.ttl = ttl_of(request);
  header.checksum = ipv4_header_checksum20(&header);
  std::memcpy(room, &header, sizeof header);
  note_way(packet, request, way.route);
  // As `pass_on` for what needs none of its questions.
  const bool plain = hooks_.empty(hook::Point::Output) && hooks_.empty(hook::Point::PostRouting) &&
                     one_.run != nullptr && way.route.hop != nullptr &&
                     way.route.route->type == route::Type::Unicast &&
                     !way.route.next_hop.is_multicast();
  if (plain) [[likely]] {
    counters_.add(Count::OutRequests);
    counters_.add(Count::OutTransmits);
    counters_.add(Count::OutOctets, total);
    one_.run(one_.self, turn, std::move(packet));
    return SendResult::Sent;
  }
  return pass_on(turn, std::move(packet), way.route);
}

}  // namespace linnet::ip
