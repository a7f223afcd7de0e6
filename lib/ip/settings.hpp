// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>

#include "time/instant.hpp"

namespace linnet::ip {

// What Linux keeps under net.ipv4.*; the defaults are Linux's but where reliability asks for more.
// Written by the control core, read by lanes.
struct Settings {
  std::atomic<std::uint32_t> ip_forward{0};
  std::atomic<std::uint32_t> ip_default_ttl{64};
  std::atomic<std::uint32_t> send_redirects{0};
  std::atomic<std::uint32_t> accept_redirects{0};
  std::atomic<std::uint32_t> rp_filter{0};  // 0 off, 1 strict, 2 loose
  std::atomic<std::uint32_t> route_localnet{0};
  std::atomic<std::uint32_t> fib_multipath_hash_policy{0};  // 0: addresses, 1: and ports
  std::atomic<std::uint32_t> icmp_echo_ignore_all{0};
  std::atomic<std::uint32_t> icmp_echo_ignore_broadcasts{1};
  std::atomic<std::uint32_t> icmp_ratelimit_ms{1000};  // per destination, between errors
  std::atomic<std::uint32_t> icmp_msgs_per_sec{1000};  // all destinations
  std::atomic<std::uint32_t> icmp_msgs_burst{50};
  std::atomic<std::uint32_t> icmp_errors_use_inbound_ifaddr{0};
  std::atomic<std::uint32_t> ipfrag_high_thresh{4u << 20};  // bytes of truesize, per lane
  std::atomic<std::uint32_t> ipfrag_time_ms{30000};
  std::atomic<std::uint32_t> ipfrag_max_source_share{25};  // percent of high_thresh for one source

  // Universal time minus the lanes' monotonic time, nanoseconds; kept by the control core, 0:
  // unknown.
  std::atomic<std::int64_t> universal_offset_ns{0};

  // Milliseconds since midnight UT for timestamp options and ICMP timestamps; with the high bit set
  // (a non-standard value, RFC 791 section 3.1) where the time of day is not known.
  std::uint32_t ut_milliseconds(time::Instant now) const {
    constexpr std::int64_t kDayNs = 86'400LL * 1'000'000'000;
    const std::int64_t offset = universal_offset_ns.load(std::memory_order_relaxed);
    const std::int64_t ns = now.since_origin_ns() + offset;
    const auto ms = static_cast<std::uint32_t>(((ns % kDayNs + kDayNs) % kDayNs) / 1'000'000);
    return offset != 0 ? ms : ms | 0x80000000u;
  }
};

}  // namespace linnet::ip
