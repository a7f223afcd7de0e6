// SPDX-License-Identifier: BSD-3-Clause
// Reading: Boehm, "Can seqlocks get along with programming language memory models?" (2012).
#include "neigh/table.hpp"

#include <cstring>

#include "base/check.hpp"

namespace linnet::neigh {
namespace {

// A reader looks again this often when it met the writer; the writer may have lost its core.
constexpr unsigned kTries = 64;

}  // namespace

std::uint32_t Table::find(std::uint64_t key) const {
  std::uint32_t index = heads_[bucket_of(key)].load(std::memory_order_acquire);
  // A chain that changes under the reader may lead it into another one: the count ends that.
  for (std::uint32_t steps = 0; index != kNone && steps < capacity_; ++steps) {
    const Slot& slot = slots_[index];
    if (slot.key.load(std::memory_order_acquire) == key) return index;
    index = slot.next.load(std::memory_order_acquire);
  }
  return kNone;
}

bool Table::read(std::uint32_t index, EntryView& out) const {
  const Slot& slot = slots_[index];
  for (unsigned tries = 0; tries < kTries; ++tries) {
    const std::uint64_t before = slot.sequence.load(std::memory_order_acquire);
    const std::uint64_t key = slot.key.load(std::memory_order_acquire);
    const std::uint64_t words[2] = {slot.link[0].load(std::memory_order_acquire),
                                    slot.link[1].load(std::memory_order_acquire)};
    const std::int64_t confirmed = slot.confirmed.load(std::memory_order_acquire);
    const std::int64_t updated = slot.updated.load(std::memory_order_acquire);
    if ((before & 1) != 0 || slot.sequence.load(std::memory_order_relaxed) != before) continue;
    if (key == 0) return false;
    out.key = key;
    std::memcpy(static_cast<void*>(&out.link), words, sizeof out.link);
    out.confirmed = time::Instant::from_ns(confirmed);
    out.updated = time::Instant::from_ns(updated);
    out.used = used(index);
    return true;
  }
  return false;
}

bool Table::find_view(std::uint64_t key, EntryView& out) const {
  for (unsigned tries = 0; tries < kTries; ++tries) {
    const std::uint64_t before = chains_.load(std::memory_order_acquire);
    const std::uint32_t index = find(key);
    if (index != kNone && read(index, out) && out.key == key) return true;
    if ((before & 1) == 0 && chains_.load(std::memory_order_acquire) == before) return false;
  }
  return false;
}

void Table::write(Slot& slot, const EntryView& entry) {
  std::uint64_t words[2];
  std::memcpy(words, &entry.link, sizeof words);
  const std::uint64_t number = slot.sequence.load(std::memory_order_relaxed);
  slot.sequence.store(number + 1, std::memory_order_relaxed);
  // Release on each word keeps it behind the odd number.
  slot.key.store(entry.key, std::memory_order_release);
  slot.link[0].store(words[0], std::memory_order_release);
  slot.link[1].store(words[1], std::memory_order_release);
  slot.confirmed.store(entry.confirmed.since_origin_ns(), std::memory_order_release);
  slot.updated.store(entry.updated.since_origin_ns(), std::memory_order_release);
  slot.sequence.store(number + 2, std::memory_order_release);
}

std::uint32_t Table::insert(const EntryView& entry) {
  if (free_count_ == 0) return kNone;
  const std::uint32_t index = free_[--free_count_];
  Slot& slot = slots_[index];
  slot.used.store(entry.used.since_origin_ns(), std::memory_order_relaxed);
  slot.nudged.store(false, std::memory_order_relaxed);
  write(slot, entry);
  std::atomic<std::uint32_t>& head = heads_[bucket_of(entry.key)];
  chains_.fetch_add(1, std::memory_order_acq_rel);
  slot.next.store(head.load(std::memory_order_relaxed), std::memory_order_release);
  head.store(index, std::memory_order_release);
  chains_.fetch_add(1, std::memory_order_release);
  entries_.store(entries_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return index;
}

void Table::publish(std::uint32_t index, const EntryView& entry) {
  Slot& slot = slots_[index];
  LINNET_CHECK(slot.key.load(std::memory_order_relaxed) == entry.key);
  write(slot, entry);
}

void Table::erase(std::uint32_t index) {
  Slot& slot = slots_[index];
  const std::uint64_t key = slot.key.load(std::memory_order_relaxed);
  LINNET_CHECK(key != 0);
  chains_.fetch_add(1, std::memory_order_acq_rel);
  std::atomic<std::uint32_t>* link = &heads_[bucket_of(key)];
  while (link->load(std::memory_order_relaxed) != index) {
    LINNET_CHECK(link->load(std::memory_order_relaxed) != kNone);
    link = &slots_[link->load(std::memory_order_relaxed)].next;
  }
  link->store(slot.next.load(std::memory_order_relaxed), std::memory_order_release);
  write(slot, EntryView{});
  free_[free_count_++] = index;
  chains_.fetch_add(1, std::memory_order_release);
  entries_.store(entries_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

bool Table::has_proxy(std::uint64_t key) const {
  for (const auto& proxy : proxies_) {
    if (proxy.load(std::memory_order_relaxed) == key) return true;
  }
  return false;
}

bool Table::add_proxy(std::uint64_t key) {
  if (has_proxy(key)) return true;
  for (auto& proxy : proxies_) {
    if (proxy.load(std::memory_order_relaxed) != 0) continue;
    proxy.store(key, std::memory_order_relaxed);
    return true;
  }
  return false;
}

void Table::remove_proxy(std::uint64_t key) {
  for (auto& proxy : proxies_) {
    if (proxy.load(std::memory_order_relaxed) == key) proxy.store(0, std::memory_order_relaxed);
  }
}

}  // namespace linnet::neigh
