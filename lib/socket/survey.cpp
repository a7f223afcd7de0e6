// SPDX-License-Identifier: BSD-3-Clause
#include "socket/survey.hpp"

#include "socket/lane_sockets.hpp"
#include "tcp/milliseconds.hpp"

namespace linnet::socket {
namespace {

constexpr unsigned kRowsPerTurn = 512;

}  // namespace

bool TcpSockets::survey(time::Instant now, Survey& survey, std::uint32_t& cursor, unsigned budget) {
  const auto add = [&](const Flow& flow, tcp::State state) {
    SocketRow* const row = survey.add();
    if (row == nullptr) return row;
    row->state = static_cast<std::uint8_t>(state);
    row->orphan = true;
    row->local = {flow.local, flow.local_port, packet::kNoDevice};
    row->peer = {flow.peer, flow.peer_port, packet::kNoDevice};
    row->lane = context_.lane;
    return row;
  };
  return flows_.visit_some(cursor, budget, [&](std::uint32_t value) {
    const std::uint32_t number = number_of(value);
    if (Entry{value >> kEntryShift} == Entry::HalfOpen) {
      const HalfOpenEntry& entry = half_open_[number];
      if (SocketRow* const row = add(entry.flow, tcp::State::SynReceived))
        row->timer = {tcp::PendingTimer::kRetransmit,
                      static_cast<std::uint8_t>(entry.state.retransmissions()),
                      tcp::milliseconds_until(now, entry.state.deadline())};
      return;
    }
    if (Entry{value >> kEntryShift} == Entry::TimeWait) {
      const TimeWaitSlot& slot = time_wait_[number];
      if (SocketRow* const row = add(slot.flow, tcp::State::TimeWait))
        row->timer = {tcp::PendingTimer::kTimeWait, 0,
                      tcp::milliseconds_until(now, slot.state.deadline())};
      return;
    }
    const TcpSocket& socket = connections_[number];
    tcp::Connection* const connection = socket.connection;
    SocketRow* const row =
        add(socket.flow, connection != nullptr ? connection->state() : tcp::State::Established);
    if (row == nullptr) return;
    row->orphan = socket.session == nullptr;
    if (socket.session != nullptr) row->session = socket.session->number;
    row->program = socket.program;
    row->device = socket.options->device;
    row->id = std::uint64_t{socket.handle.generation} << 32 | socket.handle.slot;
    if (connection != nullptr) {
      row->receive_queue = connection->unread_bytes();
      row->send_queue = connection->unacknowledged_bytes();
      row->timer = connection->pending_timer(now);
    } else if (socket.alarm != kNone) {
      row->timer = {tcp::PendingTimer::kKeepAlive, socket.rested.probes,
                    tcp::milliseconds_until(now, socket.rested.life_deadline)};
    }
    row->receive_memory = row->receive_queue;
    row->has_info = true;
    info(socket, now, row->info);
    const auto* const control = socket.options->tcp.congestion_control;
    const auto* const common =
        context_.system.tcp_settings.congestion_control.load(std::memory_order_relaxed);
    row->congestion = control != nullptr  ? control->name().data()
                      : common != nullptr ? common->name().data()
                                          : "cubic";
  });
}

// Listeners and datagram sockets: few enough for one turn.
void LaneSockets::survey_others(Survey& survey) {
  context_.programs.for_each([&](LaneSession& session) {
    for (Socket* socket = session.sockets.front(); socket != nullptr;
         socket = session.sockets.next(*socket)) {
      if (socket->role == Role::Connection) continue;
      SocketRow* const row = survey.add();
      if (row == nullptr) return;
      row->kind = socket->kind;
      row->session = session.number;
      row->program = socket->program;
      row->lane = context_.lane;
      row->id = std::uint64_t{socket->handle.generation} << 32 | socket->handle.slot;
      if (socket->role == Role::Listener) {
        const auto& listener = static_cast<const Listener&>(*socket);
        row->state = static_cast<std::uint8_t>(tcp::State::Listen);
        row->local = listener.local;
        row->device = listener.options.device;
        row->receive_queue = context_.system.ports.backlog(listener.ticket);
        row->send_queue = listener.backlog;
        continue;
      }
      const auto& datagram = static_cast<const DatagramSocket&>(*socket);
      row->state = datagram.connected() ? 1 : 7;
      row->local = datagram.local;
      row->peer = datagram.peer;
      row->device = datagram.options.device;
      row->protocol = datagram.protocol;
      row->receive_queue = row->receive_memory = datagram.charged;
      row->receive_limit = datagram.options.receive_buffer;
    }
  });
}

// True: there is more to tell.
bool LaneSockets::survey_some(time::Instant now, Survey& survey) {
  if (question_cursor_ == 0) survey_others(survey);
  if (tcp_.survey(now, survey, question_cursor_, kRowsPerTurn) && !survey.truncated) return true;
  question_cursor_ = 0;
  return false;
}

void LaneSockets::survey(time::Instant now, Survey& survey) {
  question_cursor_ = 0;
  while (survey_some(now, survey)) {
  }
  survey.done.store(true, std::memory_order_release);
}

void LaneSockets::withdraw(Survey& survey) {
  Survey* expected = &survey;
  question_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel);
}

bool LaneSockets::ask(Survey& survey) {
  Survey* none = nullptr;
  return question_.compare_exchange_strong(none, &survey, std::memory_order_release);
}

}  // namespace linnet::socket
