// SPDX-License-Identifier: BSD-3-Clause
#include "socket/sessions.hpp"

#include <bit>

namespace linnet::socket {

Result<Session*> Sessions::create(const Session::Options& options) {
  for (const std::uint32_t slots : {options.request_slots, options.event_slots}) {
    if (!std::has_single_bit(slots) || slots < 16 || slots > 1u << 20)
      return Error{"a ring's size is a power of two from 16 to 1048576", std::to_string(slots)};
  }
  const std::lock_guard lock(mutex_);
  for (unsigned number = 0; number < kMax; ++number) {
    if (slots_[number] != nullptr) continue;
    slots_[number].reset(new Session(static_cast<std::uint16_t>(number), lanes_, options));
    Session* const session = slots_[number].get();
    if (session->wake_fd() < 0) {
      slots_[number].reset();
      return Error{"no descriptor is free to wake a program"};
    }
    // In this order: who reads the new generation cannot read the old session after it.
    generations_[number].fetch_add(1, std::memory_order_release);
    seen_[number].store(session, std::memory_order_release);
    version_.fetch_add(1, std::memory_order_release);
    return session;
  }
  return Error{"too many programs", std::to_string(kMax)};
}

void Sessions::close(Session& session) {
  session.closing_.store(true, std::memory_order_release);
  version_.fetch_add(1, std::memory_order_release);
  for (unsigned lane = 0; lane < lanes_; ++lane)
    wake_lane(lane);
}

}  // namespace linnet::socket
