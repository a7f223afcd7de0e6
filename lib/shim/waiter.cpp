// SPDX-License-Identifier: BSD-3-Clause
#include "shim/waiter.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.hpp"

namespace linnet::shim {

Waiter::Waiter() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  LINNET_CHECK_OP(fd_, >=, 0);
}

Waiter::~Waiter() {
  close(fd_);
}

Waiter& Waiter::of_thread() {
  thread_local Waiter waiter;
  return waiter;
}

void Waiter::wake() {
  if (woken_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t one = 1;
  // It can only fail with a counter that is full: then the signal is there already.
  [[maybe_unused]] const ssize_t put = write(fd_, &one, sizeof one);
}

void Waiter::reset() {
  // First the word, then the signal: a wake between the two is seen by `woken`, one that had set
  // the word and writes its signal later makes one look too many. Whoever finds the word set before
  // has told us: the exchange orders what the caller looks at next behind it.
  woken_.exchange(false, std::memory_order_acq_rel);
  std::uint64_t count;
  [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof count);
}

}  // namespace linnet::shim
