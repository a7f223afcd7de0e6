// SPDX-License-Identifier: BSD-3-Clause
#include "shim/socket.hpp"

#include <linnet/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "socket/options.hpp"

namespace linnet::shim {

int parse_name(const sockaddr* address, socklen_t length, Endpoint& out) {
  if (address == nullptr) return -EFAULT;
  if (length < sizeof(sockaddr_in)) return -EINVAL;
  if (address->sa_family != AF_INET) return -EAFNOSUPPORT;
  sockaddr_in name;
  std::memcpy(&name, address, sizeof name);
  out.address = Ipv4Address::from_host(ntohl(name.sin_addr.s_addr));
  out.port = ntohs(name.sin_port);
  return 0;
}

// Linux: move_addr_to_user.
int write_name(const Endpoint& endpoint, sockaddr* address, socklen_t* length) {
  if (address == nullptr) return 0;
  if (length == nullptr) return -EFAULT;
  if (static_cast<int>(*length) < 0) return -EINVAL;
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(endpoint.address.host());
  name.sin_port = htons(endpoint.port);
  std::memcpy(address, &name, std::min<std::size_t>(*length, sizeof name));
  *length = sizeof name;
  return 0;
}

int result_of(Waited waited) {
  if (waited == Waited::Closed) return -EBADF;
  return waited == Waited::Interrupted ? -EINTR : -EAGAIN;
}

Socket::Socket(File::Kind kind, std::shared_ptr<Program> program, socket::Kind socket_kind,
               int type, int protocol)
    : File(kind, std::move(program)), socket_kind_(socket_kind), type_(type), protocol_(protocol) {}

Message Socket::message(RequestKind kind) const {
  Message out;
  out.kind = static_cast<std::uint8_t>(kind);
  out.socket_kind = socket_kind_;
  out.program = number_;
  out.local = local_;
  out.peer = peer_;
  out.cookie = ticket_;
  return out;
}

int Socket::take_error() {
  const int error = std::exchange(error_, 0);
  if (error != 0) refresh();
  return -error;
}

time::Instant Socket::deadline(time::Duration limit) const {
  return limit == time::Duration() ? time::Instant::never() : program().host().now() + limit;
}

// Linux: inet_bind. Its order of errors is kept.
int Socket::bind(const sockaddr* address, socklen_t length) {
  if (address == nullptr) return -EFAULT;
  if (length < sizeof(sockaddr_in)) return -EINVAL;
  Endpoint wanted;
  if (address->sa_family == AF_UNSPEC) {
    // An old program's way to say AF_INET, with the any address only.
    sockaddr_in name;
    std::memcpy(&name, address, sizeof name);
    if (name.sin_addr.s_addr != htonl(INADDR_ANY)) return -EAFNOSUPPORT;
    wanted.port = ntohs(name.sin_port);
  } else if (const int bad = parse_name(address, length, wanted); bad != 0) {
    return bad;
  }
  const bool free_bind = options_.get(IPPROTO_IP, IP_FREEBIND) != 0;
  if (!free_bind && !program().host().may_bind(wanted.address)) return -EADDRNOTAVAIL;
  std::unique_lock lock(mutex_);
  if (closed_) return -EBADF;
  if (ticket_ != 0 || connected() || listening()) return -EINVAL;
  local_.address = wanted.address;
  local_.port = wanted.port;
  address_given_ = !wanted.address.is_any();
  // The port is chosen when the peer is known, so that others may use it towards other peers.
  if (wanted.port == 0 && options_.get(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) != 0) return 0;
  const int bound = bind_any_port();
  if (bound != 0) {
    local_ = Endpoint{.device = local_.device};
    address_given_ = false;
    return bound;
  }
  port_given_ = wanted.port != 0;
  return on_bound(lock);
}

int Socket::bind_any_port() {
  if (ticket_ != 0) return 0;
  socket::BindRequest request;
  request.space = socket_kind_ == socket::Kind::Stream ? socket::Space::Tcp
                  : socket_kind_ == socket::Kind::Ping ? socket::Space::Ping
                                                       : socket::Space::Udp;
  request.local = local_;
  request.reuse_address = options_.get(SOL_SOCKET, SO_REUSEADDR) != 0;
  request.reuse_port = options_.get(SOL_SOCKET, SO_REUSEPORT) != 0;
  request.session = program().session();
  request.range = static_cast<std::uint32_t>(options_.get(IPPROTO_IP, kLocalPortRange));
  const auto bound = program().ports().bind(request);
  if (bound.error != 0) return -bound.error;
  ticket_ = bound.ticket;
  local_.port = bound.port;
  return 0;
}

void Socket::release_port() {
  if (ticket_ != 0) program().ports().release(ticket_);
  ticket_ = 0;
}

int Socket::local_name(sockaddr* address, socklen_t* length) const {
  if (address == nullptr || length == nullptr) return -EFAULT;
  const std::lock_guard lock(mutex_);
  return write_name(local_, address, length);
}

int Socket::peer_name(sockaddr* address, socklen_t* length) const {
  const std::lock_guard lock(mutex_);
  if (!connected()) return -ENOTCONN;
  if (address == nullptr || length == nullptr) return -EFAULT;
  return write_name(peer_, address, length);
}

int Socket::accepted_from(sockaddr* address, socklen_t* length) const {
  const std::lock_guard lock(mutex_);
  if (length == nullptr) return -EFAULT;
  return write_name(peer_, address, length);
}

std::vector<Message> Socket::option_messages() const {
  std::vector<Message> out;
  out.reserve(4);  // one more follows; most sockets have no more options than that leaves
  const auto add = [&](std::uint32_t option, std::int64_t value) {
    Message message = this->message(RequestKind::SetOption);
    message.option = option;
    message.value = static_cast<std::uint64_t>(value);
    out.push_back(message);
  };
  options_.each_travelling([&](const OptionRow& row, int value) {
    add(socket::option(static_cast<std::uint32_t>(row.level), static_cast<std::uint32_t>(row.name)),
        value);
  });
  if (options_->send_buffer != 0) add(socket::name::kSendBuffer, options_->send_buffer);
  if (options_->receive_buffer != 0) add(socket::name::kReceiveBuffer, options_->receive_buffer);
  if (options_->device >= 0) add(socket::name::kBindToDevice, options_->device);
  if (options_->congestion != 0) add(socket::name::kCongestion, options_->congestion);
  if (options_->max_pacing_rate != UINT64_MAX)
    add(socket::name::kMaxPacingRate, static_cast<std::int64_t>(options_->max_pacing_rate));
  return out;
}

int Socket::give_back(std::span<const ln_buffer> buffers) {
  return take_back(buffers);
}

int Socket::take_back(std::span<const ln_buffer> buffers) {
  for (const ln_buffer& buffer : buffers)
    program().give_back({static_cast<std::uint32_t>(buffer.token), 0, 0});
  return 0;
}

int Socket::lend(ln_buffer& buffer) {
  const auto ref = program().take_buffer();
  if (!ref) return -ENOBUFS;
  buffer.data = program().address(*ref);
  buffer.length = ref->length;
  buffer.token = std::uint64_t{ref->offset} << 32 | ref->index;
  return 0;
}

}  // namespace linnet::shim
