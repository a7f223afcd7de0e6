// SPDX-License-Identifier: BSD-3-Clause
// A thin C++ face of linnet/socket.h: a descriptor that closes itself, and names. Calls return what
// the C calls return; errno says why.
#pragma once

#include <linnet/socket.h>
#include <netdb.h>

#include <cstring>
#include <span>
#include <string_view>
#include <utility>

namespace linnet {

// An IPv4 address and port as a socket's name.
class SocketName {
 public:
  SocketName() : name_{} { name_.sin_family = AF_INET; }
  // `address`, `port`: host order.
  SocketName(std::uint32_t address, std::uint16_t port) : SocketName() {
    name_.sin_addr.s_addr = htonl(address);
    name_.sin_port = htons(port);
  }
  std::uint32_t address() const { return ntohl(name_.sin_addr.s_addr); }
  std::uint16_t port() const { return ntohs(name_.sin_port); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name_); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&name_); }
  static constexpr socklen_t size() { return sizeof(sockaddr_in); }

 private:
  sockaddr_in name_;
};

// The first address of ln_getaddrinfo, for TCP unless `type` says otherwise. 0, or its code
// (ln_gai_strerror).
inline int look_up(const char* host, const char* service, SocketName& out, int type = SOCK_STREAM) {
  addrinfo hints{}, *list = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = type;
  const int code = ln_getaddrinfo(host, service, &hints, &list);
  if (code != 0) return code;
  std::memcpy(out.get(), list->ai_addr, SocketName::size());
  ln_freeaddrinfo(list);
  return 0;
}

// Owns a descriptor of ours: a socket or an epoll set.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ln_close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

class Socket : public Descriptor {
 public:
  using Descriptor::Descriptor;
  static Socket stream(int flags = 0) { return Socket(ln_socket(AF_INET, SOCK_STREAM | flags, 0)); }
  static Socket datagram(int flags = 0) {
    return Socket(ln_socket(AF_INET, SOCK_DGRAM | flags, 0));
  }

  int bind(const SocketName& name) const { return ln_bind(get(), name.get(), SocketName::size()); }
  int connect(const SocketName& name) const {
    return ln_connect(get(), name.get(), SocketName::size());
  }
  int listen(int backlog) const { return ln_listen(get(), backlog); }
  // `peer` may be nullptr.
  Socket accept(SocketName* peer = nullptr, int flags = 0) const {
    socklen_t length = SocketName::size();
    return Socket(ln_accept4(get(), peer != nullptr ? peer->get() : nullptr, &length, flags));
  }
  ssize_t send(std::span<const std::byte> bytes, int flags = 0) const {
    return ln_send(get(), bytes.data(), bytes.size(), flags);
  }
  ssize_t send(std::string_view text, int flags = 0) const {
    return ln_send(get(), text.data(), text.size(), flags);
  }
  ssize_t receive(std::span<std::byte> room, int flags = 0) const {
    return ln_recv(get(), room.data(), room.size(), flags);
  }
  ssize_t send_to(std::span<const std::byte> bytes, const SocketName& to, int flags = 0) const {
    return ln_sendto(get(), bytes.data(), bytes.size(), flags, to.get(), SocketName::size());
  }
  ssize_t receive_from(std::span<std::byte> room, SocketName& from, int flags = 0) const {
    socklen_t length = SocketName::size();
    return ln_recvfrom(get(), room.data(), room.size(), flags, from.get(), &length);
  }
  int shutdown(int how) const { return ln_shutdown(get(), how); }
  template <typename Value>
  int set(int level, int name, const Value& value) const {
    return ln_setsockopt(get(), level, name, &value, sizeof value);
  }
  template <typename Value>
  int read_option(int level, int name, Value& value) const {
    socklen_t length = sizeof value;
    return ln_getsockopt(get(), level, name, &value, &length);
  }
};

class Epoll : public Descriptor {
 public:
  Epoll() : Descriptor(ln_epoll_create1(0)) {}
  int add(int fd, std::uint32_t events, std::uint64_t data) const {
    return control(EPOLL_CTL_ADD, fd, events, data);
  }
  int change(int fd, std::uint32_t events, std::uint64_t data) const {
    return control(EPOLL_CTL_MOD, fd, events, data);
  }
  int remove(int fd) const { return control(EPOLL_CTL_DEL, fd, 0, 0); }
  int wait(std::span<epoll_event> events, int timeout_ms = -1) const {
    return ln_epoll_wait(get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  }

 private:
  int control(int operation, int fd, std::uint32_t events, std::uint64_t data) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = data;
    return ln_epoll_ctl(get(), operation, fd, &event);
  }
};

}  // namespace linnet
