// SPDX-License-Identifier: BSD-3-Clause
// The running daemon: puts EAL, ports, stack, lanes and control socket together, and takes them
// apart again so that nothing is left behind.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/doctor.hpp"
#include "app/log.hpp"
#include "app/options.hpp"
#include "base/result.hpp"
#include "control/server.hpp"
#include "device/port.hpp"
#include "device/replay_port.hpp"
#include "shim/stack_host.hpp"
#include "stack/eal.hpp"
#include "stack/replay.hpp"
#include "stack/runner.hpp"
#include "stack/stack.hpp"
#include "time/clock.hpp"

namespace linnet::app {

class Daemon {
 public:
  // The options and the machine must outlive it.
  Daemon(const Options& options, const Machine& machine, Log log);
  // Stops what still runs.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // From EAL to running lanes; without the rights of root afterwards, if options.run_as says so.
  // What a failed start leaves standing the destructor takes away.
  Result<> start();
  // "2 ports, 1 lane, control socket ...": for who started it by hand.
  std::string summary() const;
  // For programs in this process: their calls come from other threads.
  shim::StackHost& host() { return *host_; }
  // Serves until a signal to end, or until as many packets as asked for have come.
  void serve();
  // The programs have ended: goes on until what they sent is acknowledged, two seconds at most.
  void settle();
  // Instead of `serve`, where captures are replayed: runs them to their end.
  Result<stack::ReplayReport> replay();
  // Stops lanes, drops what is held, closes ports and socket. The account that remains.
  stack::Account stop();

 private:
  Result<> start_eal();
  Result<> make_stack();
  Result<> add_ports();
  Result<> add_replay_port(const PortOption& wanted, const device::PortOptions& options);
  Result<> run_startup_file();
  Result<> open_socket();
  Result<> write_pid_file();
  Result<> give_up_rights();
  Result<> start_lanes();

  // Waits for whatever comes next, so long at most. False: it is time to end.
  bool wait(time::Duration turn);
  // Until the lanes have carried out what a command asked of them.
  void let_lanes_catch_up();
  bool lanes_finished() const;
  void slow_work(time::Instant now);
  void watch_lanes(time::Instant now);

  const Options& options_;
  const Machine& machine_;
  Log log_;
  CorePlan plan_;
  std::optional<User> user_;
  time::TscClock clock_;
  time::Instant origin_;          // of the stack's time
  time::Instant replayed_until_;  // of a replay
  int signals_ = -1;
  bool made_folder_ = false;
  bool made_pid_file_ = false;
  std::unique_ptr<stack::Eal> eal_;
  std::unique_ptr<stack::Stack> stack_;
  std::unique_ptr<shim::ThreadsHost> host_;
  std::vector<device::ReplayPort*> replay_ports_;  // in the order of the options
  std::unique_ptr<control::Server> server_;
  std::vector<std::unique_ptr<stack::LaneRunner>> runners_;

  time::Instant next_slow_work_;
  std::optional<time::Duration> watchdog_;
  time::Instant next_watchdog_;
  std::vector<bool> stalled_;               // lanes whose turn was too long when last looked at
  std::vector<std::uint64_t> stalls_seen_;  // of each lane
  std::uint64_t spread_seed_ = 0;           // of ports' hash keys
};

// What --end-after prints: a figure a line.
std::string account_text(const stack::Account& account);

}  // namespace linnet::app
