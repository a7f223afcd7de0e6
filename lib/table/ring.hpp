// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <type_traits>

#include "base/check.hpp"

namespace linnet::table {

enum class Producers : std::uint8_t { One, Many };

// A bounded queue of small values from one or many threads to one: rte_ring in memory of its own,
// without a name. Nobody waits; a full ring refuses. What is left inside at the end is forgotten.
template <typename T>
class Ring {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 4 == 0);

 public:
  // Takes at least `capacity` values.
  Ring(unsigned capacity, Producers producers) {
    const unsigned slots = std::bit_ceil(capacity + 1);
    const ssize_t bytes = rte_ring_get_memsize_elem(sizeof(T), slots);
    LINNET_CHECK_OP(bytes, >, ssize_t{0});
    const auto line = static_cast<std::size_t>(RTE_CACHE_LINE_SIZE) * 2;
    ring_ = static_cast<rte_ring*>(
        std::aligned_alloc(line, (static_cast<std::size_t>(bytes) + line - 1) / line * line));
    LINNET_CHECK(ring_ != nullptr);
    const unsigned flags = RING_F_SC_DEQ | (producers == Producers::One ? RING_F_SP_ENQ : 0);
    LINNET_CHECK_OP(rte_ring_init(ring_, "ring", slots, flags), ==, 0);
  }
  ~Ring() { std::free(ring_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // False: full, nothing was put in.
  [[nodiscard]] bool push(const T& value) {
    return rte_ring_enqueue_elem(ring_, const_cast<T*>(&value), sizeof(T)) == 0;
  }
  // False: empty.
  [[nodiscard]] bool pop(T& value) { return rte_ring_dequeue_elem(ring_, &value, sizeof(T)) == 0; }
  // As many of `count` values from `first` on as there is room for, together; how many.
  [[nodiscard]] unsigned push_some(T* first, unsigned count) {
    return rte_ring_enqueue_burst_elem(ring_, first, sizeof(T), count, nullptr);
  }
  // Up to `count` values, together; how many.
  [[nodiscard]] unsigned pop_some(T* first, unsigned count) {
    return rte_ring_dequeue_burst_elem(ring_, first, sizeof(T), count, nullptr);
  }
  // rte_ring_empty reads the producers' place as if nobody wrote it meanwhile.
  bool empty() const {
    return __atomic_load_n(&ring_->prod.tail, __ATOMIC_ACQUIRE) ==
           __atomic_load_n(&ring_->cons.tail, __ATOMIC_RELAXED);
  }

 private:
  rte_ring* ring_;
};

}  // namespace linnet::table
