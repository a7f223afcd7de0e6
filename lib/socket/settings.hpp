// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>

namespace linnet::socket {

// What Linux keeps under net.core and net.ipv4 for sockets of all protocols; Linux's defaults.
// Written by the control core, read by lanes and programs' threads.
struct Settings {
  std::atomic<std::uint32_t> ip_local_port_min{32768};  // net.ipv4.ip_local_port_range
  std::atomic<std::uint32_t> ip_local_port_max{60999};
  std::atomic<std::uint32_t> somaxconn{4096};
  std::atomic<std::uint32_t> rmem_default{212992};  // bytes of truesize, datagram sockets
  std::atomic<std::uint32_t> rmem_max{4194304};
  std::atomic<std::uint32_t> wmem_default{212992};
  std::atomic<std::uint32_t> wmem_max{4194304};
  std::atomic<std::uint32_t> tcp_max_orphans{8192};   // of a lane
  std::atomic<std::uint32_t> tcp_max_connections{0};  // of a lane; 0: as many as memory holds
};

// Which ports are given to sockets that name none. `own`: of the socket, IP_LOCAL_PORT_RANGE, low
// bound | high bound << 16; a bound of 0, or out of the common range, says nothing (Linux:
// inet_sk_get_local_port_range). `count` 0: none.
struct PortRange {
  std::uint32_t low = 0, count = 0;
};
inline PortRange ephemeral_ports(const Settings& settings, std::uint32_t own) {
  std::uint32_t low = settings.ip_local_port_min.load(std::memory_order_relaxed);
  std::uint32_t high = settings.ip_local_port_max.load(std::memory_order_relaxed);
  if (low == 0 || low > high || high > 65535) return {};
  const auto inside = [&](std::uint32_t port) { return low <= port && port <= high; };
  const std::uint32_t own_low = own & 0xffff, own_high = own >> 16;
  const bool bounds_low = inside(own_low), bounds_high = inside(own_high);
  if (bounds_low) low = own_low;
  if (bounds_high) high = own_high;
  return {low, high - low + 1};
}

}  // namespace linnet::socket
