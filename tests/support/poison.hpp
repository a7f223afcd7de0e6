// SPDX-License-Identifier: BSD-3-Clause
// Makes AddressSanitizer see the bounds of a packet's data. In a pool with these operations a free
// buffer is out of bounds altogether, and `expose_only_data` does the same for head- and tailroom
// of a packet that came in. So reading past a frame, using a packet after it was given away, and
// freeing one twice are found. Without AddressSanitizer all of it is harmless and does nothing.
#pragma once

#include <rte_mbuf.h>

#include <string>

#include "packet/pool.hpp"

namespace linnet::tests {

// The name of the pool operations, for Pool::Options::ops; empty where there is no sanitizer. They
// are a first-in-first-out queue: a freed buffer is used again as late as possible. Such a pool
// must have no cache. For one thread at a time.
std::string poison_ops();

// From now on free buffers of the pool are out of bounds. Once after the pool was made.
void arm(packet::Pool& pool);
// Makes all of the pool's memory usable again. Before the pool is destroyed.
void disarm(packet::Pool& pool);

// Puts what is around the data of each segment out of bounds.
void expose_only_data(const rte_mbuf* mbuf);

// A pool with these operations that is armed while it lives.
class PoisonedPool {
 public:
  // `options` with operations and cache set as they must be. Aborts when it cannot be made.
  explicit PoisonedPool(packet::Pool::Options options);
  ~PoisonedPool();
  PoisonedPool(const PoisonedPool&) = delete;
  PoisonedPool& operator=(const PoisonedPool&) = delete;

  packet::Pool& operator*() const { return *pool_; }
  packet::Pool* operator->() const { return pool_.get(); }

 private:
  std::unique_ptr<packet::Pool> pool_;
};

}  // namespace linnet::tests
