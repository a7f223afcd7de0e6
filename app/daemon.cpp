// SPDX-License-Identifier: BSD-3-Clause
// How the daemon starts and stops; what it does in between is in daemon_loop.cpp.
#include "app/daemon.hpp"

#include <fcntl.h>
#include <rte_eal.h>
#include <rte_log.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "app/notify.hpp"
#include "app/pci_address.hpp"
#include "app/privileges.hpp"
#include "app/words.hpp"
#include "control/execute.hpp"
#include "time/random.hpp"

namespace linnet::app {
namespace {

stack::Hugepages to_stack(Hugepages choice) {
  if (choice == Hugepages::On) return stack::Hugepages::Yes;
  return choice == Hugepages::Off ? stack::Hugepages::No : stack::Hugepages::Auto;
}

std::uint32_t to_dpdk(LogLevel level) {
  static constexpr std::uint32_t kLevels[] = {RTE_LOG_ERR, RTE_LOG_WARNING, RTE_LOG_NOTICE,
                                              RTE_LOG_INFO, RTE_LOG_DEBUG};
  return kLevels[static_cast<unsigned>(level)];
}

constexpr std::uint64_t kReplaySeed = 1;
constexpr time::Instant kReplayOrigin = time::Instant::from_ns(1'000'000'000);

// Signals that mean "end" are read from a descriptor; a closed pipe is an error of its write.
int catch_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// EAL makes a directory for what secondary processes need; we have none, and it is empty.
void remove_runtime_folder() {
  const std::string folder = rte_eal_get_runtime_dir();
  if (rmdir(folder.c_str()) == 0) rmdir(folder_of(folder).c_str());
}

Error system_error(const std::string& what, const std::string& word) {
  return Error{what + " (" + std::strerror(errno) + ")", word};
}

}  // namespace

Daemon::Daemon(const Options& options, const Machine& machine, Log log)
    : options_(options),
      machine_(machine),
      log_(std::move(log)),
      signals_(catch_signals()),
      watchdog_(watchdog_interval()) {}

Daemon::~Daemon() {
  if (stack_) stop();
  eal_.reset();
  close(signals_);
}

Result<> Daemon::start() {
  std::vector<Result<> (Daemon::*)()> steps = {&Daemon::start_eal, &Daemon::make_stack,
                                               &Daemon::add_ports, &Daemon::run_startup_file};
  if (!options_.replaying())
    steps.insert(steps.end(), {&Daemon::open_socket, &Daemon::write_pid_file,
                               &Daemon::give_up_rights, &Daemon::start_lanes});
  for (const auto step : steps) {
    const Result<> done = (this->*step)();
    if (!done) {
      log_.write(LogLevel::Error, done.error().text());
      return done.error();
    }
  }
  next_slow_work_ = next_watchdog_ = clock_.now();
  log_.write(LogLevel::Notice, "ready: " + summary());
  notify_manager("READY=1");
  return Ok{};
}

Result<> Daemon::start_eal() {
  const auto plan = plan_cores(options_, machine_);
  if (!plan) return plan.error();
  plan_ = *plan;
  if (!options_.run_as.empty()) {
    user_ = machine_.find_user(options_.run_as);
    if (!user_) return Error{"there is no such user", options_.run_as};
  }
  if (const auto done = forbid_new_rights(); !done) return done.error();
  stack::EalOptions eal;
  eal.memory_mb = options_.memory_mb;
  eal.hugepages = to_stack(options_.hugepages);
  eal.control_core = plan_.control;
  eal.lane_cores = plan_.lanes;
  eal.log_path = options_.log;
  eal.log_level = to_dpdk(options_.log_level);
  for (const PortOption& port : options_.ports)
    if (parse_pci_address(port.devargs.substr(0, port.devargs.find(','))))
      eal.pci_devices.push_back(port.devargs);
  auto started = stack::Eal::start(eal);
  if (!started) return started.error();
  eal_ = std::move(started).value();
  return Ok{};
}

Result<> Daemon::make_stack() {
  // A replay must come out the same each time: its seed and its time are always the same.
  if (options_.replaying())
    origin_ = kReplayOrigin;
  else
    origin_ = clock_.now();
  Result<std::uint64_t> seed = kReplaySeed;
  if (options_.seed)
    seed = *options_.seed;
  else if (!options_.replaying())
    seed = time::system_seed();
  if (!seed) return seed.error();
  stack::Options options;
  options.lanes = std::max<unsigned>(1, static_cast<unsigned>(plan_.lanes.size()));
  options.pool.name = "linnet";
  options.pool.packets = options_.packets;
  options.pool.data_room = static_cast<std::uint16_t>(options_.packet_size + RTE_PKTMBUF_HEADROOM);
  options.burst = options_.burst;
  options.neighbour_capacity = options_.neighbours;
  options.seed = *seed;
  spread_seed_ = time::Random(*seed).split().next();
  options.origin = origin_;
  auto stack = stack::Stack::create(options);
  if (!stack) return stack.error();
  stack_ = std::move(stack).value();
  host_ = std::make_unique<shim::ThreadsHost>(*stack_);
  return Ok{};
}

Result<> Daemon::add_ports() {
  const stack::Quiet quiet = eal_->quiet();
  for (const PortOption& wanted : options_.ports) {
    device::PortOptions options;
    options.name = wanted.name;
    options.devargs = wanted.devargs;
    options.pool = &stack_->pool();
    options.lanes = stack_->lanes();
    options.queues = wanted.queues;
    options.mtu = wanted.mtu;
    options.tso = wanted.tso;
    options.lowest = wanted.lowest;
    options.spread_seed = spread_seed_;
    if (!wanted.replay.empty()) {
      if (const auto added = add_replay_port(wanted, options); !added) return added.error();
      continue;
    }
    auto port = device::Port::create(options);
    if (!port) return Error{"port " + wanted.name + ": " + port.error().text()};
    const auto added = stack_->add_device(std::move(port).value());
    if (!added) return added.error();
  }
  remove_runtime_folder();
  return Ok{};
}

Result<> Daemon::add_replay_port(const PortOption& wanted, const device::PortOptions& options) {
  device::ReplayPort::Options replay;
  replay.input = wanted.replay;
  replay.output = wanted.write;
  replay.port = options;
  replay.number = static_cast<unsigned>(replay_ports_.size() + 1);
  auto port = device::ReplayPort::create(replay);
  if (!port) return Error{"port " + wanted.name + ": " + port.error().text()};
  replay_ports_.push_back(port->get());
  const auto added = stack_->add_device(std::move(port).value());
  if (!added) return added.error();
  return Ok{};
}

Result<> Daemon::run_startup_file() {
  if (options_.startup.empty()) return Ok{};
  return control::run_file(*stack_, origin_, options_.startup);
}

Result<> Daemon::open_socket() {
  const std::string folder = folder_of(options_.control_socket);
  if (mkdir(folder.c_str(), 0750) == 0) {
    made_folder_ = true;
    // Who removes the socket at the end must be able to.
    if (user_ && chown(folder.c_str(), user_->uid, user_->gid) != 0)
      return system_error("the directory of the control socket cannot be given away", folder);
  } else if (errno != EEXIST) {
    return system_error("the directory of the control socket cannot be made", folder);
  }
  control::Server::Options options;
  options.path = options_.control_socket;
  options.group = options_.control_group;
  auto server = control::Server::open(options, [this](std::span<const std::string> words) {
    control::Reply reply;
    {
      const std::lock_guard lock(host_->control());
      reply = control::execute(*stack_, clock_.now(), words);
    }
    let_lanes_catch_up();
    return reply;
  });
  if (!server) return server.error();
  server_ = std::move(server).value();
  return Ok{};
}

Result<> Daemon::write_pid_file() {
  if (options_.pid_file.empty()) return Ok{};
  const int fd =
      open(options_.pid_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  const std::string text = std::to_string(getpid()) + "\n";
  const bool written = fd >= 0 && write(fd, text.data(), text.size()) == std::ssize(text);
  if (fd >= 0) close(fd);
  made_pid_file_ = fd >= 0;
  if (!written) return system_error("the pid file cannot be written", options_.pid_file);
  return Ok{};
}

Result<> Daemon::give_up_rights() {
  if (!user_) return Ok{};
  return become(*user_);
}

Result<> Daemon::start_lanes() {
  stack::RunnerOptions options;
  options.stop_after_packets = options_.end_after;
  for (unsigned i = 0; i < stack_->lanes(); ++i) {
    options.owner = i > 0 ? &runners_.front()->waker() : nullptr;
    runners_.push_back(std::make_unique<stack::LaneRunner>(stack_->lane(i), stack_->rcu(),
                                                           stack_->devices(), options));
    const auto lcore = eal_->lane_lcore(i);
    if (!lcore) continue;
    if (const auto started = runners_.back()->start(*lcore); !started) return started.error();
  }
  stalled_.resize(runners_.size());
  stalls_seen_.resize(runners_.size());
  return Ok{};
}

Result<stack::ReplayReport> Daemon::replay() {
  stack::ReplayOptions options;
  options.origin = origin_;
  auto report = stack::run_replay(*stack_, replay_ports_, options);
  if (report)
    replayed_until_ = report->end;
  else
    log_.write(LogLevel::Error, report.error().text());
  return report;
}

stack::Account Daemon::stop() {
  notify_manager("STOPPING=1");
  for (const auto& runner : runners_)
    runner->stop();
  runners_.clear();
  server_.reset();
  const time::Instant now = options_.replaying() ? replayed_until_ : clock_.now();
  stack_->control_turn(now);
  // The first lane owns the neighbours, and the others hand over to it: it comes last.
  for (unsigned i = stack_->lanes(); i-- > 0;)
    stack_->lane(i).clear(now);
  const stack::Account account = stack_->account();
  if (!account.balanced() || account.held != 0)
    for (const std::string& line : split(account_text(account), '\n'))
      log_.write(LogLevel::Error, "the account does not balance: " + line);
  {
    const stack::Quiet quiet = eal_->quiet();
    host_.reset();
    stack_.reset();
  }
  if (made_pid_file_) unlink(options_.pid_file.c_str());
  if (made_folder_) rmdir(folder_of(options_.control_socket).c_str());
  log_.write(LogLevel::Notice, "ended");
  return account;
}

std::string Daemon::summary() const {
  const auto several = [](std::size_t count, const std::string& what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
  };
  return several(options_.ports.size(), "port") + ", " + several(stack_->lanes(), "lane") +
         (plan_.lanes.empty() ? " on the control core" : "") + ", " +
         (eal_->hugepages() ? "hugepages" : "ordinary pages") + ", control socket " +
         options_.control_socket;
}

std::string account_text(const stack::Account& account) {
  const auto row = [](const char* name, std::uint64_t value) {
    return std::string(name) + " " + std::to_string(value) + "\n";
  };
  return row("received", account.received) + row("generated", account.generated) +
         row("sent", account.sent) + row("delivered", account.delivered) +
         row("held", account.held) + row("dropped", account.dropped);
}

}  // namespace linnet::app
