// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/idle.hpp"

#include <ostream>
#include <string>
#include <vector>

#include "app/bench/end.hpp"
#include "app/bench/load_programs.hpp"
#include "app/bench/memory.hpp"
#include "socket/lane_sockets.hpp"
#include "stack/eal.hpp"
#include "stack/lane_state.hpp"

namespace linnet::bench {
namespace {

constexpr std::uint32_t kAtOnce = 16;        // connections that open together
constexpr std::uint32_t kWarm = 1024;        // pairs before the first look at memory
constexpr std::uint32_t kOfAddress = 20000;  // pairs to one destination: there are 28232 ports

class Idle {
 public:
  Idle(End& end, std::uint32_t pairs) : end_(end), listener_(LinnetNet::socket()) {
    clients_.reserve(pairs);
    servers_.reserve(pairs);
    const sockaddr_in name = socket_name("0.0.0.0");
    LinnetNet::bind(listener_, reinterpret_cast<const sockaddr*>(&name), sizeof name);
    LinnetNet::listen(listener_, 1024);
  }
  ~Idle() { LinnetNet::close(listener_); }

  // False: not all came within a minute.
  bool open(std::uint32_t pairs) {
    while (servers_.size() < pairs) {
      // More than a few at once do not fit into the loopback's queue.
      for (std::uint32_t i = 0; i < kAtOnce && clients_.size() < pairs; ++i)
        connect();
      const Stopwatch waiting;
      while (servers_.size() < clients_.size()) {
        end_.host().drive();
        for (int fd; (fd = LinnetNet::accept(listener_)) >= 0;)
          servers_.push_back(fd);
        if (waiting.seconds() > 60) return false;
      }
    }
    settle();
    return true;
  }
  // The clients first: theirs is TIME-WAIT.
  void close() {
    for (std::vector<int>* side : {&clients_, &servers_}) {
      for (std::size_t i = 0; i < side->size(); ++i) {
        LinnetNet::close((*side)[i]);
        if (i % 64 == 0) end_.host().drive();
      }
      side->clear();
      settle();
    }
  }

 private:
  void connect() {
    const auto number = static_cast<std::uint32_t>(clients_.size());
    sockaddr_in name = socket_name("127.0.0.1");
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number / kOfAddress);
    clients_.push_back(LinnetNet::socket());
    LinnetNet::connect(clients_.back(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
  }
  // Until no delayed ACK or timer of the handshakes is left.
  void settle() {
    const Stopwatch waiting;
    while (waiting.seconds() < 0.5)
      end_.host().drive();
  }

  End& end_;
  const int listener_;
  std::vector<int> clients_, servers_;
};

}  // namespace

Result<> run_idle(std::uint32_t pairs, unsigned memory_mb, std::ostream& out) {
  stack::EalOptions eal_options;
  eal_options.memory_mb = memory_mb;
  eal_options.hugepages = stack::Hugepages::No;
  auto eal = stack::Eal::start(eal_options);
  if (!eal) return eal.error();
  auto end = End::create_alone(16384);
  if (!end) return end.error();
  Idle idle(**end, pairs);
  // Once through before: what is there once and for all is no connection's.
  if (!idle.open(kWarm)) return Error{"connections do not come to be", "warming up"};
  const std::uint64_t before = resident_bytes();
  const Stopwatch opening;
  if (!idle.open(pairs)) return Error{"connections do not come to be", std::to_string(pairs)};
  const double seconds = opening.seconds();
  const std::uint64_t grown = resident_bytes() - before;
  const auto& tcp = (*end)->stack().lane(0).state().sockets.tcp();
  const auto sizes = tcp.sizes();
  const auto memory = tcp.memory();
  const double count = sizes.connections;
  out << "{\"connections\": " << sizes.connections << ", \"seconds\": " << seconds
      << ", \"grown\": " << static_cast<double>(grown) / (count - 2.0 * kWarm)
      << ", \"connection\": " << static_cast<double>(memory.connections) / count
      << ", \"flows\": " << static_cast<double>(memory.flows) / count
      << ", \"handles\": " << static_cast<double>(memory.handles) / count;
  idle.close();
  const auto waits = tcp.sizes().time_wait;
  out << ", \"time_waits\": " << waits
      << ", \"time_wait\": " << static_cast<double>(tcp.memory().time_wait) / std::max(waits, 1u)
      << ", \"half_open\": " << socket::TcpSockets::kHalfOpenBytes << "}" << std::endl;
  return Ok{};
}

}  // namespace linnet::bench
