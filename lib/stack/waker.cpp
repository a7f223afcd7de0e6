// SPDX-License-Identifier: BSD-3-Clause
#include "stack/waker.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.hpp"

namespace linnet::stack {

Waker::Waker() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  LINNET_CHECK_OP(fd_, >=, 0);
}

Waker::~Waker() {
  ::close(fd_);
}

void Waker::signal() {
  // The counter cannot overflow: it is emptied at every waking, and 2^64 - 1 calls fit.
  const std::uint64_t one = 1;
  (void)!::write(fd_, &one, sizeof one);
}

void Waker::awake(bool signalled) {
  asleep_.store(false, std::memory_order_relaxed);
  // A caller that is late leaves a signal behind: one sleep will end early.
  if (!signalled) return;
  std::uint64_t count;
  (void)!::read(fd_, &count, sizeof count);
}

}  // namespace linnet::stack
