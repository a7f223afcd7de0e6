// SPDX-License-Identifier: BSD-3-Clause
#include "base/siphash.hpp"

#include <bit>
#include <cstring>

namespace linnet {
inline namespace base {
namespace {

struct State {
  std::uint64_t v0, v1, v2, v3;

  explicit State(const SipKey& key)
      : v0(key.k0 ^ 0x736f6d6570736575ULL),
        v1(key.k1 ^ 0x646f72616e646f6dULL),
        v2(key.k0 ^ 0x6c7967656e657261ULL),
        v3(key.k1 ^ 0x7465646279746573ULL) {}

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  template <int Rounds>
  void absorb(std::uint64_t word) {
    v3 ^= word;
    for (int i = 0; i < Rounds; ++i)
      round();
    v0 ^= word;
  }
  template <int Rounds>
  std::uint64_t finish() {
    v2 ^= 0xff;
    for (int i = 0; i < Rounds; ++i)
      round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace

std::uint64_t siphash24(const SipKey& key, std::span<const std::byte> bytes) {
  State state(key);
  std::size_t at = 0;
  for (; bytes.size() - at >= 8; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    state.absorb<2>(word);
  }
  std::uint64_t last = std::uint64_t{bytes.size()} << 56;
  for (std::size_t i = 0; at + i < bytes.size(); ++i) {
    last |= std::to_integer<std::uint64_t>(bytes[at + i]) << (8 * i);
  }
  state.absorb<2>(last);
  return state.finish<4>();
}

std::uint64_t siphash13(const SipKey& key, std::uint64_t first, std::uint64_t second) {
  State state(key);
  state.absorb<1>(first);
  state.absorb<1>(second);
  state.absorb<1>(std::uint64_t{16} << 56);
  return state.finish<3>();
}

}  // namespace base
}  // namespace linnet
