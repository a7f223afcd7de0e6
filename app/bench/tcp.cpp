// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/tcp.hpp"

#include <poll.h>
#include <sched.h>

#include <chrono>
#include <functional>
#include <istream>
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
  else
    return Error{"not a kind of work", work, -1, "request, offer, connect or bulk"};
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

template <typename Net>
Result<> serve(const Task& task, std::ostream& out) {
  Server<Net> server(task);
  if (!server.good()) return Error{"the port is not to be had", std::to_string(kBenchPort)};
  out << "{\"serves\": true}" << std::endl;
  Patience patience;
  while (!patience.over()) {
    for (int i = 0; i < 64; ++i)
      server.step();
  }
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
    if (waiting.seconds() > 20) return Error{"the other end of the wire does not come", "memif"};
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
  out << "{\"ready\": true}" << std::endl;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "quit") return Ok{};
    if (verb == "stop") {
      out << "{\"stopped\": true}" << std::endl;
      continue;
    }
    if (verb != "serve" && verb != "run")
      return Error{"not a command", line, -1, "serve, stop, run or quit"};
    const Result<Task> task = task_from(words);
    if (!task) return task.error();
    if (Result<> prepared = prepare(); !prepared) return prepared;
    if (verb == "serve") {
      if (Result<> served = serve<Net>(*task, out); !served) return served;
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

// Both ends in turns on this thread.
Result<> count(End& server_end, End& client_end, std::istream& in, std::ostream& out) {
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "quit") return Ok{};
    Result<Task> task = task_from(words);
    if (!task) return task.error();
    task->count = static_cast<std::uint64_t>(task->seconds);
    if (verb != "count" || task->count == 0)
      return Error{"not a command", line, -1, "count WORK BYTES CONNECTIONS COUNT"};
    task->seconds = 600;
    if (Result<> up = wait_for_link({&server_end, &client_end}); !up) return up;
    server_end.choose();
    Server<LinnetNet> server(*task);
    client_end.choose();
    const Result<Outcome> outcome = run_client<LinnetNet>(*task, [&] { server.step(); });
    if (!outcome) return outcome.error();
    out << outcome->json() << std::endl;
  }
  return Ok{};
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
  if (options.core >= 0) eal_options.control_core = static_cast<unsigned>(options.core);
  auto eal = stack::Eal::start(eal_options);
  if (!eal) return eal.error();
  if (options.role == "both") {
    auto first = End::create(options, true);
    if (!first) return first.error();
    auto second = End::create(options, false);
    if (!second) return second.error();
    return count(**first, **second, in, out);
  }
  auto end = End::create(options, server);
  if (!end) return end.error();
  return obey<LinnetNet>(
      in, out, [&] { return wait_for_link({end->get()}); }, [&] { settle(**end); });
}

}  // namespace linnet::bench
