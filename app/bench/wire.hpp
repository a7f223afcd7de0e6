// SPDX-License-Identifier: BSD-3-Clause
// What joins the two ends of a benchmark: DPDK's ports, and what they need.
#pragma once

#include <rte_ring.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "packet/pool.hpp"

namespace linnet::bench {

enum class Medium : std::uint8_t {
  Memif,  // net_memif, two processes or one
  Vhost,  // net_vhost (the server's) and virtio_user, two processes
  Ring,   // net_ring over two rings, one process: packets go by reference
};
Result<Medium> medium_from(const std::string& word);

// Two rings of this process with a port at each end: "net_ring_server" and "net_ring_client", to be
// opened by these names. EAL runs; the ports are closed before it ends.
class Rings {
 public:
  static Result<std::unique_ptr<Rings>> create();
  ~Rings();
  Rings(const Rings&) = delete;
  Rings& operator=(const Rings&) = delete;

 private:
  Rings() = default;
  rte_ring* there_ = nullptr;
  rte_ring* back_ = nullptr;
};

// The devargs of an end's port. `name`: the memif's abstract socket, or vhost's socket in the file
// system.
std::string devargs_of(Medium medium, bool server, const std::string& name);
// A frame of this MTU fits into one buffer: net_vhost chains none.
packet::Pool::Options pool_for(const std::string& name, std::uint32_t packets, std::uint32_t mtu);

}  // namespace linnet::bench
