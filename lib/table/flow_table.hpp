// SPDX-License-Identifier: BSD-3-Clause
// From a keyed hash to a small number, for tables whose keys strangers choose (R6, T18). The owner
// of the numbers compares the keys.
//
//   hash --two buckets by different bits--> | 8 hashes | 8 numbers |   one cache line each
//
// An entry goes into the emptier of its two buckets, so no look-up reads more than 16 hashes and,
// but for whole equal hashes, compares more than one key. It grows by itself: a table of twice the
// size is filled bucket by bucket as entries are put in, so that no call takes long.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace linnet::table {

class FlowTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr unsigned kBucket = 8;

  // Room for at least `least` entries at once; grows to `most`.
  FlowTable(std::uint32_t least, std::uint32_t most);

  // The number put in with `hash` for which `match(number)` says yes; kNone: there is none.
  template <typename Match>
  std::uint32_t find(std::uint32_t hash, Match&& match) const {
    const std::uint32_t found = find_in(now_, hash, match);
    if (found != kNone || next_.buckets == nullptr) [[likely]]
      return found;
    return find_in(next_, hash, match);
  }
  // Numbers are below kNone. False: no room, because `most` are in or memory is short.
  [[nodiscard]] bool insert(std::uint32_t hash, std::uint32_t number);
  // False: it was not in.
  bool erase(std::uint32_t hash, std::uint32_t number);
  // The entry goes to another number in place. False: it was not in.
  bool replace(std::uint32_t hash, std::uint32_t number, std::uint32_t by);

  // Calls `visit(number)` for every entry; it may erase that entry and nothing else.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Part* part : {&now_, &next_}) {
      for (std::uint32_t i = 0; i < part->count * kBucket; ++i) {
        const std::uint32_t number = part->buckets[i / kBucket].number[i % kBucket];
        if (number != 0) visit(number - 1);
      }
    }
  }

  // As `for_each`, some at a time: goes on at `cursor` (0 at first), visits at least one bucket and
  // stops after `budget` entries. False: that was all. Entries that come, go or move meanwhile may
  // be visited or not.
  template <typename Visit>
  bool visit_some(std::uint32_t& cursor, unsigned budget, Visit&& visit) const {
    for (unsigned seen = 0; seen < budget; ++cursor) {
      const std::uint32_t at = cursor;
      if (at >= now_.count + next_.count) return false;
      const Bucket& bucket = at < now_.count ? now_.buckets[at] : next_.buckets[at - now_.count];
      for (const std::uint32_t number : bucket.number) {
        if (number == 0) continue;
        visit(number - 1);
        ++seen;
      }
    }
    return true;
  }

  std::uint32_t size() const { return size_; }
  std::size_t memory_bytes() const {
    return (std::size_t{now_.count} + next_.count) * sizeof(Bucket);
  }
  // Entries in the fullest bucket, for tests.
  unsigned longest() const;

 private:
  struct alignas(64) Bucket {
    std::uint32_t hash[kBucket];
    std::uint32_t number[kBucket];  // plus one; 0: free
  };
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  struct Part {
    Bucket* buckets = nullptr;
    std::uint32_t count = 0;  // a power of two
    std::unique_ptr<std::byte, Free> memory{};
  };

  static std::uint32_t first_of(const Part& part, std::uint32_t hash) {
    return hash & (part.count - 1);
  }
  static std::uint32_t second_of(const Part& part, std::uint32_t hash) {
    std::uint32_t mixed = (hash ^ hash >> 16) * 0x85ebca6bu;
    mixed ^= mixed >> 13;
    return mixed & (part.count - 1);
  }
  template <typename Match>
  static std::uint32_t find_in(const Part& part, std::uint32_t hash, Match& match) {
    const std::uint32_t found = find_in(part.buckets[first_of(part, hash)], hash, match);
    return found != kNone ? found : find_in(part.buckets[second_of(part, hash)], hash, match);
  }
  template <typename Match>
  static std::uint32_t find_in(const Bucket& bucket, std::uint32_t hash, Match& match) {
    for (unsigned left = equal_in(bucket, hash); left != 0; left &= left - 1) {
      const std::uint32_t number = bucket.number[std::countr_zero(left)];
      if (number != 0 && match(number - 1)) return number - 1;
    }
    return kNone;
  }
  // A bit for each place that has this hash.
  static unsigned equal_in(const Bucket& bucket, std::uint32_t hash) {
    using Four [[gnu::vector_size(16)]] = std::int32_t;
    const auto wanted = static_cast<std::int32_t>(hash);
    const Four all{wanted, wanted, wanted, wanted};
    Four low, high;
    std::memcpy(&low, bucket.hash, sizeof low);
    std::memcpy(&high, bucket.hash + 4, sizeof high);
    const auto bits = [](Four equal) {
      using Floats [[gnu::vector_size(16)]] = float;
      Floats lanes;
      std::memcpy(&lanes, &equal, sizeof lanes);
      return static_cast<unsigned>(__builtin_ia32_movmskps(lanes));
    };
    return bits(low == all) | bits(high == all) << 4;
  }
  static std::uint32_t* slot_of(const Part& part, std::uint32_t hash, std::uint32_t number);
  static bool put(const Part& part, std::uint32_t hash, std::uint32_t number);
  static Part make(std::uint32_t count);
  void start_growing();
  void move_some();

  Part now_, next_;
  std::uint32_t moved_ = 0;  // buckets of now_ that are in next_
  std::uint32_t size_ = 0;
  const std::uint32_t most_;
};

}  // namespace linnet::table
