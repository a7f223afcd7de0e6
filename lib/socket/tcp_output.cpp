// SPDX-License-Identifier: BSD-3-Clause
// From what a connection wants to say to packets (RFC 9293 3.1). References to the send queue's
// buffers follow the header; little payload is copied behind it.
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

// A second buffer costs more than to copy so little.
constexpr std::uint32_t kCopied = 256;

std::uint8_t tos_with(std::uint8_t tos, tcp::Ecn ecn) {
  return static_cast<std::uint8_t>((tos & ~3u) | static_cast<unsigned>(ecn));
}

// What the headers of a large segment's parts differ in.
struct Part {
  tcp::Seq seq;
  std::uint8_t flags;
  std::uint16_t urgent;
};

// Of the part of `whole` that carries `payload`.
Part part_of(const SegmentOut& whole, SeqRange payload, bool first, bool last) {
  const std::uint32_t before = payload.begin - whole.payload.begin;
  Part part{whole.seq + before, whole.flags, whole.urgent};
  if (!last) part.flags &= static_cast<std::uint8_t>(~(tcp::flag::kFin | tcp::flag::kPsh));
  if (!first) part.flags &= static_cast<std::uint8_t>(~tcp::flag::kCwr);
  if (part.urgent > before) {
    part.urgent = static_cast<std::uint16_t>(part.urgent - before);
  } else if (!first) {
    part.urgent = 0;
    part.flags &= static_cast<std::uint8_t>(~tcp::flag::kUrg);
  }
  return part;
}

}  // namespace

// The header of a segment with its options, checksum zero.
TcpSockets::HeaderImage::HeaderImage(const Flow& flow, const SegmentOut& segment) {
  length = static_cast<unsigned>(sizeof header) + wire::emit_tcp_options(segment.options, options);
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
}

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

// Puts `count` bytes of a queued packet behind `packet`. False: no buffer.
bool TcpSockets::attach(Turn& turn, Packet& packet, packet::PacketRef piece, std::uint32_t offset,
                        std::uint32_t count, bool copy) {
  if (copy) return piece.copy_out(offset, {packet.put(count), count});
  rte_mbuf* segment = piece.mbuf();
  while (offset >= segment->data_len && segment->next != nullptr) {
    offset -= segment->data_len;
    segment = segment->next;
  }
  for (; count != 0; segment = segment->next, offset = 0) {
    const auto n =
        static_cast<std::uint16_t>(std::min<std::uint32_t>(segment->data_len - offset, count));
    count -= n;
    if (n == 0) continue;
    Packet reference = turn.pool.allocate();
    if (!reference) return false;
    rte_pktmbuf_attach(reference.mbuf(), segment);
    reference.mbuf()->data_off = static_cast<std::uint16_t>(segment->data_off + offset);
    reference.mbuf()->data_len = n;
    reference.mbuf()->pkt_len = n;
    packet.chain(std::move(reference));
  }
  return true;
}

// The transport packet: header, options, payload, checksum. Empty: no buffer.
Packet TcpSockets::build(Turn& turn, const Flow& flow, const HeaderImage& image,
                         const tcp::Connection* connection, SeqRange payload) {
  // Without data it is control traffic, which has a reserve (R4).
  Packet packet = turn.generate(payload.empty() ? packet::Pool::Priority::Control
                                                : packet::Pool::Priority::Data);
  if (!packet) return {};
  std::memcpy(packet.put(image.length), &image, image.length);
  bool complete = true;
  if (!payload.empty()) {
    // Little data is put behind the header; the rest is referred to (ADR 6).
    const bool copy = payload.length() <= std::min<std::uint32_t>(kCopied, packet.tailroom());
    connection->payload(payload,
                        [&](packet::PacketRef piece, std::uint32_t offset, std::uint32_t count) {
                          complete = complete && attach(turn, packet, piece, offset, count, copy);
                        });
  }
  if (!complete) {
    turn.drop(std::move(packet), Drop::TcpNotSent);
    return {};
  }
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
  Packet packet = build(turn, flow, HeaderImage(flow, segment), nullptr, {});
  if (!packet) return;
  counters_.add(tcp::Count::OutSegs);
  context_.output.send(turn, std::move(packet), request_for(flow, options, segment.ecn));
}

bool TcpSockets::emit(Turn& turn, tcp::Connection& connection, const SegmentOut& segment) {
  auto& socket = *static_cast<TcpSocket*>(connection.user);
  const ip::SendRequest request = request_for(socket.flow, *socket.options, segment.ecn);
  const ip::OutputRoute way = context_.output.route_for(request);
  if (std::exchange(socket.confirms, false)) [[unlikely]]
    context_.confirm(turn, way);
  const std::uint32_t total = segment.payload.length();
  const std::uint32_t most = std::max<std::uint32_t>(segment.mss, 1);
  HeaderImage image(socket.flow, segment);
  packet::Burst burst;
  bool some_sent = false;
  std::uint32_t done = 0;
  do {
    const std::uint32_t count = std::min(most, total - done);
    const SeqRange payload{segment.payload.begin + done, segment.payload.begin + done + count};
    const Part part = part_of(segment, payload, done == 0, done + count == total);
    image.header.sequence = be32(part.seq.value());
    image.header.flags = part.flags;
    image.header.urgent = be16(part.urgent);
    Packet packet = build(turn, socket.flow, image, &connection, payload);
    if (!packet) {
      // Packets are built before the first of them goes, so that usually all go or none. What does
      // not follow the first 64 counts as sent and lost.
      burst.drain([&](Packet&& built) { turn.drop(std::move(built), Drop::TcpNotSent); });
      return some_sent;
    }
    burst.push(std::move(packet));
    done += count;
    if (burst.full() || done >= total) {
      send_built(turn, socket, burst, request, way);
      some_sent = true;
    }
  } while (done < total);
  return true;
}

void TcpSockets::send_built(Turn& turn, TcpSocket& socket, packet::Burst& burst,
                            const ip::SendRequest& request, const ip::OutputRoute& way) {
  const tcp::Seq seq(burst[0].header<wire::TcpHeader>()->sequence.host());
  counters_.add(tcp::Count::OutSegs, burst.size());
  const auto result = context_.output.send_all(turn, burst, request, way);
  // The route is narrower than the connection knows: it is told after it has returned.
  if (result != ip::SendResult::TooLong || socket.lowered_mtu != 0) return;
  socket.lowered_mtu = way.mtu;
  socket.lowered_at = seq;
  if (!socket.ready.linked()) ready_.push_back(socket);
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
