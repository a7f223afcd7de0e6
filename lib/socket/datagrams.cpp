// SPDX-License-Identifier: BSD-3-Clause
// Life of datagram sockets, and how a datagram reaches a program.
// Reading: Linux udp.c (__udp4_lib_lookup, udp_queue_rcv_skb, __udp4_lib_err), ping.c.
#include "socket/datagrams.hpp"

#include <cerrno>

#include "socket/drops.hpp"
#include "udp/drops.hpp"
#include "wire/ipv4.hpp"

namespace linnet::socket {

using packet::Packet;
using packet::Turn;

namespace {

constexpr std::uint32_t kMostSockets = 65536;

// UDP and ping sockets have ports or identifiers; raw and packet sockets hear all of a protocol.
socket::Space port_space(Kind kind) {
  return kind == Kind::Ping ? socket::Space::Ping : socket::Space::Udp;
}
bool has_ports(Kind kind) {
  return kind == Kind::Datagram || kind == Kind::Ping;
}

}  // namespace

Datagrams::Datagrams(Context& context, udp::Input& udp)
    : context_(context),
      input_(udp),
      slab_(kMostSockets),
      udp_(context.system.flow_hash, wire::protocol::kUdp),
      ping_(context.system.flow_hash, wire::protocol::kIcmp) {}

Datagrams::~Datagrams() = default;

// Whoever passes packets by is asked only while somebody listens.
void Datagrams::watch() {
  if (raw_.empty()) {
    context_.local.set_raw(nullptr, nullptr);
  } else {
    context_.local.set_raw(
        [](void* self, Turn& turn, packet::PacketRef packet) {
          return static_cast<Datagrams*>(self)->raw_input(turn, packet);
        },
        this);
  }
  if (packets_.empty()) {
    context_.transmitter.set_tap(nullptr, nullptr);
  } else {
    context_.transmitter.set_tap(
        [](void* self, Turn& turn, std::uint16_t device, packet::Burst& burst) {
          static_cast<Datagrams*>(self)->tap(turn, device, burst, true);
        },
        this);
  }
}

bool Datagrams::enter(DatagramSocket& socket) {
  if (!has_ports(socket.kind)) {
    (socket.kind == Kind::Raw ? raw_ : packets_).push_back(socket);
    watch();
    return true;
  }
  Space& space = space_of(socket);
  if (!socket.connected()) return space.bound.add(socket);
  socket.in_connected = space.connected.insert(
      context_.system.flow_hash.of(socket.flow(), space.protocol), socket.number);
  return socket.in_connected;
}

void Datagrams::leave(DatagramSocket& socket) {
  if (!has_ports(socket.kind)) {
    socket.in_kind.unlink();
    return watch();
  }
  Space& space = space_of(socket);
  space.bound.remove(socket);
  if (!socket.in_connected) return;
  space.connected.erase(context_.system.flow_hash.of(socket.flow(), space.protocol), socket.number);
  socket.in_connected = false;
}

void Datagrams::open(Turn& turn, LaneSession& session, const Message& request) {
  Message answer;
  answer.program = request.program;
  answer.socket_kind = request.socket_kind;
  const auto refuse = [&](int error) {
    answer.kind = static_cast<std::uint8_t>(EventKind::Failed);
    answer.value = static_cast<std::uint64_t>(error);
    context_.programs.tell(session, answer);
  };
  const OptionSet options = session.take_early(request.program);
  if (request.socket_kind == Kind::Stream || request.socket_kind > Kind::PacketDatagram)
    return refuse(EINVAL);
  if (has_ports(request.socket_kind) &&
      !context_.system.ports.holds(static_cast<Ticket>(request.cookie), session.number,
                                   port_space(request.socket_kind), request.local))
    return refuse(EINVAL);
  const std::uint32_t number = slab_.make(request.socket_kind);
  if (number == decltype(slab_)::kNone) return refuse(ENOBUFS);
  DatagramSocket& socket = slab_[number];
  socket.number = number;
  socket.local = request.local;
  socket.protocol = request.option;
  socket.options = options;
  share_with_lanes(socket, static_cast<Ticket>(request.cookie));
  context_.enlist(socket, session, request.program);
  if (!enter(socket)) {
    close(turn, socket);
    return refuse(ENOBUFS);
  }
  context_.programs.tell(session, Context::event(EventKind::Opened, socket));
  if (request.peer.port != 0) set_peer(turn, socket, request);
}

// A socket that was dissolved and bound anew by itself has another port. One that names what its
// program does not hold (dissolved, it is bound to nothing) hears nothing until it is bound again.
void Datagrams::set_peer(Turn&, DatagramSocket& socket, const Message& request) {
  leave(socket);
  const auto ticket = static_cast<Ticket>(request.cookie);
  const bool held = !has_ports(socket.kind) ||
                    context_.system.ports.holds(ticket, socket.session->number,
                                                port_space(socket.kind), request.local);
  if (held && has_ports(socket.kind)) {
    socket.local.port = request.local.port;
    share_with_lanes(socket, ticket);
  }
  socket.peer = held ? request.peer : Endpoint{};
  socket.local.address = request.local.address;
  int error = held || request.peer.port == 0 ? 0 : EINVAL;
  if (socket.connected()) {
    Message by_device;
    by_device.local.device = request.local.device;
    const ip::SendRequest send = request_for(socket, by_device);
    const ip::OutputRoute way = context_.output.route_for(send);
    error = judge(socket, send, way);
    if (error == 0) socket.local.address = way.source;
  }
  if (error != 0) socket.peer = {};
  if (held && !enter(socket)) {
    error = ENOBUFS;
    socket.peer = {};
  }
  Message event = Context::event(error == 0 ? EventKind::Connected : EventKind::Failed, socket);
  event.local = socket.local;
  event.peer = socket.peer;
  event.value = static_cast<std::uint64_t>(error);
  if (RequestKind{request.kind} == RequestKind::SetPeer) event.cookie = request.cookie;
  context_.programs.tell(*socket.session, event);
}

void Datagrams::set_option(DatagramSocket& socket, const Message& request) {
  if (request.option == name::kAttachFilter) return attach_filter(socket, request);
  if (request.option == name::kDetachFilter) {
    socket.filter = BpfFilter();
    return;
  }
  // What is refused was judged by the program's side before; nothing changes here.
  socket.options.set(request.option, request.value);
}

void Datagrams::shutdown(DatagramSocket& socket, std::uint64_t how) {
  socket.shut_read = socket.shut_read || how != 1;
  socket.shut_write = socket.shut_write || how != 0;
}

void Datagrams::close(Turn& turn, DatagramSocket& socket) {
  leave(socket);
  share_with_lanes(socket, 0);
  if (socket.train) {
    turn.ledger.held.subtract();
    turn.drop(std::move(socket.train), Drop::SessionGone);
  }
  context_.strike(socket);
  slab_.destroy(socket.number);
}

DatagramSocket* Datagrams::find(Space& space, const Flow& flow, std::uint16_t device) {
  const std::uint32_t hash = context_.system.flow_hash.of(flow, space.protocol);
  const std::uint32_t number = space.connected.find(hash, [&](std::uint32_t candidate) {
    const DatagramSocket& socket = slab_[candidate];
    return socket.flow() == flow &&
           (socket.options.device == packet::kNoDevice || socket.options.device == device);
  });
  if (number != Connected::kNone) return &slab_[number];
  return space.bound.find(flow.local, flow.local_port, device, hash);
}

// --- The receive buffer. A socket is one to its program, whatever lanes its datagrams come by, and
// so is SO_RCVBUF (Linux: sk_rmem_alloc). A lane takes of it in shares and keeps what is left of
// one, so that the count of all is not written for each packet. A lane that holds nothing for the
// program takes one datagram whatever there is (Linux: the buffer may be exceeded by one): that
// much is more than the buffer, and what lanes keep unused, an eighth, may be less.

std::uint32_t Datagrams::space_of_all(const DatagramSocket& socket) const {
  return socket.options.receive_buffer != 0
             ? socket.options.receive_buffer
             : context_.system.settings.rmem_default.load(std::memory_order_relaxed);
}

std::uint32_t Datagrams::share_of(std::uint32_t space) const {
  return space / (8 * context_.system.flow_hash.lanes());
}

bool Datagrams::take_space(DatagramSocket& socket, std::uint32_t size) {
  const std::uint32_t space = space_of_all(socket);
  const std::uint64_t wanted = std::uint64_t{socket.charged} + size;
  if (wanted > space) return socket.charged == 0;
  if (socket.ticket == 0 || wanted <= socket.taken) return true;
  const auto missing = static_cast<std::uint32_t>(wanted - socket.taken);
  Ports& ports = context_.system.ports;
  for (const std::uint32_t bytes : {std::max(missing, share_of(space)), missing}) {
    if (!ports.take_space(socket.ticket, socket.generation, bytes, space)) continue;
    socket.taken += bytes;
    return true;
  }
  return socket.charged == 0;
}

void Datagrams::give_back_space(DatagramSocket& socket) {
  const std::uint32_t unused = socket.taken - socket.charged;
  const std::uint32_t share = share_of(space_of_all(socket));
  if (unused <= share) return;
  const std::uint32_t back = unused - share / 2;
  context_.system.ports.give_space(socket.ticket, socket.generation, back);
  socket.taken -= back;
}

// The binding that tells what is taken; 0: what was taken goes back. One lane alone counts for
// itself, and so do raw and packet sockets.
void Datagrams::share_with_lanes(DatagramSocket& socket, Ticket ticket) {
  Ports& ports = context_.system.ports;
  const bool alone = context_.system.flow_hash.lanes() == 1 || !has_ports(socket.kind);
  if (alone || ticket == socket.ticket) return;
  if (socket.taken != 0) ports.give_space(socket.ticket, socket.generation, socket.taken);
  socket.taken = 0;
  socket.ticket = ticket;
  socket.generation = ports.generation(ticket);
}

void Datagrams::deliver(Turn& turn, DatagramSocket& socket, Packet&& packet, std::uint32_t skip,
                        const Message& like) {
  const bool udp = socket.kind == Kind::Datagram;
  if (socket.shut_read) return turn.drop(std::move(packet), udp::Drop::Filtered);
  const bool crowded = !take_space(socket, packet.truesize());
  if (crowded || !context_.programs.has_room(*socket.session, packet.mbuf()->nb_segs)) {
    if (udp) input_.counters().add(udp::Count::RcvbufErrors);
    if (crowded) return turn.drop(std::move(packet), udp::Drop::ReceiveBufferFull);
    return turn.drop(std::move(packet), Drop::EventRingFull);
  }
  if (udp) input_.counters().add(udp::Count::InDatagrams);
  turn.ledger.delivered.add();
  Parcel parcel(std::move(packet), skip);
  socket.charged += parcel.truesize();
  Message event = Context::event(EventKind::Data, socket);
  event.local = like.local;
  event.peer = like.peer;
  event.option = like.option;
  parcel.tell(context_, *socket.session, event);
}

void Datagrams::tell_error(DatagramSocket& socket, int error) {
  if (!context_.programs.has_room(*socket.session, 1)) return;
  Message event = Context::event(EventKind::Failed, socket);
  event.value = static_cast<std::uint64_t>(error);
  context_.programs.tell(*socket.session, event);
}

// Linux __udp4_lib_err: who asked for errors hears all of them, a connected socket the fatal ones.
bool Datagrams::report(Turn&, Space& space, const Flow& flow, const ip::ErrorReport& report) {
  DatagramSocket* const socket = find(space, flow, packet::kNoDevice);
  const SocketError error = socket_error(report.error);
  if (socket == nullptr) return false;
  if (error.error == 0) return true;
  if (!socket->options.receive_error) {
    if (socket->connected() && error.fatal) tell_error(*socket, error.error);
    return true;
  }
  if (!context_.programs.has_room(*socket->session, 1)) return true;
  Message event = Context::event(EventKind::SoftError, *socket);
  event.value = static_cast<std::uint64_t>(error.error);
  event.option = static_cast<std::uint32_t>(report.error.type) |
                 std::uint32_t{report.error.code} << 8 | report.error.rest << 16;
  event.peer.address = flow.peer;
  event.peer.port = flow.peer_port;
  event.local.address = report.reporter;
  context_.programs.tell(*socket->session, event);
  return true;
}

ip::SendRequest Datagrams::request_for(const DatagramSocket& socket, const Message& request) const {
  const OptionSet& options = socket.options;
  const ControlData control = ControlData::of(request.option);
  ip::SendRequest out;
  out.destination = request.peer.address.is_any() ? socket.peer.address : request.peer.address;
  out.source = request.local.address.is_any() ? socket.local.address : request.local.address;
  out.tos = control.has_tos ? control.tos : options.tos;
  const bool group = out.destination.is_multicast();
  out.ttl = control.has_ttl ? control.ttl : group ? options.multicast_ttl : options.ttl;
  out.mark = options.mark;
  // IP_PKTINFO goes before SO_BINDTODEVICE (Linux: ip_cmsg_send).
  out.output_device =
      request.local.device != packet::kNoDevice ? request.local.device : options.device;
  out.dont_fragment = options.mtu_discover >= MtuDiscover::Do;
  return out;
}

int Datagrams::judge(const DatagramSocket& socket, const ip::SendRequest& request,
                     const ip::OutputRoute& way) const {
  if (!way.reachable) {
    const bool prohibited = way.route != nullptr && way.route->type == route::Type::Prohibit;
    return prohibited ? EACCES : ENETUNREACH;
  }
  const bool broadcast = request.destination.is_limited_broadcast() ||
                         (way.route != nullptr && way.route->type == route::Type::Broadcast);
  if (broadcast && !socket.options.broadcast) return EACCES;
  if (!request.source.is_any() && !context_.addresses.is_ours(request.source) &&
      !request.source.is_loopback() && !request.source.is_multicast())
    return EINVAL;
  return way.source.is_any() ? EADDRNOTAVAIL : 0;
}

int Datagrams::refuse(Turn& turn, Packet&& packet, int error) const {
  turn.drop(std::move(packet), Drop::NotSendable);
  return error;
}

// Collects the buffers of one datagram, then sends it.
void Datagrams::send_to(Turn& turn, DatagramSocket& socket, const Message& request) {
  Packet packet;
  if (request.buffer.index == BufferRef::kNone) {
    packet = turn.generate(packet::Pool::Priority::Data);
    if (!packet) return tell_error(socket, ENOBUFS);
  } else {
    packet = context_.system.buffers.take_over(socket.session->number, request.buffer);
    if (!packet) return tell_error(socket, EFAULT);
    turn.ledger.generated.add();
  }
  const bool more = (request.flags & message_flag::kMore) != 0;
  if (!socket.train) {
    if (!more) return finish(turn, socket, std::move(packet), request);
    socket.train = std::move(packet);
    socket.train_first = request;
    socket.train_too_long = false;
    turn.ledger.held.add();
    return;
  }
  // One packet now: what was counted as generated twice is used up once.
  turn.ledger.delivered.add();
  constexpr std::uint32_t kMostBytes = 65535, kMostPieces = 128;
  if (socket.train.length() + packet.length() <= kMostBytes &&
      socket.train.mbuf()->nb_segs < kMostPieces) {
    socket.train.chain(std::move(packet));
  } else {
    socket.train_too_long = true;
    rte_pktmbuf_free(packet.release());
  }
  if (more) return;
  turn.ledger.held.subtract();
  Packet whole = std::move(socket.train);
  if (socket.train_too_long) return tell_error(socket, refuse(turn, std::move(whole), EMSGSIZE));
  finish(turn, socket, std::move(whole), socket.train_first);
}

void Datagrams::finish(Turn& turn, DatagramSocket& socket, Packet&& packet,
                       const Message& request) {
  int error = EPIPE;
  if (socket.shut_write)
    refuse(turn, std::move(packet), error);
  else if (socket.kind == Kind::PacketRaw || socket.kind == Kind::PacketDatagram)
    error = send_packet(turn, socket, std::move(packet), request);
  else if (request.peer.address.is_any() && socket.peer.address.is_any())
    error = refuse(turn, std::move(packet), EDESTADDRREQ);
  else if (socket.kind == Kind::Ping)
    error = send_ping(turn, socket, std::move(packet), request);
  else if (socket.kind == Kind::Raw)
    error = send_raw(turn, socket, std::move(packet), request);
  else
    error = send_udp(turn, socket, std::move(packet), request);
  if (error != 0) tell_error(socket, error);
}

int error_of(ip::SendResult result) {
  switch (result) {
    case ip::SendResult::Sent:
      return 0;
    case ip::SendResult::NoRoute:
      return ENETUNREACH;
    case ip::SendResult::Prohibited:
      return EACCES;
    case ip::SendResult::NoSource:
      return EADDRNOTAVAIL;
    case ip::SendResult::TooLong:
      return EMSGSIZE;
    case ip::SendResult::NoBuffer:
      return ENOBUFS;
  }
  return EINVAL;
}

}  // namespace linnet::socket
