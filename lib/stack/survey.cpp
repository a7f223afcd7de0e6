// SPDX-License-Identifier: BSD-3-Clause
#include <unistd.h>

#include "socket/survey.hpp"
#include "stack/lane.hpp"
#include "stack/lane_state.hpp"

namespace linnet::stack {

bool Lane::survey_sockets(socket::Survey& survey, time::Instant now) {
  LaneState& s = *state_;
  if (!on_worker_.load(std::memory_order_acquire)) {
    s.sockets.survey(now, survey);
    return true;
  }
  if (!s.sockets.ask(survey)) return false;
  // The survey is the lane's until it says so: nothing but the answer or the lane's end frees it.
  while (!survey.done.load(std::memory_order_acquire)) {
    if (!on_worker_.load(std::memory_order_acquire)) {
      s.sockets.withdraw(survey);
      return survey.done.load(std::memory_order_acquire);
    }
    s.socket_system.sessions.wake_lane(s.index);
    usleep(20);
  }
  return true;
}

}  // namespace linnet::stack
