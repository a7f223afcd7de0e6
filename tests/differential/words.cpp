// SPDX-License-Identifier: BSD-3-Clause
#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>

#include "cases.hpp"

namespace linnet::differential {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

long bind_to(Calls& calls, int fd, std::uint16_t port) {
  const sockaddr_in name = loopback(port);
  return calls.bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
}

long connect_to(Calls& calls, int fd, std::uint16_t port) {
  const sockaddr_in name = loopback(port);
  return calls.connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
}

long send_text(Calls& calls, int fd, const std::string& text, int flags) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return calls.sendmsg(fd, &message, flags | MSG_NOSIGNAL);
}

std::string receive_text(Calls& calls, int fd, std::size_t room, int flags) {
  std::string text(room, '\0');
  iovec part{text.data(), room};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const long count = calls.recvmsg(fd, &message, flags | MSG_DONTWAIT);
  std::string out = result_text(count);
  if (count > 0) out += ' ' + text.substr(0, static_cast<std::size_t>(count));
  if (count >= 0 && message.msg_flags != 0) out += " flags " + std::to_string(message.msg_flags);
  return out;
}

std::string poll_text(Calls& calls, int fd) {
  static constexpr std::pair<int, const char*> kNames[] = {{POLLIN, "IN"},   {POLLPRI, "PRI"},
                                                           {POLLOUT, "OUT"}, {POLLERR, "ERR"},
                                                           {POLLHUP, "HUP"}, {POLLRDHUP, "RDHUP"}};
  pollfd asked{fd, POLLIN | POLLPRI | POLLOUT | POLLRDHUP, 0};
  const int count = calls.poll(&asked, 1, 0);
  if (count < 0) return result_text(count);
  std::string out;
  for (const auto& [bit, name] : kNames) {
    if ((asked.revents & bit) != 0) out += (out.empty() ? "" : "|") + std::string(name);
  }
  return out.empty() ? "none" : out;
}

std::string wait_text(Calls& calls, int set) {
  epoll_event events[4];
  const int count = calls.epoll_wait(set, events, 4, 0);
  std::string out = result_text(count);
  for (int i = 0; i < count; ++i)
    out += " " + std::to_string(events[i].events) + "@" + std::to_string(events[i].data.u64);
  return out + "; ";
}

Pair connected_pair(Calls& calls, std::uint16_t port) {
  Pair pair;
  const int on = 1;
  const int listener = calls.socket(AF_INET, SOCK_STREAM, 0);
  calls.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bind_to(calls, listener, port);
  calls.listen(listener, 5);
  pair.near = calls.socket(AF_INET, SOCK_STREAM, 0);
  connect_to(calls, pair.near, port);
  calls.settle();
  pair.far = calls.accept(listener, nullptr, nullptr, SOCK_NONBLOCK);
  int non_blocking = 1;
  calls.ioctl(pair.near, 0x5421 /* FIONBIO */, &non_blocking);
  calls.close(listener);
  return pair;
}

}  // namespace linnet::differential
