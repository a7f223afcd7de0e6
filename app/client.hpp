// SPDX-License-Identifier: BSD-3-Clause
// The client's side of the control socket.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "control/protocol.hpp"

namespace linnet::app {

// A connection to the daemon; move-only, closed when it goes.
class Connection {
 public:
  static Result<Connection> open(const std::string& path);
  Connection(Connection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Connection& operator=(Connection&&) = delete;
  ~Connection();

  // Whether the daemon has not hung up meanwhile.
  bool alive() const;
  // Sends a command and waits for its reply. An error: the connection is of no more use.
  Result<control::Reply> ask(std::span<const std::string> words);

 private:
  explicit Connection(int fd) : fd_(fd) {}
  int fd_;
  control::ReplyReader reader_;
};

// Hands a reply's two texts to standard output and error. False: standard output did not take all.
bool write_out(const control::Reply& reply);

}  // namespace linnet::app
