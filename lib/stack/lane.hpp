// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "packet/ledger.hpp"
#include "socket/answers.hpp"
#include "time/instant.hpp"

namespace linnet::socket {
class LaneWaker;
struct Survey;
}  // namespace linnet::socket

namespace linnet::stack {

class Stack;
struct Options;
struct LaneState;

// What `linnet show lanes` tells of a lane; written by the lane, read by the control core.
struct LaneStatistics {
  packet::Counter turns;       // all turns
  packet::Counter busy_turns;  // turns that did something
  packet::Counter packets;     // received
  packet::Counter bursts;      // non-empty receive bursts: packets / bursts is the fill
  packet::Counter timers;      // fired
  packet::Counter sleeps;      // times the lane went to sleep
  packet::Counter busy_ns;     // time in busy turns
  packet::Counter ns;          // time since the first turn: busy_ns / ns is the busy share
  packet::Counter longest_turn_ns;
  packet::Counter stalls;  // busy turns longer than kStall: the core was taken away, or worse
  packet::Counter last_stall_ns;                        // how long the last of them was
  static constexpr std::uint64_t kStall = 100'000'000;  // ns
};

// One worker's share of the stack: everything a packet needs to run to completion.
class Lane {
 public:
  Lane(Stack& stack, const Options& options, unsigned index);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  unsigned index() const;
  // One turn: drain mailboxes, fire due timers (a budget), receive a burst from each device and run
  // it to completion, flush what is to be sent. Reads no clock. True if it found anything to do.
  // `answers`: of programs that run on this thread between the turns.
  bool turn(time::Instant now, socket::Answers answers = socket::Answers::None);
  // The next instant at which a timer is due; `never()` without one.
  time::Instant next_deadline() const;
  // After the turn, outside of the data path: wakes programs that sleep and lanes that were handed
  // packets. Whoever calls `turn` calls it, too.
  void after_turn();
  // Who wakes this lane from its rest; nullptr: nobody.
  void set_waker(socket::LaneWaker* waker);
  // Control core: fills the survey; waits for a lane on a core of its own as long as it takes
  // turns. False: the lane does not answer.
  bool survey_sockets(socket::Survey& survey, time::Instant now);
  // Whether a core of its own gives the lane its turns.
  void set_on_worker(bool on) { on_worker_.store(on, std::memory_order_release); }
  // Drops all that is held, for shutdown.
  void clear(time::Instant now);

  packet::Ledger& ledger();
  const packet::Ledger& ledger() const;
  LaneStatistics& statistics();

  // The lane's rooms, for tests that look inside.
  LaneState& state();

 private:
  std::unique_ptr<LaneState> state_;
  std::atomic<bool> on_worker_{false};
};

}  // namespace linnet::stack
