// SPDX-License-Identifier: BSD-3-Clause
#include "stack/runner.hpp"

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <sys/prctl.h>

#include <csignal>

namespace linnet::stack {
namespace {

// Signals for the process are the control core's.
void leave_signals_to_control() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD})
    sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

LaneRunner::LaneRunner(Lane& lane, table::Rcu& rcu, const device::DeviceTable& devices,
                       const RunnerOptions& options)
    : lane_(lane),
      rcu_(rcu),
      options_(options),
      rest_(devices, lane.index(), waker_, options.rest) {
  lane_.set_waker(this);
}

LaneRunner::~LaneRunner() {
  stop();
  lane_.set_waker(nullptr);
}

Result<> LaneRunner::start(unsigned lcore) {
  LINNET_CHECK(!running());
  stop_.store(false, std::memory_order_relaxed);
  ended_.store(false, std::memory_order_relaxed);
  const int error = rte_eal_remote_launch(&LaneRunner::entry, this, lcore);
  if (error != 0) {
    return Error{std::string("the lane's core is not free (") + rte_strerror(-error) + ")",
                 std::to_string(lcore)};
  }
  lcore_ = static_cast<int>(lcore);
  return Ok{};
}

void LaneRunner::stop() {
  if (!running()) return;
  stop_.store(true, std::memory_order_release);
  waker_.wake();
  rte_eal_wait_lcore(static_cast<unsigned>(lcore_));
  // What the lane has done is the caller's to see by our own order, not only by EAL's.
  LINNET_CHECK(ended_.load(std::memory_order_acquire));
  lcore_ = -1;
}

int LaneRunner::entry(void* self) {
  leave_signals_to_control();
  prctl(PR_SET_TIMERSLACK, 1000UL);  // naps are shorter than the default slack of 50 us
  static_cast<LaneRunner*>(self)->run();
  return 0;
}

void LaneRunner::run() {
  time::TscClock clock;
  rcu_.online(lane_.index());
  lane_.set_on_worker(true);
  while (!stop_.load(std::memory_order_acquire) && !finished()) {
    if (turn(clock) && options_.rests) rest(clock);
  }
  lane_.set_on_worker(false);
  rcu_.offline(lane_.index());
  ended_.store(true, std::memory_order_release);
}

bool LaneRunner::turn(time::Clock& clock) {
  const time::Instant now = clock.now();
  LaneStatistics& statistics = lane_.statistics();
  const std::uint64_t spent = now_ != time::Instant() && now > now_
                                  ? static_cast<std::uint64_t>((now - now_).count_ns())
                                  : 0;
  statistics.ns.add(spent);
  if (found_) {
    statistics.busy_ns.add(spent);
    const std::uint64_t longest = statistics.longest_turn_ns.value();
    if (spent > longest) statistics.longest_turn_ns.add(spent - longest);
    if (spent > LaneStatistics::kStall) [[unlikely]] {
      statistics.last_stall_ns.add(spent - statistics.last_stall_ns.value());
      statistics.stalls.add();
    }
  }
  now_ = now;
  turn_started_ns_.store(now.since_origin_ns(), std::memory_order_relaxed);
  found_ = lane_.turn(now);
  turn_started_ns_.store(0, std::memory_order_relaxed);
  if (found_) lane_.after_turn();
  rcu_.quiescent(lane_.index());
  if (found_ && options_.owner != nullptr) options_.owner->wake();
  if (options_.stop_after_packets != 0 &&
      statistics.packets.value() >= options_.stop_after_packets) {
    finished_.store(true, std::memory_order_release);
  }
  return rest_.due(found_, now_);
}

void LaneRunner::rest(time::Clock& clock) {
  rest_.arm();
  // What came before the ports were armed wakes nobody: look once more. A nap needs no such care.
  if (!rest_.must_poll()) turn(clock);
  if (!found_ && !stop_.load(std::memory_order_acquire)) {
    const time::Duration at_most = rest_.limit(now_, lane_.next_deadline());
    if (at_most > time::Duration()) {
      lane_.statistics().sleeps.add();
      rcu_.offline(lane_.index());
      rest_.wait(at_most);
      rcu_.online(lane_.index());
    }
  }
  rest_.disarm();
}

bool LaneRunner::take_turns(time::Clock& clock, unsigned most) {
  LINNET_CHECK(!running());
  if (finished()) return false;
  rcu_.online(lane_.index());
  bool idle = false;
  for (unsigned i = 0; i < most && !idle && !finished(); ++i)
    idle = turn(clock);
  rcu_.offline(lane_.index());
  return !idle;
}

LaneRunner::Wait LaneRunner::begin_wait(time::Clock& clock) {
  rest_.arm();
  rcu_.online(lane_.index());
  if (!finished()) turn(clock);
  rcu_.offline(lane_.index());
  if (found_ || !options_.rests) return Wait{rest_.descriptors(), time::Duration()};
  lane_.statistics().sleeps.add();
  return Wait{rest_.descriptors(), rest_.limit(now_, lane_.next_deadline())};
}

void LaneRunner::end_wait() {
  rest_.disarm();
}

time::Duration LaneRunner::turn_lasts(time::Instant now) const {
  const std::int64_t started = turn_started_ns_.load(std::memory_order_relaxed);
  if (started == 0 || started > now.since_origin_ns()) return time::Duration();
  return now - time::Instant::from_ns(started);
}

}  // namespace linnet::stack
