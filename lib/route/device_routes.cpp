// SPDX-License-Identifier: BSD-3-Clause
#include "route/device_routes.hpp"

#include <new>

namespace linnet::route {
namespace {

constexpr unsigned kSmallest = 6;  // 64 words

}  // namespace

DeviceRoutes::Table* DeviceRoutes::make(unsigned bits) {
  auto* const words = new (std::nothrow) Word[std::size_t{1} << bits]();
  if (words == nullptr) return nullptr;
  auto* const table = new (std::nothrow) Table(bits, words);
  if (table == nullptr) delete[] words;
  return table;
}

// A table with a quarter of its words free, at least; erased ones stay behind.
bool DeviceRoutes::make_room() {
  Table* const old = table_.load(std::memory_order_relaxed);
  if (old != nullptr && (used_ + 1) * 4 <= old->size() * 3) return true;
  unsigned bits = kSmallest;
  while ((live_ + 1) * 2 > std::size_t{1} << bits)
    ++bits;
  Table* const next = make(bits);
  if (next == nullptr) return old != nullptr && used_ + 2 < old->size();
  for (std::size_t i = 0; old != nullptr && i < old->size(); ++i) {
    const std::uint64_t word = old->words[i].load(std::memory_order_relaxed);
    if ((word & kMaxValue) == 0) continue;
    std::size_t at = next->place(word >> kValueBits);
    while (next->words[at].load(std::memory_order_relaxed) != 0)
      at = next->after(at);
    next->words[at].store(word, std::memory_order_relaxed);
  }
  used_ = live_;
  table_.store(next, std::memory_order_release);
  if (old != nullptr) rcu_.defer([old] { delete old; });
  return true;
}

bool DeviceRoutes::set(Ipv4Prefix prefix, unsigned device, std::uint32_t value) {
  if (value != 0 && !make_room()) return false;
  Table* const table = table_.load(std::memory_order_relaxed);
  if (table == nullptr) return true;
  const std::uint64_t key = key_of(prefix_bits(prefix.address().host(), prefix.length()), device);
  std::size_t at = table->place(key);
  std::uint64_t word = 0;
  while ((word = table->words[at].load(std::memory_order_relaxed)) != 0 &&
         word >> kValueBits != key)
    at = table->after(at);
  const bool was = (word & kMaxValue) != 0;
  if (!was && value == 0) return true;
  if (word == 0) ++used_;
  if (was != (value != 0)) {
    live_ = was ? live_ - 1 : live_ + 1;
    count_length(prefix.length(), !was);
  }
  table->words[at].store(key << kValueBits | value, std::memory_order_release);
  return true;
}

void DeviceRoutes::count_length(unsigned length, bool added) {
  of_length_[length] = added ? of_length_[length] + 1 : of_length_[length] - 1;
  const std::uint64_t bit = std::uint64_t{1} << length;
  const std::uint64_t lengths = lengths_.load(std::memory_order_relaxed);
  lengths_.store(of_length_[length] != 0 ? lengths | bit : lengths & ~bit,
                 std::memory_order_release);
}

std::size_t DeviceRoutes::memory_bytes() const {
  const Table* const table = table_.load(std::memory_order_relaxed);
  return table == nullptr ? 0 : table->size() * sizeof(Word);
}

}  // namespace linnet::route
