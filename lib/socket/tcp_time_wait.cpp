// SPDX-License-Identifier: BSD-3-Clause
// What is left of connections in TIME-WAIT, in the order of their ends (RFC 9293 3.6.1, 6191).
#include <algorithm>

#include "socket/drops.hpp"
#include "socket/tcp_sockets.hpp"

namespace linnet::socket {

using packet::Turn;
using tcp::Count;

// The connection's place in the four-tuple table goes to a small entry. Where that cannot be, the
// connection just ends (Linux: TCPTimeWaitOverflow).
void TcpSockets::enter_time_wait(Turn& turn, TcpSocket& socket) {
  const std::uint32_t connection = value_of(Entry::Connection, socket.number);
  if (time_wait_.used() >= context_.system.tcp_settings.tcp_max_tw_buckets) {
    counters_.add(Count::TCPTimeWaitOverflow);
    return release(turn, socket);
  }
  const std::uint32_t number = time_wait_.make(socket, socket.connection->time_wait(turn.now));
  if (number == kNone) {
    counters_.add(Count::TCPTimeWaitOverflow);
    return release(turn, socket);
  }
  LINNET_CHECK(flows_.replace(socket.hash, connection, value_of(Entry::TimeWait, number)));
  queue_time_wait(number);
  // The port stays in use until the entry ends.
  context_.system.ports.connection_began(context_.lane, socket.flow.local_port);
  release(turn, socket);
}

void TcpSockets::queue_time_wait(std::uint32_t number) {
  TimeWaitSlot& slot = time_wait_[number];
  slot.previous = last_wait_;
  slot.next = kNone;
  (last_wait_ == kNone ? first_wait_ : time_wait_[last_wait_].next) = number;
  last_wait_ = number;
  if (!wait_timer_.armed())
    context_.wheel.arm(wait_timer_, time_wait_[first_wait_].state.deadline());
}

void TcpSockets::unqueue_time_wait(std::uint32_t number) {
  const TimeWaitSlot& slot = time_wait_[number];
  (slot.previous == kNone ? first_wait_ : time_wait_[slot.previous].next) = slot.next;
  (slot.next == kNone ? last_wait_ : time_wait_[slot.next].previous) = slot.previous;
}

void TcpSockets::remove_time_wait(std::uint32_t number) {
  unqueue_time_wait(number);
  const TimeWaitSlot& slot = time_wait_[number];
  flows_.erase(slot.hash, value_of(Entry::TimeWait, number));
  context_.system.ports.connection_ended(context_.lane, slot.flow.local_port);
  time_wait_.destroy(number);
}

void TcpSockets::time_wait_due(time::Timer& timer, time::Instant now, void*) {
  TcpSockets& self = static_cast<WaitTimer&>(timer).owner;
  // As many as one timer may end in a turn; the wheel comes back for the rest.
  constexpr unsigned kAtOnce = 64;
  for (unsigned i = 0; i < kAtOnce && self.first_wait_ != kNone; ++i) {
    if (self.time_wait_[self.first_wait_].state.deadline() > now) break;
    self.remove_time_wait(self.first_wait_);
  }
  if (self.first_wait_ != kNone)
    self.context_.wheel.arm(timer, self.time_wait_[self.first_wait_].state.deadline());
}

void TcpSockets::take_time_wait(Turn& turn, std::uint32_t number, Arrived& arrived) {
  TimeWaitSlot& slot = time_wait_[number];
  const time::Instant before = slot.state.deadline();
  tcp::SegmentOut answer;
  switch (slot.state.input(arrived.segment, context_.system.tcp_settings, turn.now, answer)) {
    case tcp::TimeWaitVerdict::Ignore:
      break;
    case tcp::TimeWaitVerdict::Answer:
      send_bare(turn, slot.flow, OptionSet{.device = slot.device}, answer);
      break;
    case tcp::TimeWaitVerdict::Remove:
      remove_time_wait(number);
      return end(turn, arrived, Drop::TcpTimeWait);
    case tcp::TimeWaitVerdict::Reuse: {
      Listener* const listener =
          bound_.find(arrived.flow.local, arrived.flow.local_port, arrived.device, arrived.hash);
      if (listener == nullptr) break;
      const tcp::Seq initial = slot.state.next_initial();
      counters_.add(Count::TWRecycled);
      remove_time_wait(number);
      return take_listener(turn, *listener, arrived, initial);
    }
  }
  // It lives longer: behind all others, whose time is up sooner.
  if (slot.state.deadline() != before) {
    unqueue_time_wait(number);
    queue_time_wait(number);
  }
  end(turn, arrived, Drop::TcpTimeWait);
}

}  // namespace linnet::socket
