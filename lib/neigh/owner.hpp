// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "neigh/arp_input.hpp"
#include "neigh/cache.hpp"
#include "neigh/conflict.hpp"

namespace linnet::neigh {

// What only the owner lane has, put together.
class Owner {
 public:
  Owner(System& system, time::TimerWheel& wheel, link::EthernetOutput& output);

  // Carries out a message of the control core.
  void carry_out(packet::Turn& turn, const Message& message);
  void clear(packet::Turn& turn);

 private:
  System& system_;
  ArpSender sender_;

 public:
  Cache cache;
  ConflictDetector conflicts;
  ArpInput arp;
};

}  // namespace linnet::neigh
