// SPDX-License-Identifier: BSD-3-Clause
// What a route look-up answers. Made by the control core, read by lanes, immutable once published
// (but for the neighbour hint), reclaimed by RCU.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/ipv4.hpp"

namespace linnet::route {

// Linux: RTN_*.
enum class Type : std::uint8_t {
  Unicast,
  Local,
  Broadcast,
  Multicast,
  Blackhole,
  Unreachable,
  Prohibit,
  Throw
};
// Linux: RT_SCOPE_*; a larger number is nearer.
enum class Scope : std::uint8_t { Universe = 0, Site = 200, Link = 253, Host = 254, Nowhere = 255 };
// Who made a route; Linux: RTPROT_*.
enum class Protocol : std::uint8_t { Unspec = 0, Redirect = 1, Kernel = 2, Boot = 3, Static = 4 };

// Table numbers (Linux: RT_TABLE_*).
inline constexpr std::uint32_t kTableDefault = 253;
inline constexpr std::uint32_t kTableMain = 254;
inline constexpr std::uint32_t kTableLocal = 255;

struct NextHop {
  static constexpr std::uint32_t kNoHint = 0xffffffff;

  Ipv4Address gateway;       // any: the destination itself is the neighbour
  std::uint16_t device = 0;  // device index
  std::uint16_t weight = 1;  // 1..256
  // Where the neighbour cache found this gateway last; the cache checks it before use.
  mutable std::atomic<std::uint32_t> neighbour_hint{kNoHint};
};

struct alignas(64) Route {
  Type type = Type::Unicast;
  Scope scope = Scope::Universe;
  std::uint8_t hop_count = 0;  // 0 for types that go nowhere
  bool has_dead_hops = false;
  std::uint16_t mtu = 0;           // bytes; 0: the device's
  Ipv4Address preferred_source;    // any: chosen from the device's addresses
  std::uint32_t total_weight = 0;  // of the live hops
  const NextHop* hops = nullptr;   // hop_count of them, live ones first
  std::uint16_t live_hops = 0;
  // Where the tables keep up to kInlineHops hops: then a look-up's answer is one cache line.
  static constexpr unsigned kInlineHops = 3;
  alignas(NextHop) std::byte hop_storage[kInlineHops * sizeof(NextHop)]{};

  // The next hop for a flow: the same flow always takes the same hop while the set is unchanged,
  // and flows spread by weight. nullptr where no hop is alive. `flow_hash` is only read with
  // several hops.
  const NextHop* choose(std::uint32_t flow_hash) const {
    if (live_hops == 1) [[likely]]
      return hops;
    return choose_weighted(flow_hash);
  }
  // The first live hop on a device; nullptr where there is none (Linux: fib_select_path takes the
  // one that the look-up by device found, whatever the weights).
  const NextHop* hop_on(std::uint16_t device) const;

 private:
  const NextHop* choose_weighted(std::uint32_t flow_hash) const;
};
static_assert(sizeof(Route) == 64);

// What a look-up is asked. TOS, mark and input device count only when rules or routes name them; an
// output device leaves only routes that lead through it.
struct Key {
  Ipv4Address destination{};
  Ipv4Address source{};
  std::uint8_t tos = 0;
  std::uint16_t input_device = 0xffff;   // kNoDevice: sent from here
  std::uint16_t output_device = 0xffff;  // kNoDevice: any
  std::uint32_t mark = 0;
};

}  // namespace linnet::route
