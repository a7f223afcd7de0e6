// SPDX-License-Identifier: BSD-3-Clause
// The published part of the neighbour cache: one writer (the owner lane), readers on every thread,
// no locks.
//
//   heads_[siphash(key)] -> slot -> slot -> kNone        slots_[0 .. capacity-1]: key, header,
//   state
//
// A slot is written under its sequence number (odd while it is written). A reader that meets a
// writer, or a chain that changed under it, misses; the miss goes to the owner, whose view is
// exact.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/ipv4.hpp"
#include "base/mac.hpp"
#include "base/siphash.hpp"
#include "neigh/neighbours.hpp"
#include "time/instant.hpp"
#include "wire/ethernet.hpp"

namespace linnet::neigh {

// Device and address in one word; never 0.
constexpr std::uint64_t key_of(std::uint16_t device, Ipv4Address address) {
  return std::uint64_t{1} << 63 | std::uint64_t{device} << 32 | address.network().raw();
}
constexpr std::uint16_t device_of(std::uint64_t key) {
  return static_cast<std::uint16_t>(key >> 32);
}
constexpr Ipv4Address address_of(std::uint64_t key) {
  return Ipv4Address(be32::from_raw(static_cast<std::uint32_t>(key)));
}

// What a frame to a neighbour needs.
struct PublishedHeader {
  wire::EthernetHeader header;
  Nud state = Nud::None;
  std::uint8_t probes = 0;
};
static_assert(sizeof(PublishedHeader) == 16);

// A whole entry as it was at one moment.
struct EntryView {
  std::uint64_t key = 0;
  PublishedHeader link;
  time::Instant confirmed, updated, used;
};

// Whether a packet may be sent to a neighbour in this state (Linux: NUD_VALID).
constexpr bool has_mac(Nud state) {
  constexpr unsigned kValid =
      1u << static_cast<unsigned>(Nud::Reachable) | 1u << static_cast<unsigned>(Nud::Stale) |
      1u << static_cast<unsigned>(Nud::Delay) | 1u << static_cast<unsigned>(Nud::Probe) |
      1u << static_cast<unsigned>(Nud::Permanent) | 1u << static_cast<unsigned>(Nud::NoArp);
  return (kValid >> static_cast<unsigned>(state) & 1) != 0;
}

class Table {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr unsigned kMaxProxies = 256;

  Table(std::uint32_t capacity, const SipKey& key);

  std::uint32_t capacity() const { return capacity_; }

  // --- Any thread.
  // The slot of a key, kNone where there is none (or, off the owner, where a writer was met).
  std::uint32_t find(std::uint64_t key) const;
  // Copies the header of slot `index` if it is this key's; any index will do.
  bool read_header(std::uint32_t index, std::uint64_t key, PublishedHeader& out) const {
    if (index >= capacity_) [[unlikely]]
      return false;
    const Slot& slot = slots_[index];
    const std::uint64_t before = slot.sequence.load(std::memory_order_acquire);
    // Acquire on each word: a word of a later writing makes its odd number visible below.
    const std::uint64_t found = slot.key.load(std::memory_order_acquire);
    const std::uint64_t words[2] = {slot.link[0].load(std::memory_order_acquire),
                                    slot.link[1].load(std::memory_order_acquire)};
    if (found != key || (before & 1) != 0 ||
        slot.sequence.load(std::memory_order_relaxed) != before) [[unlikely]]
      return false;
    std::memcpy(static_cast<void*>(&out), words, sizeof out);
    return true;
  }
  // The entry in slot `index`; false where the slot is free. Waits out a writer for some tries.
  bool read(std::uint32_t index, EntryView& out) const;
  // A look-up that misses only what is not there, for the control core.
  bool find_view(std::uint64_t key, EntryView& out) const;
  // Notes that a packet went to the entry. Written at most once in kUsedGrain.
  void mark_used(std::uint32_t index, time::Instant now) {
    static constexpr std::int64_t kUsedGrainNs = 10'000'000;
    std::atomic<std::int64_t>& used = slots_[index].used;
    if (now.since_origin_ns() - used.load(std::memory_order_relaxed) >= kUsedGrainNs)
      used.store(now.since_origin_ns(), std::memory_order_relaxed);
  }
  time::Instant used(std::uint32_t index) const {
    return time::Instant::from_ns(slots_[index].used.load(std::memory_order_relaxed));
  }
  time::Instant confirmed(std::uint32_t index) const {
    return time::Instant::from_ns(slots_[index].confirmed.load(std::memory_order_relaxed));
  }
  // True for the first caller since the owner heard last that this entry is used.
  bool nudge(std::uint32_t index) {
    std::atomic<bool>& nudged = slots_[index].nudged;
    return !nudged.load(std::memory_order_relaxed) &&
           !nudged.exchange(true, std::memory_order_relaxed);
  }
  void unnudge(std::uint32_t index) {
    slots_[index].nudged.store(false, std::memory_order_relaxed);
  }
  bool has_proxy(std::uint64_t key) const;
  std::uint64_t proxy_at(unsigned i) const { return proxies_[i].load(std::memory_order_relaxed); }
  std::uint32_t entries() const { return entries_.load(std::memory_order_relaxed); }

  // --- The owner.
  // A free slot for a key that is not in the table; kNone: the table is full.
  std::uint32_t insert(const EntryView& entry);
  void publish(std::uint32_t index, const EntryView& entry);  // the key stays
  void erase(std::uint32_t index);
  bool add_proxy(std::uint64_t key);  // false: no room
  void remove_proxy(std::uint64_t key);

  // Gauges that the owner keeps for the control core.
  std::atomic<std::uint32_t> incomplete{0}, pending_packets{0}, pending_bytes{0};
  std::atomic<std::uint64_t> refused_changes{0};

 private:
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> sequence{0};
    std::atomic<std::uint64_t> key{0};
    std::atomic<std::uint64_t> link[2] = {};  // a PublishedHeader
    std::atomic<std::int64_t> confirmed{0}, updated{0};
    std::atomic<std::int64_t> used{0};  // any lane writes
    std::atomic<std::uint32_t> next{kNone};
    std::atomic<bool> nudged{false};
  };
  static_assert(sizeof(Slot) == 64);
  std::uint32_t bucket_of(std::uint64_t key) const {
    return static_cast<std::uint32_t>(siphash13(secret_, key, 0)) & mask_;
  }
  void write(Slot& slot, const EntryView& entry);

  const std::uint32_t capacity_;
  const std::uint32_t mask_;
  const SipKey secret_;
  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<std::atomic<std::uint32_t>[]> heads_;
  std::atomic<std::uint64_t> chains_{0};  // counts changes of the chains, odd within one
  // Not through Slot::next: a reader that stands on an erased slot goes on along its chain.
  std::unique_ptr<std::uint32_t[]> free_;
  std::uint32_t free_count_;
  std::atomic<std::uint32_t> entries_{0};
  std::atomic<std::uint64_t> proxies_[kMaxProxies] = {};
};

}  // namespace linnet::neigh
