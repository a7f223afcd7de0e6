// SPDX-License-Identifier: BSD-3-Clause
// How much the peer may send: the receive buffer, what of it is charged, the window made of the
// rest, and how the buffer grows with the rate at which the program reads (RFC 9293 3.8.6.2.2,
// RFC 7323 2; Linux: __tcp_select_window, tcp_rcv_space_adjust, tcp_grow_window).
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/engine.hpp"
#include "tcp/options.hpp"
#include "tcp/sequence.hpp"
#include "tcp/settings.hpp"
#include "time/instant.hpp"

namespace linnet::tcp {

// What goes into our SYN or SYN-ACK: the first window, which is never scaled, and the scale.
struct WindowOffer {
  std::uint16_t window = 65535;
  std::uint8_t scale = 0;
};
WindowOffer first_offer(const Settings& settings, const SocketOptions& options, std::uint32_t mss);

class ReceiveBuffer {
 public:
  static constexpr std::uint32_t kMaxUnscaled = 65535;

  // At the SYN; then at ESTABLISHED, once the scale is agreed.
  void start(const Settings& settings, const SocketOptions& options, std::uint32_t mss);
  void established(time::Instant now, Seq next, std::uint32_t mss, std::uint8_t scale);
  void set_options(const Settings& settings, const SocketOptions& options);

  // Bytes that the peer may send beyond what it was told last.
  std::uint32_t window(Seq next) const {
    const std::uint32_t used = next - told_;
    return used < window_ ? window_ - used : 0;
  }
  // The window that would be told now, not below what still stands (RFC 9293 3.8.6: SHLD-14).
  std::uint32_t select(Seq next, std::uint32_t queued, std::uint32_t peer_mss, const Memory& memory,
                       const Settings& settings) const;
  // As it stands on the wire. What still stands may be no multiple of the unit: it is rounded up.
  std::uint16_t field(std::uint32_t window) const {
    const std::uint32_t unit = 1u << scale_;
    return static_cast<std::uint16_t>(
        std::min((window + unit - 1) >> scale_, std::uint32_t{kMaxUnscaled}));
  }
  // It was told.
  void tell(Seq next, std::uint32_t window, Counters& counters) {
    window = std::uint32_t{field(window)} << scale_;
    if (window == 0 && window_ != 0) counters.add(Count::TCPToZeroWindowAdv);
    if (window != 0 && window_ == 0) counters.add(Count::TCPFromZeroWindowAdv);
    window_ = window;
    told_ = next;
  }
  Seq told() const { return told_; }  // RCV.NXT of the last ACK (RFC 7323: Last.ACK.sent)

  // Data of `bytes` came: the window may open further.
  void on_data(std::uint32_t bytes, std::uint32_t charged, const Memory& memory);
  // Full segments with `bytes` came in buffers of `truesize`: what part of the memory is payload. A
  // short one says nothing of those that will come (Linux: tcp_measure_rcv_mss).
  void measure_ratio(std::uint32_t bytes, std::uint32_t truesize);
  // Whether a packet of `truesize` more may be charged; with 0: whether one more may at all.
  bool room(std::uint32_t queued, std::uint32_t truesize) const {
    return std::uint64_t{queued} + taken_truesize_ + truesize <= size_;
  }
  // Round-trip time as the receiver sees it: of an echoed timestamp, or of a window.
  // One sample of each timestamp that comes back (Linux: rcv_rtt_last_tsecr): all that is sent
  // after a pause echoes the same one, and says of the pause.
  void on_echo(std::uint32_t echoed, time::Duration rtt);
  void measure_window(Seq next, time::Instant now);

  // The program took `truesize` with `bytes`; it still pins them until it has consumed them.
  void on_taken(Memory& memory, std::uint32_t bytes, std::uint32_t truesize) {
    taken_bytes_ += bytes;
    taken_truesize_ += truesize;
    memory.receive += truesize;
  }
  void on_consumed(Memory& memory, const Settings& settings, Seq consumed_to, std::uint32_t bytes,
                   std::uint32_t mss, time::Instant now);
  void release(Memory& memory);

  std::uint32_t taken() const { return taken_bytes_; }
  std::uint32_t size() const { return size_; }
  std::uint32_t threshold() const { return threshold_; }
  std::uint32_t space() const { return space_; }
  std::uint32_t rtt_us() const { return rtt_us_; }
  std::uint8_t scale() const { return scale_; }
  std::uint32_t last_window() const { return window_; }

 private:
  std::uint32_t to_window(std::uint64_t truesize) const {
    return static_cast<std::uint32_t>(truesize * ratio_ >> 8);
  }
  void grow(const Settings& settings, std::uint32_t copied, std::uint32_t mss);
  void update_rtt(std::uint32_t us, bool window_full);

  std::uint32_t size_ = 0;   // truesize that may be charged (SO_RCVBUF)
  std::uint32_t clamp_ = 0;  // bytes, the window never passes it
  std::uint32_t user_clamp_ = 0;
  std::uint32_t threshold_ = 0;  // bytes; opens slowly (Linux: rcv_ssthresh)
  std::uint32_t window_ = 0;     // told last, bytes from `told_`
  Seq told_;
  std::uint32_t taken_truesize_ = 0, taken_bytes_ = 0;
  // Dynamic right-sizing: what the program read in one RTT.
  std::uint32_t space_ = 0;
  Seq space_from_;
  Seq rtt_until_;
  std::uint32_t space_at_us_ = 0, rtt_at_us_ = 0, rtt_us_ = 0;
  std::uint32_t last_echo_ = 0;
  std::uint8_t ratio_ = 128;  // payload per truesize, of 256
  std::uint8_t scale_ = 0;
  bool locked_ = false;  // SO_RCVBUF was set
};

}  // namespace linnet::tcp
