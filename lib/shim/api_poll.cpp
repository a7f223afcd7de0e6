// SPDX-License-Identifier: BSD-3-Clause
// ln_poll and ln_select.
#include <linnet/socket.h>

#include <cerrno>
#include <vector>

#include "shim/api.hpp"
#include "shim/poll.hpp"

using namespace linnet::shim;
using linnet::time::Duration;

int ln_poll(pollfd* fds, nfds_t count, int timeout_ms) {
  if (fds == nullptr && count > 0) return answer(-EFAULT);
  return answer(poll_all({fds, count}, Duration::milliseconds(timeout_ms), nullptr));
}

int ln_ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  if (fds == nullptr && count > 0) return answer(-EFAULT);
  auto limit = Duration::nanoseconds(-1);
  if (timeout != nullptr) {
    if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1'000'000'000)
      return answer(-EINVAL);
    limit = Duration::seconds(timeout->tv_sec) + Duration::nanoseconds(timeout->tv_nsec);
  }
  return answer(poll_all({fds, count}, limit, mask));
}

// --- select. Bit n of a set is descriptor LN_FD_BASE + n.

namespace {

bool fits(int fd) {
  return fd >= LN_FD_BASE && fd - LN_FD_BASE < LN_FD_SETSIZE;
}

// Linux: POLLIN_SET, POLLOUT_SET, POLLEX_SET.
constexpr int kReadable = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
constexpr int kWritable = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
constexpr int kExcept = POLLPRI;

bool asked(const ln_fd_set* set, int fd) {
  return set != nullptr && ln_fd_isset(fd, set) != 0;
}

}  // namespace

void ln_fd_zero(ln_fd_set* set) {
  *set = {};
}

void ln_fd_add(int fd, ln_fd_set* set) {
  if (!fits(fd)) return;
  const auto bit = static_cast<unsigned>(fd - LN_FD_BASE);
  set->bits[bit / 64] |= std::uint64_t{1} << (bit % 64);
}

void ln_fd_remove(int fd, ln_fd_set* set) {
  if (!fits(fd)) return;
  const auto bit = static_cast<unsigned>(fd - LN_FD_BASE);
  set->bits[bit / 64] &= ~(std::uint64_t{1} << (bit % 64));
}

int ln_fd_isset(int fd, const ln_fd_set* set) {
  if (!fits(fd)) return 0;
  const auto bit = static_cast<unsigned>(fd - LN_FD_BASE);
  return static_cast<int>(set->bits[bit / 64] >> (bit % 64) & 1);
}

int ln_select(int highest, ln_fd_set* readable, ln_fd_set* writable, ln_fd_set* except,
              const timeval* timeout) {
  if (highest < 0) return answer(-EINVAL);
  auto limit = Duration::nanoseconds(-1);
  if (timeout != nullptr) {
    if (timeout->tv_sec < 0 || timeout->tv_usec < 0) return answer(-EINVAL);
    limit = Duration::seconds(timeout->tv_sec) + Duration::microseconds(timeout->tv_usec);
  }
  std::vector<pollfd> fds;
  for (int fd = LN_FD_BASE; fd < highest && fits(fd); ++fd) {
    int events = 0;
    if (asked(readable, fd)) events |= kReadable;
    if (asked(writable, fd)) events |= kWritable;
    if (asked(except, fd)) events |= kExcept;
    if (events == 0) continue;
    if (Descriptors::of_process().get(fd) == nullptr) return answer(-EBADF);
    fds.push_back({fd, static_cast<short>(events), 0});
  }
  const int polled = poll_all(fds, limit, nullptr);
  if (polled < 0) return answer(polled);
  int count = 0;
  const auto tell = [&](ln_fd_set* set, int fd, int events, short revents) {
    if (!asked(set, fd)) return;
    if ((revents & events) != 0)
      ++count;
    else
      ln_fd_remove(fd, set);
  };
  for (const pollfd& fd : fds) {
    tell(readable, fd.fd, kReadable, fd.revents);
    tell(writable, fd.fd, kWritable, fd.revents);
    tell(except, fd.fd, kExcept, fd.revents);
  }
  return count;
}
