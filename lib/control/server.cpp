// SPDX-License-Identifier: BSD-3-Clause
#include "control/server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace linnet::control {
namespace {

constexpr std::size_t kReadAtOnce = 16 * 1024;

Error system_error(const std::string& what, const std::string& path) {
  return Error{what + ": " + std::strerror(errno), path};
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{"the control socket's path is empty or too long", path, -1,
                 "1 to " + std::to_string(sizeof address.sun_path - 1) + " bytes"};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* as_sockaddr(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Removes the socket of a daemon that is gone; refuses where one answers, or where something else
// stands in its place.
Result<> clear_leftover(const std::string& path, const sockaddr_un& address) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) return Ok{};
  if (!S_ISSOCK(status.st_mode))
    return Error{"the control socket's path is taken by something that is no socket", path};
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return system_error("no socket to be had", path);
  const int result = connect(probe, as_sockaddr(address), sizeof address);
  const int why = errno;
  close(probe);
  if (result == 0 || why != ECONNREFUSED)
    return Error{"another daemon serves this control socket", path};
  if (unlink(path.c_str()) != 0)
    return system_error("a dead daemon's control socket cannot be removed", path);
  return Ok{};
}

// The group of this name, or the process's own.
Result<gid_t> group_of(const std::string& name) {
  if (name.empty()) return getegid();
  const group* entry = getgrnam(name.c_str());
  if (entry == nullptr) return Error{"no such group", name, -1, "a group of this machine"};
  return entry->gr_gid;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::open(const Options& options, Handler handler) {
  std::unique_ptr<Server> server(new Server(options, std::move(handler)));
  if (auto result = server->listen(); !result) return result.error();
  return server;
}

Result<> Server::listen() {
  auto group = group_of(options_.group);
  if (!group) return group.error();
  group_ = *group;
  if (auto result = bind_socket(); !result) return result;
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;  // the listener
  if (epoll_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0)
    return system_error("the control socket cannot be watched", options_.path);
  return Ok{};
}

Result<> Server::bind_socket() {
  const std::string& path = options_.path;
  auto address = address_of(path);
  if (!address) return address.error();
  if (auto result = clear_leftover(path, *address); !result) return result;
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener_ < 0) return system_error("no socket to be had", path);
  // The file has its mode from the first moment: between bind and a chmod anybody could connect.
  const mode_t mask = umask(0117);
  const int bound = bind(listener_, as_sockaddr(*address), sizeof *address);
  const int why = errno;
  umask(mask);
  errno = why;
  if (bound != 0) return system_error("the control socket cannot be made", path);
  struct stat status{};
  if (lstat(path.c_str(), &status) == 0) inode_ = status.st_ino;
  if (!options_.group.empty() && lchown(path.c_str(), static_cast<uid_t>(-1), group_) != 0)
    return system_error("the control socket cannot be given to the group " + options_.group, path);
  if (::listen(listener_, 64) != 0) return system_error("the control socket is deaf", path);
  return Ok{};
}

Server::~Server() {
  while (!clients_.empty())
    close_client(clients_.begin());
  if (listener_ >= 0) close(listener_);
  if (epoll_ >= 0) close(epoll_);
  struct stat status{};
  if (inode_ != 0 && lstat(options_.path.c_str(), &status) == 0 && status.st_ino == inode_)
    unlink(options_.path.c_str());
}

void Server::serve(time::Instant now) {
  expire(now);
  epoll_event events[64];
  const int count = epoll_wait(epoll_, events, 64, 0);
  bool newcomers = false;
  for (int i = 0; i < count; ++i) {
    auto* client = static_cast<Client*>(events[i].data.ptr);
    if (client == nullptr) {
      newcomers = true;
    } else {
      if (events[i].events & (EPOLLHUP | EPOLLERR)) client->hung_up = true;
      if (events[i].events & EPOLLOUT) client->hung_up |= !write_to(*client, now);
      if (events[i].events & EPOLLIN) client->hung_up |= !read_from(*client, now);
    }
  }
  serve_requests(now);
  leftover_ = false;
  for (auto client = clients_.begin(); client != clients_.end();) {
    const auto next = std::next(client);
    const bool ready = client->pending.empty() && client->reader.ready();
    if (client->hung_up || (client->closing && client->pending.empty() && !ready)) {
      close_client(client);
    } else {
      leftover_ |= ready;
      watch(*client);
    }
    client = next;
  }
  if (newcomers) accept_all(now);
}

// One request of each client in turn, so that a client with many waits behind the others.
void Server::serve_requests(time::Instant now) {
  unsigned budget = options_.requests_per_call;
  bool more = true;
  while (more && budget > 0) {
    more = false;
    for (Client& client : clients_) {
      if (!client.hung_up) more |= serve_one(client, now, budget);
    }
  }
}

void Server::accept_all(time::Instant now) {
  for (unsigned i = 0; i < options_.max_clients; ++i) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      // Out of descriptors: the one that is silent longest makes room for the next call.
      if ((errno == EMFILE || errno == ENFILE) && !clients_.empty()) evict_one();
      return;
    }
    if (!may_connect(fd)) {
      ++counts_.refused;
      close(fd);
      continue;
    }
    if (clients_.size() >= options_.max_clients) evict_one();
    Client& client = clients_.emplace_back();
    client.fd = fd;
    client.last_heard = now;
    epoll_event event{};
    event.events = client.watched = EPOLLIN;
    event.data.ptr = &client;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
      close_client(std::prev(clients_.end()));
      continue;
    }
    ++counts_.accepted;
  }
}

// The file's mode already keeps strangers out; this also holds where the directory or the mode was
// changed behind our back.
bool Server::may_connect(int fd) const {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  if (peer.uid == 0 || peer.uid == geteuid()) return true;
  // A group that was asked for lets its members in; the process's own does not by itself.
  if (options_.group.empty()) return false;
  if (peer.gid == group_) return true;
  gid_t groups[256];
  length = sizeof groups;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0) return false;
  const auto held = std::span(groups).first(length / sizeof(gid_t));
  return std::find(held.begin(), held.end(), group_) != held.end();
}

void Server::evict_one() {
  const auto oldest = std::min_element(
      clients_.begin(), clients_.end(),
      [](const Client& a, const Client& b) { return a.last_heard < b.last_heard; });
  ++counts_.evicted;
  close_client(oldest);
}

bool Server::read_from(Client& client, time::Instant now) {
  char bytes[kReadAtOnce];
  const std::size_t room = std::min(sizeof bytes, client.reader.room());
  if (room == 0) return true;
  const ssize_t count = recv(client.fd, bytes, room, 0);
  if (count == 0) {
    client.closing = true;  // whole requests that came before are still answered
    return true;
  }
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (!client.reader.partial()) client.deadline = now + options_.request_timeout;
  client.reader.append(std::string_view(bytes, static_cast<std::size_t>(count)));
  client.last_heard = now;
  return true;
}

// True if it ran a request: there may be another one.
bool Server::serve_one(Client& client, time::Instant now, unsigned& budget) {
  if (!client.pending.empty() || budget == 0) return false;
  auto request = client.reader.next();
  if (!request) {
    ++counts_.malformed;
    client.pending =
        encode_reply(Reply{kExitUsage, "", "Error: " + request.error().text() + ".\n"});
    client.closing = true;
    client.reader = RequestReader{};
    client.hung_up = !write_to(client, now);
    return false;
  }
  if (!*request) return false;
  --budget;
  ++counts_.requests;
  if (waiting_bytes() > options_.max_waiting_bytes) {
    client.pending = encode_reply(
        Reply{kExitRefused, "", "Error: too many answers wait for clients that do not read.\n"});
  } else {
    client.pending = encode_reply(handler_(**request));
  }
  client.sent = 0;
  client.deadline = now + options_.reply_timeout;
  client.hung_up = !write_to(client, now);
  return !client.hung_up;
}

std::size_t Server::waiting_bytes() const {
  std::size_t sum = 0;
  for (const Client& client : clients_)
    sum += client.pending.size();
  return sum;
}

// False when the client is gone.
bool Server::write_to(Client& client, time::Instant now) {
  while (client.sent < client.pending.size()) {
    const ssize_t count = send(client.fd, client.pending.data() + client.sent,
                               client.pending.size() - client.sent, MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    client.sent += static_cast<std::size_t>(count);
    client.deadline = now + options_.reply_timeout;
    client.last_heard = now;
  }
  client.pending = std::string{};
  client.sent = 0;
  client.deadline =
      client.reader.partial() ? now + options_.request_timeout : time::Instant::never();
  return true;
}

// Reads only from clients whose answers go out; so one that does not read cannot make us gather.
void Server::watch(Client& client) {
  const unsigned wanted = !client.pending.empty() ? static_cast<unsigned>(EPOLLOUT)
                          : client.closing        ? 0u
                                                  : static_cast<unsigned>(EPOLLIN);
  if (wanted == client.watched) return;
  client.watched = wanted;
  epoll_event event{};
  event.events = wanted;
  event.data.ptr = &client;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, client.fd, &event);
}

void Server::expire(time::Instant now) {
  for (auto client = clients_.begin(); client != clients_.end();) {
    const auto next = std::next(client);
    if (client->deadline <= now) {
      ++counts_.timed_out;
      close_client(client);
    }
    client = next;
  }
}

time::Instant Server::next_deadline() const {
  if (leftover_) return time::Instant{};
  time::Instant next = time::Instant::never();
  for (const Client& client : clients_)
    next = std::min(next, client.deadline);
  return next;
}

void Server::close_client(std::list<Client>::iterator client) {
  close(client->fd);  // which also takes it out of the epoll set
  clients_.erase(client);
}

}  // namespace linnet::control
