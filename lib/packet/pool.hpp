// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "packet/burst.hpp"
#include "packet/packet.hpp"

namespace linnet::packet {

// Packet buffers of one size, each with Meta and 128 bytes of headroom. A reserve is kept for
// control traffic (ARP, ICMP, rule R4): ordinary allocation fails before the pool is empty.
class Pool {
 public:
  struct Options {
    std::string name;                                       // unique in the process
    std::uint32_t packets = 16384;                          // how many; at least 64
    std::uint32_t cache = 256;                              // per-lcore cache, at most 512
    std::uint16_t data_room = 2048 + RTE_PKTMBUF_HEADROOM;  // headroom and data, bytes
    std::uint32_t reserve = 0;  // kept for Priority::Control; 0: a 32nd of `packets`
    int socket = -1;            // NUMA node, -1: any
    std::string ops{};          // mempool operations by name; empty: DPDK's default
  };
  enum class Priority { Data, Control };

  static Result<std::unique_ptr<Pool>> create(const Options& options);
  // Every packet must be back, but for what `excuse_missing` speaks of.
  ~Pool();
  // A driver that cannot give back the buffers of its rings (net_af_xdp leaves them to the kernel)
  // is about to close.
  void excuse_missing() { missing_excused_ = true; }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // An empty packet with full headroom and zeroed Meta; empty handle if there is none (counted).
  Packet allocate(Priority priority = Priority::Data);

  // Numbers that name buffers without a pointer: below `index_limit`, not all are in use. `at`
  // gives nullptr for a number that names none; any thread.
  std::uint32_t index_of(const rte_mbuf* mbuf) const {
    const auto offset = static_cast<std::uint64_t>(reinterpret_cast<const char*>(mbuf) - lowest_);
    return static_cast<std::uint32_t>(static_cast<Wide>(offset) * per_stride_ >> 64);
  }
  rte_mbuf* at(std::uint32_t index) const {
    return index < by_index_.size() ? by_index_[index] : nullptr;
  }
  std::uint32_t index_limit() const { return static_cast<std::uint32_t>(by_index_.size()); }

  rte_mempool* raw() const { return pool_; }  // for queue set-up of ports
  std::uint32_t size() const { return pool_->size; }
  std::uint32_t available() const { return rte_mempool_avail_count(pool_); }
  std::uint32_t in_use() const { return size() - available(); }
  std::uint64_t exhausted() const {
    return exhausted_.load(std::memory_order_relaxed);
  }  // allocations that failed
  std::uint16_t data_room() const { return rte_pktmbuf_data_room_size(pool_); }

 private:
  Pool(rte_mempool* pool, std::uint32_t reserve) : pool_(pool), reserve_(reserve) {}
  __extension__ typedef unsigned __int128 Wide;
  bool only_reserve_left();
  bool number_buffers();

  rte_mempool* pool_;
  std::uint32_t reserve_;
  bool missing_excused_ = false;
  const char* lowest_ = nullptr;  // the buffer that lies first in memory
  std::uint64_t per_stride_ = 0;  // 2^64 over the distance of neighbours, rounded up
  std::vector<rte_mbuf*> by_index_{};
  std::atomic<bool> low_{false};  // the reserve is near
  // Allocations since the pool was counted last, by lcore; the last is all other threads'. A line
  // each: lanes that share a pool would else write to one with every packet.
  struct alignas(64) SinceCount {
    std::atomic<std::uint32_t> value{0};
  };
  std::array<SinceCount, RTE_MAX_LCORE + 1> since_count_{};
  std::atomic<std::uint64_t> exhausted_{0};  // lanes may share a pool
};

}  // namespace linnet::packet
