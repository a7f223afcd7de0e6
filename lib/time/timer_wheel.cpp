// SPDX-License-Identifier: BSD-3-Clause
// Reading: Linux kernel/time/timer.c (its head comment); the wheel there has the same levels.
#include "time/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace linnet::time {
namespace {

constexpr std::uint64_t kNoTick = ~std::uint64_t{0};

}  // namespace

TimerWheel::TimerWheel(Instant origin) : origin_(origin) {}

TimerWheel::~TimerWheel() {
  LINNET_CHECK_OP(armed_, ==, 0u);
}

std::uint64_t TimerWheel::tick_at_or_after(Instant at) const {
  if (at <= origin_) return 0;
  const auto ns = static_cast<std::uint64_t>((at - origin_).count_ns());
  const auto tick = static_cast<std::uint64_t>(kTick.count_ns());
  return ns / tick + (ns % tick != 0 ? 1 : 0);
}

void TimerWheel::put(Timer& timer) {
  const std::uint64_t expires = tick_at_or_after(timer.deadline);
  if (expires < tick_) {
    due_.push_back(timer);
    return;
  }
  const std::uint64_t distance = expires - tick_;
  unsigned level = 0;
  // A level serves distances up to 63 of its buckets: one less than it has, for the rounding up.
  while (level + 1 < kLevels && distance >= (std::uint64_t{kBuckets - 1} << (kShift * level)))
    ++level;
  const unsigned shift = kShift * level;
  std::uint64_t bucket = (expires + (std::uint64_t{1} << shift) - 1) >> shift;
  const std::uint64_t first = (tick_ + (std::uint64_t{1} << shift) - 1) >> shift;
  bucket = std::min(bucket, first + kBuckets - 1);  // beyond the last level: waits at its end
  timer.slot = static_cast<std::uint16_t>(level * kBuckets + bucket % kBuckets);
  buckets_[level][bucket % kBuckets].push_back(timer);
  occupied_[level] |= std::uint64_t{1} << (bucket % kBuckets);
}

void TimerWheel::arm(Timer& timer, Instant deadline) {
  cancel(timer);
  timer.deadline = deadline;
  put(timer);
  ++armed_;
}

void TimerWheel::cancel(Timer& timer) {
  if (!timer.armed()) return;
  Bucket::remove(timer);
  --armed_;
  const unsigned level = timer.slot / kBuckets;
  const unsigned bucket = timer.slot % kBuckets;
  if (buckets_[level][bucket].empty()) occupied_[level] &= ~(std::uint64_t{1} << bucket);
}

std::uint64_t TimerWheel::next_tick() const {
  std::uint64_t next = kNoTick;
  for (unsigned level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    const unsigned shift = kShift * level;
    const std::uint64_t first = (tick_ + (std::uint64_t{1} << shift) - 1) >> shift;
    const std::uint64_t ahead = std::rotr(occupied_[level], static_cast<int>(first % kBuckets));
    next = std::min(next, (first + static_cast<unsigned>(std::countr_zero(ahead))) << shift);
  }
  return next;
}

void TimerWheel::collect(std::uint64_t tick) {
  for (unsigned level = 0; level < kLevels; ++level) {
    const unsigned shift = kShift * level;
    if ((tick & ((std::uint64_t{1} << shift) - 1)) != 0) break;
    const unsigned bucket = static_cast<unsigned>((tick >> shift) % kBuckets);
    due_.splice_back(buckets_[level][bucket]);
    occupied_[level] &= ~(std::uint64_t{1} << bucket);
  }
}

unsigned TimerWheel::advance(Instant now, unsigned budget, void* context) {
  // Lanes ask about every microsecond: before the next tick there is nothing to do.
  if (now < tick_starts_ && due_.empty()) [[likely]]
    return 0;
  const std::uint64_t now_tick =
      now <= origin_ ? 0
                     : static_cast<std::uint64_t>((now - origin_).count_ns() / kTick.count_ns());
  unsigned fired = 0;
  while (fired < budget) {
    if (due_.empty()) {
      const std::uint64_t tick = next_tick();
      if (tick > now_tick) break;
      collect(tick);
      tick_ = tick + 1;
      continue;
    }
    Timer& timer = *due_.pop_front();
    if (timer.deadline > now) {  // it waited at the end of the last level
      put(timer);
      continue;
    }
    --armed_;
    ++fired;
    timer.fire(timer, now, context);
  }
  if (due_.empty() && now_tick >= tick_) tick_ = now_tick + 1;
  tick_starts_ = origin_ + kTick * static_cast<std::int64_t>(tick_);
  return fired;
}

Instant TimerWheel::next_deadline() const {
  if (!due_.empty()) return origin_ + kTick * static_cast<std::int64_t>(tick_ > 0 ? tick_ - 1 : 0);
  const std::uint64_t tick = next_tick();
  if (tick == kNoTick) return Instant::never();
  return origin_ + kTick * static_cast<std::int64_t>(tick);
}

}  // namespace linnet::time
