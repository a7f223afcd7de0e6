// SPDX-License-Identifier: BSD-3-Clause
#include "app/iperf/control.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/time.h>

#include <cerrno>
#include <random>

#include "base/ipv4.hpp"

namespace linnet::app::iperf {
namespace {

constexpr std::uint32_t kLongestText = 1 << 20;

template <typename Value>
std::span<const std::byte> bytes_of(const Value& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <typename Value>
std::span<std::byte> room_of(Value& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

}  // namespace

Cookie make_cookie() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz234567";
  std::random_device random;
  Cookie out{};
  for (std::size_t i = 0; i + 1 < out.size(); ++i)
    out[i] = kLetters[random() % kLetters.size()];
  return out;
}

Control::Control(Socket socket) : socket_(std::move(socket)) {
  const int on = 1;
  socket_.set(IPPROTO_TCP, TCP_NODELAY, on);
  set_patience(socket_, kPatienceSeconds);
}

bool Control::send_cookie(const Cookie& cookie) const {
  return send_all(socket_, bytes_of(cookie));
}

bool Control::receive_cookie(Cookie& cookie) const {
  return receive_all(socket_, room_of(cookie));
}

bool Control::send_state(State state) const {
  return send_all(socket_, bytes_of(state));
}

std::optional<State> Control::receive_state() const {
  State state{};
  if (!receive_all(socket_, room_of(state))) return std::nullopt;
  return state;
}

bool Control::send_text(const std::string& text) const {
  const std::uint32_t length = htonl(static_cast<std::uint32_t>(text.size()));
  return send_all(socket_, bytes_of(length)) && send_all(socket_, std::as_bytes(std::span(text)));
}

std::optional<std::string> Control::receive_text() const {
  std::uint32_t length = 0;
  if (!receive_all(socket_, room_of(length))) return std::nullopt;
  length = ntohl(length);
  if (length > kLongestText) {
    errno = EPROTO;
    return std::nullopt;
  }
  std::string text(length, '\0');
  if (!receive_all(socket_, std::as_writable_bytes(std::span(text)))) return std::nullopt;
  return text;
}

bool Control::send_fault(ServerFault fault, int error) const {
  const std::uint32_t words[2] = {htonl(static_cast<std::uint32_t>(fault)),
                                  htonl(static_cast<std::uint32_t>(error))};
  return send_state(State::ServerError) && send_all(socket_, std::as_bytes(std::span(words)));
}

std::optional<std::pair<std::uint32_t, int>> Control::receive_fault() const {
  std::uint32_t words[2] = {};
  if (!receive_all(socket_, std::as_writable_bytes(std::span(words)))) return std::nullopt;
  return std::pair(ntohl(words[0]), static_cast<int>(ntohl(words[1])));
}

bool Control::readable() const {
  pollfd fd{socket_.get(), POLLIN, 0};
  return ln_poll(&fd, 1, 0) > 0;
}

bool send_all(const Socket& socket, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = socket.send(bytes, MSG_NOSIGNAL);
    if (count < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

bool receive_all(const Socket& socket, std::span<std::byte> room) {
  while (!room.empty()) {
    const ssize_t count = socket.receive(room);
    if (count == 0) errno = ENOTCONN;
    if (count <= 0) return false;
    room = room.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

void set_patience(const Socket& socket, int seconds) {
  const timeval limit{seconds, 0};
  socket.set(SOL_SOCKET, SO_RCVTIMEO, limit);
  socket.set(SOL_SOCKET, SO_SNDTIMEO, limit);
}

SocketName local_name(int fd) {
  SocketName name;
  socklen_t length = SocketName::size();
  ln_getsockname(fd, name.get(), &length);
  return name;
}

SocketName peer_name(int fd) {
  SocketName name;
  socklen_t length = SocketName::size();
  ln_getpeername(fd, name.get(), &length);
  return name;
}

std::string to_text(const SocketName& name) {
  return Ipv4Address::from_host(name.address()).text();
}

std::optional<Refused> apply(const Socket& socket, const Parameters& p) {
  const auto set = [&](int level, int name, std::uint32_t value) {
    return value == 0 || socket.set(level, name, static_cast<int>(value)) == 0;
  };
  if (!set(SOL_SOCKET, SO_SNDBUF, p.window) || !set(SOL_SOCKET, SO_RCVBUF, p.window))
    return Refused{"the socket buffers", ServerFault::Window};
  if (!set(IPPROTO_IP, IP_TOS, p.tos)) return Refused{"the type of service", ServerFault::Tos};
  if (p.udp) return std::nullopt;
  if (!set(IPPROTO_TCP, TCP_MAXSEG, p.mss)) return Refused{"the MSS", ServerFault::Mss};
  set(IPPROTO_TCP, TCP_NODELAY, p.no_delay);
  if (!p.congestion.empty() &&
      ln_setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, p.congestion.data(),
                    static_cast<socklen_t>(p.congestion.size())) != 0)
    return Refused{"the congestion control", ServerFault::Congestion};
  return std::nullopt;
}

}  // namespace linnet::app::iperf
