// SPDX-License-Identifier: BSD-3-Clause
#include "app/iperf/stream.hpp"

#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <random>

#include "base/endian.hpp"

namespace linnet::app::iperf {
namespace {

constexpr unsigned kDatagramsAtOnce = 16;

// In front of a datagram's data: when it was sent, and its number from 1.
struct Header {
  be32 seconds, microseconds, number;
};
static_assert(sizeof(Header) == 12);
struct WideHeader {
  be32 seconds, microseconds, number_high, number_low;
};
static_assert(sizeof(WideHeader) == 16);

double to_seconds(Time at) {
  return std::chrono::duration<double>(at.time_since_epoch()).count();
}

// False: there is none.
bool read_info(int fd, tcp_info& info) {
  socklen_t length = sizeof info;
  return ln_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0;
}

}  // namespace

void Arrivals::take(std::uint64_t number, double sent_at, double now) {
  if (number > highest_) {
    lost_ += number - highest_ - 1;
    highest_ = number;
  } else {
    ++out_of_order_;
    if (lost_ > 0) --lost_;
  }
  const double transit = now - sent_at;
  if (any_) jitter_ += (std::abs(transit - transit_) - jitter_) / 16;
  any_ = true;
  transit_ = transit;
}

void Arrivals::begin_anew() {
  base_ = highest_;
  lost_ = out_of_order_ = 0;
}

Stream::Stream(Socket socket, int id, bool sends, const Parameters& parameters)
    : socket_(std::move(socket)),
      id_(id),
      sends_(sends),
      parameters_(parameters),
      block_(sends || !parameters.udp ? parameters.length : kLongestDatagram + 1) {
  std::minstd_rand random(static_cast<unsigned>(id));
  std::generate(block_.begin(), block_.end(), [&] { return static_cast<std::byte>(random()); });
}

void Stream::start(Time now) {
  began_ = now;
  pause_until_ = now;
  bytes_ = blocks_ = 0;
  number_base_ = number_;
  arrivals_.begin_anew();
  tcp_info info{};
  if (sends_ && !parameters_.udp && read_info(socket_.get(), info))
    retransmits_before_ = info.tcpi_total_retrans;
}

bool Stream::step(Time now) {
  if (parameters_.udp) return sends_ ? send_datagrams(now) : receive_datagrams(now);
  return sends_ ? send(now) : receive();
}

bool Stream::may_send(Time now) {
  if (parameters_.rate == 0) return true;
  // What was sent so far may have taken this long, but for a burst.
  const double due = static_cast<double>(bytes_) * 8 / static_cast<double>(parameters_.rate);
  if (due <= seconds_between(began_, now)) return true;
  pause_until_ =
      began_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due));
  return false;
}

// After a call that failed: whether the stream lives.
bool Stream::go_on_after(ssize_t failed) const {
  if (failed >= 0) return false;  // the end of what the peer sends
  // A datagram's refusal tells of one moment alone.
  return errno == EAGAIN || errno == ENOBUFS || (parameters_.udp && errno == ECONNREFUSED);
}

bool Stream::send(Time now) {
  const unsigned most = std::max(1u, parameters_.burst);
  for (unsigned i = 0; i < most && may_send(now); ++i) {
    const ssize_t count = socket_.send(std::span(block_).subspan(at_), MSG_NOSIGNAL);
    if (count < 0) return go_on_after(count);
    bytes_ += static_cast<std::uint64_t>(count);
    at_ += static_cast<std::size_t>(count);
    if (at_ < block_.size()) return true;
    at_ = 0;
    ++blocks_;
  }
  return true;
}

void Stream::write_header(Time now) {
  const auto micro =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  const be32 seconds(static_cast<std::uint32_t>(micro / 1'000'000));
  const be32 rest(static_cast<std::uint32_t>(micro % 1'000'000));
  ++number_;
  const be32 low(static_cast<std::uint32_t>(number_));
  if (parameters_.wide_count) {
    const WideHeader header{seconds, rest, be32(static_cast<std::uint32_t>(number_ >> 32)), low};
    std::memcpy(block_.data(), &header, sizeof header);
  } else {
    const Header header{seconds, rest, low};
    std::memcpy(block_.data(), &header, sizeof header);
  }
}

bool Stream::send_datagrams(Time now) {
  const unsigned most = std::max(parameters_.rate != 0 ? 1u : kDatagramsAtOnce, parameters_.burst);
  for (unsigned i = 0; i < most && may_send(now); ++i) {
    write_header(Clock::now());
    const ssize_t count = socket_.send(block_);
    if (count < 0) {
      --number_;
      // Writable, and yet no room: it would be asked without end.
      pause_until_ = now + std::chrono::milliseconds(1);
      return go_on_after(count);
    }
    bytes_ += static_cast<std::uint64_t>(count);
    ++blocks_;
  }
  return true;
}

bool Stream::receive() {
  const ssize_t count = socket_.receive(block_);
  if (count <= 0) return go_on_after(count);
  bytes_ += static_cast<std::uint64_t>(count);
  if (static_cast<std::size_t>(count) == block_.size()) ++blocks_;
  return true;
}

bool Stream::receive_datagrams(Time now) {
  const std::size_t header = parameters_.wide_count ? sizeof(WideHeader) : sizeof(Header);
  for (unsigned i = 0; i < kDatagramsAtOnce; ++i) {
    const ssize_t count = socket_.receive(block_);
    if (count < 0) return go_on_after(count);
    // Shorter ones are greetings that came twice.
    if (static_cast<std::size_t>(count) < header) continue;
    WideHeader words;
    std::memcpy(&words, block_.data(), sizeof words);
    const std::uint64_t high = parameters_.wide_count ? words.number_high.host() : 0;
    const std::uint32_t low =
        parameters_.wide_count ? words.number_low.host() : words.number_high.host();
    arrivals_.take(high << 32 | low, words.seconds.host() + words.microseconds.host() / 1e6,
                   to_seconds(now));
    bytes_ += static_cast<std::uint64_t>(count);
    ++blocks_;
  }
  return true;
}

Stream::Counts Stream::counts() const {
  Counts out;
  out.bytes = bytes_;
  out.blocks = blocks_;
  out.packets = sends_ ? number_ - number_base_ : arrivals_.packets();
  out.lost = arrivals_.lost();
  out.out_of_order = arrivals_.out_of_order();
  out.jitter = arrivals_.jitter();
  tcp_info info{};
  if (sends_ && !parameters_.udp && read_info(socket_.get(), info)) {
    out.retransmits = std::int64_t{info.tcpi_total_retrans} - retransmits_before_;
    out.window = info.tcpi_snd_cwnd * info.tcpi_snd_mss;
    out.rtt = info.tcpi_rtt;
  }
  return out;
}

StreamResult Stream::result(double seconds) const {
  const Counts now = counts();
  return {id_, now.bytes, now.retransmits, now.jitter, now.lost, parameters_.udp ? now.packets : 0,
          0,   seconds};
}

}  // namespace linnet::app::iperf
