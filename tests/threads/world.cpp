// SPDX-License-Identifier: BSD-3-Clause
#include "threads/world.hpp"

#include <chrono>

#include "shim/current.hpp"
#include "socket/flow.hpp"
#include "stack/lane_state.hpp"

namespace linnet::tests {
namespace {

std::uint32_t number_at(const ThreadPort::Frame& frame, std::size_t at, unsigned bytes) {
  std::uint32_t out = 0;
  for (unsigned i = 0; i < bytes; ++i)
    out = out << 8 | std::to_integer<std::uint32_t>(frame[at + i]);
  return out;
}

}  // namespace

World::World(stack::Eal& eal, unsigned lanes, Placement placement) : placement_(placement) {
  make_side(eal, 0, lanes);
  make_side(eal, 1, lanes);
  for (unsigned i = 0; i < 2; ++i) {
    sides_[i].port->connect(*sides_[1 - i].port, [this, i](const ThreadPort::Frame& frame) {
      return place(frame, 1 - i);
    });
  }
  for (Side& side : sides_) {
    for (unsigned i = 0; i < lanes; ++i) {
      stack::RunnerOptions options;
      options.owner = i > 0 ? &side.runners.front()->waker() : nullptr;
      side.runners.push_back(std::make_unique<stack::LaneRunner>(
          side.stack->lane(i), side.stack->rcu(), side.stack->devices(), options));
      const unsigned lane = static_cast<unsigned>(&side - sides_) * kMostLanes + i;
      LINNET_CHECK(side.runners.back()->start(*eal.lane_lcore(lane)).ok());
    }
  }
  control_ = std::thread([this] { control(); });
}

void World::make_side(stack::Eal&, unsigned number, unsigned lanes) {
  static int serial = 0;
  Side& side = sides_[number];
  stack::Options options;
  options.lanes = lanes;
  options.pool.name = "threads" + std::to_string(serial++);
  options.pool.packets = 8192;
  options.pool.cache = 64;
  options.pool.ops = traced_pool_ops();
  options.seed = 7 + number;
  options.origin = clock_.now();
  side.stack = std::move(stack::Stack::create(options)).value();
  auto port = std::make_unique<ThreadPort>(
      "eth0", MacAddress({2, 0, 0, 0, 0, static_cast<std::uint8_t>(1 + number)}),
      side.stack->pool());
  side.port = port.get();
  LINNET_CHECK(side.stack->add_device(std::move(port)).ok());
  LINNET_CHECK(side.stack->set_link(*side.port, true).ok());
  route::Address address;
  address.interface = Ipv4Interface{*Ipv4Address::parse(kAddress[number]), 24};
  LINNET_CHECK(side.stack->add_address(*side.port, address).ok());
  side.host = std::make_unique<shim::ThreadsHost>(*side.stack);
  side.program = std::move(shim::Program::create(side.host->parts())).value();
}

// The queue of the receiver's that a frame comes to.
unsigned World::place(const ThreadPort::Frame& frame, unsigned to) {
  const unsigned lanes = sides_[to].stack->lanes();
  if (placement_ == Placement::Scattered)
    return next_queue_.fetch_add(1, std::memory_order_relaxed) % lanes;
  constexpr std::size_t kIp = 14, kPorts = kIp + 20;
  if (frame.size() < kPorts + 4 || number_at(frame, 12, 2) != 0x0800) return 0;
  socket::Flow flow;
  flow.peer = Ipv4Address::from_host(number_at(frame, kIp + 12, 4));
  flow.local = Ipv4Address::from_host(number_at(frame, kIp + 16, 4));
  flow.peer_port = static_cast<std::uint16_t>(number_at(frame, kPorts, 2));
  flow.local_port = static_cast<std::uint16_t>(number_at(frame, kPorts + 2, 2));
  const socket::FlowHash& hash = sides_[to].stack->sockets().flow_hash;
  const unsigned owner =
      hash.owner(hash.of(flow, static_cast<std::uint8_t>(number_at(frame, kIp + 9, 1))));
  return (owner + (placement_ == Placement::Wrong ? 1 : 0)) % lanes;
}

void World::control() {
  while (!ending_.load(std::memory_order_acquire)) {
    for (Side& side : sides_) {
      const std::lock_guard lock(side.host->control());
      side.stack->control_turn(clock_.now());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void World::use(unsigned side) const {
  shim::choose_for_thread(sides_[side].program);
}

void World::lose(unsigned per_mille) {
  for (Side& side : sides_)
    side.port->lose(per_mille);
}

std::uint64_t World::handovers() {
  std::uint64_t sum = 0;
  for (Side& side : sides_) {
    for (unsigned i = 0; i < side.stack->lanes(); ++i)
      sum += side.stack->lane(i).state().sockets.handovers();
  }
  return sum;
}

std::string World::finish() {
  if (ending_.exchange(true)) return "";
  for (Side& side : sides_)
    side.program->end();
  control_.join();
  for (Side& side : sides_) {
    for (const auto& runner : side.runners)
      runner->stop();
    // The owner of the neighbours ends last.
    while (!side.runners.empty())
      side.runners.pop_back();
  }
  // No lane of either side runs any more: what is on the cable goes with the ports.
  std::string wrong;
  for (Side& side : sides_) {
    for (unsigned i = 0; i < side.stack->lanes(); ++i) {
      while (side.stack->lane(i).turn(clock_.now())) {
      }
    }
    side.stack->control_turn(clock_.now());
    if (!side.stack->account().balanced()) wrong += "the account does not balance\n";
  }
  // A stack that ends resets what is left, and its peer's stack may have ended before.
  for (Side& side : sides_)
    side.port->disconnect();
  for (Side& side : sides_) {
    side.program.reset();
    side.host.reset();
    side.stack.reset();  // checks that every packet is back
  }
  return wrong;
}

World::~World() {
  finish();
}

}  // namespace linnet::tests
