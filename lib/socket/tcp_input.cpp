// SPDX-License-Identifier: BSD-3-Clause
// A TCP packet that came in: checks, the lane that owns its flow, whom it is for (RFC 9293 3.10.7).
#include <array>
#include <cstring>
#include <memory>

#include "ip/header_of.hpp"
#include "ip/transport_checksum.hpp"
#include "packet/drops.hpp"
#include "socket/drops.hpp"
#include "socket/tcp_sockets.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"

namespace linnet::socket {

using packet::Packet;
using packet::Turn;

void TcpSockets::input(Turn& turn, packet::Burst& burst) {
  const FlowHash& hash = context_.system.flow_hash;
  burst.drain([&](Packet&& packet) {
    if (hash.lanes() == 1) [[likely]]
      return input_owned(turn, std::move(packet));
    std::array<be16, 2> ports{};
    packet.copy_out(0, std::as_writable_bytes(std::span(ports)));
    const wire::Ipv4Header& ip = ip::header_of(packet);
    const Flow flow{ip.destination, ip.source, ports[1].host(), ports[0].host()};
    const unsigned owner = hash.owner(hash.of(flow, wire::protocol::kTcp));
    context_.note_place(packet, owner);
    if (owner == context_.lane) return input_owned(turn, std::move(packet));
    context_.giver.give(turn, owner, std::move(packet));
  });
  end_rows(turn);
}

void TcpSockets::input_owned(Turn& turn, Packet&& packet) {
  InputRow& row = row_for(packet);
  if (row.socket != nullptr) {
    if (join(turn, row, packet)) return;
    end_input_row(turn, row);
  }
  std::destroy_at(&row.arrived);
  std::construct_at(&row.arrived);
  if (read(turn, std::move(packet), row.arrived) && !begin_input_row(row)) take(turn, row.arrived);
}

bool TcpSockets::checksum_good(packet::PacketRef packet) {
  if ((packet.meta().flags & packet::Meta::kChecksumGood) != 0) return true;
  const wire::Ipv4Header& ip = ip::header_of(packet);
  return ip::transport_sum(packet, static_cast<std::uint16_t>(packet.length()), ip.source,
                           ip.destination, wire::protocol::kTcp)
      .valid();
}

// Judges the packet and makes a segment of it. False: it was dropped.
bool TcpSockets::read(Turn& turn, Packet&& packet, Arrived& out) {
  counters_.add(tcp::Count::InSegs);
  const auto refuse = [&](auto why) {
    counters_.add(tcp::Count::InErrs);
    turn.drop(std::move(packet), why);
    return false;
  };
  wire::TcpHeader header;
  if (!packet.copy_out(0, std::as_writable_bytes(std::span(&header, 1))))
    return refuse(Drop::TcpTruncated);
  if (!header.length_good(packet.length())) return refuse(Drop::TcpBadOffset);
  if (!checksum_good(packet)) {
    counters_.add(tcp::Count::InCsumErrors);
    return refuse(Drop::TcpBadChecksum);
  }
  const wire::Ipv4Header& ip = ip::header_of(packet);
  out.flow = {ip.destination, ip.source, header.destination_port.host(), header.source_port.host()};
  out.device = packet.meta().input_device;
  out.tos = ip.tos;
  if (packet.meta().cast != packet::LinkCast::Host) {
    turn.drop(std::move(packet), Drop::TcpToGroup);
    return false;
  }
  tcp::Segment& segment = out.segment;
  const unsigned header_bytes = header.header_length();
  out.in_place = packet.contiguous() >= header_bytes;
  std::array<std::byte, wire::kTcpMaxOptions> copied;
  std::span there = std::span(copied).first(header_bytes - sizeof header);
  if (out.in_place)
    there = packet.first_bytes().subspan(sizeof header, there.size());
  else if (!there.empty())
    packet.copy_out(sizeof header, there);
  if (!there.empty() && !wire::read_aligned_timestamps(there, segment.options)) {
    const bool syn = (header.flags & tcp::flag::kSyn) != 0;
    segment.options = wire::parse_tcp_options(there, syn).options;
  }
  segment.ecn = tcp::Ecn{static_cast<std::uint8_t>(out.tos & 3)};
  if (!out.in_place && !packet.gather(header_bytes, turn.pool))
    return refuse(packet::Drop::NoBuffer);
  packet.pull(header_bytes);
  segment.seq = tcp::Seq(header.sequence.host());
  segment.ack = tcp::Seq(header.acknowledgment.host());
  segment.flags = header.flags;
  segment.window = header.window.host();
  segment.urgent = header.urgent.host();
  segment.payload_length = packet.length();
  segment.payload = std::move(packet);
  out.hash = context_.system.flow_hash.of(out.flow, wire::protocol::kTcp);
  return true;
}

std::uint32_t TcpSockets::find(const Flow& flow, std::uint32_t hash) {
  return flows_.find(hash, [&](std::uint32_t value) {
    const std::uint32_t number = number_of(value);
    switch (Entry{value >> kEntryShift}) {
      case Entry::Connection:
        return connections_[number].flow == flow;
      case Entry::HalfOpen:
        return half_open_[number].flow == flow;
      case Entry::TimeWait:
        return time_wait_[number].flow == flow;
    }
    return false;
  });
}

void TcpSockets::end(Turn& turn, Arrived& arrived, Drop why) {
  turn.drop(std::move(arrived.segment.payload), why);
}

void TcpSockets::take(Turn& turn, Arrived& arrived) {
  const std::uint32_t value = find(arrived.flow, arrived.hash);
  if (value != table::FlowTable::kNone) {
    const std::uint32_t number = number_of(value);
    switch (Entry{value >> kEntryShift}) {
      case Entry::Connection:
        return hear(turn, connections_[number], arrived);
      case Entry::HalfOpen:
        return take_half_open(turn, half_open_[number], arrived);
      case Entry::TimeWait:
        return take_time_wait(turn, number, arrived);
    }
  }
  // RFC 9293 MUST-57. No connection has such an address.
  const Ipv4Address to = arrived.flow.local;
  if (to.is_multicast() || to.is_limited_broadcast() || context_.addresses.is_our_broadcast(to))
    return end(turn, arrived, Drop::TcpToGroup);
  Listener* const listener =
      bound_.find(arrived.flow.local, arrived.flow.local_port, arrived.device, arrived.hash);
  if (listener != nullptr) return take_listener(turn, *listener, arrived);
  reset(turn, arrived);
}

// RFC 9293 MUST-58, 59: what a turn brings is acknowledged together, at its end.
void TcpSockets::hear(Turn& turn, TcpSocket& socket, Arrived& arrived) {
  tcp::Connection* const connection = wake(turn, socket);
  // The peer sends it again.
  if (connection == nullptr) [[unlikely]]
    return end(turn, arrived, Drop::TcpCannotWake);
  connection->input(turn, std::move(arrived.segment), true);
  socket.heard = true;
  notify(turn, *connection);
}

// RFC 9293 3.10.7.1.
void TcpSockets::reset(Turn& turn, Arrived& arrived, std::uint16_t device) {
  if (const auto answer = tcp::reset_for(arrived.segment)) {
    counters_.add(tcp::Count::OutRsts);
    send_bare(turn, arrived.flow, OptionSet{.device = device}, *answer);
  }
  end(turn, arrived, Drop::TcpNoSocket);
}

// RFC 5927, 1191: an error counts for the connection whose segment it quotes.
bool TcpSockets::error(Turn& turn, const ip::ErrorReport& report) {
  struct {
    be16 source_port, destination_port;
    be32 sequence;
  } quoted;
  if (report.quoted_payload.size() < sizeof quoted) return false;
  std::memcpy(&quoted, report.quoted_payload.data(), sizeof quoted);
  LaneMessage message;
  message.kind = LaneMessage::Kind::Error;
  ErrorNote& about = message.note;
  about.flow = {report.quoted->source, report.quoted->destination, quoted.source_port.host(),
                quoted.destination_port.host()};
  about.sequence = quoted.sequence.host();
  about.error = socket_error(report.error).error;
  about.too_long = report.error.type == wire::IcmpType::Unreachable &&
                   report.error.code == wire::unreachable::kFragmentationNeeded;
  about.mtu = report.error.rest & 0xffff;
  const FlowHash& hash = context_.system.flow_hash;
  const unsigned owner = hash.owner(hash.of(about.flow, wire::protocol::kTcp));
  if (owner == context_.lane) return note(turn, about);
  // A full ring costs a hint, which the path gives again.
  context_.giver.give(owner, message);
  return true;
}

bool TcpSockets::note(Turn& turn, const ErrorNote& about) {
  const std::uint32_t hash = context_.system.flow_hash.of(about.flow, wire::protocol::kTcp);
  const std::uint32_t value = find(about.flow, hash);
  if (value == table::FlowTable::kNone || Entry{value >> kEntryShift} != Entry::Connection)
    return false;
  tcp::Connection* const connection = connections_[number_of(value)].connection;
  const tcp::Seq seq(about.sequence);
  const bool counts = about.too_long || about.error != 0;
  if (connection == nullptr) {
    // Nothing is in flight on what rests: it cannot be about that.
    if (counts) counters_.add(tcp::Count::OutOfWindowIcmps);
  } else if (about.too_long) {
    connection->path_mtu(turn, seq, about.mtu);
  } else if (counts) {
    connection->soft_error(turn, seq, about.error);
  }
  return true;
}

}  // namespace linnet::socket
