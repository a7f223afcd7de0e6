// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/rack.hpp"

#include <algorithm>

namespace linnet::tcp {
namespace {

// RFC 8985 6.2 step 4: a widened window is kept for so many recoveries.
constexpr std::uint8_t kPersist = 16;

}  // namespace

void Rack::start(Seq una, const Settings& settings) {
  *this = Rack();
  highest_sacked_ = una;
  reordering_ = settings.tcp_reordering;
}

bool Rack::on_late(Seq low, std::uint32_t mss, const Settings& settings) {
  if (!low.before(highest_sacked_)) return false;
  const std::uint32_t distance = (highest_sacked_ - low + mss - 1) / mss;
  reordering_ =
      std::max(reordering_, std::min<std::uint32_t>(distance, settings.tcp_max_reordering));
  reordering_seen_ = true;
  ++times_reordered_;
  return true;
}

void Rack::on_dsack(std::uint64_t delivered, std::uint32_t undelivered) {
  if (delivered < dsack_round_) return;
  dsack_round_ = delivered + undelivered;
  multiplier_ = static_cast<std::uint8_t>(std::min(multiplier_ + 1, 255));
  persist_ = kPersist;
}

void Rack::on_recovery_end() {
  if (persist_ == 0) return;
  if (--persist_ == 0) multiplier_ = 1;
}

time::Duration Rack::window(std::uint32_t sacked, std::uint32_t mss, bool in_recovery,
                            time::Duration min_rtt, time::Duration srtt,
                            const Settings& settings) const {
  if (!reordering_seen_ || settings.tcp_recovery == 0) {
    const bool duplicates = sacked > (reordering_ - 1) * mss;
    if (in_recovery || duplicates) return time::Duration();
  }
  return std::min(min_rtt / 4 * multiplier_, srtt);
}

}  // namespace linnet::tcp
