// SPDX-License-Identifier: BSD-3-Clause
// The neighbour cache (Linux: net/core/neighbour.c, RFC 4861 7.3 names) of one address family.
// One lane owns it and runs its state machine; every lane reads it; the control core reads it and
// asks the owner for changes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/ipv4.hpp"
#include "base/mac.hpp"
#include "base/result.hpp"
#include "device/device.hpp"
#include "time/instant.hpp"

namespace linnet::neigh {

// Linux: NUD_*.
enum class Nud : std::uint8_t {
  None,
  Incomplete,
  Reachable,
  Stale,
  Delay,
  Probe,
  Failed,
  Permanent,
  NoArp
};
std::string_view name_of(Nud state);  // "REACHABLE", as `ip neigh` prints it

// net.ipv4.neigh.* (times in milliseconds), Linux's defaults. Written by the control core.
struct Settings {
  std::atomic<std::uint32_t> base_reachable_time_ms{30000};
  std::atomic<std::uint32_t> retrans_time_ms{1000};
  std::atomic<std::uint32_t> delay_first_probe_time_ms{5000};
  std::atomic<std::uint32_t> gc_stale_time_ms{60000};
  std::atomic<std::uint32_t> locktime_ms{1000};
  std::atomic<std::uint32_t> ucast_solicit{3};
  std::atomic<std::uint32_t> mcast_solicit{3};
  std::atomic<std::uint32_t> unres_qlen_bytes{212992};  // per neighbour, truesize
  std::atomic<std::uint32_t> unres_packets{64};         // per neighbour
  std::atomic<std::uint32_t> gc_thresh1{128};
  std::atomic<std::uint32_t> gc_thresh2{512};
  std::atomic<std::uint32_t> gc_thresh3{1024};  // at most the table's capacity
  // net.ipv4.conf.all.*
  std::atomic<std::uint32_t> arp_ignore{0};
  std::atomic<std::uint32_t> arp_announce{0};
  std::atomic<std::uint32_t> arp_accept{0};  // create entries from gratuitous ARP
  std::atomic<std::uint32_t> proxy_arp{0};
  std::atomic<std::uint32_t> arp_notify{1};  // announce an address that was added
};

// One entry as a person sees it.
struct NeighbourInfo {
  Ipv4Address address;
  std::uint16_t device = 0;
  Nud state = Nud::None;
  std::optional<MacAddress> mac;
  time::Duration confirmed_ago, used_ago, updated_ago;
  unsigned probes = 0;
  bool proxy = false;
};

}  // namespace linnet::neigh
