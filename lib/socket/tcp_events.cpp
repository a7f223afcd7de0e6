// SPDX-License-Identifier: BSD-3-Clause
// What connections tell programs and programs tell connections, and the end of both.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "socket/drops.hpp"
#include "socket/tcp_sockets.hpp"

namespace linnet::socket {

using packet::Packet;
using packet::Turn;
namespace event = tcp::event;

namespace {

constexpr std::uint32_t kMostConnections = 1u << 22;
constexpr std::uint32_t kMostHalfOpen = 65536;
constexpr std::uint32_t kMostListeners = 65536;
constexpr std::uint32_t kSentRecords = 32768;
constexpr std::int32_t kMostRecalled = 1 << 22;

bool all_acknowledged(tcp::State state) {
  return state == tcp::State::FinWait2 || state == tcp::State::TimeWait ||
         state == tcp::State::Closed;
}

}  // namespace

TcpSockets::TcpSockets(Context& context, tcp::Counters& counters)
    : context_(context),
      counters_(counters),
      sent_pool_(kSentRecords),
      engine_{*this, context.wheel, sent_pool_, context.system.tcp_settings, counters},
      flows_(256, kMostConnections),
      connections_(kMostConnections),
      awake_(kMostConnections),
      alarms_(kMostConnections),
      options_(kMostConnections),
      half_open_(kMostHalfOpen),
      time_wait_(kMostConnections),
      listeners_(kMostListeners),
      bound_(context.system.flow_hash, wire::protocol::kTcp) {
  // R4: what strangers can make us hold leaves half of the pool.
  const packet::Pool& pool = context.system.pool;
  engine_.memory.limit =
      std::uint64_t{pool.size()} * pool.data_room() / 2 / context.system.flow_hash.lanes();
}

TcpSockets::~TcpSockets() = default;

TcpSockets::Sizes TcpSockets::sizes() const {
  return {connections_.used(), half_open_.used(),      time_wait_.used(),
          listeners_.used(),   engine_.memory.orphans, resting_};
}

TcpSockets::Memory TcpSockets::memory() const {
  return {connections_.memory_bytes() + awake_.memory_bytes() + alarms_.memory_bytes() +
              options_.memory_bytes(),
          half_open_.memory_bytes(), time_wait_.memory_bytes(), flows_.memory_bytes(),
          context_.handles.memory_bytes()};
}

// --- Requests.

void TcpSockets::send(Turn& turn, TcpSocket& socket, const Message& request) {
  Packet packet = context_.system.buffers.take_over(socket.session->number, request.buffer);
  if (!packet) return;
  turn.ledger.generated.add();
  const auto bytes = static_cast<std::int32_t>(packet.length());
  // As a packet goes into Linux's send buffer while that is not full (sk_stream_memory_free): a
  // buffer that is longer than all the room there will ever be has to go some time.
  const std::int32_t least = socket.recalled ? -kMostRecalled : 0;
  if (bytes == 0 || socket.credit <= least) [[unlikely]]
    return turn.drop(std::move(packet), Drop::NoCredit);
  socket.credit -= bytes;
  begin_row(turn, socket);
  row_.sends = true;
  socket.connection->append(turn, std::move(packet), (request.flags & message_flag::kUrgent) != 0,
                            (request.flags & message_flag::kPushLater) != 0, true);
}

void TcpSockets::consumed(Turn& turn, TcpSocket& socket, std::uint64_t bytes) {
  const auto most = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, socket.given));
  socket.given -= most;
  begin_row(turn, socket);
  row_.consumed += most;
}

void TcpSockets::begin_row(Turn& turn, TcpSocket& socket) {
  if (row_.socket == &socket) return;
  settle(turn);
  awake(turn, socket);
  row_.socket = &socket;
}

void TcpSockets::settle(Turn& turn, const Socket* closing) {
  const Row row = std::exchange(row_, Row{});
  // It rests again where there was nothing to do for it.
  if (row.socket == nullptr || row.socket->connection == nullptr) return;
  row.socket->connection->consumed(turn, row.consumed, row.sends);
  if (!row.sends || row.socket == closing) return;
  output(turn, *row.socket);
  // All that it might write was written: what has been sent of it may have made room.
  if (row.socket->credit <= 0) [[unlikely]] {
    row.socket->spent = true;
    notify(turn, *row.socket->connection);
  }
}

void TcpSockets::output(Turn& turn, TcpSocket& socket) {
  has_answered(socket);
  socket.connection->output(turn);
}

// All that what came asked for has left.
void TcpSockets::has_answered(TcpSocket& socket) {
  socket.heard = false;
  awake_[socket.place].waits.unlink();
}

void TcpSockets::accepted(TcpSocket& socket) {
  leave_backlog(socket);
}

void TcpSockets::leave_backlog(TcpSocket& socket) {
  if (!socket.in_backlog) return;
  socket.in_backlog = false;
  context_.system.ports.leave_backlog(socket.ticket, socket.backlog_generation);
}

void TcpSockets::set_option(Turn& turn, TcpSocket& socket, std::uint32_t option,
                            std::uint64_t value) {
  // What is refused was judged by the program's side before; nothing changes here.
  OptionSet options = *socket.options;
  if (options.set(option, value) != 0 || !use_options(socket, options)) return;
  tcp::Connection& connection = awake(turn, socket);
  connection.set_options(turn, socket.options->tcp);
  if (option == name::kNoDelay && value != 0) connection.push(turn);
  if (option == name::kQuickAck) connection.quick_ack(turn, value != 0);
  if (option == name::kSendBuffer || option == name::kNotSentLowWater) recall(socket);
}

// A bound that was set anew counts from the next write on, so credit that was given may be taken
// back; what the program has spent of it meanwhile is still taken.
void TcpSockets::recall(TcpSocket& socket) {
  if (!socket.told || socket.session == nullptr) return;
  if (!context_.programs.has_room(*socket.session, 1)) return;
  const tcp::SendRoom room = socket.connection->send_room();
  const auto bytes = static_cast<std::int32_t>(room.bytes);
  if (bytes < socket.credit) socket.recalled = true;
  tell_room(socket, bytes, room.spare);
}

void TcpSockets::tell_room(TcpSocket& socket, std::int32_t credit, std::uint32_t spare) {
  Message message = Context::event(EventKind::Space, socket);
  message.value = static_cast<std::uint64_t>(std::int64_t{credit} - socket.credit);
  socket.credit = credit;
  socket.mark = std::max(credit - static_cast<std::int32_t>(spare), 0);
  message.option = static_cast<std::uint32_t>(socket.mark);
  context_.programs.tell(*socket.session, message);
}

void TcpSockets::close(Turn& turn, TcpSocket& socket, const Message& request) {
  const bool abort = (request.flags & message_flag::kAbort) != 0;
  socket.lingering = request.value != 0 && !abort;
  if (socket.lingering) {
    awake(turn, socket).close(turn);
    has_answered(socket);
    return notify(turn, *socket.connection);
  }
  context_.programs.tell(*socket.session, Context::event(EventKind::Closed, socket));
  close_orphan(turn, socket, abort);
}

void TcpSockets::close_orphan(Turn& turn, TcpSocket& socket, bool abort) {
  make_orphan(turn, socket);
  awake(turn, socket).close(turn, abort);
  has_answered(socket);
  notify(turn, *socket.connection);
}

void TcpSockets::shutdown(Turn& turn, TcpSocket& socket, std::uint64_t how) {
  if (how != 0) awake(turn, socket).shutdown_send(turn);
}

void TcpSockets::clear(Turn& turn) {
  flows_.for_each([&](std::uint32_t value) {
    const std::uint32_t number = number_of(value);
    switch (Entry{value >> kEntryShift}) {
      case Entry::Connection: {
        // Nobody answers for it from now on: the peer is told, not left waiting.
        TcpSocket& socket = connections_[number];
        if (socket.connection != nullptr || !awake_.full() || awake_.grow())
          awake(turn, socket).abort(turn);
        return release(turn, socket);
      }
      case Entry::HalfOpen:
        return remove(half_open_[number]);
      case Entry::TimeWait:
        return remove_time_wait(number);
    }
  });
  context_.wheel.cancel(wait_timer_);
}

// --- Events.

// After segments came.
void TcpSockets::answer(Turn& turn, TcpSocket& socket, Answers answers) {
  if (answers == Answers::None || !socket.connection->answer_may_acknowledge())
    return output(turn, socket);
  Awake& awake = awake_[socket.place];
  if (awake.waits.linked()) return;
  if (waiting_.empty() && passed_over_.empty()) waiting_since_ = turn.now;
  waiting_.push_back(awake);
}

bool TcpSockets::output_all(Turn& turn, Waiting& waiting) {
  const bool any = !waiting.empty();
  while (const Awake* const awake = waiting.front())
    output(turn, *static_cast<TcpSocket*>(awake->connection.user));
  return any;
}

bool TcpSockets::end_waiting(Turn& turn, Answers answers) {
  if (waiting_.empty() && passed_over_.empty()) return false;
  const bool long_enough = turn.now >= waiting_since_ + kLongestWait;
  if (answers == Answers::Coming && !long_enough) return false;
  bool any = output_all(turn, passed_over_);
  if (answers == Answers::Given && !long_enough)
    passed_over_.splice_back(waiting_);
  else
    any |= output_all(turn, waiting_);
  return any;
}

bool TcpSockets::service(Turn& turn, Answers answers) {
  bool any = false;
  while (TcpSocket* const socket = ready_.pop_front()) {
    if (socket->heard) answer(turn, *socket, answers);
    service(turn, *socket);
    any = true;
  }
  if (resting_ != 0 && awake_.free() < kSpare) rest_some(turn.now, kLookedAt);
  return any;
}

// Tells the program all that fits into its event ring; what does not waits for room.
void TcpSockets::service(Turn& turn, TcpSocket& socket) {
  if (socket.lowered_mtu != 0) {
    const std::uint32_t mtu = std::exchange(socket.lowered_mtu, 0);
    socket.connection->path_mtu(turn, socket.lowered_at, mtu);
  }
  socket.events |= socket.connection->take_events();
  if (socket.early) leave_early(turn, socket);
  if (socket.session != nullptr &&
      !(tell_opening(turn, socket) && tell_data(turn, socket) && tell_end(turn, socket)))
    return;
  if ((socket.events & (event::kClosed | event::kError)) != 0) return release(turn, socket);
  if ((socket.events & event::kTimeWait) != 0) enter_time_wait(turn, socket);
}

// Connected or Accepted, the first that is told. False: what follows must wait.
bool TcpSockets::tell_opening(Turn& turn, TcpSocket& socket) {
  if (socket.told || (socket.events & event::kConnected) == 0) return true;
  if (!context_.programs.has_room(*socket.session, 1)) {
    context_.programs.wait_for_room(socket);
    return false;
  }
  Message message =
      Context::event(socket.passive ? EventKind::Accepted : EventKind::Connected, socket);
  if (socket.passive) {
    const Socket* const listener = context_.handles.find(socket.listener, *socket.session);
    if (listener == nullptr) {
      // The listener was closed: nobody can accept this one any more (Linux: inet_csk_listen_stop).
      make_orphan(turn, socket);
      socket.connection->abort(turn);
      notify(turn, *socket.connection);
      return true;
    }
    message.program = listener->program;
  }
  socket.told = true;
  const tcp::SendRoom room = socket.connection->send_room();
  socket.credit = static_cast<std::int32_t>(room.bytes);
  socket.mark = static_cast<std::int32_t>(room.bytes - room.spare);
  message.local = {socket.flow.local, socket.flow.local_port, packet::kNoDevice};
  message.peer = {socket.flow.peer, socket.flow.peer_port, socket.device};
  message.value = room.bytes;
  message.option = room.bytes - room.spare;
  context_.programs.tell(*socket.session, message);
  return true;
}

// Data in the order of the stream, one event a buffer. False: more waits for room.
bool TcpSockets::tell_data(Turn& turn, TcpSocket& socket) {
  if (socket.session == nullptr || !socket.told) return true;
  LaneSession& session = *socket.session;
  if ((socket.events & event::kUrgent) != 0) {
    // The mark stands before the data that follows, and waits for room as that does.
    if (!context_.programs.has_room(session, 1)) {
      context_.programs.wait_for_room(socket);
      return false;
    }
    tell_urgent(socket);
    socket.events &= static_cast<std::uint16_t>(~event::kUrgent);
  }
  for (;;) {
    if (!socket.untold) {
      Packet data = socket.connection->take_received(turn);
      if (!data) break;
      if (data.mbuf()->nb_segs == 1 && context_.programs.has_room(session, 1)) [[likely]] {
        turn.ledger.delivered.add();
        socket.given += data.length();
        const BufferRef buffer = context_.system.buffers.hand_out(session.number, data.release());
        context_.programs.tell(socket, EventKind::Data,
                               [&](Message& event) { event.buffer = buffer; });
        continue;
      }
      socket.untold = std::move(data);
      turn.ledger.held.add();
    }
    if (!context_.programs.has_room(session, socket.untold.mbuf()->nb_segs)) {
      context_.programs.wait_for_room(socket);
      return false;
    }
    turn.ledger.held.subtract();
    turn.ledger.delivered.add();
    socket.given += socket.untold.length();
    Parcel parcel(std::move(socket.untold), 0);
    parcel.tell(context_, session, Context::event(EventKind::Data, socket));
  }
  socket.events &= static_cast<std::uint16_t>(~event::kReadable);
  return true;
}

void TcpSockets::tell_urgent(TcpSocket& socket) {
  const auto offset = socket.connection->urgent_offset();
  if (!offset) return;
  Message message = Context::event(EventKind::Urgent, socket);
  // From the next byte that is told from here on.
  const std::int64_t untold = socket.untold ? socket.untold.length() : 0;
  message.value = static_cast<std::uint64_t>(*offset + untold);
  context_.programs.tell(*socket.session, message);
}

// A program that has three quarters of the room left to write need not hear of each ACK. What it
// has then is more than any buffer holds. That it can write again is always told.
bool TcpSockets::worth_telling(const tcp::SendRoom& room, const TcpSocket& socket) const {
  const auto space = static_cast<std::int32_t>(room.bytes);
  if (room.spare != 0 && socket.credit <= socket.mark) return true;
  if (space <= std::max(socket.credit, 0)) return false;
  return room.bytes < 4 * context_.system.pool.data_room() || space - socket.credit >= space / 4;
}

// Credit, the end of the stream, errors, the end of the handle. False: something waits for room.
bool TcpSockets::tell_end(Turn& turn, TcpSocket& socket) {
  if (socket.session == nullptr) return true;
  LaneSession& session = *socket.session;
  tcp::SendRoom room = socket.told ? socket.connection->send_room() : tcp::SendRoom{};
  // Its call goes on with what there is, as Linux's does; who has to sleep waits for more.
  if (std::exchange(socket.spent, false)) room.spare = room.bytes;
  const bool closed = (socket.events & (event::kClosed | event::kError)) != 0;
  const bool over = closed || (socket.events & event::kTimeWait) != 0 ||
                    (socket.lingering && all_acknowledged(socket.connection->state()));
  constexpr std::uint32_t kMost = 4;
  if (!context_.programs.has_room(session, kMost)) {
    context_.programs.wait_for_room(socket);
    return false;
  }
  if (worth_telling(room, socket) && !over)
    tell_room(socket, std::max(socket.credit, static_cast<std::int32_t>(room.bytes)), room.spare);
  socket.events &= static_cast<std::uint16_t>(~event::kWritable);
  if ((socket.events & event::kPeerClosed) != 0 && socket.told) {
    socket.events &= static_cast<std::uint16_t>(~event::kPeerClosed);
    context_.programs.tell(session, Context::event(EventKind::EndOfStream, socket));
  }
  if (!over) return true;
  if (socket.connection->error() != 0) {
    Message message = Context::event(EventKind::Failed, socket);
    message.value = static_cast<std::uint64_t>(socket.connection->error());
    context_.programs.tell(session, message);
  }
  Message gone = Context::event(EventKind::Closed, socket);
  if (!socket.lingering) gone.buffer = hand_out_info(socket, turn.now);
  context_.programs.tell(session, gone);
  make_orphan(turn, socket);
  return true;
}

// The program knows nothing of it any more.
void TcpSockets::make_orphan(Turn& turn, TcpSocket& socket) {
  leave_backlog(socket);
  if (socket.untold) {
    turn.ledger.held.subtract();
    turn.drop(std::move(socket.untold), Drop::SessionGone);
  }
  context_.strike(socket);
  socket.lingering = false;
}

void TcpSockets::release(Turn& turn, TcpSocket& socket) {
  if (socket.session != nullptr) make_orphan(turn, socket);
  socket.ready.unlink();
  flows_.erase(socket.hash, value_of(Entry::Connection, socket.number));
  context_.system.ports.connection_ended(context_.lane, socket.flow.local_port);
  if (socket.connection != nullptr) {
    socket.connection->abandon(turn);
    end_awake(socket);
  } else {
    end_rest(socket);
    counters_.subtract(tcp::Count::CurrEstab);
  }
  leave_options(socket);
  connections_.destroy(socket.number);
}

}  // namespace linnet::socket
