// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/wire.hpp"

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_mbuf.h>

#include <algorithm>

namespace linnet::bench {
namespace {

constexpr unsigned kFrames = 1024;         // in flight, each way
constexpr std::uint32_t kAroundMtu = 128;  // Ethernet's header and check sequence, and to spare

Error refused(const char* what) {
  return Error{std::string("DPDK refused to make ") + what, rte_strerror(rte_errno)};
}

void let_go(rte_ring* ring) {
  void* frame = nullptr;
  while (ring != nullptr && rte_ring_sc_dequeue(ring, &frame) == 0)
    rte_pktmbuf_free(static_cast<rte_mbuf*>(frame));
  rte_ring_free(ring);
}

}  // namespace

Result<Medium> medium_from(const std::string& word) {
  if (word == "memif") return Medium::Memif;
  if (word == "vhost") return Medium::Vhost;
  if (word == "ring") return Medium::Ring;
  return Error{"not a medium", word, -1, "memif, vhost or ring"};
}

Result<std::unique_ptr<Rings>> Rings::create() {
  std::unique_ptr<Rings> rings(new Rings);
  constexpr unsigned kFlags = RING_F_SP_ENQ | RING_F_SC_DEQ;
  rings->there_ = rte_ring_create("there", kFrames, SOCKET_ID_ANY, kFlags);
  rings->back_ = rte_ring_create("back", kFrames, SOCKET_ID_ANY, kFlags);
  if (rings->there_ == nullptr || rings->back_ == nullptr) return refused("a ring");
  const int server =
      rte_eth_from_rings("server", &rings->there_, 1, &rings->back_, 1, rte_socket_id());
  const int client =
      rte_eth_from_rings("client", &rings->back_, 1, &rings->there_, 1, rte_socket_id());
  if (server < 0 || client < 0) return refused("a port of rings");
  return rings;
}

Rings::~Rings() {
  let_go(there_);
  let_go(back_);
}

std::string devargs_of(Medium medium, bool server, const std::string& name) {
  switch (medium) {
    case Medium::Memif:
      return std::string(server ? "net_memif0,role=server" : "net_memif1,role=client") +
             ",id=0,rsize=10,socket=" + name;
    case Medium::Vhost:
      return server ? "net_vhost0,iface=" + name : "net_virtio_user0,queue_size=1024,path=" + name;
    case Medium::Ring:
      break;
  }
  return server ? "net_ring_server" : "net_ring_client";
}

packet::Pool::Options pool_for(const std::string& name, std::uint32_t packets, std::uint32_t mtu) {
  packet::Pool::Options pool;
  pool.name = name;
  pool.packets = packets;
  const auto room = static_cast<std::uint16_t>(mtu + kAroundMtu + RTE_PKTMBUF_HEADROOM);
  pool.data_room = std::max(pool.data_room, room);
  return pool;
}

}  // namespace linnet::bench
