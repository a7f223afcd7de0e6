// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/end.hpp"

#include "device/port.hpp"
#include "shim/current.hpp"
#include "time/clock.hpp"

namespace linnet::bench {

Result<std::unique_ptr<End>> End::create(const TcpOptions& options, bool server,
                                         packet::Pool* shared) {
  std::unique_ptr<End> end(new End);
  const auto pool = pool_for(server ? "server" : "client", options.packets, options.mtu);
  if (Result<> begun = end->begin(pool, shared); !begun) return begun.error();
  if (Result<> added = end->add_wire(options, server); !added) return added.error();
  return end;
}

Result<std::unique_ptr<End>> End::create_alone(std::uint32_t packets) {
  std::unique_ptr<End> end(new End);
  packet::Pool::Options pool;
  pool.name = "alone";
  pool.packets = packets;
  if (Result<> begun = end->begin(pool, nullptr); !begun) return begun.error();
  return end;
}

Result<> End::begin(const packet::Pool::Options& pool, packet::Pool* shared) {
  time::TscClock clock;
  stack::Options options;
  options.pool = pool;
  options.shared_pool = shared;
  options.seed = 1;
  options.origin = clock.now();
  auto stack = stack::Stack::create(options);
  if (!stack) return stack.error();
  stack_ = std::move(stack).value();
  host_ = std::make_unique<shim::PollingHost>(*stack_);
  auto program = shim::Program::create(host_->parts());
  if (!program) return program.error();
  program_ = std::move(program).value();
  choose();
  return Ok{};
}

Result<> End::add_wire(const TcpOptions& options, bool server) {
  device::PortOptions wanted;
  wanted.name = server ? "server" : "client";  // its address, too, where the driver has none
  wanted.devargs = devargs_of(options.medium, server, options.wire);
  wanted.pool = &stack_->pool();
  wanted.mtu = options.mtu;
  wanted.tso = false;
  auto port = device::Port::create(wanted);
  if (!port) return port.error();
  auto added = stack_->add_device(std::move(port).value());
  if (!added) return added.error();
  port_ = *added;
  if (Result<> up = stack_->set_link(*port_, true); !up) return up;
  route::Address address;
  address.interface = {Ipv4Address(198, 18, 0, server ? 1 : 2), 24};
  return stack_->add_address(*port_, address);
}

End::~End() {
  if (program_ == nullptr) return;
  program_->end();
  for (int i = 0; i < 1000; ++i)
    host_->drive();  // the lane lets go of the session
}

void End::choose() {
  shim::choose_for_thread(program_);
}

}  // namespace linnet::bench
