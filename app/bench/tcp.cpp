// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/tcp.hpp"

#include <poll.h>
#include <rte_launch.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <istream>
#include <optional>
#include <ostream>
#include <sstream>
#include <thread>

#include "app/bench/end.hpp"
#include "app/bench/load_programs.hpp"
#include "stack/eal.hpp"

namespace linnet::bench {
namespace {

constexpr const char* kServer = "198.18.0.1";

Result<Task> task_from(std::istream& words) {
  Task task;
  std::string work;
  words >> work >> task.bytes >> task.connections >> task.seconds >> task.rate;
  if (work == "request")
    task.work = Work::Request;
  else if (work == "offer")
    task.work = Work::Offer;
  else if (work == "connect")
    task.work = Work::Connect;
  else if (work == "bulk")
    task.work = Work::Bulk;
  else if (work == "check")
    task.work = Work::Check;
  else
    return Error{"not a kind of work", work, -1, "request, offer, connect, bulk or check"};
  if (task.bytes == 0 || task.bytes > kWrite)
    return Error{"bytes out of range", work, -1, "1-65536"};
  return task;
}

// A line waits to be read: asked a thousand times a second at most.
class Patience {
 public:
  bool over() {
    const std::uint64_t now = Stopwatch::cycles();
    if (now < next_) return false;
    next_ = now + static_cast<std::uint64_t>(Stopwatch::nominal_frequency() / 1000);
    pollfd standard_input{.fd = 0, .events = POLLIN, .revents = 0};
    return poll(&standard_input, 1, 0) > 0;
  }

 private:
  std::uint64_t next_ = 0;
};

// What a server has seen of a Check.
struct Seen {
  std::uint64_t received = 0;
  std::uint64_t wrong = 0;
};

template <typename Net>
Result<> serve(const Task& task, std::ostream& out, Seen& seen) {
  Server<Net> server(task);
  if (!server.good()) return Error{"the port is not to be had", std::to_string(kBenchPort)};
  out << "{\"serves\": true}" << std::endl;
  Patience patience;
  while (!patience.over()) {
    for (int i = 0; i < 64; ++i)
      server.step();
  }
  seen = {server.received(), server.wrong()};
  return Ok{};
}

// By this name callgrind finds what is to be counted.
template <typename Net, typename Meanwhile>
[[gnu::noinline]] bool measured_run(Client<Net>& client, const Task& task, Meanwhile&& meanwhile) {
  const Stopwatch running;
  for (std::uint32_t turns = 1; client.step(); ++turns) {
    meanwhile();
    if (turns % 65536 == 0 && running.seconds() > task.seconds + 20) return false;
  }
  return true;
}

template <typename Net>
Result<Outcome> run_client(const Task& task, const std::function<void()>& meanwhile) {
  Client<Net> client(task, kServer);
  const Stopwatch waiting;
  while (!client.ready()) {
    client.step();
    meanwhile();
    if (waiting.seconds() > 20) return Error{"the server does not answer", kServer};
  }
  client.begin();
  if (!measured_run(client, task, meanwhile)) return Error{"the work does not end", kServer};
  return client.outcome();
}

// What an end does without load until its link is up: a neighbour is to be found, too.
Result<> wait_for_link(std::initializer_list<End*> ends) {
  const Stopwatch waiting;
  const auto all_up = [&] {
    bool up = true;
    for (End* end : ends)
      up = up && end->link_up();
    return up;
  };
  while (!all_up()) {
    for (End* end : ends)
      end->host().drive();
    if (waiting.seconds() > 20) return Error{"the other end of the wire does not come", "link"};
  }
  return Ok{};
}

// What a slot has left, its resets above all, goes before the next one begins.
void settle(End& end) {
  const Stopwatch watch;
  while (watch.seconds() < 0.02)
    end.host().drive();
}

template <typename Net>
Result<> obey(std::istream& in, std::ostream& out, const std::function<Result<>()>& prepare,
              const std::function<void()>& after) {
  std::string line;
  Seen seen;
  out << "{\"ready\": true}" << std::endl;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "quit") return Ok{};
    if (verb == "stop") {
      out << "{\"stopped\": true, \"received\": " << seen.received << ", \"wrong\": " << seen.wrong
          << "}" << std::endl;
      continue;
    }
    if (verb != "serve" && verb != "run")
      return Error{"not a command", line, -1, "serve, stop, run or quit"};
    const Result<Task> task = task_from(words);
    if (!task) return task.error();
    if (Result<> prepared = prepare(); !prepared) return prepared;
    if (verb == "serve") {
      if (Result<> served = serve<Net>(*task, out, seen); !served) return served;
      after();
      continue;
    }
    const Result<Outcome> outcome = run_client<Net>(*task, [] {});
    if (!outcome) return outcome.error();
    after();
    out << outcome->json() << std::endl;
  }
  return Ok{};
}

// Both ends in this process.
class Twins {
 public:
  Twins(End& server, End& client, std::optional<unsigned> lcore)
      : server_(server), client_(client), lcore_(lcore) {}

  Result<> obey(std::istream& in, std::ostream& out) {
    std::string line;
    out << "{\"ready\": true}" << std::endl;
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string verb;
      words >> verb;
      if (verb == "quit") return Ok{};
      Result<Task> task = task_from(words);
      if (!task) return task.error();
      if (verb != (lcore_ ? "run" : "count") || task->seconds <= 0)
        return Error{"not a command", line, -1, "run, or count where there is one thread"};
      if (Result<> up = wait_for_link({&server_, &client_}); !up) return up;
      const Result<Outcome> outcome = lcore_ ? run(*task) : count(*task);
      if (!outcome) return outcome.error();
      out << outcome->json() << std::endl;
    }
    return Ok{};
  }

 private:
  // In turns on this thread.
  Result<Outcome> count(Task& task) {
    task.count = static_cast<std::uint64_t>(task.seconds);
    task.seconds = 600;
    server_.choose();
    Server<LinnetNet> server(task);
    client_.choose();
    Result<Outcome> outcome = run_client<LinnetNet>(task, [&] { server.step(); });
    if (outcome) outcome->wrong = server.wrong() + (outcome->bytes - server.received());
    return outcome;
  }
  // The server on a core of its own.
  Result<Outcome> run(const Task& task) {
    task_ = &task;
    state_.store(State::Begins);
    if (rte_eal_remote_launch(&Twins::serve, this, *lcore_) != 0)
      return Error{"the server's core is not to be had", std::to_string(*lcore_)};
    while (state_.load() == State::Begins)
      client_.host().drive();
    client_.choose();
    Result<Outcome> outcome = run_client<LinnetNet>(task, [] {});
    settle(client_);
    state_.store(State::Ends);
    rte_eal_wait_lcore(*lcore_);
    if (outcome && task.work == Work::Check)
      outcome->wrong = seen_.wrong + (outcome->bytes - seen_.received);
    return outcome;
  }
  static int serve(void* self) {
    Twins& twins = *static_cast<Twins*>(self);
    twins.server_.choose();
    {
      Server<LinnetNet> server(*twins.task_);
      twins.state_.store(State::Serves);
      while (twins.state_.load(std::memory_order_relaxed) == State::Serves)
        server.step();
      twins.seen_ = {server.received(), server.wrong()};
    }
    settle(twins.server_);
    return 0;
  }

  enum class State { Begins, Serves, Ends };
  End& server_;
  End& client_;
  const std::optional<unsigned> lcore_;
  const Task* task_ = nullptr;
  Seen seen_;
  std::atomic<State> state_{State::Begins};
};

// The ports of a ring end before the ring, the stacks before the pool that they share.
Result<> run_twins(const TcpOptions& options, const stack::Eal& eal, std::istream& in,
                   std::ostream& out) {
  std::unique_ptr<packet::Pool> pool;
  std::unique_ptr<Rings> rings;
  if (options.medium == Medium::Ring) {
    auto made = packet::Pool::create(pool_for("both", 2 * options.packets, options.mtu));
    if (!made) return made.error();
    pool = std::move(made).value();
    auto joined = Rings::create();
    if (!joined) return joined.error();
    rings = std::move(joined).value();
  }
  auto server = End::create(options, true, pool.get());
  if (!server) return server.error();
  auto client = End::create(options, false, pool.get());
  if (!client) return client.error();
  return Twins(**server, **client, eal.lane_lcore(0)).obey(in, out);
}

Result<> pin(int core) {
  if (core < 0) return Ok{};
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return Ok{};
  return Error{"the core is not to be had", std::to_string(core)};
}

}  // namespace

Result<> run_tcp(const TcpOptions& options, std::istream& in, std::ostream& out) {
  const bool server = options.role == "server";
  if (options.over == "kernel") {
    if (Result<> pinned = pin(options.core); !pinned) return pinned;
    return obey<KernelNet>(in, out, [] { return Result<>(Ok{}); }, [] {});
  }
  stack::EalOptions eal_options;
  eal_options.memory_mb = options.memory_mb;
  eal_options.hugepages = options.hugepages ? stack::Hugepages::Yes : stack::Hugepages::No;
  eal_options.shared_files = options.medium == Medium::Vhost;
  if (options.core >= 0) eal_options.control_core = static_cast<unsigned>(options.core);
  if (options.role == "both" && options.server_core >= 0)
    eal_options.lane_cores.push_back(static_cast<unsigned>(options.server_core));
  auto eal = stack::Eal::start(eal_options);
  if (!eal) return eal.error();
  if (options.role == "both") return run_twins(options, **eal, in, out);
  auto end = End::create(options, server);
  if (!end) return end.error();
  const Result<> obeyed =
      obey<LinnetNet>(in, out, [&] { return wait_for_link({end->get()}); }, [&] { settle(**end); });
  // virtio_user's alarms outlive its device and crash who has closed it (DPDK 22.11): this process
  // ends without closing.
  if (options.medium == Medium::Vhost && !server && obeyed) {
    out.flush();
    std::_Exit(0);
  }
  return obeyed;
}

}  // namespace linnet::bench
