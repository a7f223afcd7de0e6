// SPDX-License-Identifier: BSD-3-Clause
// The five hook points of IPv4 (Linux: netfilter's NF_INET_*): functions register with a priority
// and judge bursts. No rules here. An empty point costs one predictable branch a burst.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "hook/drops.hpp"
#include "packet/turn.hpp"

namespace linnet::hook {

enum class Point : std::uint8_t { PreRouting, Input, Forward, Output, PostRouting };
inline constexpr unsigned kPoints = 5;

enum class Verdict : std::uint8_t {
  Accept,
  Drop,    // ends as hook::Drop::Verdict, unless the function dropped it itself with Stolen
  Stolen,  // the function took the packet out of the burst
  Repeat,  // the function is called again for this packet (at most 4 times, then Drop)
};

// Judges one packet. It may change the packet; with Stolen it has moved it out.
using Function = Verdict (*)(void* self, packet::Turn& turn, Point point, packet::Packet& packet);

// One registered function; lower priority runs first (Linux: NF_IP_PRI_*).
struct Entry {
  int priority = 0;
  Function run = nullptr;
  void* self = nullptr;
};

// All five points of one lane. Registration is on the control core while the lane does not run.
class Hooks {
 public:
  void add(Point point, Entry entry);
  void remove(Point point, void* self);

  bool empty(Point point) const { return chains_[static_cast<unsigned>(point)].empty(); }
  // Runs the point's functions on every packet; what is accepted stays in the burst, in order.
  void run(Point point, packet::Turn& turn, packet::Burst& burst) {
    if (empty(point)) [[likely]]
      return;
    run_chain(point, turn, burst);
  }

 private:
  void run_chain(Point point, packet::Turn& turn, packet::Burst& burst);
  std::array<std::vector<Entry>, kPoints> chains_;
};

}  // namespace linnet::hook
