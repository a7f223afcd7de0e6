// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/requests.hpp"

#include <rte_launch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <thread>
#include <vector>

#include "app/bench/load_programs.hpp"
#include "app/bench/slots.hpp"
#include "shim/current.hpp"
#include "shim/program.hpp"
#include "shim/stack_host.hpp"
#include "stack/eal.hpp"
#include "stack/stack.hpp"
#include "time/clock.hpp"

namespace linnet::bench {
namespace {

// As shim::PollingHost, but for one lane: others have threads of their own. The program's
// connections are made on this lane.
class LaneHost final : public shim::StackHost {
 public:
  LaneHost(stack::Stack& stack, unsigned lane) : StackHost(stack), lane_(lane) {}

  time::Instant now() override { return clock_.now(); }
  bool drive() override { return turn(socket::Answers::None); }
  bool look() override { return turn(socket::Answers::Given); }
  bool peek() override { return turn(socket::Answers::Coming); }
  bool drive_at_once() override { return ++calls_ >= kCallsInARow && peek(); }
  // Data goes to this lane alone.
  bool lanes_are_ours() override { return true; }
  unsigned lane_for(std::uint32_t /*number*/, unsigned /*lanes*/) override { return lane_; }
  bool may_sleep() override { return true; }
  Slept sleep(std::span<pollfd> descriptors, time::Instant deadline, const sigset_t*) override {
    do {
      turn(socket::Answers::None);
      const Slept slept = shim::kernel_sleep(descriptors, time::Duration(), nullptr);
      if (slept != Slept::TimedOut) return slept;
    } while (now() < deadline);
    return Slept::TimedOut;
  }
  // Between them the lane's thread is one that control waits for.
  void begin() { stack_.rcu().online(lane_); }
  void end() { stack_.rcu().offline(lane_); }

 private:
  static constexpr unsigned kCallsInARow = 32;  // as PollingHost

  bool turn(socket::Answers answers) {
    calls_ = 0;
    const time::Instant now = clock_.now();
    if (stack_.lane(lane_).turn(now, answers)) stack_.lane(lane_).after_turn();
    stack_.rcu().quiescent(lane_);
    if (lane_ != 0 || now < next_control_) return true;
    next_control_ = now + time::Duration::milliseconds(50);
    const std::lock_guard lock(control());
    stack_.control_turn(now);
    return true;
  }

  const unsigned lane_;
  time::TscClock clock_;
  time::Instant next_control_;
  unsigned calls_ = 0;
};

class Requests {
 public:
  static Result<std::unique_ptr<Requests>> create(const RequestsOptions& options) {
    std::unique_ptr<Requests> self(new Requests(options));
    stack::Options wanted;
    wanted.pool.name = "bench";
    wanted.pool.packets = options.packets * options.lanes;
    wanted.lanes = options.lanes;
    wanted.seed = 1;
    time::TscClock clock;
    wanted.origin = clock.now();
    auto stack = stack::Stack::create(wanted);
    if (!stack) return stack.error();
    self->stack_ = std::move(stack).value();
    for (unsigned lane = 0; lane < options.lanes; ++lane) {
      auto worker = std::make_unique<Worker>(*self, lane);
      auto program = shim::Program::create(worker->host.parts());
      if (!program) return program.error();
      worker->program = std::move(program).value();
      self->workers_.push_back(std::move(worker));
    }
    return self;
  }
  ~Requests() {
    for (const auto& worker : workers_)
      worker->program->end();
    for (int i = 0; i < 1000; ++i) {
      for (const auto& worker : workers_)
        worker->host.drive();
    }
  }

  Result<std::string> run(double seconds, const stack::Eal& eal) {
    seconds_ = seconds;
    ready_ = done_ = 0;
    cpu_ = 0;
    for (const auto& worker : workers_) {
      if (rte_eal_remote_launch(&Worker::entry, worker.get(), *eal.lane_lcore(worker->lane)) != 0)
        return Error{"the lane's core is not to be had", std::to_string(worker->lane)};
    }
    std::uint64_t requests = 0;
    double longest = 0;
    for (const auto& worker : workers_) {
      const unsigned lcore = *eal.lane_lcore(worker->lane);
      // DPDK's wait spins, on a core that is a lane's.
      while (rte_eal_get_lcore_state(lcore) == RUNNING)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      rte_eal_wait_lcore(lcore);
      if (!worker->outcome) return Error{"the server does not answer", "127.0.0.1"};
      requests += worker->outcome->requests;
      longest = std::max(longest, worker->outcome->seconds);
    }
    std::ostringstream out;
    out << "{\"requests\": " << requests << ", \"seconds\": " << longest
        << ", \"cpu_seconds\": " << cpu_ << "}";
    return out.str();
  }

 private:
  // A lane, its thread and its program.
  struct Worker {
    Worker(Requests& all_in, unsigned lane_in)
        : all(all_in), lane(lane_in), host(*all_in.stack_, lane_in) {}
    static int entry(void* self) {
      auto& worker = *static_cast<Worker*>(self);
      worker.host.begin();
      worker.run();
      worker.host.end();
      return 0;
    }
    void run() {
      outcome.reset();
      shim::choose_for_thread(program);
      const Task task{.bytes = all.options_.bytes,
                      .connections = all.options_.connections,
                      .seconds = all.seconds_};
      const std::string address = "127.0.0." + std::to_string(lane + 1);
      {
        Server<LinnetNet> server(task, address);
        Client<LinnetNet> client(task, address);
        const Stopwatch waiting;
        while (!client.ready() && waiting.seconds() < 20) {
          client.step();
          server.step();
        }
        const bool ready = client.ready();
        meet(all.ready_);
        const double cpu = Stopwatch::cpu_seconds();
        if (ready) {
          client.begin();
          while (client.step())
            server.step();
          if (lane == 0) all.cpu_ = Stopwatch::cpu_seconds() - cpu;
          outcome = client.outcome();
        }
      }
      // Whoever ends first still answers what the others ask of its lane.
      meet(all.done_);
      const Stopwatch settling;
      while (settling.seconds() < 0.02)
        host.drive();
    }
    void meet(std::atomic<unsigned>& count) {
      ++count;
      while (count.load() < all.workers_.size())
        host.drive();
    }

    Requests& all;
    const unsigned lane;
    LaneHost host;
    std::shared_ptr<shim::Program> program;
    std::optional<Outcome> outcome;
  };

  explicit Requests(const RequestsOptions& options) : options_(options) {}

  const RequestsOptions options_;
  std::unique_ptr<stack::Stack> stack_;
  std::vector<std::unique_ptr<Worker>> workers_;
  double seconds_ = 0;
  double cpu_ = 0;  // of all lanes, as the first has seen it
  std::atomic<unsigned> ready_{0}, done_{0};
};

}  // namespace

Result<> run_requests(const RequestsOptions& options, std::istream& in, std::ostream& out) {
  auto eal = stack::Eal::start(eal_for(options, options.lanes));
  if (!eal) return eal.error();
  auto requests = Requests::create(options);
  if (!requests) return requests.error();
  out << "{\"ready\": true}" << std::endl;
  return obey_slots(in, out, [&](double seconds) { return (*requests)->run(seconds, **eal); });
}

}  // namespace linnet::bench
