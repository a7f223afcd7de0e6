// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

struct rte_rcu_qsbr;

namespace linnet::table {

// Deferred reclamation for state that lanes read without locks: a thin face on rte_rcu_qsbr.
// Lanes report quiescent states; the control core publishes a replacement, defers the release of
// the old one, and releases it once every lane that is online has passed a quiescent state.
class Rcu {
 public:
  explicit Rcu(unsigned lanes);
  ~Rcu();  // runs everything deferred: lanes must be offline
  Rcu(const Rcu&) = delete;
  Rcu& operator=(const Rcu&) = delete;

  // Lane side. A lane is online while it runs turns, offline while it sleeps.
  void online(unsigned lane);
  void offline(unsigned lane);
  void quiescent(unsigned lane);

  // Control side, one thread. `release` runs in a later `reclaim`.
  void defer(std::function<void()> release);
  // Runs every release whose grace period is over; never waits. Returns how many still wait.
  std::size_t reclaim();

 private:
  struct Deferred {
    std::uint64_t token;
    std::function<void()> release;
  };
  rte_rcu_qsbr* qsbr_;
  std::deque<Deferred> waiting_;
};

}  // namespace linnet::table
