// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/time_wait.hpp"

#include <algorithm>

namespace linnet::tcp {
namespace {

constexpr auto kTwiceMsl = time::Duration::seconds(60);  // Linux: TCP_TIMEWAIT_LEN

}  // namespace

TimeWaitEntry::TimeWaitEntry(const TimeWait& left) : left_(left) {}

SegmentOut TimeWaitEntry::acknowledgment(time::Instant now) const {
  SegmentOut out;
  out.seq = left_.send_next;
  out.ack = left_.receive_next;
  out.flags = flag::kAck;
  out.window =
      static_cast<std::uint16_t>(std::min(left_.receive_window >> left_.local_scale, 0xffffu));
  out.options.has_timestamps = left_.timestamps;
  out.options.ts_value = timestamp_at(now, left_.ts_offset);
  out.options.ts_echo = left_.ts_recent;
  return out;
}

TimeWaitVerdict TimeWaitEntry::input(const Segment& segment, const Settings& settings,
                                     time::Instant now, SegmentOut& answer) {
  const bool stamped = left_.timestamps && segment.options.has_timestamps;
  const auto newer = static_cast<std::int32_t>(segment.options.ts_value - left_.ts_recent);
  const bool old = stamped && newer < 0;
  if (segment.has(flag::kRst)) {
    // RFC 1337: a RST that was under way must not let old data into the next connection.
    const bool exact = segment.seq == left_.receive_next && !old;
    return exact && settings.tcp_rfc1337 == 0 ? TimeWaitVerdict::Remove : TimeWaitVerdict::Ignore;
  }
  if (!old && segment.seq == left_.receive_next && segment.length() == 0) {
    left_.expires = now + kTwiceMsl;
    if (stamped) {
      left_.ts_recent = segment.options.ts_value;
      left_.ts_recent_at = now;
    }
    return TimeWaitVerdict::Ignore;  // a bare ACK, where one is due
  }
  const bool plain_syn = segment.has(flag::kSyn) && !segment.has(flag::kAck);
  // RFC 6191: newer by its number, or by its timestamp where both ends have them.
  if (plain_syn && !old && (segment.seq.after(left_.receive_next) || (stamped && newer > 0)))
    return TimeWaitVerdict::Reuse;
  if (old || segment.has(flag::kAck)) left_.expires = now + kTwiceMsl;
  const auto interval = time::Duration::milliseconds(settings.tcp_invalid_ratelimit);
  if (answered_ != time::Instant() && now - answered_ < interval) return TimeWaitVerdict::Ignore;
  answered_ = now;
  answer = acknowledgment(now);
  return TimeWaitVerdict::Answer;
}

bool TimeWaitEntry::may_reuse(const Settings& settings, time::Instant now) const {
  const auto delay = time::Duration::milliseconds(settings.tcp_tw_reuse_delay);
  return settings.tcp_tw_reuse != 0 && left_.timestamps && now - left_.ts_recent_at > delay;
}

}  // namespace linnet::tcp
