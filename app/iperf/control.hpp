// SPDX-License-Identifier: BSD-3-Clause
// The control connection of a test, and what its sockets have in common.
#pragma once

#include <array>
#include <linnet/socket.hpp>
#include <optional>
#include <string>

#include "app/iperf/parameters.hpp"

namespace linnet::app::iperf {

using Cookie = std::array<char, kCookieBytes>;

Cookie make_cookie();

// Blocks while it talks, for at most kPatience; where a call fails errno says why (EPROTO: the peer
// talks nonsense, ENOTCONN: it has ended).
class Control {
 public:
  static constexpr int kPatienceSeconds = 30;

  Control() = default;
  explicit Control(Socket socket);

  int get() const { return socket_.get(); }
  explicit operator bool() const { return static_cast<bool>(socket_); }

  bool send_cookie(const Cookie& cookie) const;
  bool receive_cookie(Cookie& cookie) const;
  bool send_state(State state) const;
  std::optional<State> receive_state() const;
  // A text behind its length in four bytes, high first.
  bool send_text(const std::string& text) const;
  std::optional<std::string> receive_text() const;
  // What follows State::ServerError.
  bool send_fault(ServerFault fault, int error) const;
  std::optional<std::pair<std::uint32_t, int>> receive_fault() const;
  // Where something is there to be read, or the peer is gone.
  bool readable() const;

 private:
  Socket socket_;
};

// All of it, waiting as long as the socket's own limits allow.
bool send_all(const Socket& socket, std::span<const std::byte> bytes);
bool receive_all(const Socket& socket, std::span<std::byte> room);
// SO_RCVTIMEO and SO_SNDTIMEO.
void set_patience(const Socket& socket, int seconds);
SocketName local_name(int fd);
SocketName peer_name(int fd);
std::string to_text(const SocketName& name);  // the address

// TCP_NODELAY, TCP_MAXSEG, SO_SNDBUF, SO_RCVBUF, IP_TOS and TCP_CONGESTION as the test wants them,
// before the socket is connected. What failed; nullptr: nothing.
struct Refused {
  const char* what;
  ServerFault fault;
};
std::optional<Refused> apply(const Socket& socket, const Parameters& parameters);

}  // namespace linnet::app::iperf
