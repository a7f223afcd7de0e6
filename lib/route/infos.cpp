// SPDX-License-Identifier: BSD-3-Clause
#include "route/infos.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "base/check.hpp"

namespace linnet::route {
namespace {

std::size_t hash_of(const Info& info) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&hash](std::uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 29;
  };
  mix(static_cast<std::uint64_t>(info.type) << 16 | static_cast<std::uint64_t>(info.scope) << 8 |
      static_cast<std::uint64_t>(info.protocol));
  mix(std::uint64_t{info.metric} << 16 | info.mtu);
  mix(info.source ? info.source->host() : 0);
  for (const InfoHop& hop : info.hops) {
    mix(hop.gateway ? hop.gateway->host() : 0);
    mix(std::uint64_t{hop.device} << 32 | std::uint64_t{hop.weight} << 8 | (hop.onlink ? 1 : 0));
  }
  return hash;
}

void free_route(const Route* route) {
  if (route == nullptr) return;
  if (route->hop_count > Route::kInlineHops) delete[] route->hops;
  delete route;
}

}  // namespace

// What releases that wait for lanes need, even after the tables are gone. Slots are address space
// that is touched on first use and never moves under a lane.
struct Infos::Shared {
  Shared() {
    void* const at = mmap(nullptr, kMax * sizeof(Slot), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    LINNET_CHECK(at != MAP_FAILED);
    slots = static_cast<Slot*>(at);
    // Advice only: no large page for a small table.
    madvise(at, kMax * sizeof(Slot), MADV_NOHUGEPAGE);
  }
  ~Shared() { munmap(slots, kMax * sizeof(Slot)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  void retire(std::uint32_t id) {
    free_route(slots[id].exchange(nullptr, std::memory_order_acq_rel));
    free.push_back(id);
  }

  Slot* slots;
  std::vector<std::uint32_t> free;
};

Infos::Infos(const device::DeviceTable& devices, table::Rcu& rcu)
    : devices_(devices),
      rcu_(rcu),
      records_(1),
      shared_(std::make_shared<Shared>()),
      slots_(shared_->slots) {}

Infos::~Infos() {
  for (std::uint32_t id = 1; id < records_.size(); ++id) {
    if (records_[id].references != 0)
      free_route(slots_[id].exchange(nullptr, std::memory_order_acq_rel));
  }
}

// Local addresses stay reachable whatever their device does (Linux: nexthops of scope nowhere are
// left alone by fib_sync_down_dev); other hops need the device up and a link.
bool Infos::hop_works(const Info& info, const InfoHop& hop) const {
  if (!info.needs_hop()) return true;
  const device::Device* const device = devices_.at(hop.device);
  return device != nullptr && device->running();
}

void Infos::refresh(Record& record) const {
  const Info& info = record.info;
  const auto works = [&](const InfoHop& hop) { return hop_works(info, hop); };
  const auto up = [&](const InfoHop& hop) {
    const device::Device* const device = devices_.at(hop.device);
    return device != nullptr && device->admin_up();
  };
  record.usable = info.hops.empty() || std::any_of(info.hops.begin(), info.hops.end(), works);
  record.dead = info.needs_hop() && std::none_of(info.hops.begin(), info.hops.end(), up);
}

const Route* Infos::make_route(const Info& info) const {
  if (info.type == Type::Throw) return nullptr;
  auto* const route = new Route;
  route->type = info.type;
  route->scope = info.scope;
  route->mtu = info.mtu;
  if (info.source) route->preferred_source = *info.source;
  const std::size_t count = info.hops.size();
  route->hop_count = static_cast<std::uint8_t>(count);
  NextHop* hops = nullptr;
  if (count > Route::kInlineHops) {
    hops = new NextHop[count];
  } else {
    for (std::size_t i = 0; i < count; ++i)
      new (route->hop_storage + i * sizeof(NextHop)) NextHop;
    if (count != 0) hops = std::launder(reinterpret_cast<NextHop*>(route->hop_storage));
  }
  std::size_t live = 0, dead = count;
  for (const InfoHop& hop : info.hops) {
    const bool works = hop_works(info, hop);
    NextHop& out = hops[works ? live++ : --dead];
    out.gateway = hop.gateway.value_or(Ipv4Address());
    out.device = hop.device;
    out.weight = hop.weight;
    if (works) route->total_weight += hop.weight;
  }
  route->hops = hops;
  route->live_hops = static_cast<std::uint16_t>(live);
  route->has_dead_hops = live != count;
  return route;
}

void Infos::publish(std::uint32_t id) {
  const Route* const old =
      slots_[id].exchange(make_route(records_[id].info), std::memory_order_acq_rel);
  if (old != nullptr) rcu_.defer([old] { free_route(old); });
}

std::uint32_t Infos::acquire(const Info& info) {
  LINNET_CHECK(info.hops.size() <= 255);
  const std::size_t hash = hash_of(info);
  const auto [first, last] = by_hash_.equal_range(hash);
  for (auto at = first; at != last; ++at) {
    if (records_[at->second].info == info) {
      ++records_[at->second].references;
      return at->second;
    }
  }
  std::uint32_t id = limit();
  if (!shared_->free.empty()) {
    id = shared_->free.back();
    shared_->free.pop_back();
  } else if (id == kMax) {
    return kNone;
  } else {
    records_.emplace_back();
  }
  records_[id] = Record{info, 1};
  refresh(records_[id]);
  by_hash_.emplace(hash, id);
  publish(id);
  return id;
}

void Infos::release(std::uint32_t id) {
  Record& record = records_[id];
  LINNET_CHECK_OP(record.references, >, 0u);
  if (--record.references != 0) return;
  const auto [first, last] = by_hash_.equal_range(hash_of(record.info));
  by_hash_.erase(std::find_if(first, last, [id](const auto& item) { return item.second == id; }));
  record.info = Info{};
  // A lane may have read the number and not yet the slot: both wait.
  rcu_.defer([shared = shared_, id] { shared->retire(id); });
}

std::vector<Infos::Change> Infos::device_changed(std::uint16_t device) {
  std::vector<Change> changes;
  for (std::uint32_t id = 1; id < records_.size(); ++id) {
    Record& record = records_[id];
    if (record.references == 0) continue;
    const auto uses = [device](const InfoHop& hop) { return hop.device == device; };
    if (std::none_of(record.info.hops.begin(), record.info.hops.end(), uses)) continue;
    const bool was_usable = record.usable, was_dead = record.dead;
    refresh(record);
    publish(id);
    if (record.usable != was_usable || record.dead != was_dead)
      changes.push_back({id, record.dead});
  }
  return changes;
}

std::uint64_t Infos::devices_of(std::uint32_t id) const {
  static_assert(device::kMaxDevices <= 64);
  std::uint64_t devices = 0;
  for (const InfoHop& hop : records_[id].info.hops)
    devices |= std::uint64_t{1} << hop.device;
  return devices;
}

std::size_t Infos::memory_bytes() const {
  std::size_t bytes = records_.capacity() * sizeof(Record) + records_.size() * sizeof(Slot);
  for (const Record& record : records_) {
    if (record.references == 0) continue;
    // The Route, and about 48 bytes for the node of the hash map.
    bytes += record.info.hops.capacity() * sizeof(InfoHop) + sizeof(Route) + 48;
    if (record.info.hops.size() > Route::kInlineHops)
      bytes += record.info.hops.size() * sizeof(NextHop);
  }
  return bytes;
}

}  // namespace linnet::route
