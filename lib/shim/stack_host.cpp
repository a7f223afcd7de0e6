// SPDX-License-Identifier: BSD-3-Clause
#include "shim/stack_host.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace linnet::shim {

Parts StackHost::parts() {
  socket::System& sockets = stack_.sockets();
  return {sockets.sessions,
          sockets.buffers,
          sockets.ports,
          sockets.settings,
          sockets.tcp_settings.tcp_wmem_default.atomic(),
          sockets.tcp_settings.tcp_rmem_default.atomic(),
          sockets.tcp_settings.tcp_fastopen.atomic(),
          *this};
}

// Linux: inet_bind, by inet_addr_type.
bool StackHost::may_bind(Ipv4Address address) {
  if (address.is_any() || address.is_multicast() || address.is_limited_broadcast()) return true;
  const std::lock_guard lock(control_);
  const auto answer = stack_.routes().get({.destination = address});
  return answer &&
         (answer->route.type == route::Type::Local || answer->route.type == route::Type::Broadcast);
}

std::optional<Ipv4Address> StackHost::source_for(Ipv4Address destination, std::uint16_t device) {
  const std::lock_guard lock(control_);
  Known& known = known_[destination.host() % known_.size()];
  const std::uint64_t generation = stack_.routes().generation();
  if (known.generation != generation || known.destination != destination || known.device != device)
    known = {generation, destination, device, look_up_source(destination, device)};
  return known.source;
}

std::optional<Ipv4Address> StackHost::look_up_source(Ipv4Address destination,
                                                     std::uint16_t device) const {
  const auto answer = stack_.routes().get({.destination = destination, .output_device = device});
  if (!answer) return std::nullopt;
  switch (answer->route.type) {
    case route::Type::Unicast:
    case route::Type::Local:
    case route::Type::Broadcast:
    case route::Type::Multicast:
      break;
    default:
      return std::nullopt;
  }
  if (answer->route.source) return *answer->route.source;
  if (answer->route.type == route::Type::Local) return destination;
  return stack_.addresses().source_for(answer->hop.device.value_or(0),
                                       answer->hop.gateway.value_or(destination),
                                       route::Scope::Link);
}

int StackHost::device_index(const char* name) {
  const std::lock_guard lock(control_);
  const device::Device* const device = stack_.devices().find(name);
  return device != nullptr ? device->index() : -1;
}

bool StackHost::device_name(unsigned index, char (&name)[16]) {
  const std::lock_guard lock(control_);
  const device::Device* const device = stack_.devices().at(index);
  if (device == nullptr) return false;
  std::memset(name, 0, sizeof name);
  device->name().copy(name, sizeof name - 1);
  return true;
}

// The lanes' clocks agree with CLOCK_MONOTONIC.
time::Instant ThreadsHost::now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return time::Instant::from_ns(std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

Host::Slept ThreadsHost::sleep(std::span<pollfd> descriptors, time::Instant deadline,
                               const sigset_t* mask) {
  if (deadline == time::Instant::never())
    return kernel_sleep(descriptors, time::Duration::nanoseconds(-1), mask);
  return kernel_sleep(descriptors, std::max(deadline - now(), time::Duration()), mask);
}

// The lanes stay offline for RCU: nothing is reclaimed within a turn, for all is one thread's.
bool PollingHost::turn(socket::Answers answers) {
  constexpr time::Duration kControl = time::Duration::milliseconds(50);
  const time::Instant now = clock_.now();
  bool busy = false;
  for (unsigned i = 0; i < stack_.lanes(); ++i) {
    if (!stack_.lane(i).turn(now, answers)) continue;
    busy = true;
    stack_.lane(i).after_turn();
  }
  if (now >= next_control_) {
    next_control_ = now + kControl;
    const std::lock_guard lock(control());
    stack_.control_turn(now);
  }
  return busy;
}

bool PollingHost::drive_at_once() {
  return ++calls_ >= kCallsInARow && peek();
}

bool PollingHost::peek() {
  calls_ = 0;
  turn(looks_ ? socket::Answers::Coming : socket::Answers::None);
  return true;
}

bool PollingHost::drive() {
  calls_ = 0;
  looks_ = false;
  turn(socket::Answers::None);
  return true;
}

bool PollingHost::look() {
  calls_ = 0;
  looks_ = true;
  turn(socket::Answers::Given);
  return true;
}

Host::Slept PollingHost::sleep(std::span<pollfd> descriptors, time::Instant deadline,
                               const sigset_t* mask) {
  constexpr unsigned kIdleTurns = 64;  // between looks at the kernel's descriptors
  do {
    for (unsigned i = 0; i < kIdleTurns && !turn(socket::Answers::None); ++i) {
    }
    const Slept slept = kernel_sleep(descriptors, time::Duration(), mask);
    if (slept != Slept::TimedOut) return slept;
  } while (now() < deadline);
  return Slept::TimedOut;
}

Host::Slept kernel_sleep(std::span<pollfd> descriptors, time::Duration limit,
                         const sigset_t* mask) {
  timespec time{};
  time.tv_sec = limit.count_ns() / 1'000'000'000;
  time.tv_nsec = limit.count_ns() % 1'000'000'000;
  const bool endless = limit < time::Duration();
  const int got = ppoll(descriptors.data(), descriptors.size(), endless ? nullptr : &time, mask);
  if (got > 0) return Host::Slept::Woken;
  return got == 0 ? Host::Slept::TimedOut : Host::Slept::Interrupted;
}

}  // namespace linnet::shim
