// SPDX-License-Identifier: BSD-3-Clause
// The calls of a script.
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "tcp/runner.hpp"
#include "tcp/stream.hpp"

namespace linnet::tests {
namespace {

constexpr int kLocalPortRange = 51;  // IP_LOCAL_PORT_RANGE of newer headers

// Of real time: until another thread must have come to a point, and may have gone back to sleep.
constexpr int kPatienceMs = 10'000, kBrieflyMs = 500;

struct ErrorName {
  int number;
  const char* name;
};
constexpr ErrorName kErrors[] = {{EAGAIN, "EAGAIN"},
                                 {EINPROGRESS, "EINPROGRESS"},
                                 {EALREADY, "EALREADY"},
                                 {EISCONN, "EISCONN"},
                                 {ENOTCONN, "ENOTCONN"},
                                 {ECONNREFUSED, "ECONNREFUSED"},
                                 {ECONNRESET, "ECONNRESET"},
                                 {ETIMEDOUT, "ETIMEDOUT"},
                                 {EPIPE, "EPIPE"},
                                 {EHOSTUNREACH, "EHOSTUNREACH"},
                                 {ENETUNREACH, "ENETUNREACH"},
                                 {EINVAL, "EINVAL"},
                                 {EPROTO, "EPROTO"},
                                 {EADDRINUSE, "EADDRINUSE"},
                                 {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
                                 {ECONNABORTED, "ECONNABORTED"},
                                 {ENOPROTOOPT, "ENOPROTOOPT"},
                                 {EBADF, "EBADF"},
                                 {EOPNOTSUPP, "EOPNOTSUPP"},
                                 {ENOBUFS, "ENOBUFS"},
                                 {EMSGSIZE, "EMSGSIZE"},
                                 {ENOPROTOOPT, "ENOPROTOOPT"}};

std::string error_name(int number) {
  for (const ErrorName& one : kErrors)
    if (one.number == number) return one.name;
  return number == 0 ? "0" : std::strerror(number);
}

struct OptionName {
  const char* name;
  int level, option;
};
constexpr OptionName kOptions[] = {{"nodelay", IPPROTO_TCP, TCP_NODELAY},
                                   {"cork", IPPROTO_TCP, TCP_CORK},
                                   {"quickack", IPPROTO_TCP, TCP_QUICKACK},
                                   {"keepalive", SOL_SOCKET, SO_KEEPALIVE},
                                   {"keepidle", IPPROTO_TCP, TCP_KEEPIDLE},
                                   {"keepintvl", IPPROTO_TCP, TCP_KEEPINTVL},
                                   {"keepcnt", IPPROTO_TCP, TCP_KEEPCNT},
                                   {"usertimeout", IPPROTO_TCP, TCP_USER_TIMEOUT},
                                   {"maxseg", IPPROTO_TCP, TCP_MAXSEG},
                                   {"sndbuf", SOL_SOCKET, SO_SNDBUF},
                                   {"rcvbuf", SOL_SOCKET, SO_RCVBUF},
                                   {"syncnt", IPPROTO_TCP, TCP_SYNCNT},
                                   {"linger2", IPPROTO_TCP, TCP_LINGER2},
                                   {"notsent", IPPROTO_TCP, TCP_NOTSENT_LOWAT},
                                   {"clamp", IPPROTO_TCP, TCP_WINDOW_CLAMP},
                                   {"oobinline", SOL_SOCKET, SO_OOBINLINE},
                                   {"maxrate", SOL_SOCKET, SO_MAX_PACING_RATE},
                                   {"localports", IPPROTO_IP, kLocalPortRange},
                                   {"fastopen", IPPROTO_TCP, TCP_FASTOPEN},
                                   {"fastopenconnect", IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
                                   {"fastopennocookie", IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE}};

struct EventName {
  const char* name;
  short bit;
};
constexpr EventName kEvents[] = {{"in", POLLIN},   {"out", POLLOUT}, {"hup", POLLHUP},
                                 {"err", POLLERR}, {"pri", POLLPRI}, {"rdhup", POLLRDHUP}};

sockaddr_in address_of(std::uint32_t host, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(host);
  return out;
}

std::int64_t info_field(const tcp_info& info, const std::string& name) {
  if (name == "state") return info.tcpi_state;
  if (name == "ca_state") return info.tcpi_ca_state;
  if (name == "retransmits") return info.tcpi_retransmits;
  if (name == "probes") return info.tcpi_probes;
  if (name == "backoff") return info.tcpi_backoff;
  if (name == "rto") return info.tcpi_rto;
  if (name == "rtt") return info.tcpi_rtt;
  if (name == "rttvar") return info.tcpi_rttvar;
  if (name == "cwnd") return info.tcpi_snd_cwnd;
  if (name == "ssthresh") return info.tcpi_snd_ssthresh;
  if (name == "mss") return info.tcpi_snd_mss;
  if (name == "pmtu") return info.tcpi_pmtu;
  if (name == "unacked") return info.tcpi_unacked;
  if (name == "sacked") return info.tcpi_sacked;
  if (name == "lost") return info.tcpi_lost;
  if (name == "retrans") return info.tcpi_retrans;
  if (name == "total_retrans") return info.tcpi_total_retrans;
  if (name == "delivered") return info.tcpi_delivered;
  if (name == "reordering") return info.tcpi_reordering;
  if (name == "options") return info.tcpi_options;
  if (name == "fastopen_fail") return info.tcpi_fastopen_client_fail;
  if (name == "pacing_rate") return static_cast<std::int64_t>(info.tcpi_pacing_rate);
  if (name == "max_pacing_rate") return static_cast<std::int64_t>(info.tcpi_max_pacing_rate);
  return -1;
}

}  // namespace

Runner::Verdict Runner::call_result(const Step& step, long result) const {
  const std::string have = result < 0 ? error_name(errno) : std::to_string(result);
  const std::string want = step.result.value_or(result < 0 ? "0" : have);
  if (have == want) return std::nullopt;
  return "the call gave " + have;
}

Runner::Verdict Runner::call(const Step& step) {
  Verdict wrong;
  long result = 0;
  if (step.verb == "listen") {
    result = do_listen();
  } else if (step.verb == "connect") {
    result = do_connect();
  } else if (step.verb == "accept") {
    result = do_accept();
  } else if (step.verb == "send" && step.words.back() == "blocking") {
    return send_in_a_thread(step);
  } else if (step.verb == "send") {
    result = do_send(step);
  } else if (step.verb == "recv") {
    result = do_receive(step, wrong);
  } else if (step.verb == "shutdown") {
    const std::string& how = step.words.at(0);
    result = ln_shutdown(fd_, how == "rd" ? SHUT_RD : how == "wr" ? SHUT_WR : SHUT_RDWR);
  } else if (step.verb == "close" && !step.words.empty() && step.words[0] == "blocking") {
    return close_in_a_thread();
  } else if (step.verb == "closing") {
    if (ln_embed_await_sleepers(stack_, 1, kBrieflyMs) != 0) return "close has returned";
    return std::nullopt;
  } else if (step.verb == "closed") {
    return await_close();
  } else if (step.verb == "close") {
    const bool listener = !step.words.empty();  // close listener
    int& fd = listener ? listener_ : fd_;
    result = ln_close(fd);
    fd = -1;
  } else if (step.verb == "set") {
    result = do_set(step, wrong);
  } else if (step.verb == "error") {
    int error = 0;
    socklen_t length = sizeof error;
    result = ln_getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
    if (result == 0 && error_name(error) != step.result.value_or("0"))
      return "SO_ERROR is " + error_name(error);
    return std::nullopt;
  } else if (step.verb == "poll") {
    result = do_poll(step, wrong);
  } else if (step.verb == "info") {
    return check_info(step);
  } else if (step.verb == "counter") {
    return check_counter(step);
  } else {
    return "no step: " + step.verb;
  }
  return wrong ? wrong : call_result(step, result);
}

long Runner::do_listen() {
  listener_ = ln_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (listener_ < 0) return -1;
  const sockaddr_in address = address_of(INADDR_ANY, local_port_);
  if (ln_bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return -1;
  return ln_listen(listener_, 8);
}

bool Runner::make_socket() {
  if (fd_ >= 0) return true;
  fd_ = ln_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sent_ = received_ = 0;
  return fd_ >= 0;
}

long Runner::do_connect() {
  if (!make_socket()) return -1;
  const sockaddr_in address = address_of(0xc0000202, peer_port_);
  return ln_connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

long Runner::do_accept() {
  const int fd = ln_accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
  if (fd < 0) return -1;
  fd_ = fd;
  sent_ = received_ = 0;
  return 0;
}

// send BYTES [more] [oob] [to]; "to": MSG_FASTOPEN, a socket is made where there is none.
long Runner::do_send(const Step& step) {
  int flags = MSG_NOSIGNAL;
  for (const std::string& word : step.words) {
    if (word == "more") flags |= MSG_MORE;
    if (word == "oob") flags |= MSG_OOB;
    if (word == "to") flags |= MSG_FASTOPEN;
  }
  const bool opens = (flags & MSG_FASTOPEN) != 0;
  if (opens && !make_socket()) return -1;
  const Bytes bytes = next_bytes(step);
  const sockaddr_in peer = address_of(0xc0000202, peer_port_);
  const ssize_t result = ln_sendto(fd_, bytes.data(), bytes.size(), flags,
                                   opens ? reinterpret_cast<const sockaddr*>(&peer) : nullptr,
                                   opens ? sizeof peer : 0);
  if (result > 0) sent_ += static_cast<std::uint64_t>(result);
  return result;
}

Bytes Runner::next_bytes(const Step& step) const {
  Bytes bytes;
  const std::uint64_t count = std::stoull(step.words.at(0));
  for (std::uint64_t i = 0; i < count; ++i)
    bytes.push_back(local_byte(static_cast<std::uint32_t>(sent_ + i)));
  return bytes;
}

// send BYTES to blocking: a thread of its own connects and sleeps until all is taken.
Runner::Verdict Runner::send_in_a_thread(const Step& step) {
  int off = 0;
  if (!make_socket() || ln_ioctl(fd_, FIONBIO, &off) != 0) return "FIONBIO: " + error_name(errno);
  const sockaddr_in peer = address_of(0xc0000202, peer_port_);
  sleeper_ = std::thread([this, bytes = next_bytes(step), peer] {
    result_ = ln_sendto(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_FASTOPEN,
                        reinterpret_cast<const sockaddr*>(&peer), sizeof peer);
    errno_ = errno;
  });
  if (ln_embed_await_sleepers(stack_, 1, kPatienceMs) != 0) return "send does not sleep";
  ln_embed_advance_to(stack_, now());  // what it asked for last
  return std::nullopt;
}

// sent = RESULT: it has come back.
Runner::Verdict Runner::await_send(const Step& step) {
  if (ln_embed_await_returns(stack_, 0, kPatienceMs) != 0) return "send still sleeps";
  sleeper_.join();
  ln_embed_advance_to(stack_, now());
  int on = 1;
  if (ln_ioctl(fd_, FIONBIO, &on) != 0) return "FIONBIO: " + error_name(errno);
  if (result_ > 0) sent_ += static_cast<std::uint64_t>(result_);
  errno = errno_;
  return call_result(step, result_);
}

// close blocking: a thread of its own sleeps in it, for as long as SO_LINGER says.
Runner::Verdict Runner::close_in_a_thread() {
  int off = 0;
  if (ln_ioctl(fd_, FIONBIO, &off) != 0) return "FIONBIO: " + error_name(errno);
  sleeper_ = std::thread([fd = std::exchange(fd_, -1)] { ln_close(fd); });
  if (ln_embed_await_sleepers(stack_, 1, kPatienceMs) != 0) return "close does not sleep";
  ln_embed_advance_to(stack_, now());  // what it asked for last
  return std::nullopt;
}

Runner::Verdict Runner::await_close() {
  if (ln_embed_await_returns(stack_, 0, kPatienceMs) != 0) return "close still sleeps";
  sleeper_.join();
  return std::nullopt;
}

// recv BYTES [oob|peek]
long Runner::do_receive(const Step& step, Verdict& wrong) {
  Bytes bytes(std::stoull(step.words.at(0)));
  const bool oob = step.words.size() > 1 && step.words[1] == "oob";
  const bool peek = step.words.size() > 1 && step.words[1] == "peek";
  const ssize_t result = ln_recv(fd_, bytes.data(), bytes.size(),
                                 oob    ? MSG_OOB
                                 : peek ? MSG_PEEK
                                        : 0);
  for (ssize_t i = 0; i < result && !oob; ++i) {
    const std::uint64_t at = received_ + static_cast<std::uint64_t>(i);
    if (bytes[static_cast<std::size_t>(i)] == peer_byte(static_cast<std::uint32_t>(at))) continue;
    wrong = "byte " + std::to_string(at) + " of the stream is another";
    return 0;
  }
  if (result > 0 && !peek && !oob) received_ += static_cast<std::uint64_t>(result);
  return result;
}

// set NAME VALUE; linger takes seconds or "off"; congestion takes a name,
// fastopenkey hexadecimal digits. Before there is a
// connection a socket is made for connect; with a listener and no connection it is the listener's.
long Runner::do_set(const Step& step, Verdict& wrong) {
  if (fd_ < 0 && listener_ < 0) make_socket();
  const int fd = fd_ >= 0 ? fd_ : listener_;
  const std::string& name = step.words.at(0);
  const std::string& value = step.words.at(1);
  if (name == "congestion")
    return ln_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, value.data(),
                         static_cast<socklen_t>(value.size()));
  if (name == "linger") {
    struct linger how{};
    how.l_onoff = value == "off" ? 0 : 1;
    how.l_linger = value == "off" ? 0 : std::stoi(value);
    return ln_setsockopt(fd, SOL_SOCKET, SO_LINGER, &how, sizeof how);
  }
  if (name == "fastopenkey") {
    Bytes key;
    for (std::size_t i = 0; i < value.size(); i += 2)
      key.push_back(static_cast<std::uint8_t>(std::stoul(value.substr(i, 2), nullptr, 16)));
    return ln_setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key.data(),
                         static_cast<socklen_t>(key.size()));
  }
  const int number = std::stoi(value);
  for (const OptionName& one : kOptions) {
    if (name == one.name) return ln_setsockopt(fd, one.level, one.option, &number, sizeof number);
  }
  wrong = "no option of a socket: " + name;
  return 0;
}

// poll in out ...: exactly these. "poll listener in" asks the listener.
long Runner::do_poll(const Step& step, Verdict& wrong) {
  const bool listener = !step.words.empty() && step.words[0] == "listener";
  short want = 0;
  for (const std::string& word : step.words) {
    for (const EventName& one : kEvents)
      if (word == one.name) want = static_cast<short>(want | one.bit);
  }
  pollfd one{.fd = listener ? listener_ : fd_,
             .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP,
             .revents = 0};
  if (ln_poll(&one, 1, 0) < 0) return -1;
  const int have = one.revents & (POLLIN | POLLOUT | POLLHUP | POLLERR | POLLPRI | POLLRDHUP);
  if (have == want) return 0;
  std::string words;
  for (const EventName& event : kEvents)
    if ((have & event.bit) != 0) words += std::string(" ") + event.name;
  wrong = "poll says" + (words.empty() ? " nothing" : words);
  return 0;
}

// counter NAME VALUE: as nstat prints it.
Runner::Verdict Runner::check_counter(const Step& step) const {
  std::string text(65536, '\0');
  if (ln_embed_command(stack_, "nstat -az", text.data(), text.size()) != 0)
    return std::string(ln_embed_error());
  const auto words = split(text.c_str());
  const auto at = std::find(words.begin(), words.end(), step.words.at(0));
  if (at == words.end() || at + 1 == words.end()) return "no such counter";
  if (*(at + 1) == step.words.at(1)) return std::nullopt;
  return step.words[0] + " is " + *(at + 1);
}

// info FIELD VALUE, info FIELD LOWEST..HIGHEST
Runner::Verdict Runner::check_info(const Step& step) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (ln_getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
    return "TCP_INFO: " + error_name(errno);
  const std::int64_t have = info_field(info, step.words.at(0));
  const std::string& text = step.words.at(1);
  const auto dots = text.find("..");
  const std::int64_t low = std::stoll(text);
  const std::int64_t high = dots == std::string::npos ? low : std::stoll(text.substr(dots + 2));
  if (have >= low && have <= high) return std::nullopt;
  return step.words[0] + " is " + std::to_string(have);
}

}  // namespace linnet::tests
