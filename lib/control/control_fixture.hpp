// SPDX-License-Identifier: BSD-3-Clause
// A whole stack with two ports in memory, commanded by lines.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "control/execute.hpp"
#include "control/output.hpp"
#include "device/memory_port.hpp"
#include "time/clock.hpp"

namespace linnet::control {

class ControlFixture : public testing::Test {
 protected:
  ControlFixture() {
    static int serial = 0;
    stack::Options options;
    options.pool.name = "control" + std::to_string(serial++);
    options.pool.packets = 512;
    options.pool.cache = 0;
    options.neighbour_capacity = 64;
    options.seed = 7;
    options.origin = clock_.now();
    stack_ = std::move(stack::Stack::create(options)).value();
    add_port("tap0", 1);
    add_port("tap1", 2);
  }

  device::MemoryPort& add_port(const std::string& name, std::uint8_t last) {
    auto port = std::make_unique<device::MemoryPort>(name, MacAddress({2, 0, 0, 0, 0, last}));
    auto& reference = *port;
    EXPECT_TRUE(stack_->add_device(std::move(port)).ok());
    return reference;
  }

  Reply run(const std::string& line) { return execute(*stack_, clock_.now(), line); }
  // Runs what must succeed and gives its output.
  std::string ok(const std::string& line) {
    const Reply reply = run(line);
    EXPECT_EQ(reply.code, kExitOk) << line << "\n" << reply.err;
    EXPECT_EQ(reply.err, "") << line;
    turn();
    return reply.out;
  }
  Json json(const std::string& line) {
    const Json parsed = Json::parse(ok(line), nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << line;
    return parsed;
  }
  // The error of what must fail with this code.
  std::string refused(const std::string& line, int code) {
    const Reply reply = run(line);
    EXPECT_EQ(reply.code, code) << line << "\n" << reply.err;
    EXPECT_EQ(reply.out, "") << line;
    return reply.err;
  }

  // The lane's turn: the neighbours' owner does what it was asked for.
  void turn() {
    clock_.advance(time::Duration::milliseconds(1));
    stack_->lane(0).turn(clock_.now());
  }
  // All that commands can change.
  std::string digest() {
    std::string all;
    for (const char* line : {"ip -d addr show", "ip -d route show table all", "ip rule show",
                             "ip neigh show nud all", "ip neigh show proxy", "sysctl -a"})
      all += ok(line);
    return all;
  }
  // A stack that has something of everything.
  void furnish() {
    for (const char* line :
         {"ip link set lo up", "ip link set tap0 up", "ip link set tap1 up",
          "ip addr add 10.0.0.1/24 dev tap0", "ip addr add 10.0.1.1/24 dev tap1",
          "ip route add default via 10.0.0.254", "ip route add blackhole 10.9.0.0/16 metric 7",
          "ip rule add from 10.1.0.0/16 table 100 priority 77",
          "ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev tap0",
          "ip neigh add proxy 10.0.0.88 dev tap0"})
      ok(line);
  }

  time::ManualClock clock_{time::Instant::from_ns(1'000'000'000)};
  std::unique_ptr<stack::Stack> stack_;
};

}  // namespace linnet::control
