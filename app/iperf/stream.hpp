// SPDX-License-Identifier: BSD-3-Clause
// One stream of a test: bytes one way, by a TCP connection or in numbered datagrams.
#pragma once

#include <chrono>
#include <linnet/socket.hpp>
#include <memory>
#include <vector>

#include "app/iperf/parameters.hpp"

namespace linnet::app::iperf {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

inline double seconds_between(Time from, Time to) {
  return std::chrono::duration<double>(to - from).count();
}

// Numbered datagrams as they arrive: what is missing, what is late, and the jitter of RFC
// 3550 6.4.1.
class Arrivals {
 public:
  // `sent_at`, `now`: seconds on clocks that need not agree.
  void take(std::uint64_t number, double sent_at, double now);
  // What came so far no longer counts.
  void begin_anew();
  std::uint64_t packets() const { return highest_ - base_; }
  std::uint64_t lost() const { return lost_; }
  std::uint64_t out_of_order() const { return out_of_order_; }
  double jitter() const { return jitter_; }  // seconds

 private:
  std::uint64_t highest_ = 0, base_ = 0, lost_ = 0, out_of_order_ = 0;
  double jitter_ = 0, transit_ = 0;
  bool any_ = false;
};

class Stream {
 public:
  struct Counts {
    std::uint64_t bytes = 0;
    std::uint64_t blocks = 0;  // writes that were done whole, or datagrams
    std::uint64_t lost = 0, packets = 0, out_of_order = 0;  // of datagrams
    double jitter = 0;                                      // seconds
    std::int64_t retransmits = -1;
    std::uint32_t window = 0, rtt = 0;  // congestion window in bytes; microseconds
  };

  // `socket`: connected and non-blocking. `parameters` outlive the stream.
  Stream(Socket socket, int id, bool sends, const Parameters& parameters);

  // Counting begins, and pacing.
  void start(Time now);
  // Sends or receives what goes without waiting, a few blocks at most. False: the peer has ended
  // it.
  bool step(Time now);
  // No earlier may it send.
  Time pause_until() const { return pause_until_; }
  // TCP_INFO is asked where there is one.
  Counts counts() const;
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t blocks() const { return blocks_; }
  StreamResult result(double seconds) const;

  int id() const { return id_; }
  int fd() const { return socket_.get(); }
  bool sends() const { return sends_; }
  void close() { socket_.reset(); }

 private:
  bool send(Time now);
  bool send_datagrams(Time now);
  bool receive();
  bool receive_datagrams(Time now);
  // False: the rate allows nothing now; pause_until_ says when it does.
  bool may_send(Time now);
  bool go_on_after(ssize_t failed) const;
  void write_header(Time now);

  Socket socket_;
  const int id_;
  const bool sends_;
  const Parameters& parameters_;
  std::vector<std::byte> block_;
  std::size_t at_ = 0;  // of the block that is on its way
  Time began_{}, pause_until_{};
  std::uint64_t bytes_ = 0, blocks_ = 0, number_ = 0, number_base_ = 0;
  std::int64_t retransmits_before_ = 0;
  Arrivals arrivals_{};
};

}  // namespace linnet::app::iperf
