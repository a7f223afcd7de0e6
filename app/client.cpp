// SPDX-License-Identifier: BSD-3-Clause
#include "app/client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace linnet::app {
namespace {

Error why_not(const std::string& path) {
  switch (errno) {
    case ENOENT:
      return Error{"no daemon has this control socket", path, -1,
                   "a running linnetd, or another socket with -s PATH"};
    case ECONNREFUSED:
      return Error{"the daemon of this control socket is gone", path, -1,
                   "a running linnetd (systemctl start linnetd)"};
    case EACCES:
      return Error{"this user may not use the control socket", path, -1,
                   "root, or a member of the socket's group"};
    default:
      return Error{std::string("no connection: ") + std::strerror(errno), path};
  }
}

}  // namespace

Result<Connection> Connection::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{"not a path of a socket", path, -1,
                 "1 to " + std::to_string(sizeof address.sun_path - 1) + " bytes"};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return why_not(path);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Error error = why_not(path);
    close(fd);
    return error;
  }
  return Connection(fd);
}

Connection::~Connection() {
  if (fd_ >= 0) close(fd_);
}

bool Connection::alive() const {
  pollfd state{fd_, POLLRDHUP, 0};
  return poll(&state, 1, 0) == 0;
}

Result<control::Reply> Connection::ask(std::span<const std::string> words) {
  const auto request = control::encode_request(words);
  if (!request) return request.error();
  std::string_view rest = *request;
  while (!rest.empty()) {
    const ssize_t count = send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error{"the daemon hung up"};
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  control::Reply reply;
  char bytes[64 * 1024];
  while (true) {
    const ssize_t count = recv(fd_, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Error{"the daemon hung up before it answered"};
    const auto whole =
        reader_.take(std::string_view(bytes, static_cast<std::size_t>(count)), reply);
    if (!whole) return whole.error();
    if (*whole) return reply;
  }
}

bool write_out(const control::Reply& reply) {
  const bool written =
      std::fwrite(reply.out.data(), 1, reply.out.size(), stdout) == reply.out.size() &&
      std::fflush(stdout) == 0;
  std::fwrite(reply.err.data(), 1, reply.err.size(), stderr);
  return written;
}

}  // namespace linnet::app
