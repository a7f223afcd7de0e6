// SPDX-License-Identifier: BSD-3-Clause
// Reading: Linux sock_setsockopt, do_ip_setsockopt, do_tcp_setsockopt.
#include "shim/options.hpp"

#include <arpa/inet.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/check.hpp"

namespace linnet::shim {
namespace {

using Row = OptionRow;
constexpr int kMost = 0x7fffffff, kLeast = -kMost - 1;

constexpr Row flag(int level, int name, Row::For applies, bool travels, int initial = 0) {
  return {level, name, Row::Switch, applies, initial, kLeast, kMost, travels};
}

constexpr Row number(int level, int name, Row::For applies, int initial, int least, int most,
                     bool travels = true) {
  return {level, name, Row::Number, applies, initial, least, most, travels};
}

constexpr Row kRows[] = {
    flag(SOL_SOCKET, SO_REUSEADDR, Row::kBoth, true),
    flag(SOL_SOCKET, SO_REUSEPORT, Row::kBoth, true),
    flag(SOL_SOCKET, SO_KEEPALIVE, Row::kBoth, true),
    flag(SOL_SOCKET, SO_BROADCAST, Row::kBoth, true),
    flag(SOL_SOCKET, SO_OOBINLINE, Row::kBoth, false),
    flag(SOL_SOCKET, SO_NO_CHECK, Row::kBoth, true),
    number(SOL_SOCKET, SO_PRIORITY, Row::kBoth, 0, kLeast, kMost, false),
    number(SOL_SOCKET, SO_MARK, Row::kBoth, 0, kLeast, kMost),
    number(SOL_SOCKET, SO_RCVLOWAT, Row::kBoth, 1, kLeast, kMost, false),
    {SOL_SOCKET, SO_SNDLOWAT, Row::Fixed, Row::kBoth, 1, 0, 0, false},

    number(IPPROTO_IP, IP_TOS, Row::kBoth, 0, kLeast, kMost),
    number(IPPROTO_IP, IP_TTL, Row::kBoth, 64, -1, 255),
    number(IPPROTO_IP, IP_MTU_DISCOVER, Row::kBoth, IP_PMTUDISC_WANT, IP_PMTUDISC_DONT,
           IP_PMTUDISC_PROBE),
    flag(IPPROTO_IP, IP_RECVERR, Row::kBoth, true),
    {IPPROTO_IP, IP_HDRINCL, Row::Fixed, Row::kBoth, 0, 0, 0, false},
    flag(IPPROTO_IP, IP_PKTINFO, Row::kBoth, false),
    flag(IPPROTO_IP, IP_RECVTTL, Row::kBoth, false),
    flag(IPPROTO_IP, IP_RECVTOS, Row::kBoth, false),
    flag(IPPROTO_IP, IP_FREEBIND, Row::kBoth, false),
    flag(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, Row::kBoth, false),
    number(IPPROTO_IP, kLocalPortRange, Row::kBoth, 0, kLeast, kMost),
    number(IPPROTO_IP, IP_MULTICAST_TTL, Row::kBoth, 1, -1, 255),
    number(IPPROTO_IP, IP_UNICAST_IF, Row::kBoth, 0, kLeast, kMost, false),

    flag(IPPROTO_TCP, TCP_NODELAY, Row::kStream, true),
    flag(IPPROTO_TCP, TCP_CORK, Row::kStream, true),
    flag(IPPROTO_TCP, TCP_QUICKACK, Row::kStream, true, 1),
    number(IPPROTO_TCP, TCP_MAXSEG, Row::kStream, 536, 88, 32767),
    number(IPPROTO_TCP, TCP_KEEPIDLE, Row::kStream, 7200, 1, 32767),
    number(IPPROTO_TCP, TCP_KEEPINTVL, Row::kStream, 75, 1, 32767),
    number(IPPROTO_TCP, TCP_KEEPCNT, Row::kStream, 9, 1, 127),
    number(IPPROTO_TCP, TCP_SYNCNT, Row::kStream, 6, 1, 127),
    number(IPPROTO_TCP, TCP_LINGER2, Row::kStream, 60, kLeast, kMost),
    number(IPPROTO_TCP, TCP_WINDOW_CLAMP, Row::kStream, 0, kLeast, kMost),
    number(IPPROTO_TCP, TCP_USER_TIMEOUT, Row::kStream, 0, 0, kMost),
    number(IPPROTO_TCP, TCP_NOTSENT_LOWAT, Row::kStream, 0, kLeast, kMost),
    number(IPPROTO_TCP, TCP_FASTOPEN, Row::kStream, 0, 0, kMost),
    number(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, Row::kStream, 0, 0, 1, false),
    number(IPPROTO_TCP, TCP_INQ, Row::kStream, 0, 0, 1, false),
    number(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, Row::kStream, 0, 0, 1),

    flag(IPPROTO_UDP, UDP_CORK, Row::kDatagram, false),
};

}  // namespace

const OptionRow* find_option(int level, int name) {
  const auto* const row = std::find_if(std::begin(kRows), std::end(kRows), [=](const Row& r) {
    return r.level == level && r.name == name;
  });
  return row != std::end(kRows) ? row : nullptr;
}

int OptionValues::get(const OptionRow& row) const {
  for (const auto& [set, value] : values_->set) {
    if (set == &row) return value;
  }
  return row.initial;
}

int OptionValues::get(int level, int name) const {
  const OptionRow* const row = find_option(level, name);
  LINNET_CHECK(row != nullptr);
  return get(*row);
}

void OptionValues::set(const OptionRow& row, int value) {
  if (row.level == SOL_SOCKET && row.name == SO_RCVLOWAT) low_water_ = std::max(1, value);
  if (row.level == IPPROTO_TCP && row.name == TCP_INQ) tells_waiting_ = value != 0;
  if (row.level == SOL_SOCKET && row.name == SO_OOBINLINE) urgent_in_line_ = value != 0;
  if (row.level == IPPROTO_IP && row.name == IP_UNICAST_IF) {
    // Network order, and counted from one.
    const std::uint32_t number = ntohl(static_cast<std::uint32_t>(value));
    values_.change().unicast_device = static_cast<std::uint16_t>(number - 1);
  }
  auto& all = values_.change().set;
  for (auto& [set, old] : all) {
    if (set != &row) continue;
    old = value;
    return;
  }
  all.emplace_back(&row, value);
}

}  // namespace linnet::shim
