// SPDX-License-Identifier: BSD-3-Clause
#include "table/rcu.hpp"

#include <rte_rcu_qsbr.h>

#include <cstdlib>

#include "base/check.hpp"

namespace linnet::table {

Rcu::Rcu(unsigned lanes) {
  LINNET_CHECK(lanes >= 1 && lanes <= 128);
  // Plain heap memory: nothing here is shared with another process, and it works without hugepages.
  const std::size_t bytes = rte_rcu_qsbr_get_memsize(lanes);
  const std::size_t line = alignof(rte_rcu_qsbr);
  qsbr_ = static_cast<rte_rcu_qsbr*>(std::aligned_alloc(line, (bytes + line - 1) / line * line));
  LINNET_CHECK(qsbr_ != nullptr);
  LINNET_CHECK_OP(rte_rcu_qsbr_init(qsbr_, lanes), ==, 0);
  for (unsigned lane = 0; lane < lanes; ++lane)
    LINNET_CHECK_OP(rte_rcu_qsbr_thread_register(qsbr_, lane), ==, 0);
}

Rcu::~Rcu() {
  // A release may defer another one.
  while (!waiting_.empty()) {
    LINNET_CHECK(rte_rcu_qsbr_check(qsbr_, waiting_.front().token, false) == 1);
    const std::function<void()> release = std::move(waiting_.front().release);
    waiting_.pop_front();
    release();
  }
  std::free(qsbr_);
}

void Rcu::defer(std::function<void()> release) {
  waiting_.push_back({rte_rcu_qsbr_start(qsbr_), std::move(release)});
}

std::size_t Rcu::reclaim() {
  // Tokens grow, so the first one that still waits ends the search.
  while (!waiting_.empty() && rte_rcu_qsbr_check(qsbr_, waiting_.front().token, false) == 1) {
    const std::function<void()> release = std::move(waiting_.front().release);
    waiting_.pop_front();
    release();
  }
  return waiting_.size();
}

}  // namespace linnet::table
