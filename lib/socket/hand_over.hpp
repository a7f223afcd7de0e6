// SPDX-License-Identifier: BSD-3-Clause
// From lane to lane: packets of flows that another lane owns, and what else belongs there.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "packet/turn.hpp"
#include "socket/drops.hpp"
#include "socket/flow.hpp"
#include "socket/socket.hpp"
#include "table/ring.hpp"

namespace linnet::socket {

// An ICMP error about a TCP segment of ours.
struct ErrorNote {
  Flow flow{};
  std::uint32_t sequence = 0;
  std::uint32_t mtu = 0;  // fragmentation needed: as it said, 0 where it said none
  std::int32_t error = 0;
  bool too_long = false;
};

struct LaneMessage {
  enum class Kind : std::uint32_t { Connect, Error } kind = Kind::Error;
  std::uint32_t session = 0;     // Connect: the program
  std::uint32_t generation = 0;  // and which one
  ErrorNote note{};
  Message request{};
  OptionSet options{};
};

// A ring for each two lanes: with one producer there is no exchange under contention, and no order
// between producers to get wrong (DPDK 22.11 waits for an earlier producer without acquiring what
// it wrote).
class HandOver {
 public:
  // `packets`, `messages`: what one lane can give another until that takes them.
  HandOver(unsigned lanes, unsigned packets, unsigned messages) : lanes_(lanes) {
    for (unsigned i = 0; i < lanes * lanes; ++i) {
      packets_.push_back(std::make_unique<Packets>(packets, table::Producers::One));
      messages_.push_back(std::make_unique<Messages>(messages, table::Producers::One));
    }
  }
  // What is left was dropped by the lanes before they ended.
  ~HandOver() = default;

  using Packets = table::Ring<rte_mbuf*>;
  using Messages = table::Ring<LaneMessage>;
  unsigned lanes() const { return lanes_; }
  Packets& packets(unsigned from, unsigned to) { return *packets_[to * lanes_ + from]; }
  Messages& messages(unsigned from, unsigned to) { return *messages_[to * lanes_ + from]; }

 private:
  const unsigned lanes_;
  std::vector<std::unique_ptr<Packets>> packets_;
  std::vector<std::unique_ptr<Messages>> messages_;
};

// A lane's giving end of it. Packets gather for each lane and go over together, when there are many
// or the turn ends: the ring's two places, which both lanes write, cost once a burst.
class Giver {
 public:
  Giver(HandOver& rings, unsigned lane) : rings_(rings), lane_(lane), gathered_(rings.lanes()) {}

  // The packet is held until the other lane takes it; a full ring drops it.
  void give(packet::Turn& turn, unsigned owner, packet::Packet&& packet) {
    // The route decision was this lane's, good for this turn only.
    packet.meta().hop = nullptr;
    packet::Burst& gathered = gathered_[owner];
    gathered.push(std::move(packet));
    waiting_ |= 1u << owner;
    if (gathered.full()) go(turn, owner);
  }
  // Before the turn ends.
  void go(packet::Turn& turn) {
    for (; waiting_ != 0;)
      go(turn, static_cast<unsigned>(__builtin_ctz(waiting_)));
  }
  // False: the ring is full.
  bool give(unsigned owner, const LaneMessage& message) {
    if (!rings_.messages(lane_, owner).push(message)) return false;
    given_to_ |= 1u << owner;
    return true;
  }
  // Lanes that something was given to since it was last asked, a bit each.
  std::uint32_t take_given_to() { return std::exchange(given_to_, 0); }
  std::uint64_t packets() const { return given_.value(); }

 private:
  void go(packet::Turn& turn, unsigned owner) {
    packet::Burst& gathered = gathered_[owner];
    const unsigned count = gathered.size();
    turn.ledger.held.add(count);
    const unsigned gone = rings_.packets(lane_, owner).push_some(gathered.slots(), count);
    gathered.remove_front(gone);
    waiting_ &= ~(1u << owner);
    if (gone != 0) given_to_ |= 1u << owner;
    given_.add(gone);
    if (gone == count) [[likely]]
      return;
    turn.ledger.held.subtract(count - gone);
    gathered.drain(
        [&](packet::Packet&& packet) { turn.drop(std::move(packet), Drop::HandOverFull); });
  }

  HandOver& rings_;
  const unsigned lane_;
  std::vector<packet::Burst> gathered_;  // by lane
  std::uint32_t waiting_ = 0;            // lanes for which something has gathered, a bit each
  std::uint32_t given_to_ = 0;
  packet::Counter given_;
};

}  // namespace linnet::socket
