// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

#include "base/ipv4.hpp"
#include "device/device.hpp"
#include "table/rcu.hpp"

namespace linnet::route {

// Prefixes by the device that their routes lead through: where a look-up goes on that is bound to a
// device which the longest match does not lead through (Linux: fib_table_lookup with flowi4_oif
// goes back up its trie). One open hash table of 64-bit words, which lanes read while the control
// core writes single words:
//
//   | prefix, 33 bits: its address, then a one, then zeros | device, 7 bits | value, 22 bits |
//
// A word whose value is 0 is what was erased; a word of zeros ends a search. A table that is full
// or worn is replaced.
class DeviceRoutes {
 public:
  static constexpr std::uint32_t kMaxValue = (1 << 22) - 1;
  // What leads nowhere (blackhole, throw ...) answers whatever the device (Linux: fib_props).
  static constexpr unsigned kNowhere = device::kMaxDevices;

  explicit DeviceRoutes(table::Rcu& rcu) : rcu_(rcu) {}
  ~DeviceRoutes() { delete table_.load(std::memory_order_relaxed); }
  DeviceRoutes(const DeviceRoutes&) = delete;
  DeviceRoutes& operator=(const DeviceRoutes&) = delete;

  // --- Control core.
  // `device`: an index, or kNowhere. Value 0 erases. False where memory does not suffice: nothing
  // changed.
  bool set(Ipv4Prefix prefix, unsigned device, std::uint32_t value);
  std::size_t memory_bytes() const;

  // --- Lanes. Calls `take(value)` for the prefixes that hold the destination and lead through the
  // device or nowhere, the longest first, until it returns true.
  template <typename Take>
  void search(Ipv4Address destination, unsigned device, Take&& take) const {
    const Table* const table = table_.load(std::memory_order_acquire);
    if (table == nullptr) return;
    std::uint64_t lengths = lengths_.load(std::memory_order_acquire);
    while (lengths != 0) {
      const auto length = static_cast<unsigned>(std::bit_width(lengths)) - 1;
      lengths &= ~(std::uint64_t{1} << length);
      const std::uint64_t prefix = prefix_bits(destination.host(), length);
      std::uint32_t value = table->find(key_of(prefix, device));
      if (value == 0) value = table->find(key_of(prefix, kNowhere));
      if (value != 0 && take(value)) return;
    }
  }

 private:
  static constexpr unsigned kValueBits = 22, kDeviceBits = 7;
  static_assert(kNowhere < 1 << kDeviceBits);
  using Word = std::atomic<std::uint64_t>;

  static std::uint64_t prefix_bits(std::uint32_t host, unsigned length) {
    const std::uint64_t end = std::uint64_t{1} << (32 - length);
    return ((std::uint64_t{host} << 1) & ~(end * 2 - 1)) | end;
  }
  // Never 0: a prefix ends in a one.
  static std::uint64_t key_of(std::uint64_t prefix, unsigned device) {
    return prefix << kDeviceBits | device;
  }

  struct Table {
    explicit Table(unsigned bits, Word* words_in) : shift(64 - bits), words(words_in) {}
    std::size_t size() const { return std::size_t{1} << (64 - shift); }
    std::size_t place(std::uint64_t key) const { return (key * 0x9e3779b97f4a7c15ULL) >> shift; }
    std::size_t after(std::size_t place) const { return (place + 1) & (size() - 1); }
    std::uint32_t find(std::uint64_t key) const {
      for (std::size_t at = place(key);; at = after(at)) {
        const std::uint64_t word = words[at].load(std::memory_order_acquire);
        if (word == 0) return 0;
        if (word >> kValueBits == key) return static_cast<std::uint32_t>(word) & kMaxValue;
      }
    }
    const unsigned shift;
    const std::unique_ptr<Word[]> words;
  };

  static Table* make(unsigned bits);
  bool make_room();
  void count_length(unsigned length, bool added);

  table::Rcu& rcu_;
  std::atomic<Table*> table_{nullptr};
  std::atomic<std::uint64_t> lengths_{0};  // a bit for each length in use
  std::size_t of_length_[33] = {};
  std::size_t used_ = 0;  // words that are not zero
  std::size_t live_ = 0;  // of them with a value
};

}  // namespace linnet::route
