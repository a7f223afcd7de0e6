// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <poll.h>

#include <array>
#include <cstdint>
#include <span>

#include "device/device.hpp"
#include "stack/waker.hpp"
#include "time/instant.hpp"

namespace linnet::stack {

struct RestOptions {
  time::Duration spin = time::Duration::microseconds(50);  // looked for work so long before a rest
  time::Duration first_nap = time::Duration::microseconds(5);
  time::Duration longest_nap = time::Duration::microseconds(100);
  // A bound on every sleep: for what no descriptor tells, like a port that came up.
  time::Duration longest_sleep = time::Duration::milliseconds(100);
};

// How a lane that finds nothing to do spares its core. It looks on for a moment; then, where every
// running port of it has a wakeup descriptor, it sleeps until a frame, a message or a timer; else
// it naps, longer each time, and looks. The first find ends it.
//
//   look (50 us) -> arm the ports, look once more -> sleep or nap -> disarm -> look ...
class Rest {
 public:
  Rest(const device::DeviceTable& devices, unsigned queue, Waker& waker,
       const RestOptions& options);

  // After each turn: whether the lane has found nothing for so long that it should rest.
  bool due(bool found, time::Instant now);
  // Makes ready to be woken. The lane looks for work once more before it waits.
  void arm();
  // For how long to wait at most: zero where a timer is due.
  time::Duration limit(time::Instant now, time::Instant deadline) const;
  // Waits for a descriptor, or as long.
  void wait(time::Duration at_most);
  void disarm();

  // Between arm and disarm: what to wait for. Valid until the next arm.
  std::span<const pollfd> descriptors() const { return {descriptors_.data(), count_}; }
  // Between arm and disarm: a port without a wakeup descriptor must be looked at now and then.
  bool must_poll() const { return must_poll_; }

 private:
  const device::DeviceTable& devices_;
  const unsigned queue_;
  Waker& waker_;
  const RestOptions options_;

  time::Instant last_find_;
  time::Duration nap_;
  bool must_poll_ = false;
  bool woken_ = true;  // the waker may have signalled: false only where `wait` saw that it did not
  std::uint64_t armed_ = 0;  // a bit a device
  unsigned count_ = 0;
  std::array<pollfd, device::kMaxDevices + 1> descriptors_{};
};

}  // namespace linnet::stack
