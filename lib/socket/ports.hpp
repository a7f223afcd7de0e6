// SPDX-License-Identifier: BSD-3-Clause
// Who is bound to what, with Linux's rules (inet_csk_bind_conflict, udp_lib_get_port). Programs'
// threads and the control core bind under a mutex; lanes read a bitmap of bound ports when they
// choose an ephemeral port for connect (RFC 6056), and tell which ports their connections use.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "socket/message.hpp"
#include "socket/settings.hpp"
#include "time/random.hpp"

namespace linnet::socket {

// Name spaces of ports. Ping: identifiers of ICMP echo.
enum class Space : std::uint8_t { Tcp, Udp, Ping, Count };

// Names a binding; 0: none. Travels in Message.cookie of Listen, Connect and Open.
using Ticket = std::uint32_t;

struct BindRequest {
  Space space = Space::Tcp;
  Endpoint local{};  // port 0: an ephemeral one; device: SO_BINDTODEVICE
  bool reuse_address = false;
  bool reuse_port = false;
  std::uint32_t user = 0;  // SO_REUSEPORT shares among one user's sockets only
  std::uint16_t session = 0;
  std::uint32_t range = 0;  // of ephemeral ports: IP_LOCAL_PORT_RANGE
};

class Ports {
 public:
  Ports(const Settings& settings, unsigned lanes, std::uint64_t seed);

  struct Bound {
    int error = 0;  // errno: EADDRINUSE (or no ephemeral port is left), ENOBUFS
    Ticket ticket = 0;
    std::uint16_t port = 0;
  };

  // --- Any thread.
  Bound bind(const BindRequest& request);
  // The binding listens now: stricter rules hold (SO_REUSEADDR does not share a listener).
  // EADDRINUSE or 0. Again after the first time: 0.
  int listen(Ticket ticket);
  // SO_REUSEADDR, SO_REUSEPORT or SO_BINDTODEVICE were set after bind.
  void change(Ticket ticket, bool reuse_address, bool reuse_port, std::uint16_t device);
  // A bound UDP socket that connects gets its local address.
  void set_address(Ticket ticket, Ipv4Address address);
  void release(Ticket ticket);
  void release_session(std::uint16_t session);
  std::size_t size() const;

  // --- Lanes.
  bool is_bound(Space space, std::uint16_t port) const {
    return (bitmap(space)[port / 64].load(std::memory_order_relaxed) >> (port % 64) & 1) != 0;
  }
  // Whether the ticket is the session's binding of that port, and of that address or of any: a
  // program is not believed.
  bool holds(Ticket ticket, std::uint16_t session, Space space, const Endpoint& local) const;
  // A TCP connection of the lane takes or leaves a local port (TIME-WAIT holds it, too): bind
  // refuses it unless SO_REUSEADDR is set.
  void connection_began(unsigned lane, std::uint16_t port) { count(lane, port, 1); }
  void connection_ended(unsigned lane, std::uint16_t port) { count(lane, port, ~0u); }
  // Connections in the accept queue of a listening socket, all lanes. A ticket is used again: what
  // left with an earlier binding is told by the generation that `enter_backlog` gave.
  std::uint32_t backlog(Ticket ticket) const {
    return static_cast<std::uint32_t>(records_[ticket].backlog.load(std::memory_order_relaxed));
  }
  std::uint32_t enter_backlog(Ticket ticket) {
    const std::uint64_t before = records_[ticket].backlog.fetch_add(1, std::memory_order_relaxed);
    return static_cast<std::uint32_t>(before >> 32);
  }
  void leave_backlog(Ticket ticket, std::uint32_t generation);
  // Of a datagram socket's binding: the bytes of its receive buffer that lanes have taken, all
  // lanes. False: more than `limit` would be taken, or the binding of that generation is gone.
  std::uint32_t generation(Ticket ticket) const {
    const std::uint64_t now = records_[ticket].backlog.load(std::memory_order_relaxed);
    return static_cast<std::uint32_t>(now >> 32);
  }
  bool take_space(Ticket ticket, std::uint32_t generation, std::uint32_t bytes,
                  std::uint32_t limit);
  void give_space(Ticket ticket, std::uint32_t generation, std::uint32_t bytes);

  static constexpr Ticket kMaxTickets = 65536;

 private:
  using Bitmap = std::array<std::atomic<std::uint64_t>, 65536 / 64>;
  struct Binding {
    BindRequest request;
    bool listening = false;
    Ticket next = 0;  // of the same port
  };
  struct Record {
    std::atomic<std::uint64_t> seen{0};     // valid 1, session 16, space 8, port 16
    std::atomic<std::uint32_t> address{0};  // of the binding, as it stands in packets; 0: any
    // Generation 32, count 32: of connections that wait, or of bytes of a datagram socket's buffer.
    std::atomic<std::uint64_t> backlog{0};
  };
  static std::uint64_t seen_of(const BindRequest& request);
  static std::uint32_t key_of(Space space, std::uint16_t port) {
    return static_cast<std::uint32_t>(space) << 16 | port;
  }
  const Bitmap& bitmap(Space space) const { return bitmaps_[static_cast<unsigned>(space)]; }
  void count(unsigned lane, std::uint16_t port, std::uint32_t by) {
    std::atomic<std::uint32_t>& users = users_[lane][port];
    users.store(users.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  bool conflicts(const BindRequest& request, std::uint16_t port, Ticket self) const;
  bool used_by_connections(std::uint16_t port) const;
  std::uint16_t choose(const BindRequest& request);
  void publish(Space space, std::uint16_t port, bool bound);
  void drop(Ticket ticket);

  const Settings& settings_;
  mutable std::mutex mutex_;
  time::Random random_;
  std::vector<Binding> bindings_;  // by ticket
  std::vector<Ticket> free_;
  std::unordered_map<std::uint32_t, Ticket> first_;  // of each port that is bound
  std::array<Bitmap, static_cast<unsigned>(Space::Count)> bitmaps_{};
  std::unique_ptr<Record[]> records_;
  std::vector<std::unique_ptr<std::atomic<std::uint32_t>[]>> users_;  // a lane: by port
};

}  // namespace linnet::socket
