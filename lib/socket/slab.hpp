// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/check.hpp"

namespace linnet::socket {

// Objects of one type by number, in chunks that stay where they are. A chunk is taken from the heap
// when all are full (one allocation for kChunk objects, when a connection or an endpoint begins;
// never for a packet of one that is there) and kept until the end.
template <typename T, unsigned ChunkBits = 6>
class Slab {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::uint32_t kChunk = 1u << ChunkBits;

  explicit Slab(std::uint32_t most) : most_(most) {}
  ~Slab() { LINNET_CHECK_OP(used_, ==, 0u); }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  // Makes an object; kNone: `most` are there, or no memory.
  template <typename... Arguments>
  std::uint32_t make(Arguments&&... arguments) {
    if (free_ == kNone && !grow()) return kNone;
    const std::uint32_t number = free_;
    Place& place = at(number);
    free_ = place.next;
    new (place.bytes) T(std::forward<Arguments>(arguments)...);
    ++used_;
    return number;
  }
  void destroy(std::uint32_t number) {
    Place& place = at(number);
    (*this)[number].~T();
    place.next = free_;
    free_ = number;
    --used_;
  }
  T& operator[](std::uint32_t number) {
    return *std::launder(reinterpret_cast<T*>(at(number).bytes));
  }
  std::uint32_t used() const { return used_; }
  // Places that stand free; `make` takes nothing from the heap while there are any.
  std::uint32_t free() const { return static_cast<std::uint32_t>(chunks_.size()) * kChunk - used_; }
  bool full() const { return free_ == kNone; }
  std::size_t memory_bytes() const { return chunks_.size() * kChunk * sizeof(Place); }

  // A chunk more. False: `most` are there, or no memory.
  bool grow() {
    const std::size_t first = chunks_.size() * kChunk;
    if (first >= most_) return false;
    std::unique_ptr<Place[]> chunk(new (std::nothrow) Place[kChunk]);
    if (chunk == nullptr) return false;
    for (std::uint32_t i = kChunk; i-- > 0;) {
      chunk[i].next = free_;
      free_ = static_cast<std::uint32_t>(first) + i;
    }
    chunks_.push_back(std::move(chunk));
    return true;
  }

 private:
  union Place {
    Place() {}
    ~Place() {}
    std::uint32_t next;
    alignas(T) std::byte bytes[sizeof(T)];
  };
  Place& at(std::uint32_t number) { return chunks_[number >> ChunkBits][number & (kChunk - 1)]; }

  std::vector<std::unique_ptr<Place[]>> chunks_;
  std::uint32_t free_ = kNone;
  std::uint32_t used_ = 0;
  const std::uint32_t most_;
};

}  // namespace linnet::socket
