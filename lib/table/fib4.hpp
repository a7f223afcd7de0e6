// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/ipv4.hpp"
#include "table/rcu.hpp"

namespace linnet::table {

// A longest-prefix table for IPv4: prefixes to numbers 1..kMaxValue, for lanes that read without
// locks while the control core changes it in place. 0 means that no prefix covers an address.
//
//   root: 65536 entries, bits 31..16   chunk: 256 entries, bits 15..8   chunk: 256, bits 7..0
//   +-----+                            +-----+                          +-----+
//   |value|        +------------------>|value|        +---------------->|value|
//   |chunk|--------+                   |chunk|--------+                 |value|
//
// An entry is a value or, with the top bit set, the number of a chunk. Beside each entry stands the
// length of the prefix that it came from, which only the control core reads: so a change touches
// nothing but the entries that the prefix covers. The default route is one word. All memory is
// address space that is touched on first use: a small table costs a few pages.
//
// The table does not list its prefixes: who removes one says what covers its place.
class Fib4 {
 public:
  static constexpr std::uint32_t kMaxValue = 0x7fffffff;
  static constexpr std::uint32_t kMaxChunks = 1 << 20;
  static constexpr unsigned kBurst = 64;

  // The next shorter prefix that covers a place; length 0: none, or the default route.
  struct Cover {
    unsigned length = 0;
    std::uint32_t value = 0;
  };

  // `rcu` must outlive every lane's use of the table. At most `max_chunks` chunks of 256 entries.
  explicit Fib4(Rcu& rcu, std::uint32_t max_chunks = kMaxChunks);
  ~Fib4();  // no lane may read any more
  Fib4(const Fib4&) = delete;
  Fib4& operator=(const Fib4&) = delete;

  // --- Control core.
  // Adds a prefix or gives it a new value (1..kMaxValue). False where no chunk is left: nothing
  // changed.
  bool insert(Ipv4Prefix prefix, std::uint32_t value);
  // Removes a prefix. `cover` is the longest prefix in the table that is shorter and contains it.
  void erase(Ipv4Prefix prefix, Cover cover);
  // Chunks in use, without those that wait for lanes to let go of them.
  std::uint32_t chunks() const;
  // Bytes of memory behind the table, counted from what was ever touched.
  std::size_t memory_bytes() const;

  // --- Lanes.
  std::uint32_t lookup(Ipv4Address destination) const;
  // `count` at most kBurst.
  void lookup(const Ipv4Address* destinations, unsigned count, std::uint32_t* values) const;
  // As above: calls `take(i, value)` for each in order; where some need a look below the root, it
  // calls it for all a second time, and the first time may have said 0.
  template <typename Take>
  void lookup(const Ipv4Address* destinations, unsigned count, Take&& take) const;

 private:
  void lookup_below(const Ipv4Address* destinations, unsigned count, std::uint32_t* values) const;

  using Entry = std::atomic<std::uint32_t>;
  struct Memory;
  // A run of entries of one ply with the prefix lengths beside them.
  struct Run {
    Entry* entries;
    std::uint8_t* lengths;
  };

  static constexpr std::uint32_t kChunkFlag = 0x80000000;
  static constexpr unsigned kChunkEntries = 256;

  // The entry for these bits of an address in the chunk that `entry` leads to.
  const Entry* below(std::uint32_t entry, std::uint32_t bits) const {
    return &chunks_[std::size_t{entry & kMaxValue} * kChunkEntries + (bits & 255)];
  }
  void prefetch_below(std::uint32_t entry, std::uint32_t bits, const void* otherwise) const {
    __builtin_prefetch(entry & kChunkFlag ? below(entry, bits) : otherwise);
  }
  Run chunk_run(std::uint32_t entry) const;
  Run root_run() const;
  Run descend(Run run, unsigned index);
  void set_run(Run run, unsigned first, unsigned count, unsigned length, std::uint32_t value);
  void clear_run(Run run, unsigned first, unsigned count, unsigned length, Cover cover);
  void collapse(Run parent, unsigned index, unsigned base);
  unsigned missing_chunks(Ipv4Prefix prefix) const;

  Entry* root_;
  Entry* chunks_;
  Entry default_{0};
  Rcu& rcu_;
  std::shared_ptr<Memory> memory_;  // shared with releases that wait for lanes
};

inline std::uint32_t Fib4::lookup(Ipv4Address destination) const {
  const std::uint32_t host = destination.host();
  std::uint32_t entry = root_[host >> 16].load(std::memory_order_acquire);
  if (entry & kChunkFlag) entry = below(entry, host >> 8)->load(std::memory_order_acquire);
  if (entry & kChunkFlag) entry = below(entry, host)->load(std::memory_order_acquire);
  return entry != 0 ? entry : default_.load(std::memory_order_relaxed);
}

// Ply by ply over the whole burst, so that the cache misses of one ply overlap.
template <typename Take>
void Fib4::lookup(const Ipv4Address* destinations, unsigned count, Take&& take) const {
  std::uint32_t values[kBurst];
  const std::uint32_t fallback = default_.load(std::memory_order_relaxed);
  const Entry* const root = root_;
  std::uint32_t any = 0;
  for (unsigned i = 0; i < count; ++i) {
    const std::uint32_t entry = root[destinations[i].host() >> 16].load(std::memory_order_acquire);
    any |= entry;
    const std::uint32_t value = entry != 0 ? entry : fallback;
    values[i] = value;
    take(i, entry & kChunkFlag ? 0 : value);
  }
  if ((any & kChunkFlag) == 0) return;
  lookup_below(destinations, count, values);
  for (unsigned i = 0; i < count; ++i)
    take(i, values[i]);
}

inline void Fib4::lookup(const Ipv4Address* destinations, unsigned count,
                         std::uint32_t* values) const {
  lookup(destinations, count, [values](unsigned i, std::uint32_t value) { values[i] = value; });
}

}  // namespace linnet::table
