// SPDX-License-Identifier: BSD-3-Clause
// What a lane is made of, bottom to top. Private to the stack room, its tests and benchmarks.
#pragma once

#include "device/transmitter.hpp"
#include "hook/hook.hpp"
#include "ip/forward.hpp"
#include "ip/icmp.hpp"
#include "ip/input.hpp"
#include "ip/local.hpp"
#include "ip/output.hpp"
#include "ip/reassembly.hpp"
#include "link/ethernet.hpp"
#include "neigh/resolver.hpp"
#include "packet/turn.hpp"
#include "socket/lane_sockets.hpp"
#include "stack/lane.hpp"
#include "time/random.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::stack {

// Lines of its own: the next lane's begins where this one ends.
struct alignas(64) LaneState {
  LaneState(Stack& stack, const Options& options, unsigned lane_index);

  unsigned poll(packet::Turn& turn, device::Device& device, packet::Burst& burst);
  unsigned receive(packet::Turn& turn, device::Device& device, packet::Burst& burst);
  void reassembly_expired(packet::Turn& turn, packet::Burst& burst);
  void neighbour_failed(packet::Turn& turn, packet::Burst& burst);

  const unsigned index;
  const unsigned burst_size;
  const device::DeviceTable& devices;
  packet::Pool& pool;
  neigh::System& neighbours;
  packet::Ledger ledger;
  LaneStatistics statistics;
  time::Random random;
  time::TimerWheel wheel;
  hook::Hooks hooks;
  device::Transmitter transmitter;
  link::EthernetInput ethernet_input;
  link::EthernetOutput ethernet_output;
  neigh::Resolver resolver;
  ip::Output output;
  ip::Icmp icmp;
  ip::Reassembly reassembly;
  ip::Local local;
  ip::Forward forward;
  ip::Input input;
  socket::System& socket_system;
  socket::LaneSockets sockets;
};

}  // namespace linnet::stack
