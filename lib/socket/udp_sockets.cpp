// SPDX-License-Identifier: BSD-3-Clause
// UDP and ping: which socket a datagram is for, and how one is sent (RFC 768, 792, 1122 4.1).
#include <cerrno>

#include "ip/header_of.hpp"
#include "ip/transport_checksum.hpp"
#include "packet/drops.hpp"
#include "socket/datagrams.hpp"
#include "socket/drops.hpp"
#include "wire/icmp.hpp"
#include "wire/ipv4.hpp"
#include "wire/udp.hpp"

namespace linnet::socket {

using packet::Packet;
using packet::Turn;
using wire::IcmpHeader;
using wire::Ipv4Header;
using wire::UdpHeader;

namespace {

// Linux: one datagram's data over IPv4.
constexpr std::uint32_t kLongestUdp = 65535 - sizeof(Ipv4Header) - sizeof(UdpHeader);
constexpr std::uint32_t kLongestPing = 65535 - sizeof(Ipv4Header);

Message arrived(const Packet& packet, std::uint16_t local_port, std::uint16_t peer_port) {
  const Ipv4Header& ip = ip::header_of(packet);
  Message out;
  out.local = {ip.destination, local_port, packet.meta().input_device};
  out.peer = {ip.source, peer_port, packet::kNoDevice};
  out.option = ControlData{ip.tos, ip.ttl, true, true}.packed();
  return out;
}

}  // namespace

void Datagrams::udp_input(Turn& turn, packet::Burst& burst) {
  burst.drain([&](Packet&& packet) {
    UdpHeader header;
    packet.copy_out(0, std::as_writable_bytes(std::span(&header, 1)));
    const Message like = arrived(packet, header.destination_port.host(), header.source_port.host());
    const Flow flow{like.local.address, like.peer.address, like.local.port, like.peer.port};
    const bool group = packet.meta().cast != packet::LinkCast::Host || flow.local.is_multicast() ||
                       flow.local.is_limited_broadcast() ||
                       context_.addresses.is_our_broadcast(flow.local);
    if (!group) [[likely]] {
      if (context_.system.flow_hash.lanes() > 1 && given_away(turn, packet, flow)) return;
      return deliver_to_one(turn, std::move(packet), flow, like);
    }
    // Everybody who may hear it gets a copy that shares the bytes (RFC 1122 section 4.1.3.3 leaves
    // it open; Linux: __udp4_lib_mcast_deliver).
    DatagramSocket* last = nullptr;
    const auto hear = [&](DatagramSocket& socket) {
      DatagramSocket* const before = std::exchange(last, &socket);
      if (before == nullptr) return;
      Packet copy = packet.clone(turn.pool);
      if (!copy) return;
      turn.ledger.generated.add();
      deliver(turn, *before, std::move(copy), sizeof(UdpHeader), like);
    };
    const std::uint32_t hash = context_.system.flow_hash.of(flow, udp_.protocol);
    const std::uint32_t connected = udp_.connected.find(
        hash, [&](std::uint32_t number) { return slab_[number].flow() == flow; });
    if (connected != Connected::kNone) hear(slab_[connected]);
    udp_.bound.for_all(flow.local, flow.local_port, like.local.device, hear);
    if (last == nullptr) return input_.refuse(turn, std::move(packet));
    deliver(turn, *last, std::move(packet), sizeof(UdpHeader), like);
  });
}

// Sockets of UDP stand on every lane. Where the device spreads flows it has done so; where it has
// fewer queues than there are lanes, each lane gets its share here, a flow always the same lane.
bool Datagrams::given_away(Turn& turn, Packet& packet, const Flow& flow) {
  const FlowHash& hash = context_.system.flow_hash;
  const unsigned owner = hash.owner(hash.of(flow, udp_.protocol));
  context_.note_place(packet, owner);
  const device::Device* const device = context_.devices.at(packet.meta().input_device);
  if (owner == context_.lane || device == nullptr || device->spreads()) return false;
  context_.giver.give(turn, owner, std::move(packet));
  return true;
}

void Datagrams::deliver_to_one(Turn& turn, Packet&& packet, const Flow& flow, const Message& like) {
  DatagramSocket* const socket = find(udp_, flow, like.local.device);
  if (socket == nullptr) return input_.refuse(turn, std::move(packet));
  deliver(turn, *socket, std::move(packet), sizeof(UdpHeader), like);
}

void Datagrams::input_owned(Turn& turn, Packet&& packet) {
  UdpHeader header;
  packet.copy_out(0, std::as_writable_bytes(std::span(&header, 1)));
  const Message like = arrived(packet, header.destination_port.host(), header.source_port.host());
  const Flow flow{like.local.address, like.peer.address, like.local.port, like.peer.port};
  deliver_to_one(turn, std::move(packet), flow, like);
}

void Datagrams::echo_reply_input(Turn& turn, packet::Burst& burst) {
  burst.drain([&](Packet&& packet) {
    IcmpHeader header;
    packet.copy_out(0, std::as_writable_bytes(std::span(&header, 1)));
    const auto identifier = static_cast<std::uint16_t>(header.rest.host() >> 16);
    const Message like = arrived(packet, identifier, 0);
    DatagramSocket* const socket =
        ping_.bound.find(like.local.address, identifier, like.local.device, identifier);
    if (socket == nullptr) return turn.drop(std::move(packet), ip::Drop::IcmpNoReceiver);
    deliver(turn, *socket, std::move(packet), 0, like);
  });
}

int Datagrams::send_udp(Turn& turn, DatagramSocket& socket, Packet&& packet,
                        const Message& request) {
  if (packet.length() > kLongestUdp) return refuse(turn, std::move(packet), EMSGSIZE);
  ip::SendRequest send = request_for(socket, request);
  send.protocol = wire::protocol::kUdp;
  const ip::OutputRoute way = context_.output.route_for(send);
  if (const int error = judge(socket, send, way)) return refuse(turn, std::move(packet), error);
  if (!packet.make_headroom(sizeof(UdpHeader) + sizeof(Ipv4Header) + 18, turn.pool)) {
    turn.drop(std::move(packet), packet::Drop::NoBuffer);
    input_.counters().add(udp::Count::SndbufErrors);
    return ENOBUFS;
  }
  auto& header = *reinterpret_cast<UdpHeader*>(packet.push(sizeof(UdpHeader)));
  const auto length = static_cast<std::uint16_t>(packet.length());
  header.source_port = be16(socket.local.port);
  header.destination_port = be16(request.peer.port != 0 ? request.peer.port : socket.peer.port);
  header.length = be16(length);
  header.checksum = be16();
  if (!socket.options.no_check) {
    const be16 checksum =
        ip::transport_sum(packet, length, way.source, send.destination, wire::protocol::kUdp)
            .checksum();
    // Zero says that there is none (RFC 768).
    header.checksum = checksum == be16() ? be16(0xffff) : checksum;
  }
  send.source = way.source;
  const int error = error_of(context_.output.send(turn, std::move(packet), send, way));
  if (error == 0) input_.counters().add(udp::Count::OutDatagrams);
  return error;
}

// Linux ping_v4_sendmsg: an echo request from the program; identifier and checksum are ours.
int Datagrams::send_ping(Turn& turn, DatagramSocket& socket, Packet&& packet,
                         const Message& request) {
  if (packet.length() > kLongestPing) return refuse(turn, std::move(packet), EMSGSIZE);
  if (packet.length() < sizeof(IcmpHeader)) return refuse(turn, std::move(packet), EINVAL);
  if (!packet.gather(sizeof(IcmpHeader), turn.pool)) {
    turn.drop(std::move(packet), packet::Drop::NoBuffer);
    return ENOBUFS;
  }
  auto& header = *packet.header<IcmpHeader>();
  if (header.type != static_cast<std::uint8_t>(wire::IcmpType::Echo) || header.code != 0)
    return refuse(turn, std::move(packet), EINVAL);
  header.rest = be32(std::uint32_t{socket.local.port} << 16 | (header.rest.host() & 0xffff));
  header.checksum = be16();
  header.checksum =
      be16::from_raw(static_cast<std::uint16_t>(~packet.checksum_sum(0, packet.length())));
  ip::SendRequest send = request_for(socket, request);
  send.protocol = wire::protocol::kIcmp;
  const ip::OutputRoute way = context_.output.route_for(send);
  if (const int error = judge(socket, send, way)) return refuse(turn, std::move(packet), error);
  return error_of(context_.output.send(turn, std::move(packet), send, way));
}

bool Datagrams::udp_error(Turn& turn, const ip::ErrorReport& error) {
  UdpHeader quoted;
  if (error.quoted_payload.size() < sizeof quoted) return false;
  std::memcpy(&quoted, error.quoted_payload.data(), sizeof quoted);
  return report(turn, udp_,
                {error.quoted->source, error.quoted->destination, quoted.source_port.host(),
                 quoted.destination_port.host()},
                error);
}

bool Datagrams::echo_error(Turn& turn, const ip::ErrorReport& error) {
  IcmpHeader quoted;
  if (error.quoted_payload.size() < sizeof quoted) return false;
  std::memcpy(&quoted, error.quoted_payload.data(), sizeof quoted);
  if (quoted.type != static_cast<std::uint8_t>(wire::IcmpType::Echo)) return false;
  return report(turn, ping_,
                {error.quoted->source, error.quoted->destination,
                 static_cast<std::uint16_t>(quoted.rest.host() >> 16), 0},
                error);
}

}  // namespace linnet::socket
