// SPDX-License-Identifier: BSD-3-Clause
// From what a connection wants to say to packets (RFC 9293 3.1). The payload is not copied but for
// small ones: a header packet is followed by references to the send queue's buffers.
#include <algorithm>
#include <array>
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

// Below that a copy costs less than a second buffer.
constexpr std::uint32_t kCopied = 256;

std::uint8_t tos_with(std::uint8_t tos, tcp::Ecn ecn) {
  return static_cast<std::uint8_t>((tos & ~3u) | static_cast<unsigned>(ecn));
}

// `whole` cut down to the part that carries `payload`.
SegmentOut part_of(const SegmentOut& whole, SeqRange payload, bool first, bool last) {
  SegmentOut part = whole;
  part.payload = payload;
  const std::uint32_t before = payload.begin - whole.payload.begin;
  part.seq = whole.seq + before;
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
Packet TcpSockets::build(Turn& turn, const Flow& flow, const SegmentOut& segment,
                         const tcp::Connection* connection, SeqRange payload) {
  // Without data it is control traffic, which has a reserve (R4).
  Packet packet = turn.generate(payload.empty() ? packet::Pool::Priority::Control
                                                : packet::Pool::Priority::Data);
  if (!packet) return {};
  std::array<std::byte, wire::kTcpMaxOptions> options;
  const unsigned option_bytes = wire::emit_tcp_options(segment.options, options);
  const unsigned header_bytes = static_cast<unsigned>(sizeof(wire::TcpHeader)) + option_bytes;
  std::byte* const at = packet.put(header_bytes);
  auto& header = *reinterpret_cast<wire::TcpHeader*>(at);
  header.source_port = be16(flow.local_port);
  header.destination_port = be16(flow.peer_port);
  header.sequence = be32(segment.seq.value());
  header.acknowledgment = be32(segment.ack.value());
  header.offset_reserved = 0;
  header.set_header_length(header_bytes);
  header.flags = segment.flags;
  header.window = be16(segment.window);
  header.checksum = be16();
  header.urgent = be16(segment.urgent);
  std::copy_n(options.data(), option_bytes, at + sizeof header);
  bool complete = true;
  if (!payload.empty()) {
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
  Packet packet = build(turn, flow, segment, nullptr, {});
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
  packet::Burst burst;
  bool some_sent = false;
  const auto send_burst = [&] {
    burst.drain(
        [&](Packet&& packet) { send_built(turn, socket, std::move(packet), request, way); });
    some_sent = true;
  };
  std::uint32_t done = 0;
  do {
    const std::uint32_t count = std::min(most, total - done);
    const SeqRange payload{segment.payload.begin + done, segment.payload.begin + done + count};
    const bool first = done == 0, last = done + count == total;
    Packet packet =
        build(turn, socket.flow, first && last ? segment : part_of(segment, payload, first, last),
              &connection, payload);
    if (!packet) {
      // Packets are built before the first of them goes, so that usually all go or none. What does
      // not follow the first 64 counts as sent and lost.
      burst.drain([&](Packet&& built) { turn.drop(std::move(built), Drop::TcpNotSent); });
      return some_sent;
    }
    burst.push(std::move(packet));
    if (burst.full()) send_burst();
    done += count;
  } while (done < total);
  if (!burst.empty()) send_burst();
  return true;
}

void TcpSockets::send_built(Turn& turn, TcpSocket& socket, Packet&& packet,
                            const ip::SendRequest& request, const ip::OutputRoute& way) {
  const tcp::Seq seq(packet.header<wire::TcpHeader>()->sequence.host());
  counters_.add(tcp::Count::OutSegs);
  const auto result = context_.output.send(turn, std::move(packet), request, way);
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
