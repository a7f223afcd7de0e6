// SPDX-License-Identifier: BSD-3-Clause
// linnet-nc: joins standard input and output to a connection, or to UDP (as nc(1)).
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <linnet/socket.hpp>
#include <optional>

#include "app/in_process.hpp"
#include "app/start.hpp"

namespace {

using namespace linnet;

constexpr const char* kName = "linnet-nc";

struct Wanted {
  bool datagrams = false, listens = false, fast_open = false;
  std::string host;  // what is not there is everyone's
  std::uint16_t port = 0;
};

// [-u|-F] -l PORT, or [-u|-F] HOST PORT.
std::optional<Wanted> parse(std::span<const std::string> words) {
  Wanted out;
  std::size_t at = 0;
  for (; at < words.size() && words[at].starts_with('-'); ++at) {
    out.datagrams |= words[at] == "-u";
    out.listens |= words[at] == "-l";
    out.fast_open |= words[at] == "-F";
    if (words[at] != "-u" && words[at] != "-l" && words[at] != "-F") return std::nullopt;
  }
  if (out.datagrams && out.fast_open) return std::nullopt;
  if (words.size() - at != (out.listens ? 1u : 2u)) return std::nullopt;
  out.port = app::port_number(words.back());
  if (!out.listens) out.host = words[at];
  if (out.port == 0 || (!out.listens && out.host.empty())) return std::nullopt;
  return out;
}

bool write_all(const std::byte* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t put = ::write(STDOUT_FILENO, bytes, count);
    if (put < 0) return false;
    bytes += put;
    count -= static_cast<std::size_t>(put);
  }
  return true;
}

// The first data goes with the SYN, where the server has given a cookie (RFC 7413).
Socket open_fast(const SocketName& name) {
  const int on = 1;
  Socket socket = Socket::stream();
  if (socket.set(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, on) != 0) return Socket();
  return socket.connect(name) == 0 ? std::move(socket) : Socket();
}

// The socket that is talked to; without one errno says why.
Socket open(const Wanted& wanted, const SocketName& name) {
  // A stack that has just begun knows no cookie: a connection of its own asks for it.
  if (!wanted.listens && wanted.fast_open) return open_fast(name) ? open_fast(name) : Socket();
  Socket socket = wanted.datagrams ? Socket::datagram() : Socket::stream();
  if (!wanted.listens) return socket.connect(name) == 0 ? std::move(socket) : Socket();
  const int on = 1;
  constexpr int kFastOpenQueue = 5;
  if (wanted.fast_open) socket.set(IPPROTO_TCP, TCP_FASTOPEN, kFastOpenQueue);
  socket.set(SOL_SOCKET, SO_REUSEADDR, on);
  if (socket.bind(name) != 0) return Socket();
  if (!wanted.datagrams) return socket.listen(1) == 0 ? socket.accept() : Socket();
  // The first who speaks is who is answered.
  SocketName peer;
  std::byte byte;
  if (socket.receive_from({&byte, 1}, peer, MSG_PEEK) < 0) return Socket();
  return socket.connect(peer) == 0 ? std::move(socket) : Socket();
}

int talk(const Wanted& wanted) {
  SocketName name(INADDR_ANY, wanted.port);
  if (!wanted.listens && !app::find_host(kName, wanted.host, wanted.port, name))
    return app::kFailed;
  const Socket socket = open(wanted, name);
  if (!socket) return app::failed(kName, wanted.listens ? "listen" : "connect");
  std::array<std::byte, 65536> room;
  // A datagram holds no more.
  const std::size_t most = wanted.datagrams ? 1400 : room.size();
  pollfd fds[2] = {{socket.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  while (ln_poll(fds, 2, -1) >= 0) {
    if (fds[0].revents != 0) {
      const ssize_t count = socket.receive(room);
      if (count < 0) return app::failed(kName, "receive");
      if (count == 0 && !wanted.datagrams) return 0;
      if (!write_all(room.data(), static_cast<std::size_t>(count))) return 0;
    }
    if (fds[1].revents == 0) continue;
    const ssize_t count = ::read(STDIN_FILENO, room.data(), most);
    if (count > 0) {
      if (socket.send({room.data(), static_cast<std::size_t>(count)}, MSG_NOSIGNAL) < 0)
        return app::failed(kName, "send");
      continue;
    }
    if (wanted.datagrams) return 0;
    socket.shutdown(SHUT_WR);
    fds[1].fd = -1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return linnet::app::run_in_process(
      argc, argv,
      {.name = kName,
       .usage = "linnet-nc [OPTIONS] -- [-u|-F] HOST PORT\n"
                "linnet-nc [OPTIONS] -- [-u|-F] -l PORT\n\n"
                "Joins standard input and output to a TCP connection, or to UDP with -u. With -F\n"
                "the SYN carries data (RFC 7413; sysctl net.ipv4.tcp_fastopen=3): a connection\n"
                "before asks for the cookie.",
       .run = [](std::span<const std::string> words) { return talk(*parse(words)); },
       .check = [](std::span<const std::string> words) { return parse(words).has_value(); }});
}
