// SPDX-License-Identifier: BSD-3-Clause
// A lane's side of all sessions.
#pragma once

#include <array>
#include <cstdint>

#include "socket/sessions.hpp"
#include "socket/socket.hpp"

namespace linnet::socket {

class Programs {
 public:
  // Room that is kept in an event ring for the answers to one request: with less no request is
  // taken out, so an answer never finds the ring full.
  static constexpr std::uint32_t kAnswerRoom = 8;

  Programs(Sessions& sessions, unsigned lane) : sessions_(sessions), lane_(lane) {
    for (unsigned i = 0; i < Sessions::kMax; ++i)
      all_[i].number = static_cast<std::uint16_t>(i);
  }

  // Notices sessions that came. Cheap where none did.
  void look();
  // Calls `visit(LaneSession&)` for each that is there.
  template <typename Visit>
  void for_each(Visit&& visit) {
    for (std::uint64_t left = active_; left != 0; left &= left - 1)
      visit(all_[static_cast<unsigned>(__builtin_ctzll(left))]);
  }
  LaneSession* find(std::uint16_t number) {
    return number < Sessions::kMax && all_[number].shared != nullptr ? &all_[number] : nullptr;
  }
  bool any() const { return active_ != 0; }

  bool next_request(LaneSession& session, Message& out) {
    return has_room(session, kAnswerRoom) && session.shared->lane_requests(lane_).pop(out);
  }
  bool has_room(LaneSession& session, std::uint32_t events) {
    return session.deaf || session.shared->lane_events(lane_).has_room(events);
  }
  // There must be room.
  void tell(LaneSession& session, const Message& event) {
    if (session.deaf) return;
    LINNET_CHECK(session.shared->lane_events(lane_).push(event));
    if (session.spoken) return;
    session.spoken = true;
    spoken_ |= std::uint64_t{1} << session.number;
  }
  // As `tell` of an event of the socket, written where it stands by `fill(Message&)`.
  template <typename Fill>
  void tell(const Socket& socket, EventKind kind, Fill&& fill) {
    LaneSession& session = *socket.session;
    if (session.deaf) return;
    RingWriter& ring = session.shared->lane_events(lane_);
    Message* const event = ring.begin();
    LINNET_CHECK(event != nullptr);
    event->kind = static_cast<std::uint8_t>(kind);
    event->socket_kind = socket.kind;
    event->program = socket.program;
    event->handle = socket.handle;
    fill(*event);
    ring.commit();
    if (session.spoken) return;
    session.spoken = true;
    spoken_ |= std::uint64_t{1} << session.number;
  }
  // The socket's events wait for room.
  void wait_for_room(Socket& socket) {
    if (!socket.waiting.linked()) socket.session->waiting.push_back(socket);
    socket.session->shared->want_room(lane_, true);
  }
  void let_go(LaneSession& session);

  // Some program is to be woken after the turn.
  bool has_spoken() const { return spoken_ != 0; }
  // After the turn, outside of the data path: wakes programs that sleep.
  void wake();

 private:
  Sessions& sessions_;
  const unsigned lane_;
  std::uint32_t version_ = 0;
  std::uint64_t active_ = 0;  // a bit a session
  std::uint64_t spoken_ = 0;
  std::array<LaneSession, Sessions::kMax> all_;
};
static_assert(Sessions::kMax <= 64);

}  // namespace linnet::socket
