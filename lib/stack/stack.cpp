// SPDX-License-Identifier: BSD-3-Clause
#include "stack/stack.hpp"

#include "device/drops.hpp"
#include "hook/drops.hpp"
#include "ip/drops.hpp"
#include "link/drops.hpp"
#include "neigh/drops.hpp"
#include "packet/drops.hpp"
#include "socket/drops.hpp"
#include "stack/drops.hpp"
#include "tcp/drops.hpp"
#include "udp/drops.hpp"

namespace linnet::stack {
namespace {

std::uint64_t bit_of(const device::Device& device) {
  return std::uint64_t{1} << device.index();
}

}  // namespace

std::vector<packet::DropList> all_drops() {
  return {packet::kDrops, device::kDrops, hook::kDrops, link::kDrops,   neigh::kDrops,
          ip::kDrops,     udp::kDrops,    tcp::kDrops,  socket::kDrops, kDrops};
}

std::vector<std::pair<packet::DropReason, DropName>> all_drop_reasons() {
  std::vector<std::pair<packet::DropReason, DropName>> out;
  for (const packet::DropList& list : all_drops()) {
    for (std::size_t i = 0; i < list.texts.size(); ++i) {
      const auto index = static_cast<unsigned>(list.room) * packet::kDropsPerRoom + i;
      out.emplace_back(packet::DropReason{static_cast<std::uint16_t>(index)},
                       DropName{std::string(list.room_name) + '.' + std::string(list.texts[i].name),
                                std::string(list.texts[i].text)});
    }
  }
  return out;
}

Result<std::unique_ptr<Stack>> Stack::create(const Options& options) {
  std::unique_ptr<Stack> stack(new Stack);
  if (Result<> built = stack->build(options); !built) return built.error();
  return stack;
}

Result<> Stack::build(const Options& options) {
  if (options.lanes < 1 || options.lanes > device::kMaxQueues) {
    return Error{"impossible number of lanes", std::to_string(options.lanes), -1,
                 "1 to " + std::to_string(device::kMaxQueues)};
  }
  if (options.burst < 1 || options.burst > packet::Burst::kCapacity) {
    return Error{"impossible burst", std::to_string(options.burst), -1,
                 "1 to " + std::to_string(packet::Burst::kCapacity)};
  }
  pool_ = options.shared_pool;
  if (pool_ == nullptr) {
    auto pool = packet::Pool::create(options.pool);
    if (!pool) return pool.error();
    own_pool_ = std::move(pool).value();
    pool_ = own_pool_.get();
  }
  rcu_ = std::make_unique<table::Rcu>(options.lanes);
  routes_ = std::make_unique<route::Tables>(devices_, *rcu_);
  addresses_ = std::make_unique<route::Addresses>(devices_, *routes_, *rcu_);
  host_ = std::make_unique<neigh::RoutedHost>(*routes_, *addresses_, ip_settings_.ip_forward);

  time::Random random(options.seed);
  neigh::System::Options neighbours;
  neighbours.capacity = options.neighbour_capacity;
  neighbours.lanes = options.lanes;
  neighbours.key = random.sip_key();
  auto system = neigh::System::create(neighbours, devices_, *host_);
  if (!system) return system.error();
  neighbours_ = std::move(system).value();
  sockets_ = std::make_unique<socket::System>(*pool_, options.lanes, random.next());

  auto loopback = add_device(std::make_unique<device::Loopback>());
  if (!loopback) return loopback.error();
  route::Address local;
  local.interface = Ipv4Interface{Ipv4Address(127, 0, 0, 1), 8};
  local.scope = route::Scope::Host;
  if (Result<> up = set_link(**loopback, true); !up) return up.error();
  if (Result<> added = add_address(**loopback, local); !added) return added.error();
  for (unsigned i = 0; i < options.lanes; ++i) {
    lanes_.push_back(std::make_unique<Lane>(*this, options, i));
  }
  return Ok{};
}

Stack::~Stack() {
  // The owner of the neighbours, lane 0, comes last: the others' hand-offs end with it.
  for (auto lane = lanes_.rbegin(); lane != lanes_.rend(); ++lane)
    (*lane)->clear(stopped_at_);
  lanes_.clear();
  sockets_->control_turn();
}

Result<device::Device*> Stack::add_device(std::unique_ptr<device::Device> device) {
  return devices_.add(std::move(device));
}

// Routes and neighbours follow a device that starts or stops running.
void Stack::link_changed(device::Device& device, bool up) {
  routes_->device_changed(device.index());
  addresses_->device_changed(device.index());
  if (up) {
    link_states_ |= bit_of(device);
    for (const route::Address& address : addresses_->list(device.index())) {
      // A full mailbox costs an announcement, never the link.
      static_cast<void>(neighbours_->announce_address(device.index(), address.interface.address));
    }
  } else {
    link_states_ &= ~bit_of(device);
  }
}

Result<> Stack::set_link(device::Device& device, bool up) {
  if (device.gone()) return Error{"No such device", device.name()};
  if (device.admin_up() == up) return Ok{};
  if (Result<> set = device.set_admin_up(up); !set) return set;
  link_changed(device, device.running());
  if (up) return Ok{};
  return neighbours_->device_changed(device.index(), neigh::System::DeviceEvent::AdminDown);
}

Result<> Stack::set_mtu(device::Device& device, std::uint32_t bytes) {
  if (Result<> set = device.set_mtu(bytes); !set) return set;
  routes_->device_changed(device.index());
  return Ok{};
}

Result<> Stack::add_address(device::Device& device, const route::Address& address) {
  if (Result<> added = addresses_->add(device.index(), address); !added) return added;
  if (!device.running() || device.loopback()) return Ok{};
  static_cast<void>(neighbours_->announce_address(device.index(), address.interface.address));
  return Ok{};
}

Result<> Stack::remove_address(device::Device& device, Ipv4Interface interface) {
  if (Result<> removed = addresses_->remove(device.index(), interface); !removed) return removed;
  static_cast<void>(neighbours_->forget_address(device.index(), interface.address));
  return Ok{};
}

void Stack::control_turn(time::Instant now) {
  stopped_at_ = now;
  for (const auto& device : devices_.all()) {
    device->refresh_link();
    const bool was_up = (link_states_ & bit_of(*device)) != 0;
    if (device->running() == was_up) continue;
    link_changed(*device, !was_up);
    if (was_up && device->admin_up()) {
      static_cast<void>(
          neighbours_->device_changed(device->index(), neigh::System::DeviceEvent::CarrierDown));
    }
  }
  take_events();
  sockets_->control_turn();
  rcu_->reclaim();
}

void Stack::take_events() {
  neigh::Event event{};
  while (neighbours_->next_event(event)) {
    const bool duplicate = event.kind == neigh::EventKind::AddressDuplicate;
    if (event.kind == neigh::EventKind::AddressConflict) continue;  // counted and defended
    addresses_->mark_duplicate(event.device, event.address, duplicate);
  }
}

Account Stack::account() const {
  Account sum;
  for (const auto& lane : lanes_) {
    const packet::Ledger& ledger = lane->ledger();
    sum.received += ledger.received.value();
    sum.generated += ledger.generated.value();
    sum.sent += ledger.sent.value();
    sum.delivered += ledger.delivered.value();
    sum.held += ledger.held.value();
    sum.dropped += ledger.dropped_total();
  }
  return sum;
}

std::uint64_t Stack::dropped(packet::DropReason reason) const {
  std::uint64_t sum = 0;
  for (const auto& lane : lanes_)
    sum += lane->ledger().dropped(reason);
  return sum;
}

}  // namespace linnet::stack
