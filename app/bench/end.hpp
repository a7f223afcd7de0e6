// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "app/bench/tcp.hpp"
#include "base/result.hpp"
#include "packet/pool.hpp"
#include "shim/program.hpp"
#include "shim/stack_host.hpp"
#include "stack/stack.hpp"

namespace linnet::bench {

// One end of a wire: a stack with one port, a program, and the thread that runs both. EAL runs.
class End {
 public:
  // `server`: 198.18.0.1, and the wire's server; else 198.18.0.2. `shared`: the pool of both ends
  // of a ring, outlives them; null: a pool of its own.
  static Result<std::unique_ptr<End>> create(const TcpOptions& options, bool server,
                                             packet::Pool* shared = nullptr);
  // A stack without a port: a program talks to itself over `lo`.
  static Result<std::unique_ptr<End>> create_alone(std::uint32_t packets);
  ~End();

  stack::Stack& stack() { return *stack_; }
  shim::PollingHost& host() { return *host_; }
  bool link_up() const { return port_ != nullptr && port_->running(); }
  // New sockets of this thread are this end's.
  void choose();

 private:
  End() = default;
  Result<> begin(const packet::Pool::Options& pool, packet::Pool* shared);
  Result<> add_wire(const TcpOptions& options, bool server);

  std::unique_ptr<stack::Stack> stack_;
  std::unique_ptr<shim::PollingHost> host_;
  std::shared_ptr<shim::Program> program_;
  device::Device* port_ = nullptr;
};

}  // namespace linnet::bench
