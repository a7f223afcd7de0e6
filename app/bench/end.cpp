// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/end.hpp"

#include "device/port.hpp"
#include "shim/current.hpp"
#include "time/clock.hpp"

namespace linnet::bench {

Result<std::unique_ptr<End>> End::create(const TcpOptions& options, bool server) {
  std::unique_ptr<End> end(new End);
  if (Result<> begun = end->begin(server ? "server" : "client", options.packets); !begun)
    return begun.error();
  if (Result<> added = end->add_wire(options, server); !added) return added.error();
  return end;
}

Result<std::unique_ptr<End>> End::create_alone(std::uint32_t packets) {
  std::unique_ptr<End> end(new End);
  if (Result<> begun = end->begin("alone", packets); !begun) return begun.error();
  return end;
}

Result<> End::begin(const char* name, std::uint32_t packets) {
  time::TscClock clock;
  stack::Options options;
  options.pool.name = name;
  options.pool.packets = packets;
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
  wanted.name = "wire";
  wanted.devargs = std::string(server ? "net_memif0,role=server" : "net_memif1,role=client") +
                   ",id=0,rsize=10,socket=" + options.wire;
  wanted.pool = &stack_->pool();
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
