// SPDX-License-Identifier: BSD-3-Clause
// linnet-echo: sends back what comes, by TCP and UDP (RFC 862).
#include <linnet/socket.hpp>

#include <array>
#include <cerrno>
#include <cstdio>
#include <unordered_map>
#include <vector>

#include "app/in_process.hpp"

namespace {

using namespace linnet;

constexpr const char* kName = "linnet-echo";
constexpr std::uint64_t kListener = 0, kDatagrams = 1;
constexpr std::size_t kRoom = 1 << 16;

struct Connection {
  Socket socket;
  std::vector<std::byte> unsent;  // while there is some, nothing is read: the peer has to wait
  bool ended = false;             // the peer has said all
};

class Server {
 public:
  int run(std::uint16_t port) {
    const SocketName here(INADDR_ANY, port);
    const int on = 1;
    listener_.set(SOL_SOCKET, SO_REUSEADDR, on);
    if (listener_.bind(here) != 0 || datagrams_.bind(here) != 0)
      return app::failed(kName, "the port");
    if (listener_.listen(1024) != 0) return app::failed(kName, "listen");
    epoll_.add(listener_.get(), EPOLLIN, kListener);
    epoll_.add(datagrams_.get(), EPOLLIN, kDatagrams);
    std::array<epoll_event, 64> events;
    while (true) {
      const int count = epoll_.wait(events);
      if (count < 0) return 0;  // the process ends
      for (int i = 0; i < count; ++i)
        serve(events[static_cast<std::size_t>(i)].data.u64);
    }
  }

 private:
  void serve(std::uint64_t what) {
    if (what == kListener) return accept();
    if (what == kDatagrams) return echo_datagrams();
    const auto found = connections_.find(static_cast<int>(what));
    if (found != connections_.end() && !echo(found->second)) connections_.erase(found);
  }

  void accept() {
    while (Socket socket = listener_.accept(nullptr, SOCK_NONBLOCK)) {
      const int fd = socket.get();
      epoll_.add(fd, EPOLLIN, static_cast<std::uint64_t>(fd));
      connections_[fd].socket = std::move(socket);
    }
  }

  void echo_datagrams() {
    SocketName from;
    ssize_t count;
    while ((count = datagrams_.receive_from(room_, from, MSG_DONTWAIT)) >= 0)
      datagrams_.send_to({room_.data(), static_cast<std::size_t>(count)}, from, MSG_DONTWAIT);
  }

  // False: the connection is over.
  bool echo(Connection& connection) {
    if (!flush(connection)) return false;
    while (connection.unsent.empty() && !connection.ended) {
      const ssize_t count = connection.socket.receive(room_);
      if (count < 0) return errno == EAGAIN;
      connection.ended = count == 0;
      connection.unsent.assign(room_.begin(), room_.begin() + count);
      if (!flush(connection)) return false;
    }
    return !connection.ended || !connection.unsent.empty();
  }

  bool flush(Connection& connection) {
    std::vector<std::byte>& unsent = connection.unsent;
    if (!unsent.empty()) {
      const ssize_t count = connection.socket.send(unsent, MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN) return false;
      if (count > 0) unsent.erase(unsent.begin(), unsent.begin() + count);
    }
    const int fd = connection.socket.get();
    epoll_.change(fd, unsent.empty() ? EPOLLIN : EPOLLOUT, static_cast<std::uint64_t>(fd));
    return true;
  }

  Epoll epoll_;
  Socket listener_ = Socket::stream(SOCK_NONBLOCK);
  Socket datagrams_ = Socket::datagram(SOCK_NONBLOCK);
  std::unordered_map<int, Connection> connections_;
  std::vector<std::byte> room_{kRoom};
};

}  // namespace

int main(int argc, char** argv) {
  const auto port_of = [](std::span<const std::string> words) -> std::uint16_t {
    if (words.empty()) return 7;
    return words.size() == 1 ? app::port_number(words[0]) : std::uint16_t{0};
  };
  return app::run_in_process(
      argc, argv,
      {.name = kName,
       .usage = "linnet-echo [OPTIONS] -- [PORT]\n\nSends back what comes to PORT (7) by TCP and "
                "UDP.",
       .run = [&](std::span<const std::string> words) { return Server().run(port_of(words)); },
       .check = [&](std::span<const std::string> words) { return port_of(words) != 0; }});
}
