// SPDX-License-Identifier: BSD-3-Clause
// Randomness is injected with a seed, so that every failure is a seed. xoshiro256** (Blackman,
// Vigna 2018) for jitter and spreading; secrets are drawn from it only when it was seeded by the
// kernel (`system_seed`). Not for keys on the wire: use SipHash under a secret.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "base/siphash.hpp"

namespace linnet::time {

class Random {
 public:
  explicit Random(std::uint64_t seed);

  std::uint64_t next();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // A key for a keyed hash.
  SipKey sip_key() { return SipKey{next(), next()}; }
  // An independent stream.
  Random split() { return Random(next()); }

 private:
  std::uint64_t state_[4];
};

// 64 bits from the kernel (getrandom). Fails where the kernel has none to give: refuse to start.
Result<std::uint64_t> system_seed();

}  // namespace linnet::time
