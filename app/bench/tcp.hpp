// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "app/bench/wire.hpp"
#include "base/result.hpp"

namespace linnet::bench {

struct TcpOptions {
  std::string over = "linnet";        // or "kernel": the sockets of the namespace that it runs in
  std::string role = "server";        // or "client", or "both" ends in this process (Linnet only)
  Medium medium = Medium::Memif;      // Linnet's wire
  std::string wire = "linnet-bench";  // its socket, as the other end has it
  std::uint32_t mtu = 1500;
  int core = -1;             // the thread's CPU; -1: any
  int server_core = -1;      // both ends: the server's thread has this one; -1: one thread in turns
  unsigned memory_mb = 512;  // of DPDK
  std::uint32_t packets = 32768;  // in each stack's pool
  bool hugepages = false;
};

// One end of a benchmark of TCP, at 198.18.0.1 (server) or 198.18.0.2; program and stack take turns
// on one thread that never sleeps. The client's port wants the server's to be there. Says
// {"ready": true}, then obeys lines from `in` and answers each with a line of JSON:
//
//   serve WORK BYTES                          server: until the next line comes, "stop"
//   run WORK BYTES CONNECTIONS SECONDS RATE   client, or both ends with a thread each
//   count WORK BYTES CONNECTIONS COUNT        both ends in one thread, for counting instructions
//   quit
//
// WORK: request, offer, connect, bulk, or check (bulk whose every byte is looked at).
Result<> run_tcp(const TcpOptions& options, std::istream& in, std::ostream& out);

}  // namespace linnet::bench
