// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/forward.hpp"

#include <rte_cycles.h>

#include <chrono>
#include <istream>
#include <ostream>
#include <sstream>
#include <thread>
#include <vector>

#include "app/bench/load.hpp"
#include "app/bench/memory.hpp"
#include "app/bench/slots.hpp"
#include "app/bench/traffic.hpp"
#include "device/port.hpp"
#include "stack/eal.hpp"
#include "stack/runner.hpp"
#include "stack/stack.hpp"
#include "time/clock.hpp"

namespace linnet::bench {
namespace {

const Ipv4Interface kInside{Ipv4Address(198, 18, 255, 254), 16};
const Ipv4Interface kOutside{Ipv4Address(10, 0, 0, 1), 24};
const Ipv4Address kGateway(10, 0, 0, 2);

// Everything but the ports: addresses, routes, the gateway's neighbour entry.
Result<> configure(stack::Stack& stack, device::Device& in, device::Device& out,
                   const ForwardOptions& options) {
  stack.ip_settings().ip_forward.store(1);
  for (device::Device* device : {&in, &out}) {
    if (Result<> up = stack.set_link(*device, true); !up) return up;
    route::Address address;
    address.interface = device == &in ? kInside : kOutside;
    if (Result<> added = stack.add_address(*device, address); !added) return added;
  }
  neigh::System::Request gateway;
  gateway.device = out.index();
  gateway.address = kGateway;
  gateway.mac = MacAddress({2, 0, 0, 0, 0, 0x99});
  if (Result<> added = stack.neighbours().change(gateway, neigh::System::Change::Add); !added) {
    return added;
  }
  for (const Ipv4Prefix& prefix : internet_like_prefixes(options.routes, options.seed)) {
    route::RouteSpec spec;
    spec.prefix = options.routes == 1 ? Ipv4Prefix() : prefix;
    spec.hops.push_back({.gateway = kGateway, .device = out.index()});
    if (Result<> added = stack.routes().add(spec); !added) return added;
  }
  return Ok{};
}

std::string slot_json(std::uint64_t packets, double seconds, std::uint64_t cycles, double cpu) {
  std::ostringstream out;
  out << "{\"packets\": " << packets << ", \"seconds\": " << seconds << ", \"cycles\": " << cycles
      << ", \"cpu_seconds\": " << cpu << "}";
  return out.str();
}

using Runners = std::vector<std::unique_ptr<stack::LaneRunner>>;

// One slot of `seconds` on the lanes' cores, by the very loop that the daemon runs.
Result<std::string> run_slot(stack::Stack& stack, Runners& runners, const stack::Eal& eal,
                             double seconds) {
  const std::uint64_t before = stack.account().sent;
  const std::uint64_t start = rte_rdtsc();
  const double cpu = Stopwatch::cpu_seconds();
  const auto start_time = std::chrono::steady_clock::now();
  for (unsigned lane = 0; lane < runners.size(); ++lane) {
    if (Result<> started = runners[lane]->start(*eal.lane_lcore(lane)); !started)
      return started.error();
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  for (const auto& runner : runners)
    runner->stop();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_time;
  return slot_json(stack.account().sent - before, took.count(), rte_rdtsc() - start,
                   Stopwatch::cpu_seconds() - cpu);
}

// Turns on this core until so many packets came in.
std::string run_count(stack::Stack& stack, stack::LaneRunner& runner) {
  time::TscClock clock;
  const std::uint64_t start = rte_rdtsc();
  while (!runner.finished())
    runner.take_turns(clock, 256);
  return slot_json(stack.lane(0).ledger().sent.value(), 0, rte_rdtsc() - start, 0);
}

Result<device::Device*> add_port(stack::Stack& stack, const std::string& name,
                                 const std::string& devargs, std::optional<MacAddress> mac) {
  device::PortOptions options;
  options.name = name;
  options.devargs = devargs;
  options.pool = &stack.pool();
  options.lanes = stack.lanes();
  options.mac = mac;
  auto port = device::Port::create(options);
  if (!port) return port.error();
  return stack.add_device(std::move(port).value());
}

}  // namespace

MacAddress router_mac() {
  return MacAddress({2, 0, 0, 0, 0, 0x01});
}

Result<> run_forward(const ForwardOptions& options, std::istream& in, std::ostream& out) {
  auto eal = stack::Eal::start(eal_for(options, options.count == 0 ? options.lanes : 0));
  if (!eal) return eal.error();

  stack::Options stack_options;
  stack_options.pool.name = "bench";
  stack_options.pool.packets = options.packets;
  stack_options.burst = options.burst;
  stack_options.lanes = options.lanes;
  stack_options.seed = options.seed;
  time::TscClock clock;
  stack_options.origin = clock.now();
  auto stack = stack::Stack::create(stack_options);
  if (!stack) return stack.error();
  std::string captures = "net_pcap0";
  for (unsigned lane = 0; lane < options.lanes; ++lane)
    captures += ",rx_pcap=" + options.frames;
  auto inside = add_port(**stack, "in", captures + ",infinite_rx=1", router_mac());
  if (!inside) return inside.error();
  auto outside = add_port(**stack, "out", "net_null0,no-rx=1", std::nullopt);
  if (!outside) return outside.error();

  const std::uint64_t memory_before = resident_bytes();
  const auto start = std::chrono::steady_clock::now();
  if (Result<> done = configure(**stack, **inside, **outside, options); !done) return done;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  out << "{\"routes\": " << options.routes << ", \"load_seconds\": " << took.count()
      << ", \"route_bytes\": " << (*stack)->routes().memory_bytes()
      << ", \"resident_growth\": " << resident_bytes() - memory_before << "}" << std::endl;

  stack::RunnerOptions runner_options;
  runner_options.rests = false;
  runner_options.stop_after_packets = options.count;
  Runners runners;
  for (unsigned lane = 0; lane < options.lanes; ++lane)
    runners.push_back(std::make_unique<stack::LaneRunner>((*stack)->lane(lane), (*stack)->rcu(),
                                                          (*stack)->devices(), runner_options));
  if (options.count == 0)
    return obey_slots(in, out,
                      [&](double seconds) { return run_slot(**stack, runners, **eal, seconds); });
  out << run_count(**stack, *runners[0]) << std::endl;
  return Ok{};
}

}  // namespace linnet::bench
