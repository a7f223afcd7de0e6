// SPDX-License-Identifier: BSD-3-Clause
// TCP's sequence numbers: arithmetic modulo 2^32 (RFC 9293 section 3.4). They stand in `base`
// because `wire` reads and writes them and may not know `tcp`, which uses them as tcp::Seq.
#pragma once

#include <cstdint>

namespace linnet {
inline namespace base {

// A point in sequence space, host byte order. Two points compare right while they are less than
// 2^31 apart, which every window keeps (RFC 7323 section 2.3). There is no operator< on purpose:
// "before" and "after" are no order of all numbers.
class Seq {
 public:
  constexpr Seq() = default;
  constexpr explicit Seq(std::uint32_t value) : value_(value) {}
  constexpr std::uint32_t value() const { return value_; }

  constexpr bool before(Seq other) const { return distance(other, *this) < 0; }
  constexpr bool at_or_before(Seq other) const { return distance(other, *this) <= 0; }
  constexpr bool after(Seq other) const { return distance(other, *this) > 0; }
  constexpr bool at_or_after(Seq other) const { return distance(other, *this) >= 0; }
  // In [first, first + count).
  constexpr bool within(Seq first, std::uint32_t count) const {
    return value_ - first.value_ < count;
  }

  friend constexpr bool operator==(Seq, Seq) = default;
  friend constexpr Seq operator+(Seq a, std::uint32_t n) { return Seq(a.value_ + n); }
  friend constexpr Seq operator-(Seq a, std::uint32_t n) { return Seq(a.value_ - n); }
  // How far `b` is ahead of `a`; b must not be before a.
  friend constexpr std::uint32_t operator-(Seq b, Seq a) { return b.value_ - a.value_; }
  Seq& operator+=(std::uint32_t n) { return *this = *this + n; }

 private:
  static constexpr std::int32_t distance(Seq from, Seq to) {
    return static_cast<std::int32_t>(to.value_ - from.value_);
  }
  std::uint32_t value_ = 0;
};

constexpr Seq later(Seq a, Seq b) {
  return a.after(b) ? a : b;
}
constexpr Seq earlier(Seq a, Seq b) {
  return a.before(b) ? a : b;
}

// [begin, end) in sequence space; SYN and FIN count as one each.
struct SeqRange {
  Seq begin, end;
  constexpr std::uint32_t length() const { return end - begin; }
  constexpr bool empty() const { return begin == end; }
  friend constexpr bool operator==(SeqRange, SeqRange) = default;
};

}  // namespace base
}  // namespace linnet
