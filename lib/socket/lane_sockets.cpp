// SPDX-License-Identifier: BSD-3-Clause
#include "socket/lane_sockets.hpp"

#include <array>
#include <cerrno>

#include "ip/header_of.hpp"
#include "socket/drops.hpp"
#include "wire/ipv4.hpp"

namespace linnet::socket {

using packet::Packet;
using packet::Turn;

namespace {

// Budgets of one turn, so that none is long.
constexpr unsigned kHandedOver = 256;
constexpr unsigned kMessages = 64;
constexpr unsigned kRequests = 256;  // of one session
// What so many requests sent leaves before the next are looked at: the peer works on it meanwhile.
constexpr unsigned kRequestsInARow = 32;
constexpr unsigned kClosedSockets = 256;

}  // namespace

LaneSockets::LaneSockets(System& system, unsigned lane, const device::DeviceTable& devices,
                         const route::Addresses& addresses, ip::Output& output, ip::Icmp& icmp,
                         time::TimerWheel& wheel, device::Transmitter& transmitter,
                         ip::Local& local)
    : context_{system, lane,  devices,     addresses, output,
               icmp,   wheel, transmitter, local,     Programs(system.sessions, lane)},
      udp_(icmp),
      tcp_(context_, tcp_counters_),
      datagrams_(context_, udp_) {
  if (system.flow_hash.lanes() > 1) {
    local.set_elsewhere(
        [](void* self, Turn& turn, Packet& packet) {
          return static_cast<LaneSockets*>(self)->take_fragment(turn, packet);
        },
        this);
  }
  udp_.connect(packet::Stage::of<&Datagrams::udp_input>(datagrams_));
  icmp.on_echo_reply(packet::Stage::of<&Datagrams::echo_reply_input>(datagrams_));
  icmp.on_error(
      wire::protocol::kTcp,
      [](void* self, Turn& turn, const ip::ErrorReport& report) {
        return static_cast<TcpSockets*>(self)->error(turn, report);
      },
      &tcp_);
  icmp.on_error(
      wire::protocol::kUdp,
      [](void* self, Turn& turn, const ip::ErrorReport& report) {
        return static_cast<Datagrams*>(self)->udp_error(turn, report);
      },
      &datagrams_);
  icmp.on_error(
      wire::protocol::kIcmp,
      [](void* self, Turn& turn, const ip::ErrorReport& report) {
        return static_cast<Datagrams*>(self)->echo_error(turn, report);
      },
      &datagrams_);
}

bool LaneSockets::begin(Turn& turn, Answers answers) {
  context_.programs.look();
  unsigned done = take_handed_over(turn);
  context_.programs.for_each([&](LaneSession& session) {
    RingReader& requests = session.shared->lane_requests(context_.lane);
    if (session.shared->closing() || requests.broken()) {
      done += end_session(turn, session);
      return;
    }
    if (!session.waiting.empty()) go_on(turn, session);
    if (!requests.empty() || !tcp_.can_wake(turn.now)) done += take_requests(turn, session);
  });
  done += tcp_.end_waiting(turn, answers) ? 1 : 0;
  if (Survey* const question = question_.load(std::memory_order_acquire)) [[unlikely]] {
    if (!survey_some(turn.now, *question)) {
      question_.store(nullptr, std::memory_order_relaxed);
      question->done.store(true, std::memory_order_release);
    }
    ++done;
  }
  // Events that had waited for room want their program woken, too.
  return done != 0 || context_.programs.has_spoken();
}

bool LaneSockets::end(Turn& turn, Answers answers) {
  context_.giver.go(turn);
  return tcp_.service(turn, answers);
}

void LaneSockets::after_turn() {
  tell_orphans();
  tcp_.make_room();
  context_.programs.wake();
  for (std::uint32_t lanes = context_.giver.take_given_to(); lanes != 0; lanes &= lanes - 1)
    context_.system.sessions.wake_lane(static_cast<unsigned>(__builtin_ctz(lanes)));
}

unsigned LaneSockets::take_handed_over(Turn& turn) {
  HandOver& rings = context_.system.hand_over;
  if (rings.lanes() == 1) [[likely]]
    return 0;
  unsigned count = 0;
  for (unsigned from = 0; from < rings.lanes(); ++from) {
    const unsigned packets = take_packets(turn, rings.packets(from, context_.lane));
    count += packets + take_messages(turn, rings.messages(from, context_.lane));
  }
  return count;
}

// What another core has written comes from its cache: asked for some packets ahead, the header of a
// packet that is near at last.
unsigned LaneSockets::take_packets(Turn& turn, HandOver::Packets& ring) {
  constexpr unsigned kFar = 8, kNear = 4;
  unsigned taken = 0;
  for (unsigned row = 0; row < kHandedOver / packet::Burst::kCapacity; ++row) {
    std::array<rte_mbuf*, packet::Burst::kCapacity> packets;
    const unsigned count = ring.pop_some(packets.data(), packet::Burst::kCapacity);
    if (count == 0) break;
    turn.ledger.held.subtract(count);
    for (unsigned i = 0; i < count + kFar; ++i) {
      if (i < count) packet::PacketRef(packets[i]).prefetch_fields();
      if (i >= kFar - kNear && i < count + kFar - kNear)
        packet::PacketRef(packets[i - (kFar - kNear)]).prefetch_data();
      if (i >= kFar) take_packet(turn, Packet(packets[i - kFar]));
    }
    taken += count;
    if (count < packet::Burst::kCapacity) break;
  }
  if (taken != 0) tcp_.end_rows(turn);
  return taken;
}

unsigned LaneSockets::take_messages(Turn& turn, HandOver::Messages& ring) {
  unsigned count = 0;
  for (unsigned i = 0; i < kMessages; ++i) {
    if (!postponed_ && !ring.pop(message_)) break;
    postponed_ = !take_message(turn);
    if (postponed_) break;
    ++count;
  }
  return count;
}

// A fragment, data() at the IP header; else a transport packet, data() at its own header.
void LaneSockets::take_packet(Turn& turn, Packet&& packet) {
  const wire::Ipv4Header& ip = ip::header_of(packet);
  if (ip.is_fragment()) {
    packet::Burst one;
    one.push(std::move(packet));
    return context_.local.deliver(turn, one);
  }
  if (ip.protocol == wire::protocol::kUdp) return datagrams_.input_owned(turn, std::move(packet));
  tcp_.input_owned(turn, std::move(packet));
}

// The pieces of one datagram meet on the lane that their hash names, whichever queue each came to.
bool LaneSockets::take_fragment(Turn& turn, Packet& packet) {
  const auto& ip = *packet.header<wire::Ipv4Header>();
  const FlowHash& hash = context_.system.flow_hash;
  const unsigned owner =
      hash.owner(hash.of_fragments(ip.source, ip.destination, ip.id.host(), ip.protocol));
  if (owner == context_.lane) return false;
  packet.meta().network_offset = packet.data_offset();
  context_.giver.give(turn, owner, std::move(packet));
  return true;
}

// False: the program's event ring has no room for the answer now. What follows waits, too.
bool LaneSockets::take_message(Turn& turn) {
  if (message_.kind == LaneMessage::Kind::Error) {
    tcp_.note(turn, message_.note);
    return true;
  }
  LaneSession* const session = context_.programs.find(static_cast<std::uint16_t>(message_.session));
  // The program may be gone.
  if (session == nullptr || session->let_go != message_.generation) return true;
  if (!context_.programs.has_room(*session, Programs::kAnswerRoom)) {
    session->shared->want_room(context_.lane, true);
    return false;
  }
  tcp_.connect(turn, *session, message_.request, message_.options);
  return true;
}

unsigned LaneSockets::take_requests(Turn& turn, LaneSession& session) {
  unsigned count = 0;
  Message request;
  while (count < kRequests) {
    // Memory for what wakes comes after the turn: there is more to do.
    if (!tcp_.can_wake(turn.now)) [[unlikely]] {
      count = kRequests;
      break;
    }
    if (!context_.programs.next_request(session, request)) break;
    ++count;
    carry_out(turn, session, request);
    if (count % kRequestsInARow == 0) context_.transmitter.flush(turn);
  }
  if (count != 0) tcp_.settle(turn);
  return count;
}

void LaneSockets::carry_out(Turn& turn, LaneSession& session, const Message& request) {
  Socket* const socket = context_.handles.find(request.handle, session);
  const RequestKind kind{request.kind};
  if (kind == RequestKind::Consumed || kind == RequestKind::Return)
    take_back(session, request.buffer.index, socket);
  else if (kind == RequestKind::Exchange)
    take_back(session, request.option, socket);
  if (socket == nullptr) return without_socket(turn, session, request);
  if (request.program != 0) socket->program = request.program;
  if (kind != RequestKind::Send && kind != RequestKind::Consumed && kind != RequestKind::Exchange)
    tcp_.settle(turn, kind == RequestKind::Close ? socket : nullptr);
  if (kind == RequestKind::Query) return answer_query(turn, *socket, request);
  switch (socket->role) {
    case Role::Connection:
      return carry_out(turn, static_cast<TcpSocket&>(*socket), request);
    case Role::Listener:
      return carry_out(turn, static_cast<Listener&>(*socket), request);
    case Role::Datagram:
      return carry_out(turn, static_cast<DatagramSocket&>(*socket), request);
  }
}

// Requests that make sockets, options told before one, and stale handles.
void LaneSockets::without_socket(Turn& turn, LaneSession& session, const Message& request) {
  switch (RequestKind{request.kind}) {
    case RequestKind::Open:
      return datagrams_.open(turn, session, request);
    case RequestKind::Listen:
      return tcp_.listen(turn, session, request);
    case RequestKind::Connect:
      return tcp_.connect(turn, session, request, session.take_early(request.program));
    case RequestKind::SetOption:
      if (request.handle) return;
      if (session.early_program != request.program) session.early = {};
      session.early_program = request.program;
      session.early.set(request.option, request.value);
      return;
    case RequestKind::Send:
    case RequestKind::SendTo:
    case RequestKind::Exchange:
      // The socket ended while the program wrote: the buffer comes back.
      context_.system.buffers.free_returned(session.number, request.buffer.index);
      return;
    case RequestKind::Query: {
      Message answer;
      answer.kind = static_cast<std::uint8_t>(EventKind::Answer);
      answer.program = request.program;
      answer.cookie = request.cookie;
      answer.option = ENOTCONN;
      return context_.programs.tell(session, answer);
    }
    case RequestKind::Consumed:
    case RequestKind::Return:
    case RequestKind::Accepted:
    case RequestKind::Shutdown:
    case RequestKind::SetPeer:
    case RequestKind::Close:  // it ended by itself, and Closed was told then
      return;
  }
  bad_requests_.add();
}

// A buffer comes back; a datagram socket's charge goes down by it.
void LaneSockets::take_back(LaneSession& session, std::uint32_t buffer, Socket* socket) {
  if (buffer == BufferRef::kNone) return;
  const std::uint32_t size = context_.system.buffers.free_returned(session.number, buffer);
  if (size == 0) return bad_requests_.add();
  if (socket != nullptr && socket->role == Role::Datagram)
    datagrams_.uncharge(static_cast<DatagramSocket&>(*socket), size);
}

void LaneSockets::carry_out(Turn& turn, TcpSocket& socket, const Message& request) {
  switch (RequestKind{request.kind}) {
    case RequestKind::Send:
      return tcp_.send(turn, socket, request);
    case RequestKind::Exchange:
      tcp_.consumed(turn, socket, request.value);
      return tcp_.send(turn, socket, request);
    case RequestKind::Consumed:
      return tcp_.consumed(turn, socket, request.value);
    case RequestKind::Return:
      return;
    case RequestKind::Accepted:
      return tcp_.accepted(socket);
    case RequestKind::SetOption:
      return tcp_.set_option(turn, socket, request.option, request.value);
    case RequestKind::Shutdown:
      return tcp_.shutdown(turn, socket, request.value);
    case RequestKind::Close:
      return tcp_.close(turn, socket, request);
    default:
      bad_requests_.add();
  }
}

void LaneSockets::carry_out(Turn& turn, Listener& listener, const Message& request) {
  switch (RequestKind{request.kind}) {
    case RequestKind::Listen:
      return tcp_.listen(turn, *listener.session, request);
    case RequestKind::SetOption:
      return tcp_.set_option(listener, request.option, request.value);
    case RequestKind::Shutdown:
    case RequestKind::Close:
      return close(turn, listener);
    default:
      bad_requests_.add();
  }
}

void LaneSockets::carry_out(Turn& turn, DatagramSocket& socket, const Message& request) {
  switch (RequestKind{request.kind}) {
    case RequestKind::SendTo:
      return datagrams_.send_to(turn, socket, request);
    case RequestKind::SetPeer:
      return datagrams_.set_peer(turn, socket, request);
    case RequestKind::SetOption:
      return datagrams_.set_option(socket, request);
    case RequestKind::Shutdown:
      return datagrams_.shutdown(socket, request.value);
    case RequestKind::Close:
      return close(turn, socket);
    case RequestKind::Return:
    case RequestKind::Consumed:
      return;
    default:
      bad_requests_.add();
  }
}

// A listener or datagram socket.
void LaneSockets::close(Turn& turn, Socket& socket) {
  context_.programs.tell(*socket.session, Context::event(EventKind::Closed, socket));
  if (socket.role == Role::Listener)
    tcp_.close(turn, static_cast<Listener&>(socket));
  else
    datagrams_.close(turn, static_cast<DatagramSocket&>(socket));
}

void LaneSockets::answer_query(Turn& turn, Socket& socket, const Message& request) {
  Message answer = Context::event(EventKind::Answer, socket);
  answer.cookie = request.cookie;
  answer.option = EOPNOTSUPP;
  if (socket.role == Role::Connection) {
    const auto& stream = static_cast<TcpSocket&>(socket);
    const tcp::Connection* const connection = stream.connection;
    const QueryKind what{static_cast<std::uint8_t>(request.value)};
    if (what == QueryKind::QueueSizes) {
      answer.option = 0;
      if (connection != nullptr)
        answer.value =
            std::uint64_t{connection->unread_bytes()} << 32 | connection->unacknowledged_bytes();
    } else if (what == QueryKind::TcpInfo) {
      answer.buffer = tcp_.hand_out_info(stream, turn.now);
      answer.option = answer.buffer.index == BufferRef::kNone ? ENOBUFS : 0;
      answer.value = answer.buffer.length;
    }
  }
  context_.programs.tell(*socket.session, answer);
}

// The event ring may have room again.
void LaneSockets::go_on(Turn& turn, LaneSession& session) {
  while (!session.waiting.empty() && context_.programs.has_room(session, Programs::kAnswerRoom)) {
    auto& socket = static_cast<TcpSocket&>(*session.waiting.pop_front());
    tcp_.service(turn, socket);
    if (session.waiting.back() == &socket) break;  // it found too little room
  }
  if (session.waiting.empty()) session.shared->want_room(context_.lane, false);
}

// The program is gone: what it still asked for is done, then its sockets are closed, some a turn.
unsigned LaneSockets::end_session(Turn& turn, LaneSession& session) {
  session.deaf = true;
  if (const unsigned taken = take_requests(turn, session); taken == kRequests) return taken;
  unsigned count = 0;
  while (!session.sockets.empty() && count < kClosedSockets && tcp_.can_wake(turn.now)) {
    Socket& socket = *session.sockets.front();
    ++count;
    switch (socket.role) {
      case Role::Connection:
        tcp_.close_orphan(turn, static_cast<TcpSocket&>(socket));
        break;
      case Role::Listener:
        tcp_.close(turn, static_cast<Listener&>(socket));
        break;
      case Role::Datagram:
        datagrams_.close(turn, static_cast<DatagramSocket&>(socket));
        break;
    }
  }
  if (!session.sockets.empty()) return count + 1;
  tell_orphans();  // before anybody can think that there is nothing
  context_.programs.let_go(session);
  return count + 1;
}

void LaneSockets::tell_orphans() {
  context_.system.orphans[context_.lane].store(tcp_.sizes().orphans, std::memory_order_relaxed);
}

void LaneSockets::clear(Turn& turn) {
  rte_mbuf* mbuf = nullptr;
  HandOver& rings = context_.system.hand_over;
  for (unsigned from = 0; from < rings.lanes(); ++from) {
    while (rings.packets(from, context_.lane).pop(mbuf)) {
      turn.ledger.held.subtract();
      turn.drop(Packet(mbuf), Drop::SessionGone);
    }
  }
  tcp_.clear(turn);
  context_.programs.look();
  context_.programs.for_each([&](LaneSession& session) {
    while (session.shared != nullptr) {
      while (!session.sockets.empty()) {
        Socket& socket = *session.sockets.front();
        if (socket.role == Role::Listener)
          tcp_.close(turn, static_cast<Listener&>(socket));
        else
          datagrams_.close(turn, static_cast<DatagramSocket&>(socket));
      }
      context_.programs.let_go(session);
    }
  });
}

}  // namespace linnet::socket
