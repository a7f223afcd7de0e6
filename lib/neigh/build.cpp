// SPDX-License-Identifier: BSD-3-Clause
// All memory that the room uses is allocated here, when it is built: the other sources run on the
// data path.
#include <bit>

#include "neigh/owner.hpp"
#include "neigh/resolver.hpp"

namespace linnet::neigh {

Table::Table(std::uint32_t capacity, const SipKey& key)
    : capacity_(capacity),
      mask_(std::bit_ceil(capacity * 2) - 1),
      secret_(key),
      slots_(std::make_unique<Slot[]>(capacity)),
      heads_(std::make_unique<std::atomic<std::uint32_t>[]>(mask_ + 1)),
      free_(std::make_unique<std::uint32_t[]>(capacity)),
      free_count_(capacity) {
  for (std::uint32_t i = 0; i <= mask_; ++i)
    heads_[i].store(kNone, std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < capacity; ++i)
    free_[i] = capacity - 1 - i;
}

PendingPool::PendingPool(std::uint32_t capacity)
    : capacity_(capacity), nodes_(std::make_unique<Node[]>(capacity)) {
  for (std::uint32_t i = capacity; i-- > 0;) {
    nodes_[i].next = free_;
    free_ = i;
  }
}

Cache::Cache(System& system, time::TimerWheel& wheel, link::EthernetOutput& output, ArpSender& arp)
    : table_(system.table()),
      settings_(system.settings()),
      devices_(system.devices()),
      wheel_(wheel),
      output_(output),
      arp_(arp),
      records_(std::make_unique<Record[]>(system.options().capacity)),
      pending_(system.options().pending_packets),
      gc_timer_(*this) {
  for (std::uint32_t i = 0; i < system.options().capacity; ++i)
    records_[i].cache = this;
}

Cache::~Cache() = default;

ConflictDetector::ConflictDetector(time::TimerWheel& wheel, ArpSender& arp,
                                   table::Ring<Event>& events)
    : wheel_(wheel), arp_(arp), events_(events), watches_(std::make_unique<Watch[]>(kWatches)) {
  for (unsigned i = 0; i < kWatches; ++i)
    watches_[i].detector = this;
}

Owner::Owner(System& system, time::TimerWheel& wheel, link::EthernetOutput& output)
    : system_(system),
      sender_(system.devices(), system.host(), system.settings(), output),
      cache(system, wheel, output, sender_),
      conflicts(wheel, sender_, system.events()),
      arp(system, cache, conflicts, sender_) {}

Resolver::Resolver(System& system, unsigned lane, time::TimerWheel& wheel,
                   link::EthernetOutput& output)
    : system_(system), table_(system.table()), lane_(lane), output_(output) {
  LINNET_CHECK_OP(lane, <, system.options().lanes);
  if (lane == 0) owner_ = std::make_unique<Owner>(system, wheel, output);
  cache_.fill(Table::kNone);
}

Resolver::~Resolver() = default;

}  // namespace linnet::neigh
