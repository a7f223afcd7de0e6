// SPDX-License-Identifier: BSD-3-Clause
#include "ip/icmp_limit.hpp"

#include <algorithm>

namespace linnet::ip {

// The destination's bucket; one it has not met in a while starts full in the place of the set's
// oldest.
IcmpLimit::Bucket& IcmpLimit::bucket_of(Ipv4Address destination, time::Instant now,
                                        std::int64_t cost_ns) {
  auto& set = sets_[siphash13(key_, destination.host(), 0) % kSets];
  Bucket* oldest = &set[0];
  for (Bucket& bucket : set) {
    if (bucket.used && bucket.destination == destination) return bucket;
    if (oldest->used && (!bucket.used || bucket.filled < oldest->filled)) oldest = &bucket;
  }
  *oldest = Bucket{destination, true, cost_ns * kBurst, now};
  return *oldest;
}

bool IcmpLimit::destination_has(Bucket& bucket, time::Instant now, std::int64_t cost_ns) {
  if (now > bucket.filled) {
    const std::int64_t saved = bucket.tokens_ns + (now - bucket.filled).count_ns();
    bucket.tokens_ns = std::min(saved, cost_ns * kBurst);
    bucket.filled = now;
  }
  return bucket.tokens_ns >= cost_ns;
}

bool IcmpLimit::global_has(time::Instant now, const Rates& rates) {
  if (!started_) {
    started_ = true;
    credit_ = rates.burst;
    filled_ = now;
  }
  // Filled in steps of 20 ms, as Linux does, so that no fraction of a token is lost.
  constexpr std::int64_t kStepNs = 20'000'000;
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  const std::int64_t passed = std::min((now - filled_).count_ns(), kSecondNs);
  if (passed >= kStepNs) {
    const auto fresh = static_cast<std::uint64_t>(passed) * rates.per_second / kSecondNs;
    if (fresh > 0) {
      credit_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(credit_ + fresh, rates.burst));
      filled_ = now;
    }
  }
  return credit_ > 0;
}

bool IcmpLimit::allow(Ipv4Address destination, time::Instant now, const Rates& rates,
                      time::Random& random) {
  const std::int64_t cost_ns = std::int64_t{rates.per_destination_ms} * 1'000'000;
  Bucket* bucket = nullptr;
  if (cost_ns > 0) {
    bucket = &bucket_of(destination, now, cost_ns);
    if (!destination_has(*bucket, now, cost_ns)) return false;
  }
  if (!global_has(now, rates)) return false;
  if (bucket != nullptr) bucket->tokens_ns -= cost_ns;
  credit_ -= std::min(credit_, static_cast<std::uint32_t>(random.below(3)));
  return true;
}

}  // namespace linnet::ip
