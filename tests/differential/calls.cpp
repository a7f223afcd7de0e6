// SPDX-License-Identifier: BSD-3-Clause
#include "calls.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace linnet::differential {
namespace {

class Kernel final : public Calls {
 public:
  int socket(int d, int t, int p) override { return ::socket(d, t, p); }
  int bind(int fd, const sockaddr* n, socklen_t l) override { return ::bind(fd, n, l); }
  int listen(int fd, int b) override { return ::listen(fd, b); }
  int accept(int fd, sockaddr* n, socklen_t* l, int f) override { return ::accept4(fd, n, l, f); }
  int connect(int fd, const sockaddr* n, socklen_t l) override { return ::connect(fd, n, l); }
  ssize_t sendmsg(int fd, const msghdr* m, int f) override { return ::sendmsg(fd, m, f); }
  ssize_t recvmsg(int fd, msghdr* m, int f) override { return ::recvmsg(fd, m, f); }
  int shutdown(int fd, int how) override { return ::shutdown(fd, how); }
  int close(int fd) override { return ::close(fd); }
  int getsockname(int fd, sockaddr* n, socklen_t* l) override { return ::getsockname(fd, n, l); }
  int getpeername(int fd, sockaddr* n, socklen_t* l) override { return ::getpeername(fd, n, l); }
  int getsockopt(int fd, int l, int n, void* v, socklen_t* s) override {
    return ::getsockopt(fd, l, n, v, s);
  }
  int setsockopt(int fd, int l, int n, const void* v, socklen_t s) override {
    return ::setsockopt(fd, l, n, v, s);
  }
  int ioctl(int fd, unsigned long r, int* v) override { return ::ioctl(fd, r, v); }
  int fcntl(int fd, int c, int v) override { return ::fcntl(fd, c, v); }
  int poll(pollfd* f, nfds_t c, int t) override { return ::poll(f, c, t); }
  int epoll_create(int f) override { return ::epoll_create1(f); }
  int epoll_ctl(int s, int o, int fd, epoll_event* e) override { return ::epoll_ctl(s, o, fd, e); }
  int epoll_wait(int s, epoll_event* e, int m, int t) override { return ::epoll_wait(s, e, m, t); }
  // The loopback device delivers within the call that sends, but for what a softirq puts off.
  void settle() override { ::poll(nullptr, 0, patience_ms); }
};

class Linnet final : public Calls {
 public:
  Linnet() : stack_(ln_embed_create(nullptr)) {}
  ~Linnet() override { ln_embed_destroy(stack_); }
  bool good() const { return stack_ != nullptr; }
  int socket(int d, int t, int p) override { return ln_socket(d, t, p); }
  int bind(int fd, const sockaddr* n, socklen_t l) override { return ln_bind(fd, n, l); }
  int listen(int fd, int b) override { return ln_listen(fd, b); }
  int accept(int fd, sockaddr* n, socklen_t* l, int f) override { return ln_accept4(fd, n, l, f); }
  int connect(int fd, const sockaddr* n, socklen_t l) override { return ln_connect(fd, n, l); }
  ssize_t sendmsg(int fd, const msghdr* m, int f) override { return ln_sendmsg(fd, m, f); }
  ssize_t recvmsg(int fd, msghdr* m, int f) override { return ln_recvmsg(fd, m, f); }
  int shutdown(int fd, int how) override { return ln_shutdown(fd, how); }
  int close(int fd) override { return ln_close(fd); }
  int getsockname(int fd, sockaddr* n, socklen_t* l) override { return ln_getsockname(fd, n, l); }
  int getpeername(int fd, sockaddr* n, socklen_t* l) override { return ln_getpeername(fd, n, l); }
  int getsockopt(int fd, int l, int n, void* v, socklen_t* s) override {
    return ln_getsockopt(fd, l, n, v, s);
  }
  int setsockopt(int fd, int l, int n, const void* v, socklen_t s) override {
    return ln_setsockopt(fd, l, n, v, s);
  }
  int ioctl(int fd, unsigned long r, int* v) override { return ln_ioctl(fd, r, v); }
  int fcntl(int fd, int c, int v) override { return ln_fcntl(fd, c, v); }
  int poll(pollfd* f, nfds_t c, int t) override { return ln_poll(f, c, t); }
  int epoll_create(int f) override { return ln_epoll_create1(f); }
  int epoll_ctl(int s, int o, int fd, epoll_event* e) override { return ln_epoll_ctl(s, o, fd, e); }
  int epoll_wait(int s, epoll_event* e, int m, int t) override { return ln_epoll_wait(s, e, m, t); }
  void settle() override { ln_embed_advance(stack_, 1'000'000); }

 private:
  ln_stack* stack_;
};

bool loopback_up() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool good = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  ::close(fd);
  return good;
}

}  // namespace

std::unique_ptr<Calls> kernel_calls() {
  if (::unshare(CLONE_NEWNET) != 0 || !loopback_up()) return nullptr;
  return std::make_unique<Kernel>();
}

std::unique_ptr<Calls> linnet_calls() {
  auto calls = std::make_unique<Linnet>();
  return calls->good() ? std::move(calls) : nullptr;
}

std::string result_text(long result) {
  if (result >= 0) return std::to_string(result);
  const char* const name = strerrorname_np(errno);
  return "-1 " + (name != nullptr ? std::string(name) : std::to_string(errno));
}

}  // namespace linnet::differential
