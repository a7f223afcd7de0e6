// SPDX-License-Identifier: BSD-3-Clause
// Garbage collection of the neighbour cache (Linux: neigh_forced_gc, neigh_periodic_work; what
// RFC 6583 asks against scans).
#include <algorithm>

#include "neigh/cache.hpp"

namespace linnet::neigh {
namespace {

using time::Duration;
using time::Instant;

// Linux: what changed within 5 s is left alone, and gc_thresh2 may be exceeded that long.
constexpr Duration kGrace = Duration::seconds(5);

}  // namespace

std::uint32_t Cache::gc_limit() const {
  return std::min(settings_.gc_thresh3.load(std::memory_order_relaxed), table_.capacity());
}

// Whether one more entry may be made; looks for entries that can go where the table is crowded.
bool Cache::make_room(packet::Turn& turn) {
  const std::uint32_t limit = gc_limit();
  const std::uint32_t enough = settings_.gc_thresh2.load(std::memory_order_relaxed);
  if (gc_entries_ >= limit || table_.entries() == table_.capacity()) {
    scan(turn, kMakeRoomSlice, std::min(limit, gc_entries_) - 1);
  } else if (gc_entries_ >= enough) {
    if (turn.now - last_sweep_ > kGrace) {
      last_sweep_ = turn.now;
      sweep_left_ = high_water_;
    }
    const std::uint32_t now = std::min(sweep_left_, kMakeRoomSlice);
    sweep_left_ -= now;
    scan(turn, now, enough);
  }
  return gc_entries_ < limit && table_.entries() < table_.capacity();
}

// Looks at some records and erases those that can go, while more than `until` are left.
void Cache::scan(packet::Turn& turn, std::uint32_t records, std::uint32_t until) {
  for (std::uint32_t n = std::min(records, high_water_); n > 0 && gc_entries_ > until; --n) {
    hand_ = hand_ + 1 < high_water_ ? hand_ + 1 : 0;
    Record& record = records_[hand_];
    if (record.key != 0 && evictable(record, turn.now)) erase(turn, record);
  }
}

// May give its place to a newcomer. What is confirmed, in use or being proven never does.
bool Cache::evictable(const Record& record, Instant now) const {
  if (record.state == Nud::Failed || record.state == Nud::None) return true;
  if (record.state != Nud::Stale) return false;
  const Instant used = table_.used(index_of(record));
  if (used == Instant()) return true;
  return now - std::max(used, record.updated) > kGrace;
}

bool Cache::outdated(const Record& record, Instant now) const {
  if (record.state == Nud::Failed || record.state == Nud::None) return true;
  if (record.state != Nud::Stale) return false;
  const Instant used = std::max({table_.used(index_of(record)), record.confirmed, record.created});
  return now - used >=
         Duration::milliseconds(settings_.gc_stale_time_ms.load(std::memory_order_relaxed));
}

void Cache::on_gc_timer(time::Timer& timer, Instant, void* context) {
  static_cast<GcTimer&>(timer).cache.collect_garbage(*static_cast<packet::Turn*>(context));
}

// A slice of the periodic walk; the walk starts anew every half base_reachable_time.
void Cache::collect_garbage(packet::Turn& turn) {
  const bool few = gc_entries_ < settings_.gc_thresh1.load(std::memory_order_relaxed);
  const std::uint32_t end = few ? high_water_ : std::min(gc_hand_ + kGcSlice, high_water_);
  for (std::uint32_t i = gc_hand_; !few && i < end; ++i) {
    Record& record = records_[i];
    if (record.key != 0 && outdated(record, turn.now)) erase(turn, record);
  }
  gc_hand_ = end < high_water_ ? end : 0;
  publish_gauges();
  if (table_.entries() == 0) return;
  const Duration pause =
      gc_hand_ != 0 ? Duration::milliseconds(10)
                    : Duration::milliseconds(
                          settings_.base_reachable_time_ms.load(std::memory_order_relaxed)) /
                          2;
  wheel_.arm(gc_timer_, turn.now + std::max(pause, Duration::milliseconds(10)));
}

}  // namespace linnet::neigh
