// SPDX-License-Identifier: BSD-3-Clause
// Reading: Linux sock_setsockopt, do_ip_setsockopt, do_tcp_setsockopt.
#include <algorithm>
#include <cerrno>

#include "socket/socket.hpp"
#include "tcp/congestion.hpp"

namespace linnet::socket {
namespace {

constexpr std::uint32_t kLeastSendBuffer = 4608, kLeastReceiveBuffer = 2304;  // Linux, x86-64
constexpr std::uint32_t kLargestBuffer = 1u << 30;

const tcp::CongestionControl* congestion_control(std::uint64_t number) {
  switch (Congestion{static_cast<std::uint8_t>(number)}) {
    case Congestion::Reno:
      return tcp::find_congestion_control("reno");
    case Congestion::Cubic:
      return tcp::find_congestion_control("cubic");
    case Congestion::Bbr:
      return tcp::find_congestion_control("bbr");
    case Congestion::Dctcp:
      return tcp::find_congestion_control("dctcp");
    case Congestion::None:
      break;
  }
  return nullptr;
}

// Assigns `value` if it is in [low, high].
template <typename Field>
int assign(Field& field, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value < low || value > high) return EINVAL;
  field = static_cast<Field>(value);
  return 0;
}

std::uint32_t buffer_size(std::int64_t asked, std::uint32_t least) {
  const auto doubled = std::clamp<std::int64_t>(asked, 0, kLargestBuffer) * 2;
  return std::max(static_cast<std::uint32_t>(doubled), least);
}

// Zero means no limit here as it does on the wire of Linux, where nothing is paced by it.
float pacing_rate(std::uint64_t asked) {
  return asked >> 62 != 0 ? 0 : static_cast<float>(asked);
}

int set_ip(OptionSet& set, std::uint32_t option, std::int64_t value) {
  switch (option) {
    case name::kTos:
      // ECN's bits are TCP's own (Linux: INET_ECN_MASK).
      return assign(set.tos, value, 0, 255);
    case name::kTtl:
      if (value == -1) value = 0;
      return assign(set.ttl, value, 0, 255);
    case name::kMulticastTtl:
      if (value == -1) value = 1;
      return assign(set.multicast_ttl, value, 0, 255);
    case name::kMtuDiscover:
      return assign(set.mtu_discover, value, 0, 3);
    case name::kReceiveError:
      set.receive_error = value != 0;
      return 0;
    case name::kHeaderIncluded:
      set.header_included = value != 0;
      return 0;
    case name::kLocalPortRange:
      set.local_ports = static_cast<std::uint32_t>(value);
      return 0;
    default:
      return ENOPROTOOPT;
  }
}

int set_socket(OptionSet& set, std::uint32_t option, std::int64_t value) {
  switch (option) {
    case name::kSendBuffer:
      set.tcp.send_buffer = buffer_size(value, kLeastSendBuffer);
      return 0;
    case name::kReceiveBuffer:
      set.receive_buffer = set.tcp.receive_buffer = buffer_size(value, kLeastReceiveBuffer);
      return 0;
    case name::kReuseAddress:
      set.reuse_address = value != 0;
      return 0;
    case name::kReusePort:
      set.reuse_port = value != 0;
      return 0;
    case name::kBroadcast:
      set.broadcast = value != 0;
      return 0;
    case name::kNoCheck:
      set.no_check = value != 0;
      return 0;
    case name::kKeepAlive:
      set.tcp.keep_alive = value != 0;
      return 0;
    case name::kMark:
      set.mark = static_cast<std::uint32_t>(value);
      return 0;
    case name::kMaxPacingRate:
      set.tcp.max_pacing_rate = pacing_rate(static_cast<std::uint64_t>(value));
      return 0;
    case name::kBindToDevice:
      set.device = value < 0 ? packet::kNoDevice : static_cast<std::uint16_t>(value);
      return 0;
    default:
      return ENOPROTOOPT;
  }
}

int set_tcp_time(OptionSet& set, std::uint32_t option, std::int64_t value) {
  tcp::SocketOptions& tcp = set.tcp;
  switch (option) {
    case name::kKeepIdle:
      return assign(tcp.keep_idle, value, 1, 32767);
    case name::kKeepInterval:
      return assign(tcp.keep_interval, value, 1, 32767);
    case name::kKeepCount:
      return assign(tcp.keep_count, value, 1, 127);
    case name::kSynCount:
      return assign(tcp.syn_count, value, 1, 127);
    case name::kUserTimeout:
      return assign(tcp.user_timeout_ms, value, 0, 0x7fffffff);
    case name::kLinger2:
      return assign(tcp.linger2, value < 0 ? -1 : std::min<std::int64_t>(value, 120), -1, 120);
    default:
      return ENOPROTOOPT;
  }
}

int set_tcp(OptionSet& set, std::uint32_t option, std::int64_t value) {
  tcp::SocketOptions& tcp = set.tcp;
  switch (option) {
    case name::kNoDelay:
      tcp.no_delay = value != 0;
      return 0;
    case name::kCork:
      tcp.cork = value != 0;
      return 0;
    case name::kQuickAck:  // a command to the connection, each time: nothing to remember
      return 0;
    case name::kMaxSegment:
      return value == 0 ? assign(tcp.max_segment, 0, 0, 0)
                        : assign(tcp.max_segment, value, 88, 32767);
    case name::kWindowClamp:
      return assign(tcp.window_clamp, value, 0, kLargestBuffer);
    case name::kFastOpenNoCookie:
      set.fast_open_no_cookie = value != 0;
      return 0;
    case name::kNotSentLowWater:
      tcp.notsent_lowat = static_cast<std::uint32_t>(value);
      return 0;
    case name::kCongestion: {
      const auto* const found = congestion_control(static_cast<std::uint64_t>(value));
      if (found == nullptr) return ENOENT;
      tcp.congestion_control = found;
      return 0;
    }
    default:
      return set_tcp_time(set, option, value);
  }
}

}  // namespace

int OptionSet::set(std::uint32_t option, std::uint64_t value) {
  const auto number = static_cast<std::int64_t>(value);
  switch (option >> 16) {
    case level::kSocket:
      return set_socket(*this, option, number);
    case level::kIp:
      return set_ip(*this, option, number);
    case level::kTcp:
      return set_tcp(*this, option, number);
    case level::kRaw:
      if (option != name::kIcmpFilter) return ENOPROTOOPT;
      icmp_filter = static_cast<std::uint32_t>(value);
      return 0;
    default:
      return ENOPROTOOPT;
  }
}

}  // namespace linnet::socket
