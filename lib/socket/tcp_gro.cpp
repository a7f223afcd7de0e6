// SPDX-License-Identifier: BSD-3-Clause
// Consecutive segments of a connection in one burst go to it as one (Linux: inet_gro_receive,
// tcp_gro_receive). Only here, where a packet has reached its connection: what is forwarded stays
// as it came. A row ends with its burst, so nothing waits for it.
#include <bit>
#include <cstring>

#include "ip/header_of.hpp"
#include "socket/tcp_sockets.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"

namespace linnet::socket {

using packet::Packet;
using packet::Turn;
using wire::Ipv4Header;
using wire::TcpHeader;

namespace {

// With both headers the row is no longer than an IP datagram may be.
constexpr std::uint32_t kLongestRow = 65535 - 60 - 60;

const TcpHeader& tcp_of(packet::PacketRef packet) {
  return *packet.header_at<TcpHeader>(packet.meta().transport_offset);
}

// The headers of one row's datagrams differ in nothing but length, sums, IDs and sequence numbers;
// the last may push.
bool alike(const Ipv4Header& a, const Ipv4Header& b) {
  return a.version_ihl == 0x45 && b.version_ihl == 0x45 && a.source == b.source &&
         a.destination == b.destination && a.tos == b.tos && a.ttl == b.ttl &&
         a.fragment == b.fragment;
}
bool alike(const TcpHeader& a, const TcpHeader& b) {
  return a.source_port == b.source_port && a.destination_port == b.destination_port &&
         a.acknowledgment == b.acknowledgment && a.offset_reserved == b.offset_reserved &&
         ((a.flags ^ b.flags) & ~tcp::flag::kPsh) == 0 && a.window == b.window &&
         std::memcmp(&a + 1, &b + 1, a.header_length() - sizeof a) == 0;
}

// Where fragmentation is allowed IDs count on; else they may stand still, too (RFC 6864; Linux:
// flush_id, is_atomic).
bool id_fits(const Ipv4Header& head, std::uint16_t count, std::uint16_t before, std::uint16_t id,
             std::uint8_t& step) {
  const auto distance = static_cast<std::uint16_t>(id - before);
  if (count > 1) return distance == step;
  const bool atomic = (head.fragment.host() & Ipv4Header::kDontFragment) != 0;
  if (distance != 1 && !(atomic && distance == 0)) return false;
  step = static_cast<std::uint8_t>(distance);
  return true;
}

// As Packet::chain, by the last segment instead of a walk to it. Returns the new last one.
rte_mbuf* chain(packet::PacketRef head, rte_mbuf* last, Packet&& tail) {
  rte_mbuf* const first = tail.release();
  head.mbuf()->nb_segs = static_cast<std::uint16_t>(head.mbuf()->nb_segs + first->nb_segs);
  head.mbuf()->pkt_len += first->pkt_len;
  last->next = first;
  return rte_pktmbuf_lastseg(first);
}

}  // namespace

// A connection's packets all have one place; two connections may share it, and then take turns.
TcpSockets::InputRow& TcpSockets::row_for(packet::PacketRef packet) {
  std::uint32_t ports = 0;
  packet.copy_out(0, std::as_writable_bytes(std::span(&ports, 1)));
  const std::uint32_t mixed = (ports ^ ip::header_of(packet).source.network().raw()) * 0x9e3779b1u;
  return input_rows_[mixed >> (32 - std::countr_zero(kInputRows))];
}

// What `read` has made of a packet: whether more of its kind may join it. False: it goes by itself.
bool TcpSockets::begin_input_row(InputRow& row) {
  tcp::Segment& segment = row.arrived.segment;
  if (segment.flags != tcp::flag::kAck || segment.payload_length == 0 || !row.arrived.in_place)
    return false;
  const std::uint32_t value = find(row.arrived.flow, row.arrived.hash);
  if (value == table::FlowTable::kNone || Entry{value >> kEntryShift} != Entry::Connection)
    return false;
  TcpSocket& socket = connections_[number_of(value)];
  if (socket.connection == nullptr || !socket.connection->takes_row(segment.seq)) return false;
  const packet::PacketRef packet = segment.payload;
  row.socket = &socket;
  row.last = rte_pktmbuf_lastseg(packet.mbuf());
  row.id = ip::header_of(packet).id.host();
  segment.size = static_cast<std::uint16_t>(segment.payload_length);
  open_rows_ |= 1u << (&row - input_rows_);
  return true;
}

// True: the packet's bytes stand behind the row's now.
bool TcpSockets::join(Turn& turn, InputRow& row, Packet& packet) {
  tcp::Segment& segment = row.arrived.segment;
  const packet::PacketRef head = segment.payload;
  const TcpHeader& first = tcp_of(head);
  const unsigned header_bytes = first.header_length();
  if (packet.contiguous() < header_bytes || packet.meta().cast != packet::LinkCast::Host)
    return false;
  const auto& header = *packet.header<TcpHeader>();
  const std::uint32_t bytes = packet.length() - header_bytes;
  // No data is as wrong as too much of it: it wraps to a huge number.
  if (bytes - 1 >= segment.size || segment.payload_length + bytes > kLongestRow) return false;
  if (header.sequence.host() != (segment.seq + segment.payload_length).value()) return false;
  const Ipv4Header& ip = ip::header_of(packet);
  if (!alike(first, header) || !alike(ip::header_of(head), ip)) return false;
  if (!id_fits(ip, segment.count, row.id, ip.id.host(), row.id_step)) return false;
  if (!checksum_good(packet)) return false;
  counters_.add(tcp::Count::InSegs);
  joined_.add();
  const bool ends = bytes < segment.size || (header.flags & tcp::flag::kPsh) != 0;
  segment.flags |= header.flags;
  segment.payload_length += bytes;
  ++segment.count;
  row.id = ip.id.host();
  packet.pull(header_bytes);
  row.last = chain(segment.payload, row.last, std::move(packet));
  // Its bytes are the row's now, whose end is counted once (packet/ledger.hpp).
  turn.ledger.delivered.add();
  if (ends) end_input_row(turn, row);
  return true;
}

void TcpSockets::end_input_row(Turn& turn, InputRow& row) {
  open_rows_ &= ~(1u << (&row - input_rows_));
  TcpSocket& socket = *std::exchange(row.socket, nullptr);
  hear(turn, socket, row.arrived);
}

void TcpSockets::end_rows(Turn& turn) {
  while (open_rows_ != 0)
    end_input_row(turn, input_rows_[std::countr_zero(open_rows_)]);
}

}  // namespace linnet::socket
