// SPDX-License-Identifier: BSD-3-Clause
#include "threads/traffic.hpp"

#include <arpa/inet.h>
#include <linnet/socket.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>

namespace linnet::tests {
namespace {

constexpr unsigned kClients = 4, kWorkers = 3;

sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  inet_pton(AF_INET, text, &out.sin_addr);
  return out;
}

int listening(World& world, std::uint16_t port, int backlog) {
  world.use(1);
  const int fd = ln_socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in name = address_of("0.0.0.0", port);
  if (ln_bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ln_listen(fd, backlog) != 0)
    return -1;
  return fd;
}

int connected(World& world, int type, std::uint16_t port) {
  world.use(0);
  const int fd = ln_socket(AF_INET, type, 0);
  const sockaddr_in name = address_of(World::kAddress[1], port);
  if (ln_connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return fd;
  const int error = errno;
  ln_close(fd);
  errno = error;
  return -1;
}

void set_timeout(int fd, int milliseconds) {
  const timeval limit{milliseconds / 1000, milliseconds % 1000 * 1000};
  ln_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

std::string message_of(unsigned flow, unsigned bytes) {
  std::string out = "flow " + std::to_string(flow) + " ";
  while (out.size() < bytes)
    out += static_cast<char>('a' + (out.size() * 7 + flow) % 26);
  return out;
}

std::string failed(const char* call) {
  return std::string(call) + ": " + strerrorname_np(errno);
}

// Echoes what comes on the connections of `wanted` until all of them have ended.
class Workers {
 public:
  Workers(World& world, unsigned wanted) : left_(wanted) {
    for (unsigned i = 0; i < kWorkers; ++i)
      threads_.emplace_back([this, &world] { work(world); });
  }
  ~Workers() {
    for (std::thread& thread : threads_)
      thread.join();
  }
  void add(int fd) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(fd);
  }
  void one_less() { left_.fetch_sub(1); }

 private:
  void work(World& world) {
    world.use(1);
    const int set = ln_epoll_create1(0);
    while (left_.load() > 0) {
      int fresh = -1;
      {
        const std::lock_guard lock(mutex_);
        if (!waiting_.empty()) {
          fresh = waiting_.front();
          waiting_.pop_front();
        }
      }
      if (fresh >= 0) {
        epoll_event event{.events = EPOLLIN, .data = {.fd = fresh}};
        ln_epoll_ctl(set, EPOLL_CTL_ADD, fresh, &event);
      }
      epoll_event events[16];
      const int count = ln_epoll_wait(set, events, 16, fresh >= 0 ? 0 : 10);
      for (int i = 0; i < count; ++i)
        serve(set, events[i].data.fd);
    }
    ln_close(set);
  }
  void serve(int set, int fd) {
    char bytes[4096];
    const ssize_t count = ln_recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    if (count > 0) {
      ln_send(fd, bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL);
      return;
    }
    ln_epoll_ctl(set, EPOLL_CTL_DEL, fd, nullptr);
    ln_close(fd);
    left_.fetch_sub(1);
  }

  std::mutex mutex_;
  std::deque<int> waiting_;
  std::atomic<unsigned> left_;
  std::vector<std::thread> threads_;
};

// Reads `bytes` bytes; by poll before each, or by waiting in the call.
std::string read_all(int fd, unsigned bytes, bool by_poll) {
  std::string out;
  char piece[4096];
  while (out.size() < bytes) {
    if (by_poll) {
      pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
      if (ln_poll(&one, 1, 30'000) <= 0) return out + " no event";
    }
    const ssize_t count = ln_recv(fd, piece, sizeof piece, by_poll ? MSG_DONTWAIT : 0);
    if (count < 0 && errno == EAGAIN && by_poll) continue;
    if (count <= 0) return out + (count == 0 ? " end" : failed(" recv"));
    out.append(piece, static_cast<std::size_t>(count));
  }
  return out;
}

// Runs `one(i)` for every flow, by four threads.
Results by_threads(unsigned flows, const std::function<std::string(unsigned)>& one) {
  Results results(flows);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kClients; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned i = t; i < flows; i += kClients)
        results[i] = one(i);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  return results;
}

}  // namespace

Results echo_over_tcp(World& world, unsigned flows, unsigned bytes) {
  const int listener = listening(world, 80, static_cast<int>(flows));
  if (listener < 0) return {failed("listen")};
  Workers workers(world, flows);
  std::thread acceptor([&] {
    for (unsigned i = 0; i < flows; ++i) {
      const int fd = ln_accept(listener, nullptr, nullptr);
      if (fd >= 0)
        workers.add(fd);
      else
        workers.one_less();
    }
  });
  // All connections stand at the same time.
  std::vector<int> sockets(flows);
  Results results = by_threads(flows, [&](unsigned i) -> std::string {
    sockets[i] = connected(world, SOCK_STREAM, 80);
    if (sockets[i] < 0) return failed("connect");
    const std::string text = message_of(i, bytes);
    if (ln_send(sockets[i], text.data(), text.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(text.size()))
      return failed("send");
    return "";
  });
  acceptor.join();
  // Another thread than the one that connected reads and closes.
  const Results answers = by_threads(flows, [&](unsigned i) -> std::string {
    const unsigned flow = flows - 1 - i;
    if (sockets[flow] < 0) return "";
    set_timeout(sockets[flow], 30'000);
    const std::string answer = read_all(sockets[flow], bytes, flow % 2 == 0);
    ln_close(sockets[flow]);
    return answer;
  });
  for (unsigned i = 0; i < flows; ++i)
    results[i] += answers[flows - 1 - i];
  ln_close(listener);
  return results;
}

Results echo_over_udp(World& world, unsigned flows, unsigned bytes) {
  world.use(1);
  const int server = ln_socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in name = address_of("0.0.0.0", 7);
  if (ln_bind(server, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
    return {failed("bind")};
  set_timeout(server, 20);
  std::atomic<bool> done{false};
  std::vector<std::thread> servers;
  for (unsigned i = 0; i < 2; ++i) {
    servers.emplace_back([&] {
      std::string piece(65536, '\0');
      while (!done.load()) {
        sockaddr_in from{};
        socklen_t length = sizeof from;
        auto* const peer = reinterpret_cast<sockaddr*>(&from);
        const ssize_t count = ln_recvfrom(server, piece.data(), piece.size(), 0, peer, &length);
        if (count > 0)
          ln_sendto(server, piece.data(), static_cast<std::size_t>(count), 0, peer, length);
      }
    });
  }
  Results results = by_threads(flows, [&](unsigned i) -> std::string {
    const int fd = connected(world, SOCK_DGRAM, 7);
    if (fd < 0) return failed("connect");
    set_timeout(fd, 500);
    const std::string text = message_of(i, bytes);
    std::string answer(65536, '\0');
    ssize_t count = -1;
    // A full receive buffer loses datagrams, as everywhere.
    for (unsigned attempt = 0; attempt < 40 && count < 0; ++attempt) {
      if (ln_send(fd, text.data(), text.size(), 0) < 0) break;
      count = ln_recv(fd, answer.data(), answer.size(), 0);
    }
    const std::string error = failed("recv");
    ln_close(fd);
    if (count < 0) return error;
    answer.resize(static_cast<std::size_t>(count));
    return answer;
  });
  done = true;
  for (std::thread& thread : servers)
    thread.join();
  ln_close(server);
  return results;
}

Results stream_both_ways(World& world, unsigned bytes) {
  const int listener = listening(world, 81, 1);
  int ends[2] = {connected(world, SOCK_STREAM, 81), -1};
  ends[1] = ln_accept(listener, nullptr, nullptr);
  ln_close(listener);
  if (ends[0] < 0 || ends[1] < 0) return {failed("connect"), ""};
  Results results(2);
  std::vector<std::thread> threads;
  for (unsigned side = 0; side < 2; ++side) {
    threads.emplace_back([&, side] {
      const std::string text = message_of(side, bytes);
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t piece = std::min<std::size_t>(text.size() - at, 1 + at % 5000);
        const ssize_t count = ln_send(ends[side], text.data() + at, piece, MSG_NOSIGNAL);
        if (count <= 0) break;
        at += static_cast<std::size_t>(count);
      }
      ln_shutdown(ends[side], SHUT_WR);
    });
    threads.emplace_back([&, side] {
      const std::string text = read_all(ends[side], bytes, side == 0);
      char byte;
      const ssize_t end = ln_recv(ends[side], &byte, 1, 0);
      results[side] = text == message_of(1 - side, bytes) && end == 0 ? "exact" : "wrong";
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  ln_close(ends[0]);
  ln_close(ends[1]);
  return results;
}

Results churn(World& world, unsigned rounds) {
  const int listener = listening(world, 82, 64);
  // One thread takes what is there and closes it at once; the listener is closed under its call.
  std::thread acceptor([&] {
    for (int fd; (fd = ln_accept(listener, nullptr, nullptr)) >= 0;)
      ln_close(fd);
  });
  const Results results = by_threads(rounds, [&](unsigned i) -> std::string {
    switch (i % 4) {
      case 0: {
        const int fd = connected(world, SOCK_STREAM, 82);
        if (fd < 0) return failed("connect");
        ln_close(fd);
        break;
      }
      case 1: {  // reset while it opens
        world.use(0);
        const int fd = ln_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        const sockaddr_in name = address_of(World::kAddress[1], 82);
        ln_connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
        ln_close(fd);
        break;
      }
      case 2: {  // shut under a reader; closed after it, for the number is another's then
        const int fd = connected(world, SOCK_STREAM, 82);
        if (fd < 0) return failed("connect");
        std::thread reader([fd] {
          char byte;
          ln_recv(fd, &byte, 1, 0);
        });
        ln_shutdown(fd, SHUT_RDWR);
        reader.join();
        ln_close(fd);
        break;
      }
      default: {
        const int fd = connected(world, SOCK_DGRAM, 9);
        const int copy = ln_dup(fd);
        ln_send(fd, "x", 1, 0);
        ln_close(fd);
        ln_send(copy, "x", 1, 0);
        ln_close(copy);
        break;
      }
    }
    return "done";
  });
  ln_close(listener);
  acceptor.join();
  return results;
}

}  // namespace linnet::tests
