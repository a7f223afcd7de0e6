// SPDX-License-Identifier: BSD-3-Clause
// The composition root: builds a whole stack of its rooms, the one place where protocols, hooks and
// devices are registered. Several stacks can live in one process; none reads a clock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "device/device.hpp"
#include "device/loopback.hpp"
#include "ip/settings.hpp"
#include "neigh/system.hpp"
#include "packet/burst.hpp"
#include "packet/drop.hpp"
#include "packet/pool.hpp"
#include "route/addresses.hpp"
#include "route/tables.hpp"
#include "socket/system.hpp"
#include "stack/lane.hpp"
#include "table/rcu.hpp"
#include "time/instant.hpp"

namespace linnet::stack {

struct Options {
  unsigned lanes = 1;            // 1..device::kMaxQueues
  packet::Pool::Options pool{};  // its name must be unique in the process
  // Instead of one of its own: the pool of several stacks in a process that give each other packets
  // by reference. Must outlive them.
  packet::Pool* shared_pool = nullptr;
  unsigned burst = packet::Burst::kCapacity;  // frames taken from a port at once, 1..64
  std::uint32_t neighbour_capacity = 4096;
  std::uint64_t seed = 0;  // of all randomness and keys; time::system_seed() outside tests
  time::Instant origin{};  // the time at which the lanes' clocks start
};

// The drop lists of all rooms, for show, metrics and docs.
std::vector<packet::DropList> all_drops();
// "ip.BadChecksum" and its sentence.
struct DropName {
  std::string name;
  std::string text;
};
std::vector<std::pair<packet::DropReason, DropName>> all_drop_reasons();

// The ledgers of all lanes added up.
struct Account {
  std::uint64_t received = 0, generated = 0, sent = 0, delivered = 0, held = 0, dropped = 0;
  bool balanced() const { return received + generated == sent + delivered + held + dropped; }
};

class Stack {
 public:
  // EAL must have been started. Makes the pool, unless it is shared, and the device `lo`, up, with
  // 127.0.0.1/8.
  static Result<std::unique_ptr<Stack>> create(const Options& options);
  // Lanes must have stopped. Drops what is held (stack::Drop::Shutdown); every packet must be back.
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // --- Control core.
  // Registers a device; its packets come from the stack's pool. Before lanes run.
  Result<device::Device*> add_device(std::unique_ptr<device::Device> device);
  device::DeviceTable& devices() { return devices_; }
  route::Tables& routes() { return *routes_; }
  route::Addresses& addresses() { return *addresses_; }
  neigh::System& neighbours() { return *neighbours_; }
  ip::Settings& ip_settings() { return ip_settings_; }
  neigh::Settings& neigh_settings() { return neighbours_->settings(); }
  packet::Pool& pool() { return *pool_; }
  // Channels to programs, ports, net.core and net.ipv4.tcp_*.
  socket::System& sockets() { return *sockets_; }
  table::Rcu& rcu() { return *rcu_; }

  // `ip link set DEVICE up|down`: the device, then the routes and neighbours that follow from it.
  Result<> set_link(device::Device& device, bool up);
  // `ip link set DEVICE mtu N`.
  Result<> set_mtu(device::Device& device, std::uint32_t bytes);
  // `ip addr add`: the address, its routes, duplicate detection and announcement.
  Result<> add_address(device::Device& device, const route::Address& address);
  Result<> remove_address(device::Device& device, Ipv4Interface interface);
  // The control core's slow work: link states, events of lanes, reclaiming. A few times a second.
  void control_turn(time::Instant now);

  // --- Lanes.
  unsigned lanes() const { return static_cast<unsigned>(lanes_.size()); }
  Lane& lane(unsigned index) { return *lanes_[index]; }

  Account account() const;
  std::uint64_t dropped(packet::DropReason reason) const;

 private:
  Stack() = default;
  Result<> build(const Options& options);
  void link_changed(device::Device& device, bool up);
  void take_events();

  std::unique_ptr<packet::Pool> own_pool_;
  packet::Pool* pool_ = nullptr;
  std::unique_ptr<table::Rcu> rcu_;
  device::DeviceTable devices_;
  ip::Settings ip_settings_;
  std::unique_ptr<route::Tables> routes_;
  std::unique_ptr<route::Addresses> addresses_;
  std::unique_ptr<neigh::Host> host_;
  std::unique_ptr<neigh::System> neighbours_;
  std::unique_ptr<socket::System> sockets_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::uint64_t link_states_ = 0;  // a bit a device: running when it was last looked at
  time::Instant stopped_at_{};     // the last time told to the control core
};

}  // namespace linnet::stack
