// SPDX-License-Identifier: BSD-3-Clause
// The same socket calls on the kernel's sockets and on ours.
#pragma once

#include <linnet/embed.h>
#include <sys/socket.h>

#include <memory>
#include <string>

namespace linnet::differential {

// One side. All calls as those of the C library.
class Calls {
 public:
  virtual ~Calls() = default;
  virtual int socket(int domain, int type, int protocol) = 0;
  virtual int bind(int fd, const sockaddr* name, socklen_t length) = 0;
  virtual int listen(int fd, int backlog) = 0;
  virtual int accept(int fd, sockaddr* name, socklen_t* length, int flags) = 0;
  virtual int connect(int fd, const sockaddr* name, socklen_t length) = 0;
  virtual ssize_t sendmsg(int fd, const msghdr* message, int flags) = 0;
  virtual ssize_t recvmsg(int fd, msghdr* message, int flags) = 0;
  virtual int shutdown(int fd, int how) = 0;
  virtual int close(int fd) = 0;
  virtual int getsockname(int fd, sockaddr* name, socklen_t* length) = 0;
  virtual int getpeername(int fd, sockaddr* name, socklen_t* length) = 0;
  virtual int getsockopt(int fd, int level, int name, void* value, socklen_t* length) = 0;
  virtual int setsockopt(int fd, int level, int name, const void* value, socklen_t length) = 0;
  virtual int ioctl(int fd, unsigned long request, int* value) = 0;
  virtual int fcntl(int fd, int command, int value) = 0;
  virtual int poll(pollfd* fds, nfds_t count, int timeout_ms) = 0;
  virtual int epoll_create(int flags) = 0;
  virtual int epoll_ctl(int set, int operation, int fd, epoll_event* event) = 0;
  virtual int epoll_wait(int set, epoll_event* events, int most, int timeout_ms) = 0;
  // What was sent has arrived after it; in the kernel, if `patience_ms` is enough for its softirqs.
  virtual void settle() = 0;
  int patience_ms = 1;
};

// The kernel's, in a network namespace made for it; null: that is not allowed here.
std::unique_ptr<Calls> kernel_calls();
// Ours, on an embedded stack with its loopback device.
std::unique_ptr<Calls> linnet_calls();

// "-1 EAGAIN" or the number.
std::string result_text(long result);

}  // namespace linnet::differential
