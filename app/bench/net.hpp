// SPDX-License-Identifier: BSD-3-Clause
// The same socket calls on two stacks, so that one program measures both.
#pragma once

#include <linnet/socket.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>

namespace linnet::bench {

struct KernelNet {
  static int socket() { return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); }
  static int bind(int fd, const sockaddr* name, socklen_t length) {
    return ::bind(fd, name, length);
  }
  static int listen(int fd, int backlog) { return ::listen(fd, backlog); }
  static int accept(int fd) { return ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK); }
  static int connect(int fd, const sockaddr* name, socklen_t length) {
    return ::connect(fd, name, length);
  }
  static ssize_t send(int fd, const void* bytes, std::size_t count) {
    return ::send(fd, bytes, count, MSG_NOSIGNAL);
  }
  static ssize_t receive(int fd, void* bytes, std::size_t room) {
    return ::recv(fd, bytes, room, 0);
  }
  static int shutdown_send(int fd) { return ::shutdown(fd, SHUT_WR); }
  static int close(int fd) { return ::close(fd); }
  static int set(int fd, int level, int name, const void* value, socklen_t length) {
    return ::setsockopt(fd, level, name, value, length);
  }
  static int make_epoll() { return ::epoll_create1(0); }
  static int control(int set, int operation, int fd, epoll_event* event) {
    return ::epoll_ctl(set, operation, fd, event);
  }
  static int wait(int set, epoll_event* events, int most) {
    return ::epoll_wait(set, events, most, 0);
  }
};

struct LinnetNet {
  static int socket() { return ln_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); }
  static int bind(int fd, const sockaddr* name, socklen_t length) {
    return ln_bind(fd, name, length);
  }
  static int listen(int fd, int backlog) { return ln_listen(fd, backlog); }
  static int accept(int fd) { return ln_accept4(fd, nullptr, nullptr, SOCK_NONBLOCK); }
  static int connect(int fd, const sockaddr* name, socklen_t length) {
    return ln_connect(fd, name, length);
  }
  static ssize_t send(int fd, const void* bytes, std::size_t count) {
    return ln_send(fd, bytes, count, MSG_NOSIGNAL);
  }
  static ssize_t receive(int fd, void* bytes, std::size_t room) {
    return ln_recv(fd, bytes, room, 0);
  }
  static int shutdown_send(int fd) { return ln_shutdown(fd, SHUT_WR); }
  static int close(int fd) { return ln_close(fd); }
  static int set(int fd, int level, int name, const void* value, socklen_t length) {
    return ln_setsockopt(fd, level, name, value, length);
  }
  static int make_epoll() { return ln_epoll_create1(0); }
  static int control(int set, int operation, int fd, epoll_event* event) {
    return ln_epoll_ctl(set, operation, fd, event);
  }
  static int wait(int set, epoll_event* events, int most) {
    return ln_epoll_wait(set, events, most, 0);
  }
};

}  // namespace linnet::bench
