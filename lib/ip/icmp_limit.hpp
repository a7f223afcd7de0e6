// SPDX-License-Identifier: BSD-3-Clause
// How many ICMP errors a lane sends (RFC 1812 section 4.3.2.8; Linux: icmp_global_allow,
// inet_peer_xrlim_allow; reliability row B7).
#pragma once

#include <array>
#include <cstdint>

#include "base/ipv4.hpp"
#include "base/siphash.hpp"
#include "time/instant.hpp"
#include "time/random.hpp"

namespace linnet::ip {

// Two token buckets stand before each error: one for its destination and one for the lane.
//
// The global bucket is what an off-path attacker could watch to learn which of his spoofed packets
// were answered (SAD DNS, CVE-2020-25705), so a message costs 0, 1 or 2 tokens by chance, one on
// average. Which destinations share a slot depends on a secret key.
class IcmpLimit {
 public:
  static constexpr unsigned kBurst = 6;  // errors in a row to one destination (Linux:
                                         // XRLIM_BURST_FACTOR)

  explicit IcmpLimit(SipKey key) : key_(key) {}

  struct Rates {
    std::uint32_t per_destination_ms = 0;  // between errors in the long run; 0: no limit
    std::uint32_t per_second = 0;          // of the lane, to all destinations
    std::uint32_t burst = 0;
  };
  // Whether one more error may go to `destination`; takes the tokens if it may.
  bool allow(Ipv4Address destination, time::Instant now, const Rates& rates, time::Random& random);

 private:
  static constexpr unsigned kSets = 256;
  static constexpr unsigned kWays = 4;
  struct Bucket {
    Ipv4Address destination;
    bool used = false;
    std::int64_t tokens_ns = 0;  // time saved up; an error costs `per_destination_ms` of it
    time::Instant filled;
  };

  bool destination_has(Bucket& bucket, time::Instant now, std::int64_t cost_ns);
  bool global_has(time::Instant now, const Rates& rates);
  Bucket& bucket_of(Ipv4Address destination, time::Instant now, std::int64_t cost_ns);

  const SipKey key_;
  std::array<std::array<Bucket, kWays>, kSets> sets_{};
  std::uint32_t credit_ = 0;
  bool started_ = false;
  time::Instant filled_;
};

}  // namespace linnet::ip
