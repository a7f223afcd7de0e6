// SPDX-License-Identifier: BSD-3-Clause
// The control socket: a Unix stream socket that any number of clients may hold, served without ever
// blocking from the control core's own loop. A client that is slow, silent or hostile costs its
// slot and its buffer, never another client's time.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "control/protocol.hpp"
#include "control/reply.hpp"
#include "time/instant.hpp"

namespace linnet::control {

class Server {
 public:
  struct Options {
    std::string path{kDefaultSocket};
    std::string group{};        // owner group by name; empty: the process's
    unsigned max_clients = 64;  // beyond it the one that has been silent longest is closed
    time::Duration request_timeout = time::Duration::seconds(5);  // from its first byte to its last
    time::Duration reply_timeout = time::Duration::seconds(30);   // without the client reading
    unsigned requests_per_call = 64;  // served at most in one call of `serve`
    // Answers that wait to be read, of all clients together; beyond it no command is run.
    std::size_t max_waiting_bytes = 256u << 20;
  };
  // Runs one request. Called from `serve` only.
  using Handler = std::function<Reply(std::span<const std::string> words)>;

  // Makes the socket with mode 0660 (the umask is set around bind). A leftover of a dead daemon is
  // replaced; one that answers, or a path that is no socket, is an error.
  static Result<std::unique_ptr<Server>> open(const Options& options, Handler handler);
  // Closes all clients and removes the socket's file, where the process still may.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Readable (poll, epoll) when `serve` has something to do.
  int fd() const { return epoll_; }
  // Accepts, reads, runs and answers what can be done without waiting. Also call it at
  // `next_deadline`.
  void serve(time::Instant now);
  // When a client's time is up, or at once (the origin) where requests are left over from a call;
  // `never()` if nobody is in the middle of anything.
  time::Instant next_deadline() const;

  const std::string& path() const { return options_.path; }
  unsigned clients() const { return static_cast<unsigned>(clients_.size()); }
  struct Counts {
    std::uint64_t accepted = 0, refused = 0, requests = 0, malformed = 0, timed_out = 0,
                  evicted = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Client {
    int fd = -1;
    RequestReader reader{};
    std::string pending{};  // the reply, from `sent` on not yet written
    std::size_t sent = 0;
    unsigned watched = 0;  // the events asked for
    bool closing = false;  // close once `pending` is written
    bool hung_up = false;
    time::Instant last_heard{};
    time::Instant deadline = time::Instant::never();
  };

  Server(Options options, Handler handler)
      : options_(std::move(options)), handler_(std::move(handler)) {}
  Result<> listen();
  Result<> bind_socket();
  void accept_all(time::Instant now);
  bool may_connect(int fd) const;
  void evict_one();
  // Returns false when the client is done for.
  bool read_from(Client& client, time::Instant now);
  bool serve_one(Client& client, time::Instant now, unsigned& budget);
  bool write_to(Client& client, time::Instant now);
  void serve_requests(time::Instant now);
  std::size_t waiting_bytes() const;
  void watch(Client& client);
  void expire(time::Instant now);
  void close_client(std::list<Client>::iterator client);

  Options options_;
  Handler handler_;
  int listener_ = -1;
  int epoll_ = -1;
  unsigned group_ = 0;
  std::uint64_t inode_ = 0;  // of the socket's file: only our own is removed
  bool leftover_ = false;    // requests that the last call did not come to
  std::list<Client> clients_;
  Counts counts_;
};

}  // namespace linnet::control
