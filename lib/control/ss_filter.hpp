// SPDX-License-Identifier: BSD-3-Clause
// Which sockets `ss` shows (ss(8): FILTER; iproute2: misc/ss.c scan_state, misc/ssfilter.y).
//
//   [ state STATE | exclude STATE ]... [ EXPRESSION ]
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "control/grammar.hpp"
#include "socket/survey.hpp"

namespace linnet::control {

class SsFilter {
 public:
  struct Node;
  struct Ports {
    std::uint16_t least, most;  // net.ipv4.ip_local_port_range
  };

  // Reads all words that are left.
  static Result<SsFilter> parse(Cursor& cursor);

  // A bit for each state by TCP's number; nothing, where none was named.
  std::optional<std::uint32_t> states() const { return states_; }
  // Whether the addresses and ports are wanted.
  bool matches(const socket::SocketRow& row, Ports ephemeral) const;

 private:
  std::optional<std::uint32_t> states_;
  std::shared_ptr<const Node> root_;  // nullptr: all
};

}  // namespace linnet::control
