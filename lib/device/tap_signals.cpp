// SPDX-License-Identifier: BSD-3-Clause
#include "device/tap_signals.hpp"

#include <fcntl.h>

namespace linnet::device {

RealTimeSignalsHeld::RealTimeSignalsHeld() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal)
    sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, &before_);
}

RealTimeSignalsHeld::~RealTimeSignalsHeld() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void silence_tap(int fd) {
  const int signal = ::fcntl(fd, F_GETSIG);
  if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_ASYNC) != 0 || signal < SIGRTMIN) return;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  const timespec at_once{};
  while (sigtimedwait(&set, nullptr, &at_once) == signal) {
  }
}

}  // namespace linnet::device
