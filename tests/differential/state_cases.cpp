// SPDX-License-Identifier: BSD-3-Clause
// Every call in every state. Each state is made anew for each call.
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "cases.hpp"

namespace linnet::differential {
namespace {

constexpr std::uint16_t kStatePort = 2000;  // of listeners and servers that cases make
constexpr std::uint16_t kNobody = 2999;     // nobody listens there

// A socket in a state, and what must be closed with it.
struct Made {
  int fd = -1;
  std::vector<int> others;
};

struct State {
  const char* name;
  int type;
  Made (*make)(Calls& calls);
};

int fresh(Calls& calls, int type) {
  return calls.socket(AF_INET, type | SOCK_NONBLOCK, 0);
}

int listening(Calls& calls) {
  const int fd = fresh(calls, SOCK_STREAM);
  const int on = 1;
  calls.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bind_to(calls, fd, kStatePort);
  calls.listen(fd, 5);
  return fd;
}

void reset(Calls& calls, int fd) {
  const linger now{1, 0};
  calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  calls.close(fd);
  calls.settle();
}

Made udp_pair(Calls& calls) {
  const int near = fresh(calls, SOCK_DGRAM), far = fresh(calls, SOCK_DGRAM);
  bind_to(calls, far, kStatePort);
  connect_to(calls, near, kStatePort);
  bind_to(calls, near, 0);
  sockaddr_in name;
  socklen_t length = sizeof name;
  calls.getsockname(near, reinterpret_cast<sockaddr*>(&name), &length);
  calls.connect(far, reinterpret_cast<const sockaddr*>(&name), length);
  return {near, {far}};
}

constexpr State kStates[] = {
    {"tcp fresh", SOCK_STREAM, [](Calls& c) { return Made{fresh(c, SOCK_STREAM), {}}; }},
    {"tcp bound", SOCK_STREAM,
     [](Calls& c) {
       const int fd = fresh(c, SOCK_STREAM);
       bind_to(c, fd, kStatePort);
       return Made{fd, {}};
     }},
    {"tcp listening", SOCK_STREAM, [](Calls& c) { return Made{listening(c), {}}; }},
    {"tcp listening with one", SOCK_STREAM,
     [](Calls& c) {
       const int fd = listening(c);
       const int client = fresh(c, SOCK_STREAM);
       connect_to(c, client, kStatePort);
       c.settle();
       return Made{fd, {client}};
     }},
    {"tcp connected", SOCK_STREAM,
     [](Calls& c) {
       const Pair pair = connected_pair(c, kStatePort);
       return Made{pair.near, {pair.far}};
     }},
    {"tcp with data", SOCK_STREAM,
     [](Calls& c) {
       const Pair pair = connected_pair(c, kStatePort);
       send_text(c, pair.far, "hello");
       c.settle();
       return Made{pair.near, {pair.far}};
     }},
    {"tcp peer shut", SOCK_STREAM,
     [](Calls& c) {
       const Pair pair = connected_pair(c, kStatePort);
       c.shutdown(pair.far, SHUT_WR);
       c.settle();
       return Made{pair.near, {pair.far}};
     }},
    {"tcp peer closed after data", SOCK_STREAM,
     [](Calls& c) {
       const Pair pair = connected_pair(c, kStatePort);
       send_text(c, pair.far, "last");
       c.close(pair.far);
       c.settle();
       return Made{pair.near, {}};
     }},
    {"tcp reset", SOCK_STREAM,
     [](Calls& c) {
       const Pair pair = connected_pair(c, kStatePort);
       reset(c, pair.far);
       return Made{pair.near, {}};
     }},
    {"tcp shut for writing", SOCK_STREAM,
     [](Calls& c) {
       const Pair pair = connected_pair(c, kStatePort);
       c.shutdown(pair.near, SHUT_WR);
       c.settle();
       return Made{pair.near, {pair.far}};
     }},
    {"tcp shut for reading", SOCK_STREAM,
     [](Calls& c) {
       const Pair pair = connected_pair(c, kStatePort);
       c.shutdown(pair.near, SHUT_RD);
       c.settle();
       return Made{pair.near, {pair.far}};
     }},
    {"tcp shut both ways", SOCK_STREAM,
     [](Calls& c) {
       const Pair pair = connected_pair(c, kStatePort);
       c.shutdown(pair.near, SHUT_RDWR);
       c.settle();
       return Made{pair.near, {pair.far}};
     }},
    {"tcp refused", SOCK_STREAM,
     [](Calls& c) {
       const int fd = fresh(c, SOCK_STREAM);
       connect_to(c, fd, kNobody);
       c.settle();
       return Made{fd, {}};
     }},
    {"tcp with urgent data", SOCK_STREAM,
     [](Calls& c) {
       const Pair pair = connected_pair(c, kStatePort);
       send_text(c, pair.far, "abU", MSG_OOB);
       send_text(c, pair.far, "cd");
       c.settle();
       return Made{pair.near, {pair.far}};
     }},
    {"udp fresh", SOCK_DGRAM, [](Calls& c) { return Made{fresh(c, SOCK_DGRAM), {}}; }},
    {"udp bound", SOCK_DGRAM,
     [](Calls& c) {
       const int fd = fresh(c, SOCK_DGRAM);
       bind_to(c, fd, kStatePort);
       return Made{fd, {}};
     }},
    {"udp connected", SOCK_DGRAM, udp_pair},
    {"udp with data", SOCK_DGRAM,
     [](Calls& c) {
       Made made = udp_pair(c);
       send_text(c, made.others[0], "hello");
       send_text(c, made.others[0], "again");
       c.settle();
       return made;
     }},
    {"udp refused", SOCK_DGRAM,
     [](Calls& c) {
       const int fd = fresh(c, SOCK_DGRAM);
       connect_to(c, fd, kNobody);
       send_text(c, fd, "x");
       c.settle();
       return Made{fd, {}};
     }},
    {"udp shut for reading", SOCK_DGRAM,
     [](Calls& c) {
       const Made made = udp_pair(c);
       c.shutdown(made.fd, SHUT_RD);
       return made;
     }},
    {"udp shut for writing", SOCK_DGRAM,
     [](Calls& c) {
       const Made made = udp_pair(c);
       c.shutdown(made.fd, SHUT_WR);
       return made;
     }},
};

struct Call {
  const char* name;
  std::string (*make)(Calls& calls, int fd);
};

std::string connect_with(Calls& calls, int fd, sockaddr_in name, socklen_t length) {
  return result_text(calls.connect(fd, reinterpret_cast<const sockaddr*>(&name), length));
}

std::string bind_with(Calls& calls, int fd, sockaddr_in name, socklen_t length) {
  return result_text(calls.bind(fd, reinterpret_cast<const sockaddr*>(&name), length));
}

std::string send_to(Calls& calls, int fd, sockaddr_in name, socklen_t length) {
  char byte = 'x';
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen = length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return result_text(calls.sendmsg(fd, &message, MSG_NOSIGNAL));
}

sockaddr_in of_family(int family) {
  sockaddr_in name = loopback(kNobody);
  name.sin_family = static_cast<sa_family_t>(family);
  return name;
}

sockaddr_in elsewhere() {
  sockaddr_in name = loopback(2500);
  name.sin_addr.s_addr = htonl(0xc0000201);  // 192.0.2.1: neither ours nor reachable
  return name;
}

// Whether a port is there, not which.
std::string name_text(long result, const sockaddr_in& name, socklen_t length) {
  if (result < 0) return result_text(result);
  return "length " + std::to_string(length) + " family " + std::to_string(name.sin_family) +
         " address " + std::to_string(ntohl(name.sin_addr.s_addr)) +
         (name.sin_port != 0 ? " port" : "");
}

std::string control(Calls& calls, int fd, unsigned long request) {
  int value = -7;
  const long result = calls.ioctl(fd, request, &value);
  return result_text(result) + (result == 0 ? " value " + std::to_string(value) : "");
}

constexpr Call kCalls[] = {
    {"look", [](Calls&, int) { return std::string(); }},
    {"bind any port", [](Calls& c, int fd) { return result_text(bind_to(c, fd, 0)); }},
    {"bind elsewhere",
     [](Calls& c, int fd) { return bind_with(c, fd, elsewhere(), sizeof(sockaddr_in)); }},
    {"bind short", [](Calls& c, int fd) { return bind_with(c, fd, loopback(0), 8); }},
    {"bind family 10",
     [](Calls& c, int fd) { return bind_with(c, fd, of_family(10), sizeof(sockaddr_in)); }},
    {"bind family 0",
     [](Calls& c, int fd) { return bind_with(c, fd, of_family(0), sizeof(sockaddr_in)); }},
    {"listen", [](Calls& c, int fd) { return result_text(c.listen(fd, 5)); }},
    {"accept",
     [](Calls& c, int fd) {
       const int got = c.accept(fd, nullptr, nullptr, 0);
       if (got < 0) return result_text(got);
       c.close(got);
       return std::string("accepted");
     }},
    {"accept with flags 7",
     [](Calls& c, int fd) { return result_text(c.accept(fd, nullptr, nullptr, 7)); }},
    {"connect to nobody",
     [](Calls& c, int fd) { return connect_with(c, fd, loopback(kNobody), sizeof(sockaddr_in)); }},
    {"connect twice to nobody",
     [](Calls& c, int fd) {
       connect_with(c, fd, loopback(kNobody), sizeof(sockaddr_in));
       c.settle();
       return connect_with(c, fd, loopback(kNobody), sizeof(sockaddr_in));
     }},
    {"connect out of reach",
     [](Calls& c, int fd) { return connect_with(c, fd, elsewhere(), sizeof(sockaddr_in)); }},
    {"connect short", [](Calls& c, int fd) { return connect_with(c, fd, loopback(kNobody), 8); }},
    {"connect very short",
     [](Calls& c, int fd) { return connect_with(c, fd, loopback(kNobody), 1); }},
    {"connect family 10",
     [](Calls& c, int fd) { return connect_with(c, fd, of_family(10), sizeof(sockaddr_in)); }},
    {"connect family 0",
     [](Calls& c, int fd) { return connect_with(c, fd, of_family(0), sizeof(sockaddr_in)); }},
    {"send", [](Calls& c, int fd) { return result_text(send_text(c, fd, "abc")); }},
    {"send nothing", [](Calls& c, int fd) { return result_text(send_text(c, fd, "")); }},
    {"send twice",
     [](Calls& c, int fd) {
       const std::string first = result_text(send_text(c, fd, "abc"));
       c.settle();
       return first + ", " + result_text(send_text(c, fd, "abc"));
     }},
    {"send urgent", [](Calls& c, int fd) { return result_text(send_text(c, fd, "abc", MSG_OOB)); }},
    {"send to somebody",
     [](Calls& c, int fd) { return send_to(c, fd, loopback(kNobody), sizeof(sockaddr_in)); }},
    {"send to port 0",
     [](Calls& c, int fd) { return send_to(c, fd, loopback(0), sizeof(sockaddr_in)); }},
    {"send to family 10",
     [](Calls& c, int fd) { return send_to(c, fd, of_family(10), sizeof(sockaddr_in)); }},
    {"send to a short name", [](Calls& c, int fd) { return send_to(c, fd, loopback(kNobody), 8); }},
    {"send out of reach",
     [](Calls& c, int fd) { return send_to(c, fd, elsewhere(), sizeof(sockaddr_in)); }},
    {"recv", [](Calls& c, int fd) { return receive_text(c, fd, 10); }},
    {"recv little", [](Calls& c, int fd) { return receive_text(c, fd, 2); }},
    {"recv nothing", [](Calls& c, int fd) { return receive_text(c, fd, 0); }},
    {"recv twice",
     [](Calls& c, int fd) {
       const std::string first = receive_text(c, fd, 10);
       return first + ", " + receive_text(c, fd, 10);
     }},
    {"recv peek",
     [](Calls& c, int fd) {
       const std::string first = receive_text(c, fd, 3, MSG_PEEK);
       return first + ", " + receive_text(c, fd, 10);
     }},
    {"recv urgent", [](Calls& c, int fd) { return receive_text(c, fd, 10, MSG_OOB); }},
    {"recv past urgent",
     [](Calls& c, int fd) {
       const std::string first = receive_text(c, fd, 10);
       const std::string urgent = receive_text(c, fd, 10, MSG_OOB);
       return first + ", " + urgent + ", " + receive_text(c, fd, 10);
     }},
    {"recv urgent in line",
     [](Calls& c, int fd) {
       const int on = 1;
       c.setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
       const std::string first = receive_text(c, fd, 10);
       return first + ", " + receive_text(c, fd, 10);
     }},
    {"recv errors", [](Calls& c, int fd) { return receive_text(c, fd, 10, MSG_ERRQUEUE); }},
    {"recv truncated",
     [](Calls& c, int fd) {
       // The rest of the room stays as it was: only the number is compared.
       return receive_text(c, fd, 2, MSG_PEEK | MSG_TRUNC).substr(0, 2);
     }},
    {"recv all", [](Calls& c, int fd) { return receive_text(c, fd, 4, MSG_WAITALL); }},
    {"shutdown 0", [](Calls& c, int fd) { return result_text(c.shutdown(fd, 0)); }},
    {"shutdown 1", [](Calls& c, int fd) { return result_text(c.shutdown(fd, 1)); }},
    {"shutdown 2", [](Calls& c, int fd) { return result_text(c.shutdown(fd, 2)); }},
    {"shutdown 3", [](Calls& c, int fd) { return result_text(c.shutdown(fd, 3)); }},
    {"getsockname",
     [](Calls& c, int fd) {
       sockaddr_in name{};
       socklen_t length = sizeof name;
       return name_text(c.getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length), name,
                        length);
     }},
    {"getsockname with little room",
     [](Calls& c, int fd) {
       sockaddr_in name{};
       socklen_t length = 4;
       return name_text(c.getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length), name,
                        length);
     }},
    {"getpeername",
     [](Calls& c, int fd) {
       sockaddr_in name{};
       socklen_t length = sizeof name;
       return name_text(c.getpeername(fd, reinterpret_cast<sockaddr*>(&name), &length), name,
                        length);
     }},
    {"FIONREAD", [](Calls& c, int fd) { return control(c, fd, FIONREAD); }},
    {"SIOCATMARK", [](Calls& c, int fd) { return control(c, fd, SIOCATMARK); }},
    {"SIOCOUTQ", [](Calls& c, int fd) { return control(c, fd, SIOCOUTQ); }},
    {"an unknown ioctl", [](Calls& c, int fd) { return control(c, fd, 0x5499); }},
    {"TCP_INFO state",
     [](Calls& c, int fd) {
       tcp_info info{};
       socklen_t length = sizeof info;
       const long result = c.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
       return result_text(result) + (result == 0 ? " " + std::to_string(info.tcpi_state) : "");
     }},
};

// The call's result, and how the socket stands afterwards.
std::string run(Calls& calls, const State& state, const Call& call) {
  const Made made = state.make(calls);
  std::string out = call.make(calls, made.fd);
  calls.settle();
  int error = -7;
  socklen_t length = sizeof error;
  out += "; poll " + poll_text(calls, made.fd);
  calls.getsockopt(made.fd, SOL_SOCKET, SO_ERROR, &error, &length);
  out += "; SO_ERROR " + std::to_string(error);
  for (const int fd : made.others)
    reset(calls, fd);
  reset(calls, made.fd);
  return out;
}

}  // namespace

std::vector<Case> state_cases() {
  std::vector<Case> out;
  for (const State& state : kStates) {
    for (const Call& call : kCalls) {
      out.push_back({std::string(state.name) + ": " + call.name,
                     [&state, &call](Calls& calls) { return run(calls, state, call); }});
    }
  }
  return out;
}

}  // namespace linnet::differential
