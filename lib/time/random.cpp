// SPDX-License-Identifier: BSD-3-Clause
#include "time/random.hpp"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <cstring>

namespace linnet::time {

Random::Random(std::uint64_t seed) {
  // SplitMix64 fills the state: no seed leads to the all-zero state.
  for (auto& word : state_) {
    seed += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    word = z ^ (z >> 31);
  }
}

std::uint64_t Random::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
  // Lemire's multiplication: the bias is below bound / 2^64.
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((Wide{next()} * bound) >> 64);
}

Result<std::uint64_t> system_seed() {
  std::uint64_t seed = 0;
  const ssize_t got = getrandom(&seed, sizeof seed, GRND_NONBLOCK);
  if (got != static_cast<ssize_t>(sizeof seed)) {
    return Error{std::string("the kernel has no random numbers yet: ") + std::strerror(errno)};
  }
  return seed;
}

}  // namespace linnet::time
