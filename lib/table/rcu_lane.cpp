// SPDX-License-Identifier: BSD-3-Clause
// The lanes' side of Rcu.
#include <rte_rcu_qsbr.h>

#include "table/rcu.hpp"

namespace linnet::table {

void Rcu::online(unsigned lane) {
  rte_rcu_qsbr_thread_online(qsbr_, lane);
}

void Rcu::offline(unsigned lane) {
  rte_rcu_qsbr_thread_offline(qsbr_, lane);
}

void Rcu::quiescent(unsigned lane) {
  rte_rcu_qsbr_quiescent(qsbr_, lane);
}

}  // namespace linnet::table
