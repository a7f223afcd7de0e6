// SPDX-License-Identifier: BSD-3-Clause
#include "stack/rest.hpp"

#include <algorithm>
#include <bit>
#include <ctime>

namespace linnet::stack {

Rest::Rest(const device::DeviceTable& devices, unsigned queue, Waker& waker,
           const RestOptions& options)
    : devices_(devices), queue_(queue), waker_(waker), options_(options), nap_(options.first_nap) {}

bool Rest::due(bool found, time::Instant now) {
  if (found) {
    last_find_ = now;
    nap_ = options_.first_nap;
    return false;
  }
  return now - last_find_ >= options_.spin;
}

void Rest::arm() {
  waker_.announce();
  descriptors_[0] = pollfd{waker_.fd(), POLLIN, 0};
  count_ = 1;
  must_poll_ = false;
  for (const auto& device : devices_.all()) {
    if (!device->running() || !device->needs_watch(queue_)) continue;
    const int fd = device->receive_wakeup_fd(queue_);
    if (fd < 0 || !device->arm_receive_wakeup(queue_, true)) {
      must_poll_ = true;
      continue;
    }
    armed_ |= std::uint64_t{1} << device->index();
    descriptors_[count_++] = pollfd{fd, POLLIN, 0};
  }
}

time::Duration Rest::limit(time::Instant now, time::Instant deadline) const {
  const time::Duration longest = must_poll_ ? nap_ : options_.longest_sleep;
  if (deadline <= now) return time::Duration();
  return deadline - now < longest ? deadline - now : longest;
}

void Rest::wait(time::Duration at_most) {
  const timespec timeout{at_most.count_ns() / 1'000'000'000, at_most.count_ns() % 1'000'000'000};
  // An interrupted wait is a short one.
  const int ready = ::ppoll(descriptors_.data(), count_, &timeout, nullptr);
  woken_ = ready > 0 && descriptors_[0].revents != 0;
}

void Rest::disarm() {
  for (; armed_ != 0; armed_ &= armed_ - 1) {
    devices_.at(static_cast<unsigned>(std::countr_zero(armed_)))->arm_receive_wakeup(queue_, false);
  }
  waker_.awake(woken_);
  woken_ = true;
  nap_ = std::min(nap_ * 2, options_.longest_nap);
}

}  // namespace linnet::stack
