// SPDX-License-Identifier: BSD-3-Clause
// Making sockets, descriptors, epoll, and stories of several calls.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "cases.hpp"

namespace linnet::differential {
namespace {

constexpr std::uint16_t kStoryPort = 2100;

std::string make_sockets(Calls& calls) {
  std::string out;
  for (const int domain : {AF_INET, 99, -1}) {
    for (const int type : {+SOCK_STREAM, +SOCK_DGRAM, +SOCK_SEQPACKET, +SOCK_RDM, 0, 9, 0x100}) {
      for (const int protocol : {0, +IPPROTO_TCP, +IPPROTO_UDP, 200, -1}) {
        const int fd = calls.socket(domain, type, protocol);
        out += std::to_string(domain) + "/" + std::to_string(type) + "/" +
               std::to_string(protocol) + " " + (fd >= 0 ? "made" : result_text(fd)) + "; ";
        if (fd >= 0) calls.close(fd);
      }
    }
  }
  return out;
}

std::string calls_without_socket(Calls& calls) {
  sockaddr_in name{};
  socklen_t length = sizeof name;
  auto* const address = reinterpret_cast<sockaddr*>(&name);
  std::string out;
  int value = 0;
  out += result_text(calls.bind(-1, address, length)) + " ";
  out += result_text(calls.listen(-1, 5)) + " ";
  out += result_text(calls.accept(-1, nullptr, nullptr, 0)) + " ";
  out += result_text(calls.connect(-1, address, length)) + " ";
  out += result_text(send_text(calls, -1, "x")) + " " + receive_text(calls, -1, 4) + " ";
  out += result_text(calls.shutdown(-1, 0)) + " " + result_text(calls.close(-1)) + " ";
  out += result_text(calls.getsockname(-1, address, &length)) + " ";
  out += result_text(calls.getsockopt(-1, SOL_SOCKET, SO_TYPE, &value, &length)) + " ";
  out += result_text(calls.ioctl(-1, FIONREAD, &value)) + " ";
  out += result_text(calls.fcntl(-1, F_GETFL, 0));
  const int set = calls.epoll_create(0);
  out += " on a set: " + result_text(calls.bind(set, address, length)) + " ";
  out += result_text(calls.listen(set, 5)) + " " + result_text(send_text(calls, set, "x")) + " ";
  out += result_text(calls.getsockopt(set, SOL_SOCKET, SO_TYPE, &value, &length));
  calls.close(set);
  return out;
}

std::string descriptor_flags(Calls& calls) {
  const int fd = calls.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  std::string out = std::to_string(calls.fcntl(fd, F_GETFL, 0) & (O_NONBLOCK | O_ACCMODE));
  calls.fcntl(fd, F_SETFL, 0);
  out += " " + std::to_string(calls.fcntl(fd, F_GETFL, 0) & (O_NONBLOCK | O_ACCMODE));
  int on = 1;
  calls.ioctl(fd, FIONBIO, &on);
  out += " " + std::to_string(calls.fcntl(fd, F_GETFL, 0) & (O_NONBLOCK | O_ACCMODE));
  const int copy = calls.fcntl(fd, F_DUPFD, 0);
  out += copy != fd && copy >= 0 ? " copied" : " " + result_text(copy);
  out += " " + result_text(calls.close(fd)) + " " + result_text(calls.close(fd));
  out += " " + poll_text(calls, copy);
  calls.close(copy);
  return out + " " + result_text(calls.fcntl(copy, F_GETFL, 0));
}

std::string port_conflicts(Calls& calls, int type, bool reuse_address, bool reuse_port,
                           bool listens) {
  const int on = 1;
  // A port that no other case has left in TIME-WAIT.
  static constexpr std::uint16_t kOwnPort = 2200;
  int fds[2];
  std::string out;
  for (int& fd : fds) {
    fd = calls.socket(AF_INET, type, 0);
    if (reuse_address) calls.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (reuse_port) calls.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    out += result_text(bind_to(calls, fd, kOwnPort)) + " ";
    if (listens) out += result_text(calls.listen(fd, 1)) + " ";
  }
  for (const int fd : fds)
    calls.close(fd);
  return out;
}

std::string epoll_modes(Calls& calls, unsigned mode) {
  const Pair pair = connected_pair(calls, kStoryPort);
  const int set = calls.epoll_create(0);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | mode;
  event.data.u64 = 5;
  std::string out = result_text(calls.epoll_ctl(set, EPOLL_CTL_MOD, pair.near, &event)) + " ";
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_ADD, pair.near, &event)) + " ";
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_ADD, pair.near, &event)) + "; ";
  out += wait_text(calls, set) + wait_text(calls, set);
  send_text(calls, pair.far, "x");
  calls.settle();
  out += wait_text(calls, set) + wait_text(calls, set);
  send_text(calls, pair.far, "y");
  calls.settle();
  out += wait_text(calls, set);
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_MOD, pair.near, &event)) + " ";
  out += wait_text(calls, set);
  receive_text(calls, pair.near, 10);
  out += wait_text(calls, set);
  calls.shutdown(pair.far, SHUT_WR);
  calls.settle();
  out += wait_text(calls, set) + wait_text(calls, set);
  calls.close(pair.far);
  calls.settle();
  out += wait_text(calls, set);
  calls.close(pair.near);
  out += wait_text(calls, set);
  calls.close(set);
  return out;
}

std::string epoll_misuse(Calls& calls) {
  const int set = calls.epoll_create(0), other = calls.epoll_create(0);
  const int fd = calls.socket(AF_INET, SOCK_DGRAM, 0);
  epoll_event event{};
  event.events = EPOLLIN;
  std::string out = result_text(calls.epoll_ctl(set, EPOLL_CTL_ADD, set, &event)) + " ";
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_ADD, -1, &event)) + " ";
  out += result_text(calls.epoll_ctl(fd, EPOLL_CTL_ADD, set, &event)) + " ";
  out += result_text(calls.epoll_ctl(set, 9, fd, &event)) + " ";
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_DEL, fd, &event)) + " ";
  out += result_text(calls.epoll_ctl(set, EPOLL_CTL_ADD, other, &event)) + " ";
  out += result_text(calls.epoll_ctl(other, EPOLL_CTL_ADD, set, &event)) + " ";
  epoll_event room[1];
  out += result_text(calls.epoll_wait(set, room, 0, 0)) + " ";
  out += result_text(calls.epoll_wait(set, room, -1, 0)) + " ";
  out += result_text(calls.epoll_wait(fd, room, 1, 0)) + " ";
  out += result_text(calls.epoll_create(7));
  for (const int each : {fd, set, other})
    calls.close(each);
  return out;
}

std::string datagram_bounds(Calls& calls) {
  const int near = calls.socket(AF_INET, SOCK_DGRAM, 0), far = calls.socket(AF_INET, SOCK_DGRAM, 0);
  bind_to(calls, far, kStoryPort);
  connect_to(calls, near, kStoryPort);
  std::string out;
  for (const std::size_t size : {0u, 1u, 1472u, 9000u, 65507u, 65508u, 70000u})
    out += result_text(send_text(calls, near, std::string(size, 'x'))) + " ";
  calls.settle();
  for (int i = 0; i < 6; ++i)
    out += receive_text(calls, far, 70000).substr(0, 5) + "; ";
  calls.close(near);
  calls.close(far);
  return out;
}

std::string corked_datagram(Calls& calls) {
  const int near = calls.socket(AF_INET, SOCK_DGRAM, 0), far = calls.socket(AF_INET, SOCK_DGRAM, 0);
  bind_to(calls, far, kStoryPort);
  connect_to(calls, near, kStoryPort);
  std::string out = result_text(send_text(calls, near, "ab", MSG_MORE)) + " ";
  calls.settle();
  out += receive_text(calls, far, 10) + " " + result_text(send_text(calls, near, "cd")) + " ";
  calls.settle();
  out += receive_text(calls, far, 10);
  calls.close(near);
  calls.close(far);
  return out;
}

std::string strangers_are_not_heard(Calls& calls) {
  const int near = calls.socket(AF_INET, SOCK_DGRAM, 0), far = calls.socket(AF_INET, SOCK_DGRAM, 0),
            stranger = calls.socket(AF_INET, SOCK_DGRAM, 0);
  bind_to(calls, near, kStoryPort);
  bind_to(calls, far, kStoryPort + 1);
  connect_to(calls, near, kStoryPort + 1);
  connect_to(calls, stranger, kStoryPort);
  send_text(calls, stranger, "no");
  calls.settle();
  std::string out = receive_text(calls, near, 10) + "; ";
  out += result_text(send_text(calls, stranger, "again")) + "; ";
  connect_to(calls, far, kStoryPort);
  send_text(calls, far, "yes");
  calls.settle();
  out += receive_text(calls, near, 10);
  for (const int fd : {near, far, stranger})
    calls.close(fd);
  return out;
}

std::string backlog_of_one(Calls& calls) {
  const int listener = calls.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  calls.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bind_to(calls, listener, kStoryPort);
  calls.listen(listener, 1);
  std::string out;
  int clients[2];
  for (int& client : clients) {
    client = calls.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect_to(calls, client, kStoryPort);
    calls.settle();
    out += poll_text(calls, client) + " ";
  }
  for (int i = 0; i < 3; ++i) {
    const int got = calls.accept(listener, nullptr, nullptr, 0);
    out += got >= 0 ? "accepted " : result_text(got) + " ";
    if (got >= 0) calls.close(got);
  }
  for (const int client : clients)
    calls.close(client);
  calls.close(listener);
  return out;
}

std::string half_close_conversation(Calls& calls) {
  const Pair pair = connected_pair(calls, kStoryPort);
  std::string out = result_text(send_text(calls, pair.near, "ask")) + " ";
  out += result_text(calls.shutdown(pair.near, SHUT_WR)) + " ";
  calls.settle();
  out += receive_text(calls, pair.far, 10) + " " + receive_text(calls, pair.far, 10) + " ";
  out += poll_text(calls, pair.far) + " " + result_text(send_text(calls, pair.far, "answer")) + " ";
  calls.settle();
  out += receive_text(calls, pair.near, 10) + " " + poll_text(calls, pair.near) + " ";
  calls.close(pair.far);
  calls.settle();
  out += receive_text(calls, pair.near, 10) + " " + poll_text(calls, pair.near);
  calls.close(pair.near);
  return out;
}

std::string reconnect_after_refusal(Calls& calls) {
  const int fd = calls.socket(AF_INET, SOCK_STREAM, 0);
  std::string out = result_text(connect_to(calls, fd, kStoryPort + 7)) + " ";
  const int listener = calls.socket(AF_INET, SOCK_STREAM, 0);
  bind_to(calls, listener, kStoryPort + 7);
  calls.listen(listener, 5);
  out += result_text(connect_to(calls, fd, kStoryPort + 7)) + " " + poll_text(calls, fd);
  calls.close(fd);
  calls.close(listener);
  return out;
}

std::string write_until_full(Calls& calls) {
  const Pair pair = connected_pair(calls, kStoryPort);
  const std::string lot(100'000, 'x');
  std::size_t sent = 0;
  long count = 0;
  for (int i = 0; i < 1000 && count >= 0; ++i) {
    count = send_text(calls, pair.near, lot);
    sent += count > 0 ? static_cast<std::size_t>(count) : 0;
    calls.settle();
  }
  std::string out = result_text(count) + " " + poll_text(calls, pair.near) + " ";
  std::size_t got = 0;
  std::string text = "1";
  for (int i = 0; i < 100'000 && got < sent; ++i) {
    text = receive_text(calls, pair.far, 65536);
    if (text[0] != '-') got += std::stoul(text);
    calls.settle();
  }
  out += got == sent ? "all arrived " : "bytes are missing ";
  out += poll_text(calls, pair.near);
  calls.close(pair.near);
  calls.close(pair.far);
  return out;
}

}  // namespace

std::vector<Case> story_cases() {
  std::vector<Case> out = {
      {"make sockets", make_sockets},
      {"calls without a socket", calls_without_socket},
      {"descriptor flags", descriptor_flags},
      {"epoll level", [](Calls& c) { return epoll_modes(c, 0); }},
      {"epoll edge", [](Calls& c) { return epoll_modes(c, EPOLLET); }},
      {"epoll one shot", [](Calls& c) { return epoll_modes(c, EPOLLONESHOT); }},
      {"epoll exclusive", [](Calls& c) { return epoll_modes(c, EPOLLEXCLUSIVE); }},
      {"epoll misuse", epoll_misuse},
      {"datagram bounds", datagram_bounds},
      {"corked datagram", corked_datagram},
      {"strangers are not heard", strangers_are_not_heard},
      {"backlog of one", backlog_of_one},
      {"half-close conversation", half_close_conversation},
      {"reconnect after refusal", reconnect_after_refusal},
      {"write until full", write_until_full},
  };
  for (const int type : {+SOCK_STREAM, +SOCK_DGRAM}) {
    for (int bits = 0; bits < 8; ++bits) {
      const bool address = (bits & 1) != 0, port = (bits & 2) != 0, listens = (bits & 4) != 0;
      if (type == SOCK_DGRAM && listens) continue;
      out.push_back({std::string(type == SOCK_STREAM ? "tcp" : "udp") + " port conflict" +
                         (address ? " reuse address" : "") + (port ? " reuse port" : "") +
                         (listens ? " listening" : ""),
                     [=](Calls& c) { return port_conflicts(c, type, address, port, listens); }});
    }
  }
  return out;
}

}  // namespace linnet::differential
