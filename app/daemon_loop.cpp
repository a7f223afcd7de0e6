// SPDX-License-Identifier: BSD-3-Clause
// The control core's event loop.
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "app/daemon.hpp"
#include "app/notify.hpp"

namespace linnet::app {
namespace {

constexpr auto kSlowWork = time::Duration::milliseconds(250);  // link states, events, reclaiming
constexpr auto kMeasuring = time::Duration::milliseconds(2);   // how soon an end is noticed
// What programs have sent before they ended goes out so long; what is left then is reset.
constexpr auto kSettling = time::Duration::seconds(2);
// A turn takes microseconds; after so long the lane is stuck or its core was taken away.
constexpr auto kStalled = time::Duration::milliseconds(100);
constexpr unsigned kTurns = 256;  // of a lane on the control core between two looks at the socket

timespec to_timespec(time::Duration duration) {
  const std::int64_t ns = std::max<std::int64_t>(0, duration.count_ns());
  return {.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
}

}  // namespace

void Daemon::serve() {
  bool more = true;
  while (more && !lanes_finished()) {
    const time::Instant now = clock_.now();
    server_->serve(now);
    if (now >= next_slow_work_) slow_work(now);
    more = wait(options_.end_after != 0 ? kMeasuring : kSlowWork);
  }
}

void Daemon::settle() {
  const time::Instant end = clock_.now() + kSettling;
  bool more = true;
  while (more && clock_.now() < end && !stack_->sockets().settled()) {
    const time::Instant now = clock_.now();
    if (now >= next_slow_work_) slow_work(now);
    more = wait(kMeasuring);
  }
}

// A client hears of its command when it is done, as the kernel's do: the next one sees it.
void Daemon::let_lanes_catch_up() {
  for (const auto& runner : runners_)
    runner->wake();  // a lane that sleeps must see what has changed
  const time::Instant end = clock_.now() + kStalled;
  while (!stack_->neighbours().carried_out() && clock_.now() < end) {
    if (plan_.lanes.empty())
      runners_.front()->take_turns(clock_, 1);
    else
      std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

bool Daemon::lanes_finished() const {
  return options_.end_after != 0 &&
         std::all_of(runners_.begin(), runners_.end(), [](const auto& r) { return r->finished(); });
}

bool Daemon::wait(time::Duration turn) {
  std::array<pollfd, device::kMaxDevices + 4> descriptors{};
  descriptors[0] = {.fd = signals_, .events = POLLIN, .revents = 0};
  descriptors[1] = {.fd = server_->fd(), .events = POLLIN, .revents = 0};
  nfds_t count = 2;
  const bool own_lane = plan_.lanes.empty();
  bool busy = own_lane && runners_.front()->take_turns(clock_, kTurns);
  const time::Instant now = clock_.now();
  time::Duration at_most = std::min({turn, next_slow_work_ - now, server_->next_deadline() - now});
  if (busy) at_most = time::Duration();
  if (own_lane && !busy) {
    const auto lane = runners_.front()->begin_wait(clock_);
    at_most = std::min(at_most, lane.at_most);
    for (const pollfd& descriptor : lane.descriptors)
      descriptors[count++] = descriptor;
  }
  const timespec limit = to_timespec(at_most);
  const int ready = ppoll(descriptors.data(), count, &limit, nullptr);
  if (own_lane && !busy) runners_.front()->end_wait();
  if (ready <= 0 || descriptors[0].revents == 0) return true;
  signalfd_siginfo signal{};
  return read(signals_, &signal, sizeof signal) != sizeof signal;
}

void Daemon::slow_work(time::Instant now) {
  next_slow_work_ = now + kSlowWork;
  {
    const std::lock_guard lock(host_->control());
    stack_->control_turn(now);
  }
  watch_lanes(now);
  if (!watchdog_ || now < next_watchdog_) return;
  // A lane that hangs keeps the manager from hearing of us, and so gets us restarted.
  if (std::find(stalled_.begin(), stalled_.end(), true) != stalled_.end()) return;
  notify_manager("WATCHDOG=1");
  next_watchdog_ = now + *watchdog_ / 3;
}

void Daemon::watch_lanes(time::Instant now) {
  for (std::size_t i = 0; i < runners_.size(); ++i) {
    const std::string name = "lane " + std::to_string(i);
    const bool stalled = runners_[i]->turn_lasts(now) > kStalled;
    if (stalled && !stalled_[i]) log_.write(LogLevel::Warning, name + " is stuck in a turn");
    stalled_[i] = stalled;
    // One that was over before anybody looked.
    const stack::LaneStatistics& lane = stack_->lane(static_cast<unsigned>(i)).statistics();
    const std::uint64_t stalls = lane.stalls.value();
    if (stalls != stalls_seen_[i]) {
      log_.write(LogLevel::Warning, name + " stood still for " +
                                        std::to_string(lane.last_stall_ns.value() / 1'000'000) +
                                        " ms");
    }
    stalls_seen_[i] = stalls;
  }
}

}  // namespace linnet::app
