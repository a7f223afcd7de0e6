// SPDX-License-Identifier: BSD-3-Clause
// The C functions of linnet/socket.h that carry data.
#include <limits.h>
#include <linnet/socket.h>

#include <algorithm>
#include <cerrno>

#include "shim/api.hpp"
#include "shim/pieces.hpp"

using namespace linnet::shim;

namespace {

constexpr std::size_t kMostParts = 1024;        // Linux: UIO_MAXIOV
constexpr std::size_t kMostBytes = 0x7ffff000;  // Linux: MAX_RW_COUNT

// Linux: import_iovec.
int check_parts(const iovec* parts, std::size_t count, std::size_t& bytes) {
  if (count == 1 && parts != nullptr && parts->iov_base != nullptr && parts->iov_len <= kMostBytes)
      [[likely]] {
    bytes = parts->iov_len;
    return 0;
  }
  bytes = 0;
  if (count > kMostParts) return -EINVAL;
  if (count > 0 && parts == nullptr) return -EFAULT;
  for (std::size_t i = 0; i < count; ++i) {
    if (static_cast<ssize_t>(parts[i].iov_len) < 0) return -EINVAL;
    if (parts[i].iov_base == nullptr && parts[i].iov_len > 0) return -EFAULT;
    bytes = std::min(bytes + parts[i].iov_len, kMostBytes);
  }
  return 0;
}

ssize_t send_parts(int fd, const iovec* parts, std::size_t count, int flags,
                   const sockaddr* name = nullptr, socklen_t name_length = 0,
                   std::span<const std::byte> control = {}) {
  return with_socket(fd, [&](Socket& socket) -> ssize_t {
    SendCall call;
    if (const int bad = check_parts(parts, count, call.bytes); bad != 0) return bad;
    call.parts = {parts, count};
    call.name = name;
    call.name_length = name_length;
    call.control = control;
    call.flags = flags;
    return socket.send(call);
  });
}

ssize_t receive_parts(int fd, ReceiveCall& call, const iovec* parts, std::size_t count) {
  return with_socket(fd, [&](Socket& socket) -> ssize_t {
    if (const int bad = check_parts(parts, count, call.room); bad != 0) return bad;
    call.parts = {parts, count};
    return socket.receive(call);
  });
}

ssize_t receive_message(int fd, msghdr& message, int flags) {
  ReceiveCall call;
  call.flags = flags;
  call.name = static_cast<sockaddr*>(message.msg_name);
  call.name_length = message.msg_name != nullptr ? &message.msg_namelen : nullptr;
  if (message.msg_control != nullptr)
    call.control = {static_cast<std::byte*>(message.msg_control), message.msg_controllen};
  const ssize_t got = receive_parts(fd, call, message.msg_iov, message.msg_iovlen);
  if (got < 0) return got;
  message.msg_flags = call.result_flags;
  message.msg_controllen = call.control_length;
  return got;
}

ssize_t send_message(int fd, const msghdr& message, int flags) {
  std::span<const std::byte> control;
  if (message.msg_control != nullptr)
    control = {static_cast<const std::byte*>(message.msg_control), message.msg_controllen};
  return send_parts(fd, message.msg_iov, message.msg_iovlen, flags,
                    static_cast<const sockaddr*>(message.msg_name), message.msg_namelen, control);
}

}  // namespace

ssize_t ln_send(int fd, const void* bytes, size_t count, int flags) {
  return ln_sendto(fd, bytes, count, flags, nullptr, 0);
}

ssize_t ln_sendto(int fd, const void* bytes, size_t count, int flags, const sockaddr* address,
                  socklen_t length) {
  const iovec part{const_cast<void*>(bytes), count};
  return send_parts(fd, &part, 1, flags, address, length);
}

ssize_t ln_sendmsg(int fd, const msghdr* message, int flags) {
  return message != nullptr ? send_message(fd, *message, flags) : answer(ssize_t{-EFAULT});
}

int ln_sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  unsigned sent = 0;
  for (; sent < std::min<unsigned>(count, kMostParts); ++sent) {
    const ssize_t went = send_message(fd, messages[sent].msg_hdr, flags);
    if (went < 0) break;
    messages[sent].msg_len = static_cast<unsigned>(went);
  }
  return sent > 0 || count == 0 ? static_cast<int>(sent) : -1;
}

ssize_t ln_recv(int fd, void* bytes, size_t count, int flags) {
  return ln_recvfrom(fd, bytes, count, flags, nullptr, nullptr);
}

ssize_t ln_recvfrom(int fd, void* bytes, size_t count, int flags, sockaddr* address,
                    socklen_t* length) {
  const iovec part{bytes, count};
  ReceiveCall call;
  call.flags = flags;
  call.name = address;
  call.name_length = address != nullptr ? length : nullptr;
  return receive_parts(fd, call, &part, 1);
}

ssize_t ln_recvmsg(int fd, msghdr* message, int flags) {
  return message != nullptr ? receive_message(fd, *message, flags) : answer(ssize_t{-EFAULT});
}

// As Linux, the timeout is looked at only between two messages.
int ln_recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  using linnet::time::Duration;
  using linnet::time::Instant;
  const std::shared_ptr<File> file = Descriptors::of_process().get(fd);
  if (file == nullptr) return answer(-EBADF);
  const auto limit = timeout == nullptr ? Duration()
                                        : Duration::seconds(timeout->tv_sec) +
                                              Duration::nanoseconds(timeout->tv_nsec);
  const Instant until =
      timeout == nullptr ? Instant::never() : file->program().host().now() + limit;
  unsigned got = 0;
  while (got < std::min<unsigned>(count, kMostParts)) {
    const int here = got > 0 && (flags & MSG_WAITFORONE) != 0 ? flags | MSG_DONTWAIT : flags;
    const ssize_t bytes = receive_message(fd, messages[got].msg_hdr, here & ~MSG_WAITFORONE);
    if (bytes < 0) break;
    messages[got++].msg_len = static_cast<unsigned>(bytes);
    if (timeout != nullptr && file->program().host().now() >= until) break;
  }
  return got > 0 || count == 0 ? static_cast<int>(got) : -1;
}

ssize_t ln_read(int fd, void* bytes, size_t count) {
  return ln_recv(fd, bytes, count, 0);
}

ssize_t ln_write(int fd, const void* bytes, size_t count) {
  return ln_send(fd, bytes, count, 0);
}

ssize_t ln_readv(int fd, const iovec* parts, int count) {
  if (count < 0) return answer(ssize_t{-EINVAL});
  ReceiveCall call;
  return receive_parts(fd, call, parts, static_cast<std::size_t>(count));
}

ssize_t ln_writev(int fd, const iovec* parts, int count) {
  if (count < 0) return answer(ssize_t{-EINVAL});
  return send_parts(fd, parts, static_cast<std::size_t>(count), 0);
}

// --- Without copying.

int ln_recv_borrow(int fd, ln_buffer* buffers, int count, int flags) {
  if (count <= 0) return answer(-EINVAL);
  return with_socket(fd, [&](Socket& socket) {
    return socket.borrow({buffers, static_cast<std::size_t>(count)}, flags);
  });
}

int ln_recv_return(int fd, const ln_buffer* buffers, int count) {
  if (count < 0) return answer(-EINVAL);
  return with_socket(fd, [&](Socket& socket) {
    return socket.give_back({buffers, static_cast<std::size_t>(count)});
  });
}

int ln_send_buffer_get(int fd, ln_buffer* buffer) {
  return with_socket(fd, [&](Socket& socket) { return socket.lend(*buffer); });
}

int ln_send_buffer(int fd, const ln_buffer* buffers, int count, int flags) {
  if (count <= 0) return answer(-EINVAL);
  return with_socket(fd, [&](Socket& socket) {
    return socket.send_lent({buffers, static_cast<std::size_t>(count)}, flags);
  });
}

int ln_send_buffer_drop(int fd, const ln_buffer* buffers, int count) {
  if (count < 0) return answer(-EINVAL);
  return with_socket(fd, [&](Socket& socket) {
    return socket.take_back({buffers, static_cast<std::size_t>(count)});
  });
}
