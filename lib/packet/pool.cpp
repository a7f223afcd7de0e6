// SPDX-License-Identifier: BSD-3-Clause
#include "packet/pool.hpp"

#include <rte_errno.h>

#include <algorithm>

namespace linnet::packet {

Result<std::unique_ptr<Pool>> Pool::create(const Options& options) {
  if (options.packets < 64)
    return Error{"a packet pool needs at least 64 packets", std::to_string(options.packets)};
  const std::uint32_t cache =
      std::min<std::uint32_t>({options.cache, RTE_MEMPOOL_CACHE_MAX_SIZE, options.packets / 4});
  const char* const ops = options.ops.empty() ? nullptr : options.ops.c_str();
  rte_mempool* const pool =
      rte_pktmbuf_pool_create_by_ops(options.name.c_str(), options.packets, cache, sizeof(Meta),
                                     options.data_room, options.socket, ops);
  if (pool == nullptr) {
    return Error{"no memory for a pool of " + std::to_string(options.packets) + " packets of " +
                     std::to_string(options.data_room) + " bytes (" + rte_strerror(rte_errno) + ")",
                 options.name};
  }
  const std::uint32_t reserve = options.reserve != 0 ? options.reserve : options.packets / 32;
  return std::unique_ptr<Pool>(new Pool(pool, reserve));
}

Pool::~Pool() {
  if (!missing_excused_) LINNET_CHECK_OP(available(), ==, size());
  rte_mempool_free(pool_);
}

// Counting a pool with caches walks all lcores: done for one allocation in 32 while there is
// plenty, for each one when the reserve is near.
bool Pool::only_reserve_left() {
  constexpr std::uint32_t kStride = 32;
  if (!low_.load(std::memory_order_relaxed)) {
    const std::uint32_t since = since_count_.load(std::memory_order_relaxed) + 1;
    since_count_.store(since % kStride, std::memory_order_relaxed);
    if (since < kStride) return false;
  }
  const std::uint32_t left = available();
  low_.store(left < reserve_ + kStride, std::memory_order_relaxed);
  return left < reserve_;
}

Packet Pool::allocate(Priority priority) {
  const bool allowed = priority == Priority::Control || !only_reserve_left();
  rte_mbuf* const mbuf = allowed ? rte_pktmbuf_alloc(pool_) : nullptr;
  if (mbuf == nullptr) [[unlikely]] {
    exhausted_.fetch_add(1, std::memory_order_relaxed);
    return Packet();
  }
  Packet packet(mbuf);
  packet.reset_meta();
  return packet;
}

}  // namespace linnet::packet
