// SPDX-License-Identifier: BSD-3-Clause
// From what a connection wants to say to packets (RFC 9293 3.1). References to the send queue's
// buffers follow the header; little payload is copied behind it. More than one segment's payload is
// one large packet, cut behind IP (ADR 7; Linux: tcp_set_skb_tso_segs).
#include <algorithm>
#include <cstring>
#include <utility>

#include "ip/transport_checksum.hpp"
#include "packet/drops.hpp"
#include "socket/drops.hpp"
#include "socket/tcp_sockets.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"

namespace linnet::socket {

using packet::Packet;
using packet::Turn;
using tcp::SegmentOut;
using tcp::SeqRange;

namespace {

std::uint8_t tos_with(std::uint8_t tos, tcp::Ecn ecn) {
  return static_cast<std::uint8_t>((tos & ~3u) | static_cast<unsigned>(ecn));
}

// Writes a segment's header and options, checksum zero; returns their length.
unsigned put_header(Packet& packet, const Flow& flow, const SegmentOut& segment) {
  constexpr unsigned kMost = sizeof(wire::TcpHeader) + wire::kTcpMaxOptions;
  std::byte* const at = packet.put(kMost);
  const std::span<std::byte, wire::kTcpMaxOptions> options(at + sizeof(wire::TcpHeader),
                                                           wire::kTcpMaxOptions);
  const auto length = static_cast<unsigned>(sizeof(wire::TcpHeader) +
                                            wire::emit_tcp_options(segment.options, options));
  wire::TcpHeader header;
  header.source_port = be16(flow.local_port);
  header.destination_port = be16(flow.peer_port);
  header.sequence = be32(segment.seq.value());
  header.acknowledgment = be32(segment.ack.value());
  header.offset_reserved = 0;
  header.set_header_length(length);
  header.flags = segment.flags;
  header.window = be16(segment.window);
  header.checksum = be16();
  header.urgent = be16(segment.urgent);
  std::memcpy(at, &header, sizeof header);
  packet.trim(length);
  return length;
}

}  // namespace

ip::SendRequest TcpSockets::request_for(const Flow& flow, const OptionSet& options,
                                        tcp::Ecn ecn) const {
  ip::SendRequest out;
  out.destination = flow.peer;
  out.source = flow.local;
  out.protocol = wire::protocol::kTcp;
  out.tos = tos_with(options.tos, ecn);
  out.ttl = options.ttl;
  out.dont_fragment = options.mtu_discover != MtuDiscover::Dont;
  out.mark = options.mark;
  out.output_device = options.device;
  return out;
}

// Puts references to `count` bytes of a queued packet behind `chain`. False: no buffer.
bool TcpSockets::refer(Turn& turn, packet::Chain& chain, packet::PacketRef piece,
                       std::uint32_t offset, std::uint32_t count) {
  rte_mbuf* buffer = piece.mbuf();
  while (offset >= buffer->data_len && buffer->next != nullptr) {
    offset -= buffer->data_len;
    buffer = buffer->next;
  }
  for (; count != 0; buffer = buffer->next, offset = 0) {
    const std::uint32_t n = std::min<std::uint32_t>(buffer->data_len - offset, count);
    count -= n;
    if (n != 0 && !chain.refer(turn.pool, buffer, offset, n)) return false;
  }
  return true;
}

// Little data is put behind the header; the rest is referred to (ADR 6). False: no buffer.
bool TcpSockets::put_payload(Turn& turn, Packet& packet, const tcp::Connection& connection,
                             SeqRange payload) {
  if (payload.length() <= std::min<std::uint32_t>(packet::kCopied, packet.tailroom())) [[likely]] {
    connection.payload(payload,
                       [&](packet::PacketRef piece, std::uint32_t offset, std::uint32_t count) {
                         piece.copy_out(offset, {packet.put(count), count});
                       });
    return true;
  }
  bool complete = true;
  packet::Chain chain(packet);
  connection.payload(payload,
                     [&](packet::PacketRef piece, std::uint32_t offset, std::uint32_t count) {
                       complete = complete && refer(turn, chain, piece, offset, count);
                     });
  return complete;
}

// The transport packet: header, options, payload. Empty: no buffer.
Packet TcpSockets::build(Turn& turn, const Flow& flow, const SegmentOut& segment,
                         const tcp::Connection* connection, unsigned& header_length) {
  const SeqRange payload = segment.payload;
  // Without data it is control traffic, which has a reserve (R4).
  Packet packet = turn.generate(payload.empty() ? packet::Pool::Priority::Control
                                                : packet::Pool::Priority::Data);
  if (!packet) return {};
  header_length = put_header(packet, flow, segment);
  if (!payload.empty() && !put_payload(turn, packet, *connection, payload)) {
    turn.drop(std::move(packet), Drop::TcpNotSent);
    return {};
  }
  const std::uint32_t mss = std::max<std::uint32_t>(segment.mss, 1);
  if (payload.length() > mss)
    packet.make_large(header_length, mss);
  else
    finish_header(packet, flow);
  return packet;
}

void TcpSockets::finish_header(Packet& packet, const Flow& flow) {
  packet.header<wire::TcpHeader>()->checksum =
      ip::transport_sum(packet, static_cast<std::uint16_t>(packet.length()), flow.local, flow.peer,
                        wire::protocol::kTcp)
          .checksum();
}

void TcpSockets::send_bare(Turn& turn, const Flow& flow, const OptionSet& options,
                           const SegmentOut& segment) {
  unsigned header_length = 0;
  Packet packet = build(turn, flow, segment, nullptr, header_length);
  if (!packet) return;
  counters_.add(tcp::Count::OutSegs);
  context_.output.send(turn, std::move(packet), request_for(flow, options, segment.ecn));
}

bool TcpSockets::emit(Turn& turn, tcp::Connection& connection, const SegmentOut& segment) {
  auto& socket = *static_cast<TcpSocket*>(connection.user);
  const ip::SendRequest request = request_for(socket.flow, *socket.options, segment.ecn);
  const ip::ReadyWay& way = context_.output.way_for(request);
  if (std::exchange(socket.confirms, false)) [[unlikely]]
    context_.confirm(turn, way.route);
  unsigned header_length = 0;
  Packet packet = build(turn, socket.flow, segment, &connection, header_length);
  if (!packet) return false;
  counters_.add(tcp::Count::OutSegs, packet.pieces(header_length));
  const auto result = context_.output.send(turn, std::move(packet), request, way);
  // The route is narrower than the connection knows: it is told after it has returned.
  if (result == ip::SendResult::TooLong && socket.lowered_mtu == 0) {
    socket.lowered_mtu = way.route.mtu;
    socket.lowered_at = segment.seq;
    if (!socket.ready.linked()) ready_.push_back(socket);
  }
  return true;
}

void TcpSockets::notify(Turn&, tcp::Connection& connection) {
  auto& socket = *static_cast<TcpSocket*>(connection.user);
  if (!socket.ready.linked()) ready_.push_back(socket);
}

// An ACK came by way of the neighbour, most likely; the next segment, which looks the route up
// anyway, tells who that is (Linux: sk_dst_confirm, sock_confirm_neigh). Once in a while is enough.
void TcpSockets::confirm(Turn& turn, tcp::Connection& connection) {
  constexpr std::uint32_t kPauseMs = 1000;
  auto& socket = *static_cast<TcpSocket*>(connection.user);
  const std::uint32_t now = tcp::milliseconds(turn.now);
  if (now - socket.confirmed_ms < kPauseMs) return;
  socket.confirmed_ms = now;
  socket.confirms = true;
}

}  // namespace linnet::socket
