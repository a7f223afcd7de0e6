// SPDX-License-Identifier: BSD-3-Clause
// From lane to lane: packets of flows that another lane owns, and what else belongs there.
#pragma once

#include <memory>
#include <vector>

#include "packet/packet.hpp"
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

class HandOver {
 public:
  HandOver(unsigned lanes, unsigned packets, unsigned messages) {
    for (unsigned i = 0; i < lanes; ++i) {
      packets_.push_back(std::make_unique<Packets>(packets, table::Producers::Many));
      messages_.push_back(std::make_unique<Messages>(messages, table::Producers::Many));
    }
  }
  // What is left was dropped by the lanes before they ended.
  ~HandOver() = default;

  using Packets = table::Ring<rte_mbuf*>;
  using Messages = table::Ring<LaneMessage>;
  Packets& packets(unsigned lane) { return *packets_[lane]; }
  Messages& messages(unsigned lane) { return *messages_[lane]; }
  // Whether something waits for the lane.
  bool waiting(unsigned lane) const {
    return !packets_[lane]->empty() || !messages_[lane]->empty();
  }

 private:
  std::vector<std::unique_ptr<Packets>> packets_;
  std::vector<std::unique_ptr<Messages>> messages_;
};

}  // namespace linnet::socket
