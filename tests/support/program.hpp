// SPDX-License-Identifier: BSD-3-Clause
// A program on a Node, straight on the channel to its lanes: what a test says and hears, socket by
// socket. Data that comes is read at once unless told otherwise. Declare it after the network.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "socket/sessions.hpp"
#include "socket/system.hpp"
#include "support/wire.hpp"

namespace linnet::tests {

class Program {
 public:
  struct Datagram {
    socket::Endpoint from, to;
    socket::ControlData control;
    Bytes data;
    unsigned lane;
  };
  struct Socket {
    std::uint32_t number = 0;
    std::map<unsigned, socket::Handle> handles;  // by lane
    unsigned lane = 0;                           // of a connection, of the last unread datagram
    socket::Endpoint local, peer;
    socket::Ticket ticket = 0;
    bool connected = false, closed = false, end_of_stream = false;
    int error = 0, soft_error = 0;
    unsigned closed_lanes = 0;
    std::uint64_t credit = 0;
    Bytes read, to_write;
    std::deque<Datagram> datagrams;
    std::vector<std::uint32_t> accepted;  // a listener's: numbers of connections
    std::vector<socket::Message> answers;
    bool reads = true;  // false: buffers and window stay taken
    std::vector<socket::Message> unread;
    bool finish = false;  // shut down for writing when all is written
    bool echo = false;    // writes what it reads; closes at the end of the stream
  };

  explicit Program(Node& node, const socket::Session::Options& options = {});
  // The program dies: lanes close what it had.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // --- Calls.
  // EADDRINUSE and so on end the test unless the caller asks for the error.
  Socket& bind_udp(const std::string& address, std::uint16_t port, bool reuse_address = false,
                   bool reuse_port = false);
  Socket& bind_ping(const std::string& address, std::uint16_t identifier);
  // Raw and packet sockets; `device` of packet sockets alone.
  Socket& open_raw(socket::Kind kind, std::uint32_t protocol,
                   std::uint16_t device = packet::kNoDevice);
  void attach_filter(Socket& socket, const Bytes& instructions);
  void set_peer(Socket& socket, const socket::Endpoint& peer);
  void send_to(Socket& socket, const socket::Endpoint& to, const Bytes& data, unsigned lane = 0,
               std::uint32_t control = 0, std::size_t piece = 2048);
  Socket& listen(const std::string& address, std::uint16_t port, unsigned backlog = 1000,
                 bool reuse_port = false);
  // `local_port` 0: ephemeral.
  Socket& connect(const socket::Endpoint& to, unsigned lane = 0, std::uint16_t local_port = 0);
  void write(Socket& socket, const Bytes& data);
  void set_option(Socket& socket, std::uint32_t option, std::uint64_t value);
  void close(Socket& socket, bool abort = false);
  void shut_down_write(Socket& socket);
  void query(Socket& socket, socket::QueryKind what);
  void request(unsigned lane, const socket::Message& message);

  // Reads all events, writes what may be written. True: there was something.
  bool poll();
  Socket& at(std::uint32_t number) { return *sockets_.at(number); }
  std::vector<std::uint32_t> numbers() const;
  socket::Session& session() { return *session_; }
  socket::System& system() { return system_; }
  bool polls = true;                        // false: the program is stuck
  bool accepts = true;                      // false: connections stay in the accept queue
  std::vector<socket::Message> unexpected;  // events of sockets that it does not know

 private:
  Socket& make();
  Socket& bind(socket::Space space, socket::Kind kind, const std::string& address,
               std::uint16_t port, bool reuse_address, bool reuse_port);
  void take(unsigned lane, const socket::Message& event);
  void take_data(Socket& socket, unsigned lane, const socket::Message& event);
  bool write_some(Socket& socket);
  void flush(unsigned lane);
  socket::Message about(const Socket& socket, socket::RequestKind kind, unsigned lane) const;

  socket::System& system_;
  socket::Session* session_;
  std::shared_ptr<Program*> self_;
  std::uint32_t next_ = 1;
  std::map<std::uint32_t, std::unique_ptr<Socket>> sockets_;
  std::map<std::pair<unsigned, std::uint64_t>, std::uint32_t> by_handle_;
  std::map<unsigned, std::deque<socket::Message>> outgoing_;  // requests that wait for room
  bool did_ = false;
};

inline socket::Endpoint endpoint(const std::string& address, std::uint16_t port) {
  return {ip(address), port, packet::kNoDevice};
}

}  // namespace linnet::tests
