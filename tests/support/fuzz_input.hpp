// SPDX-License-Identifier: BSD-3-Clause
// A fuzzer's bytes as a stream of choices; behind the end there are zeros.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace linnet::tests {

class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}
  std::size_t left() const { return rest_.size(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t out = rest_[0];
    rest_ = rest_.subspan(1);
    return out;
  }
  std::uint16_t word() {
    const unsigned low = byte();
    return static_cast<std::uint16_t>(low | byte() << 8);
  }
  std::uint32_t number() {
    const std::uint32_t low = word();
    return low | std::uint32_t{word()} << 16;
  }
  // As many as there are.
  std::vector<std::uint8_t> bytes(std::size_t count) {
    const auto front = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(front.size());
    return {front.begin(), front.end()};
  }
  template <typename T, std::size_t kCount>
  const T& one_of(const T (&choices)[kCount]) {
    return choices[byte() % kCount];
  }

 private:
  std::span<const std::uint8_t> rest_;
};

}  // namespace linnet::tests
