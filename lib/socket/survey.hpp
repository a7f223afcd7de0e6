// SPDX-License-Identifier: BSD-3-Clause
// What `ss` asks of a lane. The control core makes the rows' memory; the lane fills it.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "socket/message.hpp"
#include "tcp/info.hpp"

namespace linnet::socket {

struct SocketRow {
  Kind kind = Kind::Stream;
  std::uint8_t state = 7;  // TCP's numbers; datagram sockets: 1 connected, 7 not
  bool has_info = false;
  bool orphan = false;        // no program has it
  std::uint16_t session = 0;  // its program
  std::uint32_t program = 0;  // the program's number of it
  std::uint32_t lane = 0;
  std::uint16_t device = 0xffff;  // SO_BINDTODEVICE
  std::uint32_t protocol = 0;     // raw and packet sockets
  Endpoint local{}, peer{};
  std::uint32_t receive_queue = 0;  // bytes; a listener: connections that wait
  std::uint32_t send_queue = 0;     // bytes; a listener: its backlog
  std::uint32_t receive_memory = 0, receive_limit = 0, send_limit = 0;  // truesize
  std::uint64_t id = 0;                                                 // of this lane: handle
  const char* congestion = "";                                          // lives for ever
  tcp::PendingTimer timer{};
  tcp::Info info{};
};

struct Survey {
  explicit Survey(std::size_t capacity) { rows.reserve(capacity); }
  // Within the memory that is there.
  SocketRow* add() {
    if (rows.size() == rows.capacity()) {
      truncated = true;
      return nullptr;
    }
    return &rows.emplace_back();
  }
  std::vector<SocketRow> rows;
  bool truncated = false;  // there are more: ask again with more room
  std::atomic<bool> done{false};
};

}  // namespace linnet::socket
