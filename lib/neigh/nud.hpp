// SPDX-License-Identifier: BSD-3-Clause
// The neighbour unreachability detection machine as a table (RFC 4861 7.3.2 and appendix C; Linux:
// neigh_timer_handler, __neigh_event_send, __neigh_update).
#pragma once

#include <cstdint>

#include "neigh/neighbours.hpp"

namespace linnet::neigh {

enum class NudEvent : std::uint8_t {
  Used,         // a packet wants to go there
  Answered,     // the answer to a question of ours: the neighbour is reachable
  Seen,         // it spoke, with the MAC that we know
  Moved,        // it spoke, with a MAC that is new to us
  Confirmed,    // an upper layer heard from it
  Fresh,        // timer: it was confirmed lately
  Expired,      // timer: the confirmation is old, and packets go there
  ExpiredIdle,  // timer: the confirmation is old, and nobody cares
  Retry,        // timer: no answer, questions left
  Exhausted,    // timer: no answer, no questions left
  Count
};
inline constexpr unsigned kNudStates = 9;
inline constexpr unsigned kNudEvents = static_cast<unsigned>(NudEvent::Count);

struct NudStep {
  static constexpr std::uint8_t kSolicit = 1;  // ask, and count it
  static constexpr std::uint8_t kRestart =
      2;  // start the state's timer anew (a new state always does)
  static constexpr std::uint8_t kSend = 4;    // what waits can go
  static constexpr std::uint8_t kReport = 8;  // what waits is unreachable

  Nud next;
  std::uint8_t actions = 0;
  friend bool operator==(const NudStep&, const NudStep&) = default;
};

// What an event does in a state. An event that means nothing in a state changes nothing.
const NudStep& nud_step(Nud state, NudEvent event);

}  // namespace linnet::neigh
