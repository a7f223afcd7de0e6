// SPDX-License-Identifier: BSD-3-Clause
// What a socket is told about, and when: low water, marks, corks, sets of epoll.
#include <fcntl.h>
#include <linux/udp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>

#include "cases.hpp"

namespace linnet::differential {
namespace {

constexpr std::uint16_t kNoticePort = 2300;

std::string set_int(Calls& calls, int fd, int level, int name, int value) {
  return result_text(calls.setsockopt(fd, level, name, &value, sizeof value)) + " ";
}

std::string error_text(Calls& calls, int fd) {
  int error = -7;
  socklen_t length = sizeof error;
  calls.getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return "error " + std::to_string(error) + " ";
}

std::string dissolve(Calls& calls, int fd) {
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  return result_text(calls.connect(fd, &nobody, sizeof nobody)) + " ";
}

std::string reconnect_in_a_row(Calls& calls, bool bound) {
  const int far = calls.socket(AF_INET, SOCK_DGRAM, 0), fd = calls.socket(AF_INET, SOCK_DGRAM, 0);
  bind_to(calls, far, kNoticePort);
  std::string out;
  if (bound) out += result_text(bind_to(calls, fd, kNoticePort + 1)) + " ";
  for (int i = 0; i < 3; ++i) {
    out += result_text(connect_to(calls, fd, kNoticePort)) + " ";
    out += dissolve(calls, fd);
  }
  out += result_text(connect_to(calls, fd, kNoticePort)) + " ";
  out += result_text(send_text(calls, fd, "abc")) + " ";
  calls.settle();
  out += receive_text(calls, far, 10) + " " + error_text(calls, fd) + poll_text(calls, fd);
  calls.close(fd);
  calls.close(far);
  return out;
}

std::string cork_taken_away(Calls& calls) {
  const int near = calls.socket(AF_INET, SOCK_DGRAM, 0), far = calls.socket(AF_INET, SOCK_DGRAM, 0);
  bind_to(calls, far, kNoticePort);
  connect_to(calls, near, kNoticePort);
  std::string out = result_text(send_text(calls, near, "ab", MSG_MORE)) + " ";
  out += set_int(calls, near, IPPROTO_UDP, UDP_CORK, 0);
  calls.settle();
  out += receive_text(calls, far, 10) + "; ";
  out += set_int(calls, near, IPPROTO_UDP, UDP_CORK, 1);
  out += result_text(send_text(calls, near, "cd")) + " ";
  out += result_text(send_text(calls, near, "ef")) + " ";
  calls.settle();
  out += receive_text(calls, far, 10) + " ";
  out += set_int(calls, near, IPPROTO_UDP, UDP_CORK, 0);
  calls.settle();
  out += receive_text(calls, far, 10) + "; ";
  out += set_int(calls, near, IPPROTO_UDP, UDP_CORK, 0);
  calls.settle();
  out += receive_text(calls, far, 10);
  calls.close(near);
  calls.close(far);
  return out;
}

// What was corked goes with the piece that is too long.
std::string corked_too_much(Calls& calls) {
  const int near = calls.socket(AF_INET, SOCK_DGRAM, 0), far = calls.socket(AF_INET, SOCK_DGRAM, 0);
  bind_to(calls, far, kNoticePort);
  connect_to(calls, near, kNoticePort);
  const std::string lot(40'000, 'x');
  std::string out = set_int(calls, near, IPPROTO_UDP, UDP_CORK, 1);
  out += result_text(send_text(calls, near, lot)) + " ";
  out += result_text(send_text(calls, near, lot)) + " ";
  out += result_text(send_text(calls, near, "ab")) + " ";
  out += set_int(calls, near, IPPROTO_UDP, UDP_CORK, 0);
  calls.settle();
  out += receive_text(calls, far, 10) + " " + receive_text(calls, far, 10);
  calls.close(near);
  calls.close(far);
  return out;
}

std::string low_water_lowered(Calls& calls) {
  const Pair pair = connected_pair(calls, kNoticePort);
  const int set = calls.epoll_create(0);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = 5;
  std::string out = result_text(calls.epoll_ctl(set, EPOLL_CTL_ADD, pair.near, &event)) + " ";
  out += set_int(calls, pair.near, SOL_SOCKET, SO_RCVLOWAT, 1000);
  send_text(calls, pair.far, std::string(500, 'x'));
  calls.settle();
  out += poll_text(calls, pair.near) + " " + wait_text(calls, set);
  out += set_int(calls, pair.near, SOL_SOCKET, SO_RCVLOWAT, 1);
  out += poll_text(calls, pair.near) + " " + wait_text(calls, set);
  for (const int fd : {pair.near, pair.far, set})
    calls.close(fd);
  return out;
}

// A byte beside the stream is nothing to read.
std::string urgent_byte_alone(Calls& calls) {
  const Pair pair = connected_pair(calls, kNoticePort);
  send_text(calls, pair.far, "U", MSG_OOB);
  calls.settle();
  std::string out = poll_text(calls, pair.near) + " ";
  out += receive_text(calls, pair.near, 1, MSG_OOB) + " " + poll_text(calls, pair.near) + " ";
  send_text(calls, pair.far, "v");
  calls.settle();
  out += poll_text(calls, pair.near) + " " + receive_text(calls, pair.near, 10) + " " +
         poll_text(calls, pair.near) + "; ";
  const int on = 1;
  calls.setsockopt(pair.near, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
  send_text(calls, pair.far, "W", MSG_OOB);
  calls.settle();
  out += poll_text(calls, pair.near) + " " + receive_text(calls, pair.near, 10);
  for (const int fd : {pair.near, pair.far})
    calls.close(fd);
  return out;
}

// The number is another file's; the first one is in the set as long as it lives.
std::string number_used_again_in_a_set(Calls& calls) {
  const int set = calls.epoll_create(0);
  epoll_event event{};
  event.events = EPOLLOUT;
  const int first = calls.socket(AF_INET, SOCK_DGRAM, 0);
  const int copy = calls.fcntl(first, F_DUPFD, 0);
  event.data.u64 = 1;
  std::string out = result_text(calls.epoll_ctl(set, EPOLL_CTL_ADD, first, &event)) + " ";
  calls.close(first);
  const int second = calls.socket(AF_INET, SOCK_DGRAM, 0);
  out += second == first ? "same " : "another number ";
  event.data.u64 = 2;
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_MOD, second, &event)) + " ";
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_DEL, second, &event)) + " ";
  out += wait_text(calls, set);
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_ADD, second, &event)) + " ";
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_ADD, second, &event)) + " ";
  out += wait_text(calls, set);
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_DEL, second, &event)) + " ";
  out += wait_text(calls, set);
  calls.close(copy);
  out += wait_text(calls, set);
  for (const int fd : {second, set})
    calls.close(fd);
  return out;
}

// Nowhere to read the value from, or too little of it.
std::string options_of_nothing(Calls& calls, int type) {
  static constexpr std::pair<int, int> kNames[] = {
      {SOL_SOCKET, SO_BINDTODEVICE},
      {SOL_SOCKET, SO_REUSEADDR},
      {SOL_SOCKET, SO_LINGER},
      {SOL_SOCKET, SO_RCVTIMEO},
      {SOL_SOCKET, SO_SNDTIMEO},
      {SOL_SOCKET, SO_RCVBUF},
      {SOL_SOCKET, SO_SNDBUF},
      {SOL_SOCKET, SO_RCVLOWAT},
      {SOL_SOCKET, SO_MAX_PACING_RATE},
      {SOL_SOCKET, SO_MARK},
      {IPPROTO_IP, IP_TTL},
      {IPPROTO_IP, IP_TOS},
      {IPPROTO_IP, IP_UNICAST_IF},
      {IPPROTO_IP, IP_FREEBIND},
      {IPPROTO_IP, IP_MULTICAST_TTL},
      {IPPROTO_TCP, TCP_NODELAY},
      {IPPROTO_TCP, TCP_CONGESTION},
      {IPPROTO_TCP, TCP_FASTOPEN_KEY},
      {IPPROTO_TCP, TCP_MAXSEG},
      {IPPROTO_UDP, UDP_CORK},
  };
  const int fd = calls.socket(AF_INET, type, 0);
  std::string out;
  for (const auto& [level, name] : kNames) {
    out += std::to_string(level) + "/" + std::to_string(name);
    for (const socklen_t length : {0u, 1u, 4u, 16u})
      out += " " + result_text(calls.setsockopt(fd, level, name, nullptr, length));
    out += "; ";
  }
  calls.close(fd);
  return out;
}

}  // namespace

std::vector<Case> notice_cases() {
  return {
      {"udp reconnected in a row", [](Calls& c) { return reconnect_in_a_row(c, false); }},
      {"udp bound and reconnected in a row", [](Calls& c) { return reconnect_in_a_row(c, true); }},
      {"udp cork taken away", cork_taken_away},
      {"udp corked too much", corked_too_much},
      {"tcp low water lowered", low_water_lowered},
      {"tcp urgent byte alone", urgent_byte_alone},
      {"epoll number used again", number_used_again_in_a_set},
      {"tcp options of nothing", [](Calls& c) { return options_of_nothing(c, SOCK_STREAM); }},
      {"udp options of nothing", [](Calls& c) { return options_of_nothing(c, SOCK_DGRAM); }},
  };
}

}  // namespace linnet::differential
