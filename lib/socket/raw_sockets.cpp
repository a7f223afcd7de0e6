// SPDX-License-Identifier: BSD-3-Clause
// Raw IP sockets and packet sockets: copies of what passes, and packets as the program made them.
// Reading: Linux net/ipv4/raw.c, net/packet/af_packet.c.
#include <cerrno>
#include <cstring>

#include "packet/drops.hpp"
#include "socket/datagrams.hpp"
#include "socket/drops.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

namespace linnet::socket {

using packet::Packet;
using packet::Turn;
using wire::EthernetHeader;
using wire::Ipv4Header;

namespace {

constexpr std::uint32_t kAllProtocols = 3;  // ETH_P_ALL
constexpr std::uint32_t kRawOnly = 255;     // IPPROTO_RAW: sends whole datagrams, hears nothing
constexpr std::uint32_t kOutgoing = 4;      // PACKET_OUTGOING

// Where a frame's MAC address travels in a message.
Endpoint endpoint_of(const MacAddress& mac, std::uint16_t device) {
  const auto& b = mac.bytes();
  return {Ipv4Address(b[0], b[1], b[2], b[3]), static_cast<std::uint16_t>(b[4] << 8 | b[5]),
          device};
}
MacAddress mac_of(const Endpoint& end) {
  const std::uint32_t high = end.address.host();
  return MacAddress({static_cast<std::uint8_t>(high >> 24), static_cast<std::uint8_t>(high >> 16),
                     static_cast<std::uint8_t>(high >> 8), static_cast<std::uint8_t>(high),
                     static_cast<std::uint8_t>(end.port >> 8),
                     static_cast<std::uint8_t>(end.port)});
}

}  // namespace

// Whether a raw socket wants it is decided by header and options alone; the datagram goes on.
bool Datagrams::raw_input(Turn& turn, packet::PacketRef packet) {
  if (raw_.empty()) return false;
  const Ipv4Header& ip = *packet.header<Ipv4Header>();
  const std::uint16_t device = packet.meta().input_device;
  bool heard = false;
  Message like;
  like.local = {ip.destination, 0, device};
  like.peer = {ip.source, 0, packet::kNoDevice};
  like.option = ControlData{ip.tos, ip.ttl, true, true}.packed();
  for (DatagramSocket* socket = raw_.front(); socket != nullptr; socket = raw_.next(*socket)) {
    const bool wants =
        socket->protocol == ip.protocol &&
        (socket->local.address.is_any() || socket->local.address == ip.destination) &&
        (socket->peer.address.is_any() || socket->peer.address == ip.source) &&
        (socket->options.device == packet::kNoDevice || socket->options.device == device);
    if (!wants) continue;
    heard = true;
    std::uint8_t type = 0;
    if (ip.protocol == wire::protocol::kIcmp && socket->options.icmp_filter != 0 &&
        packet.copy_out(ip.header_length(), std::as_writable_bytes(std::span(&type, 1))) &&
        type < 32 && (socket->options.icmp_filter >> type & 1) != 0)
      continue;
    hear(turn, *socket, packet, 0, {}, like);
  }
  return heard;
}

// A copy that shares the bytes goes through the socket's filter to its program.
void Datagrams::hear(Turn& turn, DatagramSocket& socket, packet::PacketRef packet,
                     std::uint32_t skip, const BpfFilter::Ancillary& about, const Message& like) {
  std::uint32_t wanted = packet.length();
  if (socket.filter) {
    wanted = socket.filter.run(packet, skip, about);
    if (wanted == 0) return;
  }
  Packet copy = packet.clone(turn.pool);
  if (!copy) return;
  copy.forget_large();  // as it may come back in what the program sends
  turn.ledger.generated.add();
  if (copy.length() > skip && copy.length() - skip > wanted) copy.trim(skip + wanted);
  deliver(turn, socket, std::move(copy), skip, like);
}

// Frames of a device without a link layer are IP datagrams from their first byte on.
void Datagrams::tap(Turn& turn, std::uint16_t device, packet::Burst& burst, bool outgoing) {
  const bool bare = context_.devices.at(device)->link_layer() == device::LinkLayer::None;
  for (unsigned i = 0; i < burst.size(); ++i) {
    const packet::PacketRef frame = burst[i];
    EthernetHeader header{};
    header.ethertype = be16(wire::ethertype::kIpv4);
    if (!bare && !frame.copy_out(0, std::as_writable_bytes(std::span(&header, 1)))) continue;
    const std::uint32_t type = header.ethertype.host();
    const BpfFilter::Ancillary about{
        type, outgoing ? kOutgoing : static_cast<std::uint32_t>(frame.meta().cast), device + 1u};
    Message like;
    like.local.device = device;
    like.peer = endpoint_of(header.source, device);
    like.option = type | about.kind << 16;
    for (DatagramSocket* socket = packets_.front(); socket != nullptr;
         socket = packets_.next(*socket)) {
      // What goes out is heard by those alone that hear all (Linux: dev_queue_xmit_nit).
      if (socket->protocol != kAllProtocols && (outgoing || socket->protocol != type)) continue;
      if (socket->local.device != packet::kNoDevice && socket->local.device != device) continue;
      if (outgoing && frame.meta().spare[0] == socket->number + 1) continue;
      const bool cooked = socket->kind == Kind::PacketDatagram && !bare;
      hear(turn, *socket, frame, cooked ? sizeof header : 0, about, like);
    }
  }
}

int Datagrams::send_raw(Turn& turn, DatagramSocket& socket, Packet&& packet,
                        const Message& request) {
  ip::SendRequest send = request_for(socket, request);
  send.protocol = static_cast<std::uint8_t>(socket.protocol);
  const bool whole = socket.options.header_included || socket.protocol == kRawOnly;
  if (!whole) {
    if (packet.length() > 65535 - sizeof(Ipv4Header))
      return refuse(turn, std::move(packet), EMSGSIZE);
    const ip::OutputRoute way = context_.output.route_for(send);
    if (const int error = judge(socket, send, way)) return refuse(turn, std::move(packet), error);
    return error_of(context_.output.send(turn, std::move(packet), send, way));
  }
  const bool has_header = packet.length() >= sizeof(Ipv4Header) && packet.length() <= 65535 &&
                          packet.gather(sizeof(Ipv4Header), turn.pool);
  const unsigned header = has_header ? packet.header<Ipv4Header>()->header_length() : unsigned{0};
  if (header < sizeof(Ipv4Header) || header > packet.length() ||
      packet.header<Ipv4Header>()->version() != 4 || !packet.gather(header, turn.pool))
    return refuse(turn, std::move(packet), EINVAL);
  send.protocol = packet.header<Ipv4Header>()->protocol;
  send.allow_no_source = true;
  const ip::OutputRoute way = context_.output.route_for(send);
  if (!way.reachable) return refuse(turn, std::move(packet), ENETUNREACH);
  if (!packet.make_headroom(sizeof(EthernetHeader), turn.pool)) {
    turn.drop(std::move(packet), packet::Drop::NoBuffer);
    return ENOBUFS;
  }
  return error_of(context_.output.send_whole(turn, std::move(packet), send, way));
}

int Datagrams::send_packet(Turn& turn, DatagramSocket& socket, Packet&& packet,
                           const Message& request) {
  const std::uint16_t index =
      request.local.device != packet::kNoDevice ? request.local.device : socket.local.device;
  const device::Device* const device =
      index == packet::kNoDevice ? nullptr : context_.devices.at(index);
  if (device == nullptr) return refuse(turn, std::move(packet), ENXIO);
  if (!device->admin_up()) return refuse(turn, std::move(packet), ENETDOWN);
  const bool bare = device->link_layer() == device::LinkLayer::None;
  const bool cooked = socket.kind == Kind::PacketDatagram;
  const std::uint32_t own_header = cooked || bare ? 0 : sizeof(EthernetHeader);
  if (packet.length() > device->mtu() + own_header)
    return refuse(turn, std::move(packet), EMSGSIZE);
  if (packet.length() < own_header) return refuse(turn, std::move(packet), EINVAL);
  const bool room = cooked && !bare ? packet.make_headroom(sizeof(EthernetHeader), turn.pool)
                                    : packet.gather(own_header, turn.pool);
  if (!room) {
    turn.drop(std::move(packet), packet::Drop::NoBuffer);
    return ENOBUFS;
  }
  if (cooked && !bare) {
    auto& header = *reinterpret_cast<EthernetHeader*>(packet.push(sizeof(EthernetHeader)));
    header.destination = mac_of(request.peer);
    header.source = device->mac();
    header.ethertype = be16(static_cast<std::uint16_t>(request.option));
  }
  packet.meta().spare[0] = socket.number + 1;
  context_.transmitter.send(turn, index, std::move(packet));
  return 0;
}

void Datagrams::attach_filter(DatagramSocket& socket, const Message& request) {
  packet::Packet program =
      context_.system.buffers.take_over(socket.session->number, request.buffer);
  if (!program) return tell_error(socket, EFAULT);
  BpfFilter filter = BpfFilter::make(std::span(program.data(), program.length()));
  rte_pktmbuf_free(program.release());
  if (!filter) return tell_error(socket, EINVAL);
  socket.filter = std::move(filter);
}

}  // namespace linnet::socket
