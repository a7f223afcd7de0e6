// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "calls.hpp"

namespace linnet::differential {

// A case runs on one side and tells what it saw; both sides must tell the same.
struct Case {
  std::string name;
  std::function<std::string(Calls& calls)> run;
};

// Every call in every state of a socket.
std::vector<Case> state_cases();
// Every option: default, bounds, what is read back.
std::vector<Case> option_cases();
// Making sockets, descriptors, epoll, and stories of several calls.
std::vector<Case> story_cases();
// What a socket is told about, and when.
std::vector<Case> notice_cases();

// --- Shared words of cases.
sockaddr_in loopback(std::uint16_t port);
long bind_to(Calls& calls, int fd, std::uint16_t port);
long connect_to(Calls& calls, int fd, std::uint16_t port);
long send_text(Calls& calls, int fd, const std::string& text, int flags = 0);
// "3 abc" or the error.
std::string receive_text(Calls& calls, int fd, std::size_t room, int flags = 0);
// Names of the POLL bits.
std::string poll_text(Calls& calls, int fd);
// What an epoll set tells without waiting, at most four events: "COUNT EVENTS@DATA ...; ".
std::string wait_text(Calls& calls, int set);
// A connected pair by way of a listener on `port`.
struct Pair {
  int near = -1, far = -1;
};
Pair connected_pair(Calls& calls, std::uint16_t port);

}  // namespace linnet::differential
