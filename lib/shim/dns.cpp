// SPDX-License-Identifier: BSD-3-Clause
#include "shim/dns.hpp"

#include <ares.h>
#include <linnet/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>

#include "shim/dns_answer.hpp"
#include "shim/poll.hpp"
#include "shim/program.hpp"

namespace linnet::shim {
namespace {

using time::Duration;
using time::Instant;

constexpr int kInternet = 1, kAddress = 1, kPointer = 12;  // RFC 1035, 3.2
constexpr std::size_t kLongestReply = 65536;
// The program ends, or its stack; errno says so. No number of c-ares'.
constexpr int kStopped = -1;
// c-ares' own clock, the kernel's: never before ours.
constexpr int kNeverMs = 24 * 3600 * 1000;

int start_library() {
  static std::once_flag once;
  static int status = ARES_SUCCESS;
  std::call_once(once, [] { status = ares_library_init(ARES_LIB_INIT_ALL); });
  return status;
}

Found found_of(int status) {
  switch (status) {
    case ARES_SUCCESS:
      return Found::Yes;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
      return Found::NoName;
    case ARES_ENODATA:
      return Found::NoData;
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
    case ARES_ENOTIMP:
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
    case ARES_EOF:
      return Found::Again;
    case ARES_ENOMEM:
      return Found::NoMemory;
    case kStopped:
      return Found::System;
    default:
      return Found::Failed;
  }
}

}  // namespace

// A channel of c-ares whose sockets are ours: one question to one server at a time.
class Dns::Channel {
 public:
  Channel(Program& program, Duration timeout);
  ~Channel() {
    if (channel_ != nullptr) ares_destroy(channel_);
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // ARES_SUCCESS (the answer is in `reply`), another status, or kStopped.
  int ask(const Server& server, const std::string& name, int type);
  std::span<const unsigned char> reply() const { return reply_; }

 private:
  static Channel& of(void* self) { return *static_cast<Channel*>(self); }
  static ares_socket_t open(int domain, int type, int protocol, void* self);
  static ssize_t receive(int fd, void* bytes, std::size_t count, int flags, sockaddr* from,
                         socklen_t* length, void* self);
  static ssize_t send(int fd, const iovec* parts, int count, void* self);
  static void take_reply(void* self, int status, int timeouts, unsigned char* bytes, int length);

  void begin_time() { deadline_ = program_.host().now() + timeout_; }
  // Until a socket has an event, which c-ares is told. 0, ARES_ETIMEOUT or kStopped.
  int wait();

  Program& program_;
  const Duration timeout_;
  ares_channel channel_ = nullptr;
  int made_ = ARES_ENOMEM;
  Instant deadline_{};
  bool done_ = false;
  int status_ = ARES_SUCCESS;
  std::vector<unsigned char> reply_{};
};

Dns::Channel::Channel(Program& program, Duration timeout) : program_(program), timeout_(timeout) {
  static const ares_socket_functions kOurs = {
      open, [](ares_socket_t fd, void*) { return ln_close(fd); },
      [](ares_socket_t fd, const sockaddr* name, ares_socklen_t length, void*) {
        return ln_connect(fd, name, length);
      },
      receive, send};
  reply_.reserve(kLongestReply);  // the callback below C frames must not throw
  std::string nothing = "/dev/null";
  ares_options options{};
  // Without NOCHECKRESP it does not tell a server that cannot answer from one that is not there.
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP;
  options.timeout = kNeverMs;
  options.tries = 1;
  options.resolvconf_path = nothing.data();
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_RESOLVCONF;
  made_ = start_library();
  if (made_ == ARES_SUCCESS) made_ = ares_init_options(&channel_, &options, mask);
  if (made_ == ARES_SUCCESS) ares_set_socket_functions(channel_, &kOurs, this);
}

ares_socket_t Dns::Channel::open(int domain, int type, int protocol, void* self) {
  // The answer was truncated: the same question by TCP has its own time.
  if (type == SOCK_STREAM) of(self).begin_time();
  return ln_socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

ssize_t Dns::Channel::receive(int fd, void* bytes, std::size_t count, int flags, sockaddr* from,
                              socklen_t* length, void*) {
  return ln_recvfrom(fd, bytes, count, flags, from, length);
}

ssize_t Dns::Channel::send(int fd, const iovec* parts, int count, void*) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return ln_sendmsg(fd, &message, MSG_NOSIGNAL);
}

void Dns::Channel::take_reply(void* self, int status, int, unsigned char* bytes, int length) {
  Channel& channel = of(self);
  channel.done_ = true;
  channel.status_ = status;
  if (bytes != nullptr)
    channel.reply_.assign(bytes, bytes + std::min<std::size_t>(length, kLongestReply));
}

int Dns::Channel::wait() {
  ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
  pollfd fds[ARES_GETSOCK_MAXNUM];
  const int wanted = ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM);
  std::size_t count = 0;
  for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    int events = ARES_GETSOCK_READABLE(wanted, i) != 0 ? POLLIN : 0;
    if (ARES_GETSOCK_WRITABLE(wanted, i) != 0) events |= POLLOUT;
    if (events != 0) fds[count++] = {sockets[i], static_cast<short>(events), 0};
  }
  if (count == 0) return ARES_ECONNREFUSED;
  const Duration left = deadline_ - program_.host().now();
  if (left <= Duration()) return ARES_ETIMEOUT;
  const int ready = poll_all({fds, count}, left, nullptr);
  if (ready < 0 && ready != -EINTR) {
    errno = -ready;
    return kStopped;
  }
  for (std::size_t i = 0; ready > 0 && i < count; ++i) {
    const int events = fds[i].revents;
    if ((events & POLLNVAL) != 0) {
      errno = EBADF;
      return kStopped;
    }
    if (events == 0) continue;
    const bool writable = (events & POLLOUT) != 0, readable = (events & ~POLLOUT) != 0;
    ares_process_fd(channel_, readable ? fds[i].fd : ARES_SOCKET_BAD,
                    writable ? fds[i].fd : ARES_SOCKET_BAD);
  }
  return 0;
}

int Dns::Channel::ask(const Server& server, const std::string& name, int type) {
  if (made_ != ARES_SUCCESS) return made_;
  ares_addr_port_node node{};
  node.family = AF_INET;
  node.addr.addr4.s_addr = htonl(server.address.host());
  node.udp_port = node.tcp_port = server.port;
  if (const int bad = ares_set_servers_ports(channel_, &node); bad != ARES_SUCCESS) return bad;
  done_ = false;
  reply_.clear();
  begin_time();
  ares_query(channel_, name.c_str(), kInternet, type, take_reply, this);
  while (!done_) {
    const int why = wait();
    if (why == 0) continue;
    const int error = errno;
    ares_cancel(channel_);  // closes the sockets, too
    errno = error;
    return why;
  }
  return status_;
}

// Every server in every round, but not again one that said that it cannot answer.
int Dns::ask(Channel& channel, const std::string& name, int type) {
  static std::atomic<unsigned> turn{0};
  const std::size_t count = settings_.servers.size();
  const std::size_t first = settings_.rotate ? turn.fetch_add(1, std::memory_order_relaxed) : 0;
  int last = ARES_ESERVFAIL;
  for (unsigned round = 0; round < settings_.rounds; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t which = (first + i) % count;
      if (given_up_[which]) continue;
      const int status = channel.ask(settings_.servers[which], name, type);
      if (status == kStopped || found_of(status) != Found::Again) return status;
      given_up_[which] =
          status == ARES_ESERVFAIL || status == ARES_EREFUSED || status == ARES_ENOTIMP;
      last = status;
    }
  }
  return last;
}

// res_search(3): as it is first where it has dots enough, last otherwise.
std::vector<std::string> Dns::candidates(const std::string& name) const {
  if (name.ends_with('.')) return {name};
  std::vector<std::string> out;
  for (const std::string& domain : settings_.domains)
    out.push_back(name + "." + domain);
  const bool first = std::count(name.begin(), name.end(), '.') >= std::int64_t{settings_.dots};
  out.insert(first ? out.begin() : out.end(), name);
  return out;
}

Found Dns::find_by_name(const std::string& name, HostEntry& out) {
  if (!program_.host().may_sleep()) return Found::Again;
  Channel channel(program_, settings_.timeout);
  Found worst = Found::NoName;
  for (const std::string& candidate : candidates(name)) {
    int status = ask(channel, candidate, kAddress);
    out = {};
    if (status == ARES_SUCCESS) status = take_addresses(channel.reply(), out);
    const Found found = found_of(status);
    if (found != Found::NoName && found != Found::NoData) return found;
    if (found == Found::NoData) worst = found;
  }
  return worst;
}

Found Dns::find_by_address(Ipv4Address address, HostEntry& out) {
  if (!program_.host().may_sleep()) return Found::Again;
  Channel channel(program_, settings_.timeout);
  const std::uint32_t host_order = address.host();
  const std::string name =
      Ipv4Address::from_host(__builtin_bswap32(host_order)).text() + ".in-addr.arpa";
  const int status = ask(channel, name, kPointer);
  if (status != ARES_SUCCESS) return found_of(status);
  return found_of(take_pointer(channel.reply(), address, out));
}

}  // namespace linnet::shim
