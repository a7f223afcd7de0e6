// SPDX-License-Identifier: BSD-3-Clause
#include "table/flow_table.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.hpp"

namespace linnet::table {
namespace {

// Full enough to grow at five of eight: two choices then overflow a bucket practically never.
constexpr std::uint64_t kGrowAt = 5;
// Where equal hashes (both ends of a connection of a host to itself) fill two buckets before, the
// table grows earlier; but not one that is nearly empty, whose owner puts in one hash for ever.
constexpr std::uint64_t kSparse = 2;
constexpr unsigned kMovedAtOnce = 4;  // buckets an insertion: done long before the new part fills

}  // namespace

FlowTable::FlowTable(std::uint32_t least, std::uint32_t most) : most_(most) {
  now_ = make(std::bit_ceil(std::max<std::uint32_t>(least / 4, 4)));
  LINNET_CHECK(now_.buckets != nullptr);
}

// Large zeroed memory costs nothing until it is touched, bucket by bucket.
FlowTable::Part FlowTable::make(std::uint32_t count) {
  Part part;
  std::size_t bytes = (std::size_t{count} + 1) * sizeof(Bucket);
  part.memory.reset(static_cast<std::byte*>(std::calloc(1, bytes)));
  if (part.memory == nullptr) return part;
  void* at = part.memory.get();
  part.buckets = static_cast<Bucket*>(
      std::align(alignof(Bucket), std::size_t{count} * sizeof(Bucket), at, bytes));
  part.count = count;
  return part;
}

std::uint32_t* FlowTable::slot_of(const Part& part, std::uint32_t hash, std::uint32_t number) {
  if (part.buckets == nullptr) return nullptr;
  for (const std::uint32_t at : {first_of(part, hash), second_of(part, hash)}) {
    Bucket& bucket = part.buckets[at];
    for (unsigned i = 0; i < kBucket; ++i) {
      if (bucket.hash[i] == hash && bucket.number[i] == number + 1) return &bucket.number[i];
    }
  }
  return nullptr;
}

bool FlowTable::put(const Part& part, std::uint32_t hash, std::uint32_t number) {
  Bucket* best = nullptr;
  unsigned best_used = kBucket;
  for (const std::uint32_t at : {first_of(part, hash), second_of(part, hash)}) {
    Bucket& bucket = part.buckets[at];
    const auto used = static_cast<unsigned>(std::count_if(bucket.number, bucket.number + kBucket,
                                                          [](std::uint32_t n) { return n != 0; }));
    if (used < best_used) {
      best = &bucket;
      best_used = used;
    }
  }
  if (best == nullptr) return false;
  const auto free = std::find(best->number, best->number + kBucket, 0u) - best->number;
  best->hash[free] = hash;
  best->number[free] = number + 1;
  return true;
}

bool FlowTable::insert(std::uint32_t hash, std::uint32_t number) {
  if (size_ >= most_) return false;
  if (next_.buckets == nullptr && size_ >= now_.count * kGrowAt) start_growing();
  if (next_.buckets != nullptr) move_some();
  bool placed = put(next_.buckets != nullptr ? next_ : now_, hash, number);
  if (!placed && next_.buckets == nullptr && size_ >= now_.count * kSparse) {
    start_growing();
    placed = next_.buckets != nullptr && put(next_, hash, number);
  }
  if (!placed) return false;
  ++size_;
  return true;
}

bool FlowTable::erase(std::uint32_t hash, std::uint32_t number) {
  std::uint32_t* slot = slot_of(now_, hash, number);
  if (slot == nullptr) slot = slot_of(next_, hash, number);
  if (slot == nullptr) return false;
  *slot = 0;
  --size_;
  return true;
}

bool FlowTable::replace(std::uint32_t hash, std::uint32_t number, std::uint32_t by) {
  std::uint32_t* slot = slot_of(now_, hash, number);
  if (slot == nullptr) slot = slot_of(next_, hash, number);
  if (slot == nullptr) return false;
  *slot = by + 1;
  return true;
}

void FlowTable::start_growing() {
  next_ = make(now_.count * 2);
  moved_ = 0;
}

// A bucket whose entries do not all fit stays for the next time; look-ups read both parts.
void FlowTable::move_some() {
  for (unsigned n = 0; n < kMovedAtOnce && moved_ < now_.count; ++n) {
    Bucket& bucket = now_.buckets[moved_];
    for (unsigned i = 0; i < kBucket; ++i) {
      if (bucket.number[i] == 0) continue;
      if (!put(next_, bucket.hash[i], bucket.number[i] - 1)) return;
      bucket.number[i] = 0;
    }
    ++moved_;
  }
  if (moved_ < now_.count) return;
  now_ = std::exchange(next_, Part());
}

unsigned FlowTable::longest() const {
  unsigned most = 0;
  for (const Part* part : {&now_, &next_}) {
    for (std::uint32_t i = 0; i < part->count; ++i) {
      const Bucket& bucket = part->buckets[i];
      most = std::max(most,
                      static_cast<unsigned>(std::count_if(bucket.number, bucket.number + kBucket,
                                                          [](std::uint32_t n) { return n != 0; })));
    }
  }
  return most;
}

}  // namespace linnet::table
