// SPDX-License-Identifier: BSD-3-Clause
// The account of every packet of a lane. At any quiet moment
//
//     received + generated = sent + delivered + held + dropped (by reason)
//
// received   came out of a device          generated  made here: answers, errors, fragments
// sent       handed to a device            delivered  reached its consumer here: a protocol that
// used it up,
//                                                     or a transformation that made other packets
//                                                     of it
// held       waits in a queue of ours (neighbour resolution, reassembly)
// A packet that is turned into others (a datagram into its fragments, fragments into a datagram, a
// request into its answer) counts as delivered, and the others as generated.
//
// Payload of sockets. Who keeps a packet counts it as held, who lets go of it takes that back:
//   received data   held while a receive or reassembly queue keeps it (`held.add`); taken out of
//   the
//                   queue it is nobody's for a moment (`held.subtract`); handed to a program it is
//                   delivered (`delivered.add`, without freeing it). From there on the buffer is
//                   the program's and in no account but the pool's, until the program returns it.
//   data to send    a program's buffer that a lane takes over counts as one packet generated, held
//                   while the send queue keeps it, and delivered when it was acknowledged or the
//                   connection ended (`held.subtract`, `deliver`).
//   what goes out   a segment is one generated packet, however many references to queued payload
//                   are chained behind its header. So is a large one; a device that cuts it has
//                   sent it, and where software does it is delivered and its pieces are generated,
//                   or dropped where buffers for the rest of them are missing.
#pragma once

#include <atomic>
#include <cstdint>

#include "packet/drop.hpp"
#include "packet/packet.hpp"

namespace linnet::packet {

// Written by one lane, read by the control core: relaxed, no read-modify-write instruction.
class Counter {
 public:
  void add(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Ledger {
 public:
  Counter received;
  Counter generated;
  Counter sent;
  Counter delivered;
  Counter held;  // a gauge: goes down when a holder lets go

  // Frees the packet and counts it under its reason: the only way to free one on the data path
  // besides a device and `deliver`.
  void drop(Packet&& packet, DropReason reason) {
    drops_[reason.index].add();
    rte_pktmbuf_free(packet.release());
  }
  // Frees a packet that its consumer has used up.
  void deliver(Packet&& packet) {
    delivered.add();
    rte_pktmbuf_free(packet.release());
  }
  // A drop that holds no packet any more: the driver freed it, or it could not be made.
  void count_drop(DropReason reason, std::uint64_t n = 1) { drops_[reason.index].add(n); }

  std::uint64_t dropped(DropReason reason) const { return drops_[reason.index].value(); }
  std::uint64_t dropped_total() const {
    std::uint64_t sum = 0;
    for (const auto& counter : drops_)
      sum += counter.value();
    return sum;
  }
  bool balanced() const {
    return received.value() + generated.value() ==
           sent.value() + delivered.value() + held.value() + dropped_total();
  }

 private:
  Counter drops_[kMaxDropReasons];
};

}  // namespace linnet::packet
