// SPDX-License-Identifier: BSD-3-Clause
// Opening from here: source address by route, source port by RFC 6056 among those whose flow this
// lane owns. Reading: Linux tcp_v4_connect, __inet_hash_connect, tcp_twsk_unique.
#include <cerrno>

#include "socket/drops.hpp"
#include "socket/tcp_sockets.hpp"
#include "wire/ipv4.hpp"

namespace linnet::socket {

using packet::Turn;

// Whether a connection may take the flow: nobody has it, or a TIME-WAIT that gives it up. Who has
// `bound` the port, knowing that it was used, need not wait (Linux: tcp_twsk_unique).
bool TcpSockets::flow_is_free(Turn& turn, const Flow& flow, std::uint32_t hash, bool bound) {
  const std::uint32_t value = find(flow, hash);
  if (value == table::FlowTable::kNone) return true;
  if (Entry{value >> kEntryShift} != Entry::TimeWait) return false;
  const tcp::TimeWaitEntry& old = time_wait_[number_of(value)].state;
  if (bound) return old.has_timestamps();
  const tcp::Settings& settings = context_.system.tcp_settings;
  const std::uint32_t reuse = settings.tcp_tw_reuse;
  if (reuse == 0 || (reuse == 2 && !flow.peer.is_loopback())) return false;
  return old.may_reuse(settings, turn.now);
}

// RFC 6056 algorithm 3 with a start that is random besides: the offset of a destination tells
// nothing of another's. 0, or EADDRNOTAVAIL.
int TcpSockets::choose_port(Turn& turn, std::uint32_t range, Flow& flow, std::uint32_t& hash) {
  const FlowHash& hashes = context_.system.flow_hash;
  const auto [low, count] = ephemeral_ports(context_.system.settings, range);
  const std::uint64_t offset =
      siphash13(context_.system.port_key, std::uint64_t{flow.peer.host()} << 16 | flow.peer_port,
                flow.local.host()) +
      turn.random.next();
  for (std::uint32_t i = 0; i < count; ++i) {
    flow.local_port = static_cast<std::uint16_t>(low + (offset + i) % count);
    if (context_.system.ports.is_bound(Space::Tcp, flow.local_port)) continue;
    hash = hashes.of(flow, wire::protocol::kTcp);
    if (hashes.owner(hash) == context_.lane && flow_is_free(turn, flow, hash, false)) return 0;
  }
  return EADDRNOTAVAIL;
}

void TcpSockets::connect(Turn& turn, LaneSession& session, const Message& request,
                         const OptionSet& options) {
  const FlowHash& hashes = context_.system.flow_hash;
  Flow flow{request.local.address, request.peer.address, request.local.port, request.peer.port};
  int error = 0;
  // Linux: connect to 0.0.0.0 means this host.
  if (flow.peer.is_any()) flow.peer = Ipv4Address(127, 0, 0, 1);
  const ip::OutputRoute way =
      context_.output.route_for(request_for(flow, options, tcp::Ecn::NotCapable));
  const bool group =
      flow.peer.is_multicast() || flow.peer.is_limited_broadcast() ||
      (way.reachable && way.route != nullptr && way.route->type == route::Type::Broadcast);
  if (!way.reachable || group)
    error = way.route != nullptr && way.route->type == route::Type::Prohibit ? EACCES : ENETUNREACH;
  else if (way.source.is_any())
    error = EADDRNOTAVAIL;
  flow.local = way.source;
  if (error == 0 && flow.local_port != 0) {
    const unsigned owner = hashes.owner(hashes.of(flow, wire::protocol::kTcp));
    if (!context_.system.ports.holds(static_cast<Ticket>(request.cookie), session.number,
                                     Space::Tcp, {flow.local, flow.local_port, packet::kNoDevice}))
      error = EINVAL;
    else if (owner != context_.lane) {
      LaneMessage message;
      message.kind = LaneMessage::Kind::Connect;
      message.session = session.number;
      message.generation = session.let_go;
      message.request = request;
      message.request.local.address = flow.local;
      message.request.peer.address = flow.peer;
      message.options = options;
      if (context_.giver.give(owner, message)) return;
      error = ENOBUFS;
    }
  }
  if (error == 0) error = start(turn, session, request, options, flow, way);
  if (error != 0) refuse_connect(session, request, error);
}

// What the SYN was to carry goes with it.
void TcpSockets::refuse_connect(LaneSession& session, const Message& request, int error) {
  if (request.buffer.index != BufferRef::kNone)
    context_.system.buffers.free_returned(session.number, request.buffer.index);
  Message answer;
  answer.kind = static_cast<std::uint8_t>(EventKind::Failed);
  answer.program = request.program;
  answer.value = static_cast<std::uint64_t>(error);
  context_.programs.tell(session, answer);
}

// 0: the SYN is on its way.
int TcpSockets::start(Turn& turn, LaneSession& session, const Message& request,
                      const OptionSet& options, Flow flow, const ip::OutputRoute& way) {
  std::uint32_t hash = 0;
  const bool bound = flow.local_port != 0;
  if (!bound) {
    if (const int error = choose_port(turn, options.local_ports, flow, hash)) return error;
  } else {
    hash = context_.system.flow_hash.of(flow, wire::protocol::kTcp);
    if (!flow_is_free(turn, flow, hash, true)) return EADDRNOTAVAIL;
  }
  const std::uint8_t kDeferring = message_flag::kFastOpen | message_flag::kDefer;
  if ((request.flags & kDeferring) == kDeferring) {
    bool proves_path = false;
    if (attempt_for(turn, flow, options, proves_path).carries_data) return EINPROGRESS;
  }
  // Beyond what an earlier connection of the flow sent (RFC 6191), else keyed.
  tcp::Seq initial = tcp::initial_sequence(context_.system.initial_key, bytes_of(flow), turn.now);
  std::uint32_t inherited = 0;
  if (const std::uint32_t old = find(flow, hash); old != table::FlowTable::kNone) {
    initial = time_wait_[number_of(old)].state.next_initial();
    if (!bound) inherited = time_wait_[number_of(old)].state.last_timestamp();
    remove_time_wait(number_of(old));
  }
  const std::uint32_t number = connections_.make();
  if (number == kNone) return ENOBUFS;
  TcpSocket& socket = connections_[number];
  socket.number = number;
  if (!begin_awake(turn.now, socket, options) ||
      !flows_.insert(hash, value_of(Entry::Connection, number))) {
    end_unused(socket);
    return ENOBUFS;
  }
  socket.flow = flow;
  socket.hash = hash;
  socket.device = way.device;
  socket.connection->inherit(inherited);
  context_.enlist(socket, session, request.program);
  context_.system.ports.connection_began(context_.lane, flow.local_port);
  const std::uint32_t stamp = tcp::timestamp_offset(context_.system.timestamp_key, bytes_of(flow));
  Message opened = Context::event(EventKind::Opened, socket);
  opened.local = {flow.local, flow.local_port, packet::kNoDevice};
  opened.peer = {flow.peer, flow.peer_port, packet::kNoDevice};
  if ((request.flags & message_flag::kFastOpen) == 0) {
    context_.programs.tell(session, opened);
    socket.connection->connect(turn, initial, stamp, way.mtu);
    return 0;
  }
  packet::Packet data = context_.system.buffers.take_over(session.number, request.buffer);
  if (data) turn.ledger.generated.add();
  tcp::FastOpenAttempt attempt = attempt_for(turn, flow, options, socket.proves_path);
  attempt.waiting = request.value;
  opened.value =
      socket.connection->connect(turn, initial, stamp, way.mtu, attempt, std::move(data));
  context_.programs.tell(session, opened);
  return 0;
}

}  // namespace linnet::socket
