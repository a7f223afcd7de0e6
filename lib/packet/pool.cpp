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
  std::unique_ptr<Pool> out(new Pool(pool, reserve));
  if (!out->number_buffers())
    return Error{"the pool's memory lies too scattered to number its packets", options.name};
  return out;
}

// A buffer's number is its distance from the first one in strides, rounded down. Buffers do not
// overlap, so no two have the same; where memory has gaps, numbers are left out.
bool Pool::number_buffers() {
  std::vector<rte_mbuf*> all;
  all.reserve(size());
  rte_mempool_obj_iter(
      pool_,
      [](rte_mempool*, void* list, void* object, unsigned) {
        static_cast<std::vector<rte_mbuf*>*>(list)->push_back(static_cast<rte_mbuf*>(object));
      },
      &all);
  const auto [first, last] = std::minmax_element(all.begin(), all.end());
  const std::uint64_t stride = pool_->header_size + pool_->elt_size + pool_->trailer_size;
  lowest_ = reinterpret_cast<const char*>(*first);
  per_stride_ = ~std::uint64_t{0} / stride + 1;
  constexpr std::uint64_t kMostGaps = 64;  // a sparse table of pointers is cheap
  const std::uint64_t numbers = std::uint64_t{index_of(*last)} + 1;
  if (numbers > kMostGaps * size()) return false;
  by_index_.assign(numbers, nullptr);
  for (rte_mbuf* const mbuf : all)
    by_index_[index_of(mbuf)] = mbuf;
  return true;
}

Pool::~Pool() {
  if (!missing_excused_) LINNET_CHECK_OP(available(), ==, size());
  // What packets gave up is DPDK's again.
  rte_mempool_mem_iter(
      pool_,
      [](rte_mempool*, void*, rte_mempool_memhdr* memory, unsigned) {
        bytes_in_use(memory->addr, memory->len);
      },
      nullptr);
  rte_mempool_free(pool_);
}

// Counting a pool with caches walks all lcores: done for one allocation in 32 while there is
// plenty, for each one when the reserve is near. Each lane counts its own allocations.
bool Pool::only_reserve_left() {
  constexpr std::uint32_t kStride = 32;
  if (!low_.load(std::memory_order_relaxed)) {
    auto& count = since_count_[std::min<unsigned>(rte_lcore_id(), RTE_MAX_LCORE)].value;
    const std::uint32_t since = count.load(std::memory_order_relaxed) + 1;
    count.store(since % kStride, std::memory_order_relaxed);
    if (since < kStride) return false;
  }
  const std::uint32_t left = available();
  const bool low = left < reserve_ + kStride * rte_lcore_count();  // what all take until they look
  if (low != low_.load(std::memory_order_relaxed)) low_.store(low, std::memory_order_relaxed);
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
