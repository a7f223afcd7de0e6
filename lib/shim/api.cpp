// SPDX-License-Identifier: BSD-3-Clause
// The C functions of linnet/socket.h that make, join, name and configure sockets.
#include <fcntl.h>
#include <linnet/socket.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstdarg>
#include <optional>

#include "shim/api.hpp"
#include "shim/current.hpp"
#include "shim/datagram.hpp"
#include "shim/epoll.hpp"
#include "shim/stream.hpp"

using namespace linnet::shim;
using linnet::socket::Kind;

namespace {

constexpr int kTypeFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;

struct Wanted {
  Kind kind;
  int protocol;
};

// Linux: inet_create, by the table of inet_protosw. -errno: there is no such.
int choose(int type, int protocol, Wanted& out) {
  if (protocol < 0 || protocol >= 256 + 7) return -EINVAL;
  switch (type) {
    case SOCK_STREAM:
      if (protocol != 0 && protocol != IPPROTO_TCP) return -EPROTONOSUPPORT;
      out = {Kind::Stream, IPPROTO_TCP};
      return 0;
    case SOCK_DGRAM:
      if (protocol == IPPROTO_ICMP) {
        out = {Kind::Ping, IPPROTO_ICMP};
        return 0;
      }
      if (protocol != 0 && protocol != IPPROTO_UDP) return -EPROTONOSUPPORT;
      out = {Kind::Datagram, IPPROTO_UDP};
      return 0;
    default:
      return -ESOCKTNOSUPPORT;
  }
}

int give_number(std::shared_ptr<File> file, int flags) {
  file->set_nonblocking((flags & SOCK_NONBLOCK) != 0);
  const int fd = Descriptors::of_process().add(file);
  if (fd >= 0) return fd;
  file->close_last();
  return answer(-EMFILE);
}

int duplicate(int fd, int least) {
  std::shared_ptr<File> file = Descriptors::of_process().get(fd);
  if (file == nullptr) return answer(-EBADF);
  if (least < 0) return answer(-EINVAL);
  const int copy = Descriptors::of_process().add(std::move(file), least);
  return copy >= 0 ? copy : answer(-EMFILE);
}

}  // namespace

int ln_socket(int domain, int type, int protocol) {
  const int flags = type & kTypeFlags;
  if ((type & ~(0xf | kTypeFlags)) != 0) return answer(-EINVAL);
  type &= 0xf;
  if (domain != AF_INET) return answer(-EAFNOSUPPORT);
  Wanted wanted{};
  if (const int bad = choose(type, protocol, wanted); bad != 0) return answer(bad);
  const std::shared_ptr<Program> program = current_program();
  if (program == nullptr) return answer(-ENETDOWN);
  std::shared_ptr<Socket> socket;
  if (wanted.kind == Kind::Stream)
    socket = std::make_shared<Stream>(program);
  else
    socket = std::make_shared<Datagram>(program, wanted.kind, type, wanted.protocol);
  socket->enter(socket);
  return give_number(std::move(socket), flags);
}

int ln_bind(int fd, const sockaddr* address, socklen_t length) {
  return with_socket(fd, [&](Socket& socket) { return socket.bind(address, length); });
}

int ln_listen(int fd, int backlog) {
  return with_socket(fd, [&](Socket& socket) { return socket.listen(backlog); });
}

int ln_accept(int fd, sockaddr* address, socklen_t* length) {
  return ln_accept4(fd, address, length, 0);
}

int ln_accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  if ((flags & ~kTypeFlags) != 0) return answer(-EINVAL);
  std::shared_ptr<Socket> made;
  const int accepted = with_socket(fd, [&](Socket& socket) { return socket.accept(made); });
  if (accepted != 0) return accepted;
  if (address != nullptr) {
    // What ended in the queue has its peer's name all the same (Linux: getname with peer 2).
    if (const int bad = made->accepted_from(address, length); bad != 0) {
      made->close_last();
      return answer(bad);
    }
  }
  return give_number(std::move(made), flags);
}

int ln_connect(int fd, const sockaddr* address, socklen_t length) {
  return with_socket(fd, [&](Socket& socket) { return socket.connect(address, length); });
}

int ln_shutdown(int fd, int how) {
  return with_socket(fd, [&](Socket& socket) { return socket.shutdown(how); });
}

int ln_dup(int fd) {
  return duplicate(fd, 0);
}

int ln_close(int fd) {
  const std::shared_ptr<File> file = Descriptors::of_process().remove(fd);
  if (file == nullptr) return answer(-EBADF);
  return file->drop_name() ? answer(file->close_last()) : 0;
}

int ln_getsockname(int fd, sockaddr* address, socklen_t* length) {
  return with_socket(fd, [&](Socket& socket) { return socket.local_name(address, length); });
}

int ln_getpeername(int fd, sockaddr* address, socklen_t* length) {
  return with_socket(fd, [&](Socket& socket) { return socket.peer_name(address, length); });
}

int ln_getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  return with_socket(fd,
                     [&](Socket& socket) { return socket.get_option(level, name, value, length); });
}

int ln_setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  return with_socket(fd,
                     [&](Socket& socket) { return socket.set_option(level, name, value, length); });
}

int ln_ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  int* const value = va_arg(arguments, int*);
  va_end(arguments);
  const std::shared_ptr<File> file = Descriptors::of_process().get(fd);
  if (file == nullptr) return answer(-EBADF);
  if (value == nullptr) return answer(-EFAULT);
  if (request == FIONBIO) {
    file->set_nonblocking(*value != 0);
    return 0;
  }
  return with_socket(fd, [&](Socket& socket) { return socket.query(request, *value); }, -ENOTTY);
}

int ln_fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const int value = va_arg(arguments, int);
  va_end(arguments);
  const std::shared_ptr<File> file = Descriptors::of_process().get(fd);
  if (file == nullptr) return answer(-EBADF);
  switch (command) {
    case F_GETFL:
      return O_RDWR | (file->nonblocking() ? O_NONBLOCK : 0);
    case F_SETFL:
      file->set_nonblocking((value & O_NONBLOCK) != 0);
      return 0;
    case F_GETFD:
      return FD_CLOEXEC;  // no descriptor of ours is seen behind exec
    case F_SETFD:
      return 0;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return duplicate(fd, value);
    default:
      return answer(-EINVAL);
  }
}

// --- epoll.

namespace {

int wait_for_events(int set, epoll_event* events, int most, int timeout_ms, const sigset_t* mask) {
  if (most <= 0) return answer(-EINVAL);
  const FileInCall file(set);
  if (!file) return answer(-EBADF);
  if (file->kind() != File::Kind::Epoll) return answer(-EINVAL);
  if (events == nullptr) return answer(-EFAULT);
  auto& epoll = static_cast<Epoll&>(*file);
  using linnet::time::Duration;
  using linnet::time::Instant;
  const Instant deadline = timeout_ms <= 0
                               ? Instant::never()
                               : epoll.program().host().now() + Duration::milliseconds(timeout_ms);
  return answer(
      epoll.wait({events, static_cast<std::size_t>(most)}, deadline, timeout_ms != 0, mask));
}

}  // namespace

int ln_epoll_create1(int flags) {
  if ((flags & ~EPOLL_CLOEXEC) != 0) return answer(-EINVAL);
  const std::shared_ptr<Program> program = current_program();
  if (program == nullptr) return answer(-ENETDOWN);
  return give_number(std::make_shared<Epoll>(program), 0);
}

int ln_epoll_ctl(int set, int operation, int fd, epoll_event* event) {
  const std::shared_ptr<File> file = Descriptors::of_process().get(set);
  const std::shared_ptr<File> target = Descriptors::of_process().get(fd);
  if (file == nullptr || (target == nullptr && fd >= LN_FD_BASE)) return answer(-EBADF);
  if (file->kind() != File::Kind::Epoll) return answer(-EINVAL);
  return answer(static_cast<Epoll&>(*file).control(operation, fd, target, event));
}

int ln_epoll_wait(int set, epoll_event* events, int most, int timeout_ms) {
  return wait_for_events(set, events, most, timeout_ms, nullptr);
}

int ln_epoll_pwait(int set, epoll_event* events, int most, int timeout_ms, const sigset_t* mask) {
  return wait_for_events(set, events, most, timeout_ms, mask);
}

int ln_epoll_kernel_fd(int set) {
  const std::shared_ptr<File> file = Descriptors::of_process().get(set);
  if (file == nullptr) return answer(-EBADF);
  if (file->kind() != File::Kind::Epoll) return answer(-EINVAL);
  return answer(static_cast<Epoll&>(*file).kernel_fd());
}
