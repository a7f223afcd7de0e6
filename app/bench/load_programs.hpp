// SPDX-License-Identifier: BSD-3-Clause
// The two programs of a benchmark, over any `Net` (net.hpp). They never sleep: `step` looks for
// events once and does what they ask for.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "app/bench/load.hpp"
#include "app/bench/net.hpp"

namespace linnet::bench {

inline constexpr std::uint16_t kBenchPort = 7000;
inline constexpr int kMostEvents = 256;
inline constexpr std::size_t kWrite = 64 * 1024;

inline sockaddr_in socket_name(const std::string& address) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(kBenchPort);
  inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  return name;
}

template <typename Net>
class Endpoint {
 public:
  Endpoint() : set_(Net::make_epoll()), room_(kWrite) {}
  ~Endpoint() { Net::close(set_); }
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

 protected:
  void watch(int fd, std::uint32_t events, std::uint64_t what, int operation = EPOLL_CTL_ADD) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = what;
    Net::control(set_, operation, fd, &event);
  }
  std::span<epoll_event> look() {
    const int count = Net::wait(set_, events_.data(), kMostEvents);
    return std::span(events_).first(static_cast<std::size_t>(std::max(count, 0)));
  }
  static void no_delay(int fd) {
    const int on = 1;
    Net::set(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  // With a reset: a slot leaves nothing to the next one.
  static void reset(int fd) {
    const linger none{.l_onoff = 1, .l_linger = 0};
    Net::set(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    Net::close(fd);
  }

  const int set_;
  std::vector<std::byte> room_;

 private:
  std::array<epoll_event, kMostEvents> events_;
};

// Answers each `bytes` with as many; of bulk it takes all and says nothing.
template <typename Net>
class Server : public Endpoint<Net> {
 public:
  explicit Server(const Task& task, const std::string& address = "0.0.0.0")
      : task_(task), listener_(Net::socket()) {
    const int on = 1;
    Net::set(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in name = socket_name(address);
    good_ = Net::bind(listener_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 &&
            Net::listen(listener_, 1024) == 0;
    this->watch(listener_, EPOLLIN, kListener);
  }
  ~Server() {
    for (std::size_t fd = 0; fd < pending_.size(); ++fd) {
      if (pending_[fd].open) this->reset(static_cast<int>(fd) + base_);
    }
    Net::close(listener_);
  }

  bool good() const { return good_; }
  // Of a Check.
  std::uint64_t received() const { return received_; }
  std::uint64_t wrong() const { return wrong_; }
  void step() {
    for (const epoll_event& event : this->look()) {
      if (event.data.u64 == kListener)
        accept();
      else
        serve(static_cast<int>(event.data.u64));
    }
  }

 private:
  static constexpr std::uint64_t kListener = ~std::uint64_t{0};
  struct Peer {
    bool open = false;
    std::uint32_t got = 0;    // of a request that is not complete
    std::uint64_t taken = 0;  // of a Check
  };

  void compare(Peer& from, std::size_t count) {
    if (std::memcmp(this->room_.data(), Pattern::at(from.taken), count) != 0) ++wrong_;
    from.taken += count;
    received_ += count;
  }
  Peer& peer(int fd) {
    if (base_ < 0) base_ = fd & ~0xfffff;
    const auto at = static_cast<std::size_t>(fd - base_);
    if (at >= pending_.size()) pending_.resize(at + 1);
    return pending_[at];
  }
  void accept() {
    for (int fd; (fd = Net::accept(listener_)) >= 0;) {
      if (!is_bulk(task_.work)) this->no_delay(fd);
      peer(fd) = {.open = true};
      this->watch(fd, EPOLLIN, static_cast<std::uint64_t>(fd));
    }
  }
  void close(int fd) {
    peer(fd).open = false;
    Net::close(fd);
  }
  void serve(int fd) {
    const ssize_t count = Net::receive(fd, this->room_.data(), this->room_.size());
    if (count <= 0) {
      if (count == 0 || errno != EAGAIN) close(fd);
      return;
    }
    if (task_.work == Work::Check) compare(peer(fd), static_cast<std::size_t>(count));
    if (is_bulk(task_.work)) return;
    Peer& from = peer(fd);
    from.got += static_cast<std::uint32_t>(count);
    const std::uint32_t whole = from.got / task_.bytes * task_.bytes;
    from.got -= whole;
    if (whole == 0) return;
    // An answer that finds no room is lost, and with it the connection: nobody reads so slowly.
    if (Net::send(fd, this->room_.data(), whole) != static_cast<ssize_t>(whole)) return close(fd);
    if (task_.work == Work::Connect) close(fd);
  }

  const Task task_;
  const int listener_;
  bool good_ = false;
  std::uint64_t received_ = 0;
  std::uint64_t wrong_ = 0;
  int base_ = -1;  // descriptors of one stack begin somewhere
  std::vector<Peer> pending_;
};

template <typename Net>
class Client : public Endpoint<Net> {
 public:
  Client(const Task& task, const std::string& server)
      : task_(task), server_(socket_name(server)), peers_(task.connections) {
    for (std::size_t i = 0; i < peers_.size(); ++i)
      open(i);
  }
  ~Client() {
    for (Peer& peer : peers_)
      this->reset(peer.fd);
  }

  // Every connection stands; measuring begins (Connect: at once).
  bool ready() const { return task_.work == Work::Connect || connected_ == peers_.size(); }
  void begin() {
    watch_ = Stopwatch();
    deadline_ =
        watch_.start() + static_cast<std::uint64_t>(task_.seconds * Stopwatch::nominal_frequency());
    cycles_a_request_ = task_.rate > 0 ? Stopwatch::nominal_frequency() / task_.rate : 0;
    outcome_ = {};
    running_ = true;
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      if (peers_[i].connected) start(i);
    }
  }
  // False: it has ended.
  bool step() {
    for (const epoll_event& event : this->look())
      on_event(event.data.u64, event.events);
    if (!running_ || ending_) return running_;
    const std::uint64_t now = Stopwatch::cycles();
    if (task_.work == Work::Offer) offer(now);
    const std::uint64_t done = is_bulk(task_.work) ? outcome_.bytes / kWrite : outcome_.requests;
    if (task_.count != 0 ? done < task_.count : now < deadline_) return true;
    if (!is_bulk(task_.work)) return end();
    // Until the server has it all.
    ending_ = true;
    for (Peer& peer : peers_) {
      Net::shutdown_send(peer.fd);
      this->watch(peer.fd, EPOLLIN, static_cast<std::uint64_t>(&peer - peers_.data()),
                  EPOLL_CTL_MOD);
    }
    return true;
  }
  Outcome outcome() {
    latencies_.tell(watch_.cycles_a_second(), outcome_);
    return outcome_;
  }

 private:
  struct Peer {
    int fd = -1;
    bool connected = false;
    bool over = false;  // the server has closed, and with it has it all
    std::uint32_t got = 0;
    std::uint64_t written = 0;  // of bulk
    std::uint64_t sent_at = 0;
    std::deque<std::uint64_t> due;  // Offer: when each that is not answered was due
    std::uint32_t unsent = 0;       // Offer: bytes that found no room
  };

  void open(std::size_t i) {
    Peer& peer = peers_[i];
    peer.fd = Net::socket();
    peer.connected = false;
    peer.got = 0;
    peer.sent_at = Stopwatch::cycles();
    if (!is_bulk(task_.work)) this->no_delay(peer.fd);
    Net::connect(peer.fd, reinterpret_cast<const sockaddr*>(&server_), sizeof server_);
    this->watch(peer.fd, EPOLLOUT, i);
  }
  void on_event(std::size_t i, std::uint32_t events) {
    Peer& peer = peers_[i];
    if (!peer.connected) {
      if ((events & (EPOLLERR | EPOLLHUP)) != 0) return again(i, true);
      peer.connected = true;
      ++connected_;
      this->watch(peer.fd, EPOLLIN, i, EPOLL_CTL_MOD);
      if (running_) start(i);
      return;
    }
    if (is_bulk(task_.work) && !ending_) return go(i);
    receive(i);
  }
  // The connection is over: another one.
  void again(std::size_t i, bool failed) {
    if (failed) ++outcome_.failed;
    if (peers_[i].connected) --connected_;
    Net::close(peers_[i].fd);
    open(i);
  }
  void start(std::size_t i) {
    if (is_bulk(task_.work)) this->watch(peers_[i].fd, EPOLLOUT, i, EPOLL_CTL_MOD);
    if (task_.work != Work::Offer) go(i);
  }
  void go(std::size_t i) {
    Peer& peer = peers_[i];
    if (is_bulk(task_.work)) {
      const bool check = task_.work == Work::Check;
      const std::byte* const from = check ? Pattern::at(peer.written) : this->room_.data();
      const ssize_t count = Net::send(peer.fd, from, kWrite);
      if (count <= 0) return;
      peer.written += static_cast<std::uint64_t>(count);
      outcome_.bytes += static_cast<std::uint64_t>(count);
      return;
    }
    if (task_.work == Work::Request) peer.sent_at = Stopwatch::cycles();
    Net::send(peer.fd, this->room_.data(), task_.bytes);
  }
  void receive(std::size_t i) {
    Peer& peer = peers_[i];
    const ssize_t count = Net::receive(peer.fd, this->room_.data(), this->room_.size());
    if (ending_) {
      const bool waits = count < 0 && errno == EAGAIN;
      if (!waits && !std::exchange(peer.over, true) && ++over_ == peers_.size()) end();
      return;
    }
    if (count <= 0) {
      if (count < 0 && errno == EAGAIN) return;
      const bool done = task_.work == Work::Connect && count == 0 && peer.got == task_.bytes;
      if (done) answered(i);
      return again(i, !done);
    }
    peer.got += static_cast<std::uint32_t>(count);
    if (task_.work == Work::Connect) return;  // done when the server has closed
    for (; peer.got >= task_.bytes; peer.got -= task_.bytes)
      answered(i);
  }
  void answered(std::size_t i) {
    Peer& peer = peers_[i];
    if (!running_) return;
    ++outcome_.requests;
    const std::uint64_t now = Stopwatch::cycles();
    if (task_.work == Work::Offer) {
      latencies_.add(now - peer.due.front());
      peer.due.pop_front();
      return;
    }
    latencies_.add(now - peer.sent_at);
    if (task_.work == Work::Request) go(i);
  }
  // Requests that are due by now, in turn on the connections. What finds no room waits in the
  // connection's account, and the next is offered all the same.
  void offer(std::uint64_t now) {
    constexpr unsigned kMost = 64;
    for (unsigned n = 0; n < kMost; ++n) {
      const auto due_at =
          watch_.start() +
          static_cast<std::uint64_t>(static_cast<double>(outcome_.offered) * cycles_a_request_);
      if (due_at > now) return;
      Peer& peer = peers_[outcome_.offered++ % peers_.size()];
      peer.due.push_back(due_at);
      peer.unsent += task_.bytes;
      const auto want = std::min<std::size_t>(peer.unsent, kWrite);
      const ssize_t count = Net::send(peer.fd, this->room_.data(), want);
      if (count > 0) peer.unsent -= static_cast<std::uint32_t>(count);
    }
  }
  bool end() {
    outcome_.seconds = watch_.seconds();
    running_ = false;
    return false;
  }

  const Task task_;
  const sockaddr_in server_;
  std::vector<Peer> peers_;
  std::size_t connected_ = 0;
  bool running_ = false;
  bool ending_ = false;
  std::size_t over_ = 0;
  Stopwatch watch_;
  std::uint64_t deadline_ = 0;
  double cycles_a_request_ = 0;
  Latencies latencies_;
  Outcome outcome_;
};

}  // namespace linnet::bench
