// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <poll.h>

#include <atomic>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "device/device.hpp"
#include "socket/sessions.hpp"
#include "stack/lane.hpp"
#include "stack/rest.hpp"
#include "stack/waker.hpp"
#include "table/rcu.hpp"
#include "time/clock.hpp"

namespace linnet::stack {

struct RunnerOptions {
  RestOptions rest{};
  bool rests = true;                     // false: looks for work without end
  std::uint64_t stop_after_packets = 0;  // ends when so many were received; 0: never
  // The first lane, where this is another one: it is told after each turn that found something,
  // because it may have been handed a packet (neighbour resolution).
  Waker* owner = nullptr;
};

// Gives a lane its turns: on a worker lcore of its own (`start`), or on the control core in the
// event loop's time (`take_turns`), never both.
// It has cache lines of its own: other lanes' runners may lie beside it.
class alignas(64) LaneRunner final : private socket::LaneWaker {
 public:
  // All must outlive the runner.
  LaneRunner(Lane& lane, table::Rcu& rcu, const device::DeviceTable& devices,
             const RunnerOptions& options = {});
  // Stops the lane if it runs. Other lanes and programs wake it until they have stopped: of several
  // runners all are to be stopped before the first ends.
  ~LaneRunner() override;
  LaneRunner(const LaneRunner&) = delete;
  LaneRunner& operator=(const LaneRunner&) = delete;

  // --- Control core, lane on a worker.
  Result<> start(unsigned lcore);
  void stop();  // returns when the lane has ended its turn and is offline
  bool running() const { return lcore_ >= 0; }

  // --- Control core, lane on the control core.
  // Runs turns until there is nothing to do, at most `most` of them. True: there may be more to
  // do, call again soon. False: it is idle.
  bool take_turns(time::Clock& clock, unsigned most);
  // Before the event loop waits: what it must wait for besides its own, and how long at most. Zero:
  // do not wait. `end_wait` follows, whether it waited or not.
  struct Wait {
    std::span<const pollfd> descriptors;
    time::Duration at_most;
  };
  Wait begin_wait(time::Clock& clock);
  void end_wait();

  // --- Any thread.
  // The lane looks for work soon, even if it sleeps: after a message, a change of a device.
  void wake() { waker_.wake(); }
  Waker& waker() { return waker_; }
  // It has received as many packets as it was to, and has ended.
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  // For how long the turn that runs now has lasted; zero between turns. A watchdog asks.
  time::Duration turn_lasts(time::Instant now) const;

 private:
  void wake_lane() override { wake(); }
  static int entry(void* self);
  void run();
  // One turn; true when it is time to rest.
  bool turn(time::Clock& clock);
  void rest(time::Clock& clock);

  Lane& lane_;
  table::Rcu& rcu_;
  const RunnerOptions options_;
  Waker waker_;
  Rest rest_;

  int lcore_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<bool> finished_{false};
  std::atomic<bool> ended_{false};                // `run` has returned
  std::atomic<std::int64_t> turn_started_ns_{0};  // 0: no turn runs

  // The lane's own.
  time::Instant now_;   // of its last turn
  bool found_ = false;  // whether that did something
};

}  // namespace linnet::stack
