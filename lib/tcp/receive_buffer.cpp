// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/receive_buffer.hpp"

#include <algorithm>
#include <bit>

namespace linnet::tcp {
namespace {

constexpr unsigned kMaxScale = 14;  // RFC 7323 section 2.3
constexpr std::uint32_t kMaxUnscaled = ReceiveBuffer::kMaxUnscaled;
constexpr unsigned kInitialSegments = 10;

std::uint32_t us_of(time::Instant now) {
  return static_cast<std::uint32_t>(now.since_origin_ns() / 1'000);
}
std::uint32_t round_down(std::uint32_t value, std::uint32_t unit) {
  return unit == 0 ? value : value - value % unit;
}
std::uint32_t round_up(std::uint32_t value, std::uint8_t scale) {
  const std::uint32_t unit = 1u << scale;
  return (value + unit - 1) & ~(unit - 1);
}

}  // namespace

WindowOffer first_offer(const Settings& settings, const SocketOptions& options, std::uint32_t mss) {
  const std::uint32_t size =
      options.receive_buffer != 0 ? options.receive_buffer : settings.tcp_rmem_default.get();
  std::uint32_t space = size / 2;
  // A program that chose its buffer gets no scale beyond it.
  std::uint32_t clamp = options.receive_buffer != 0 ? space : UINT32_MAX;
  if (options.window_clamp != 0) clamp = std::min(clamp, options.window_clamp);
  space = std::min(space, clamp);
  if (mss != 0 && space > mss) space = round_down(space, mss);
  WindowOffer offer;
  offer.window = static_cast<std::uint16_t>(std::min(space, kMaxUnscaled));
  if (settings.tcp_window_scaling != 0) {
    const std::uint32_t most = std::min(std::max(space, settings.tcp_rmem_max.get()), clamp);
    const int bits = std::bit_width(most) - 1;
    offer.scale = static_cast<std::uint8_t>(std::clamp(bits - 15, 0, static_cast<int>(kMaxScale)));
  }
  return offer;
}

void ReceiveBuffer::start(const Settings& settings, const SocketOptions& options,
                          std::uint32_t mss) {
  set_options(settings, options);
  window_ = first_offer(settings, options, mss).window;
  threshold_ = window_;
}

void ReceiveBuffer::set_options(const Settings& settings, const SocketOptions& options) {
  locked_ = options.receive_buffer != 0;
  user_clamp_ = options.window_clamp;
  if (locked_)
    size_ = options.receive_buffer;
  else if (size_ == 0)
    size_ = settings.tcp_rmem_default;
  clamp_ = to_window(size_);
  if (user_clamp_ != 0) clamp_ = std::min(clamp_, user_clamp_);
}

void ReceiveBuffer::established(time::Instant now, Seq next, std::uint32_t mss,
                                std::uint8_t scale) {
  scale_ = scale;
  told_ = next;
  space_ = std::min({threshold_, window_, kInitialSegments * mss});
  space_from_ = rtt_until_ = next;
  space_at_us_ = us_of(now);
}

std::uint32_t ReceiveBuffer::select(Seq next, std::uint32_t queued, std::uint32_t peer_mss,
                                    const Memory& memory, const Settings& settings) const {
  const std::uint32_t standing = window(next);
  const std::uint64_t charged = std::uint64_t{queued} + taken_truesize_;
  const std::uint32_t full = std::min(to_window(size_), clamp_);
  std::uint32_t free = charged < size_ ? to_window(size_ - charged) : 0;
  const std::uint32_t unit = std::min(peer_mss, full);
  std::uint32_t threshold = threshold_;
  if (free < to_window(size_) / 2) {
    if (memory.pressure())
      threshold = std::min(threshold, std::max(4 * unit, to_window(settings.tcp_rmem_min)));
    free = round_down(free, 1u << scale_);
    // Silly window avoidance: nothing is offered until a segment or a sixteenth fits (SHLD-15).
    if (free < full / 16 || free < unit) return standing;
  }
  free = std::min({free, threshold, clamp_});
  if (memory.exhausted()) free = 0;
  std::uint32_t offered;
  if (scale_ != 0) {
    offered = round_up(free, scale_);
  } else {
    // Moves in whole segments only.
    offered = window_;
    if (unit != 0 && (offered + unit <= free || offered > free))
      offered = round_down(free, unit);
    else if (unit == full && free > offered + full / 2)
      offered = free;
    offered = std::min(offered, kMaxUnscaled);
  }
  return std::max(offered, standing);
}

void ReceiveBuffer::measure_ratio(std::uint32_t bytes, std::uint32_t truesize) {
  if (truesize == 0) return;
  const auto ratio = std::min<std::uint64_t>((std::uint64_t{bytes} << 8) / truesize, 255);
  ratio_ = static_cast<std::uint8_t>(std::max<std::uint64_t>(ratio, 1));
  clamp_ = to_window(size_);
  if (user_clamp_ != 0) clamp_ = std::min(clamp_, user_clamp_);
}

void ReceiveBuffer::on_data(std::uint32_t bytes, std::uint32_t charged, const Memory& memory) {
  if (bytes < 128 || memory.pressure() || threshold_ >= clamp_) return;
  const std::uint64_t held = std::uint64_t{charged} + taken_truesize_;
  const std::uint32_t space = held < size_ ? to_window(size_ - held) : 0;
  if (threshold_ < space) threshold_ = std::min(clamp_, threshold_ + 2 * bytes);
}

void ReceiveBuffer::update_rtt(std::uint32_t us, bool window_full) {
  if (us == 0) us = 1;
  if (rtt_us_ == 0) {
    rtt_us_ = us;
  } else if (!window_full) {
    rtt_us_ = std::max<std::uint32_t>(1, rtt_us_ - rtt_us_ / 8 + us / 8);
  } else {
    // A window's time is never below the RTT, so the least is nearest.
    rtt_us_ = std::min(rtt_us_, us);
  }
}

void ReceiveBuffer::on_echo(std::uint32_t echoed, time::Duration rtt) {
  if (echoed == last_echo_) return;
  last_echo_ = echoed;
  update_rtt(
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(rtt.count_us(), 1'000, 60'000'000)),
      false);
}

void ReceiveBuffer::measure_window(Seq next, time::Instant now) {
  if (next.before(rtt_until_)) return;
  if (rtt_at_us_ != 0) update_rtt(us_of(now) - rtt_at_us_, true);
  rtt_until_ = next + window_;
  rtt_at_us_ = us_of(now);
}

void ReceiveBuffer::on_consumed(Memory& memory, const Settings& settings, Seq consumed_to,
                                std::uint32_t bytes, std::uint32_t mss, time::Instant now) {
  bytes = std::min(bytes, taken_bytes_);
  if (bytes == 0) return;
  const auto freed =
      static_cast<std::uint32_t>(std::uint64_t{taken_truesize_} * bytes / taken_bytes_);
  taken_bytes_ -= bytes;
  taken_truesize_ -= freed;
  memory.receive -= freed;
  // Once an RTT: twice what the program read in it is what the buffer must hold.
  const std::uint32_t elapsed = us_of(now) - space_at_us_;
  if (rtt_us_ == 0 || elapsed < rtt_us_) return;
  const std::uint32_t copied = consumed_to - space_from_;
  if (copied > space_) {
    if (settings.tcp_moderate_rcvbuf != 0 && !locked_ && !memory.pressure())
      grow(settings, copied, mss);
    space_ = copied;
  }
  space_from_ = consumed_to;
  space_at_us_ = us_of(now);
}

void ReceiveBuffer::grow(const Settings& settings, std::uint32_t copied, std::uint32_t mss) {
  std::uint64_t wanted = 2ull * copied + 16ull * mss;
  // A sender in slow start doubles each RTT: what was read last is behind by that much.
  wanted += 2 * (wanted * (copied - space_) / std::max(space_, 1u));
  const std::uint64_t size = std::min<std::uint64_t>((wanted << 8) / ratio_, settings.tcp_rmem_max);
  if (size <= size_) return;
  size_ = static_cast<std::uint32_t>(size);
  clamp_ = to_window(size_);
  if (user_clamp_ != 0) clamp_ = std::min(clamp_, user_clamp_);
}

void ReceiveBuffer::release(Memory& memory) {
  memory.receive -= taken_truesize_;
  taken_truesize_ = taken_bytes_ = 0;
}

}  // namespace linnet::tcp
