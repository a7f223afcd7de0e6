// SPDX-License-Identifier: BSD-3-Clause
#include "stack/lane.hpp"

#include "device/transmitter.hpp"
#include "hook/hook.hpp"
#include "ip/forward.hpp"
#include "ip/icmp.hpp"
#include "ip/input.hpp"
#include "ip/local.hpp"
#include "ip/output.hpp"
#include "ip/reassembly.hpp"
#include "link/ethernet.hpp"
#include "link/plain.hpp"
#include "neigh/resolver.hpp"
#include "stack/drops.hpp"
#include "stack/lane_state.hpp"
#include "stack/stack.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

namespace linnet::stack {
namespace {

using packet::Burst;
using packet::Packet;
using packet::Turn;

// Timers fired in one turn: what is left waits for the next, so that no turn is long.
constexpr unsigned kTimerBudget = 64;
// Bursts taken from one device in one turn.
constexpr unsigned kBurstsInARow = 4;

}  // namespace

Lane::Lane(Stack& stack, const Options& options, unsigned index)
    : state_(std::make_unique<LaneState>(stack, options, index)) {}

Lane::~Lane() = default;

unsigned Lane::index() const {
  return state_->index;
}
packet::Ledger& Lane::ledger() {
  return state_->ledger;
}
const packet::Ledger& Lane::ledger() const {
  return state_->ledger;
}
LaneStatistics& Lane::statistics() {
  return state_->statistics;
}
LaneState& Lane::state() {
  return *state_;
}

bool Lane::turn(time::Instant now, socket::Answers answers) {
  LaneState& s = *state_;
  Turn turn{now, s.ledger, s.pool, s.random, s.index};
  bool busy = s.index == 0 && s.neighbours.work_for_owner();
  if (busy) s.resolver.turn(turn);
  busy |= s.sockets.begin(turn, answers);
  const unsigned fired = s.wheel.advance(now, kTimerBudget, &turn);
  s.statistics.timers.add(fired);
  Burst burst(s.burst_size);
  std::uint64_t packets = 0;
  for (const auto& device : s.devices.all()) {
    if (!device->admin_up()) continue;
    packets += s.poll(turn, *device, burst);
  }
  busy |= s.sockets.end(turn, answers);
  s.transmitter.flush(turn);
  busy |= fired > 0 || packets > 0;
  s.statistics.turns.add();
  s.statistics.packets.add(packets);
  if (busy) s.statistics.busy_turns.add();
  return busy;
}

time::Instant Lane::next_deadline() const {
  return state_->wheel.next_deadline();
}

void Lane::after_turn() {
  state_->sockets.after_turn();
}

void Lane::set_waker(socket::LaneWaker* waker) {
  state_->socket_system.sessions.set_waker(state_->index, waker);
}

void Lane::clear(time::Instant now) {
  LaneState& s = *state_;
  Turn turn{now, s.ledger, s.pool, s.random, s.index};
  s.sockets.clear(turn);
  s.reassembly.clear(turn, packet::reason_of(Drop::Shutdown));
  s.resolver.clear(turn);
  s.transmitter.flush(turn);
  // What was looped back meanwhile ends here too.
  for (const auto& device : s.devices.all()) {
    if (!device->loopback()) continue;
    Burst burst;
    while (device->receive(s.index, burst) > 0) {
      s.ledger.received.add(burst.size());
      burst.drain([&](Packet&& packet) { turn.drop(std::move(packet), Drop::Shutdown); });
    }
  }
}

LaneState::LaneState(Stack& stack, const Options& options, unsigned lane_index)
    : index(lane_index),
      burst_size(options.burst),
      devices(stack.devices()),
      pool(stack.pool()),
      neighbours(stack.neighbours()),
      random(options.seed + 0x9e3779b97f4a7c15ULL * (lane_index + 1)),
      wheel(options.origin),
      transmitter(devices, lane_index),
      ethernet_output(transmitter),
      resolver(stack.neighbours(), lane_index, wheel, ethernet_output),
      output(devices, stack.routes(), stack.addresses(), hooks, stack.ip_settings(),
             random.sip_key()),
      icmp(output, devices, stack.routes(), stack.addresses(), stack.ip_settings(),
           random.sip_key()),
      reassembly(wheel, stack.ip_settings(), random.sip_key(),
                 packet::Stage::of<&LaneState::reassembly_expired>(*this)),
      local(hooks, reassembly, icmp),
      forward(devices, stack.addresses(), hooks, output, icmp, stack.ip_settings(),
              random.sip_key()),
      input(stack.routes(), stack.addresses(), hooks, local, forward, icmp, stack.ip_settings()),
      socket_system(stack.sockets()),
      sockets(stack.sockets(), lane_index, devices, stack.addresses(), output, icmp, wheel,
              transmitter, local) {
  // The one list of protocols: ethertypes, IP protocols, and where what fails goes.
  ethernet_input.handle(wire::ethertype::kIpv4, packet::Stage::of<&ip::Input::input>(input));
  ethernet_input.handle(wire::ethertype::kArp, resolver.arp_stage());
  local.handle(wire::protocol::kIcmp, packet::Stage::of<&ip::Icmp::input>(icmp));
  local.handle(wire::protocol::kTcp, sockets.tcp_stage());
  local.handle(wire::protocol::kUdp, sockets.udp_stage());
  output.connect(resolver.output_stage(), {&resolver, [](void* self, Turn& turn, Packet&& packet) {
                                             static_cast<neigh::Resolver*>(self)->output_one(
                                                 turn, std::move(packet));
                                           }});
  sockets.on_neighbour_answers(
      [](void* self, Turn& turn, std::uint16_t device, Ipv4Address next_hop) {
        static_cast<neigh::Resolver*>(self)->confirm(turn, device, next_hop);
      },
      &resolver);
  resolver.connect_unresolved(packet::Stage::of<&LaneState::neighbour_failed>(*this));
}

// A full burst has more behind it: it comes in the same turn, up to a budget, and spares the turn's
// fixed cost (Linux: NAPI's weight). What the burst before made leaves first, while it is warm.
unsigned LaneState::poll(Turn& turn, device::Device& device, Burst& burst) {
  unsigned packets = receive(turn, device, burst);
  unsigned last = packets;
  for (unsigned i = 1; last == burst_size && i < kBurstsInARow; ++i) {
    transmitter.flush(turn);
    last = receive(turn, device, burst);
    packets += last;
  }
  return packets;
}

unsigned LaneState::receive(Turn& turn, device::Device& device, Burst& burst) {
  const unsigned count = device.receive(index, burst);
  if (count == 0) return 0;
  ledger.received.add(count);
  statistics.bursts.add();
  sockets.received(turn, device.index(), burst);
  if (device.link_layer() == device::LinkLayer::Ethernet) [[likely]]
    ethernet_input.input(turn, device, burst);
  else
    link::plain_input(turn, device, burst, packet::Stage::of<&ip::Input::input>(input));
  return count;
}

// RFC 792: time exceeded in reassembly, about the first fragment.
void LaneState::reassembly_expired(Turn& turn, Burst& burst) {
  burst.drain([&](Packet&& packet) {
    icmp.refuse(turn, std::move(packet), {wire::IcmpType::TimeExceeded, wire::kReassemblyExceeded},
                packet::reason_of(ip::Drop::FragmentTimeout));
  });
}

// RFC 1122 section 2.3.2.2 and RFC 1812 section 5.2.7.1: the next hop does not answer.
void LaneState::neighbour_failed(Turn& turn, Burst& burst) {
  burst.drain([&](Packet&& packet) {
    icmp.refuse(turn, std::move(packet), {wire::IcmpType::Unreachable, wire::unreachable::kHost},
                packet::reason_of(neigh::Drop::ResolutionFailed));
  });
}

}  // namespace linnet::stack
