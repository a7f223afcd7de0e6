// SPDX-License-Identifier: BSD-3-Clause
#include "socket/programs.hpp"

namespace linnet::socket {

void Programs::look() {
  const std::uint32_t version = sessions_.version();
  if (version == version_) return;
  version_ = version;
  for (LaneSession& session : all_) {
    if (session.shared != nullptr) continue;
    // The generation first: the session of one that was let go of may be gone at any time.
    const std::uint32_t generation = sessions_.generation(session.number);
    if (generation == session.let_go) continue;
    session.shared = sessions_.at(session.number);
    if (session.shared == nullptr) continue;
    session.let_go = generation;
    active_ |= std::uint64_t{1} << session.number;
  }
}

void Programs::let_go(LaneSession& session) {
  LINNET_CHECK(session.sockets.empty() && session.waiting.empty());
  const std::uint64_t bit = std::uint64_t{1} << session.number;
  active_ &= ~bit;
  spoken_ &= ~bit;
  session.spoken = false;
  session.deaf = false;
  session.early_program = 0;
  session.early = {};
  Session& shared = *session.shared;
  session.shared = nullptr;
  sessions_.let_go(shared, lane_);
}

void Programs::wake() {
  for (; spoken_ != 0; spoken_ &= spoken_ - 1) {
    LaneSession& session = all_[static_cast<unsigned>(__builtin_ctzll(spoken_))];
    session.spoken = false;
    session.shared->wake_if_asleep();
  }
}

}  // namespace linnet::socket
