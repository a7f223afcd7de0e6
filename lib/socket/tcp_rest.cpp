// SPDX-License-Identifier: BSD-3-Clause
// Connections on which nothing moves give their memory to those on which something does: what is
// left of them (tcp/rested.hpp) stands in the socket. Nobody rests while there is room.
//
//   begins, wakes --> awake: | c | c | c | <-- looked at in turn, when places become few --> rests
#include <cstring>
#include <utility>

#include "socket/tcp_sockets.hpp"

namespace linnet::socket {

// What an idle connection takes of a lane, but for its places in two tables (docs/benchmarks.md).
static_assert(sizeof(TcpSocket) <= 600);

void TcpSockets::seat(time::Instant now, TcpSocket& socket, std::uint32_t number) {
  Awake& awake = awake_[number];
  awake.looked_ms = tcp::milliseconds(now);
  looked_at_.push_back(awake);
  awake.connection.user = &socket;
  socket.connection = &awake.connection;
  socket.place = number;
}

// False: no memory; the options are as they were.
bool TcpSockets::use_options(TcpSocket& socket, const OptionSet& options) {
  if (last_options_ == nullptr || static_cast<const OptionSet&>(*last_options_) != options) {
    const std::uint32_t number = options_.make(options);
    if (number == kNone) return false;
    last_options_ = &options_[number];
    last_options_->number = number;
  }
  ++last_options_->users;  // before those of now are left, which may be the same
  leave_options(socket);
  socket.options = last_options_;
  return true;
}

void TcpSockets::leave_options(TcpSocket& socket) {
  SharedOptions* const options = std::exchange(socket.options, nullptr);
  if (options == nullptr || --options->users != 0) return;
  if (last_options_ == options) last_options_ = nullptr;
  options_.destroy(options->number);
}

// A connection that came to nothing before anybody knew of it.
void TcpSockets::end_unused(TcpSocket& socket) {
  if (socket.connection != nullptr) end_awake(socket);
  leave_options(socket);
  connections_.destroy(socket.number);
}

// A new connection; memory may be taken from the heap for it. False: there is none.
bool TcpSockets::begin_awake(time::Instant now, TcpSocket& socket, const OptionSet& options) {
  if (!use_options(socket, options)) return false;
  if (awake_.full()) rest_some(now, kLookedAt);
  const std::uint32_t number = awake_.make(engine_, socket.options->tcp);
  if (number == kNone) return false;
  seat(now, socket, number);
  return true;
}

// Nothing is taken from the heap. nullptr: no place is free, and none can be made now.
tcp::Connection* TcpSockets::wake_rested(time::Instant now, TcpSocket& socket) {
  if (awake_.full() && rest_some(now, kLookedAt) == 0) return nullptr;
  seat(now, socket, awake_.make(engine_, socket.options->tcp, socket.rested));
  end_rest(socket);
  socket.connection->resume();
  return socket.connection;
}

void TcpSockets::end_awake(TcpSocket& socket) {
  awake_[socket.place].hook.unlink();
  awake_[socket.place].waits.unlink();
  awake_.destroy(socket.place);
  socket.connection = nullptr;
  socket.place = kNone;
}

void TcpSockets::end_rest(TcpSocket& socket) {
  --resting_;
  if (socket.alarm == kNone) return;
  context_.wheel.cancel(alarms_[socket.alarm]);
  alarms_.destroy(socket.alarm);
  socket.alarm = kNone;
}

// Looks at some connections, those first that nobody has looked at for longest. How many rest now.
// No look is spent on those that have hardly begun, which are many while connections open fast.
unsigned TcpSockets::rest_some(time::Instant now, unsigned looked_at) {
  const std::uint32_t ms = tcp::milliseconds(now);
  unsigned rested = 0;
  for (; looked_at != 0 && !looked_at_.empty(); --looked_at) {
    if (ms - looked_at_.front()->looked_ms < kLookAgainMs) break;
    Awake& awake = *looked_at_.pop_front();
    awake.looked_ms = ms;
    looked_at_.push_back(awake);
    rested += rest(now, *static_cast<TcpSocket*>(awake.connection.user)) ? 1 : 0;
  }
  return rested;
}

bool TcpSockets::rest(time::Instant now, TcpSocket& socket) {
  const bool told = socket.told && (socket.events & ~tcp::event::kConnected) == 0 &&
                    socket.given == 0 && !socket.untold && !socket.ready.linked() &&
                    !socket.waiting.linked();
  if (!told || socket.session == nullptr || socket.heard || socket.lingering || socket.early ||
      socket.lowered_mtu != 0)
    return false;
  if (socket.options->tcp.keep_alive && alarms_.full()) {
    alarms_short_ = true;
    return false;
  }
  if (!socket.connection->rest(now, socket.rested)) return false;
  end_awake(socket);
  ++resting_;
  if (socket.rested.life_deadline == time::Instant::never()) return true;
  socket.alarm = alarms_.make(*this, socket);
  context_.wheel.arm(alarms_[socket.alarm], socket.rested.life_deadline);
  return true;
}

void TcpSockets::alarm_due(time::Timer& timer, time::Instant now, void*) {
  const Alarm& alarm = static_cast<Alarm&>(timer);
  // The connection's own timer is due at once.
  if (alarm.owner.wake_rested(now, alarm.socket) == nullptr)
    alarm.owner.context_.wheel.arm(timer, now + time::TimerWheel::kTick);
}

void TcpSockets::make_room() {
  if (resting_ != 0 && awake_.free() < kSpare / 2) awake_.grow();
  if (alarms_short_) alarms_short_ = !alarms_.grow();
}

// TCP_INFO of one that rests is that of the connection which it would wake as.
void TcpSockets::info(const TcpSocket& socket, time::Instant now, tcp::Info& out) {
  if (socket.connection != nullptr) return socket.connection->info(now, out);
  tcp::Connection woken(engine_, socket.options->tcp, socket.rested);
  woken.info(now, out);
  woken.let_go();
}

BufferRef TcpSockets::hand_out_info(const TcpSocket& socket, time::Instant now) {
  packet::Packet packet = context_.system.pool.allocate();
  if (!packet) return {};
  tcp::Info told{};
  info(socket, now, told);
  std::memcpy(packet.put(sizeof told), &told, sizeof told);
  return context_.system.buffers.hand_out(socket.session->number, packet.release());
}

}  // namespace linnet::socket
