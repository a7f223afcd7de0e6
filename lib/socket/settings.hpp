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
  std::atomic<std::uint32_t> rmem_max{212992};
  std::atomic<std::uint32_t> wmem_default{212992};
  std::atomic<std::uint32_t> wmem_max{212992};
  std::atomic<std::uint32_t> tcp_max_orphans{8192};   // of a lane
  std::atomic<std::uint32_t> tcp_max_connections{0};  // of a lane; 0: as many as memory holds
};

}  // namespace linnet::socket
