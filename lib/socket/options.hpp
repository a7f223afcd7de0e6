// SPDX-License-Identifier: BSD-3-Clause
// Options of sockets as they travel in SetOption: Message.option = option(level, name), both with
// Linux's numbers (x86-64), Message.value = the value as an int. Options that are only the
// program's affair (SO_RCVTIMEO, SO_LINGER, which travels in Close, ...) never come here.
#pragma once

#include <cstdint>

namespace linnet::socket {

constexpr std::uint32_t option(std::uint32_t level, std::uint32_t name) {
  return level << 16 | name;
}

namespace level {
inline constexpr std::uint32_t kSocket = 1, kIp = 0, kTcp = 6, kUdp = 17, kRaw = 255, kPacket = 263;
}

namespace name {
// SOL_SOCKET. Send- and RcvBuf: bytes as the program gave them, Linux's doubling is done here.
inline constexpr std::uint32_t kReuseAddress = option(level::kSocket, 2),
                               kBroadcast = option(level::kSocket, 6),
                               kSendBuffer = option(level::kSocket, 7),
                               kReceiveBuffer = option(level::kSocket, 8),
                               kKeepAlive = option(level::kSocket, 9),
                               kOobInline = option(level::kSocket, 10),
                               kNoCheck = option(level::kSocket, 11),
                               kPriority = option(level::kSocket, 12),
                               kReusePort = option(level::kSocket, 15),
                               kReceiveLowWater = option(level::kSocket, 18),
                               kBindToDevice =
                                   option(level::kSocket, 25),  // device index, -1: none
    kAttachFilter = option(level::kSocket, 26),                 // see PacketFilter
    kDetachFilter = option(level::kSocket, 27), kMark = option(level::kSocket, 36),
                               kMaxPacingRate = option(level::kSocket,
                                                       47);  // bytes a second as 64 bits, ~0: none
// IPPROTO_IP. IP_HDRINCL and IP_RECVERR as well.
inline constexpr std::uint32_t kTos = option(level::kIp, 1), kTtl = option(level::kIp, 2),
                               kHeaderIncluded = option(level::kIp, 3),
                               kMtuDiscover = option(level::kIp, 10),
                               kReceiveError = option(level::kIp, 11),
                               kMulticastInterface = option(level::kIp, 32),
                               kMulticastTtl = option(level::kIp, 33),
                               kMulticastLoop = option(level::kIp, 34),
                               kLocalPortRange =
                                   option(level::kIp, 51);  // low bound | high bound << 16
// IPPROTO_TCP. Times as Linux has them: keep-alive in seconds, user timeout in milliseconds.
inline constexpr std::uint32_t kNoDelay = option(level::kTcp, 1),
                               kMaxSegment = option(level::kTcp, 2), kCork = option(level::kTcp, 3),
                               kKeepIdle = option(level::kTcp, 4),
                               kKeepInterval = option(level::kTcp, 5),
                               kKeepCount = option(level::kTcp, 6),
                               kSynCount = option(level::kTcp, 7),
                               kLinger2 = option(level::kTcp, 8),
                               kDeferAccept = option(level::kTcp, 9),
                               kWindowClamp = option(level::kTcp, 10),
                               kQuickAck = option(level::kTcp, 12),
                               kCongestion = option(level::kTcp, 13),  // number, enum Congestion
    kUserTimeout = option(level::kTcp, 18), kFastOpen = option(level::kTcp, 23),
                               kNotSentLowWater = option(level::kTcp, 25),
                               kFastOpenNoCookie = option(level::kTcp, 34);
// kFastOpen and kFastOpenKey are told to listeners that stand. TCP_FASTOPEN_KEY travels in words of
// 8 bytes: each is told with `kFastOpenKey` + its number << 8, the last, number 4, says how many
// keys there are.
inline constexpr std::uint32_t kFastOpenKey = option(level::kTcp, 33);
// SOL_RAW: the ICMP types that a raw ICMP socket does not want, a bit each.
inline constexpr std::uint32_t kIcmpFilter = option(level::kRaw, 1);
}  // namespace name

// TCP_CONGESTION names travel as numbers; 0: no such algorithm.
enum class Congestion : std::uint8_t { None, Reno, Cubic, Bbr, Dctcp };

// Values of IP_MTU_DISCOVER.
enum class MtuDiscover : std::uint8_t { Dont = 0, Want = 1, Do = 2, Probe = 3 };

// How a Query asks: Message.value.
enum class QueryKind : std::uint8_t {
  TcpInfo,     // struct tcp_info as Linux has it; the answer's buffer is the program's then
  QueueSizes,  // Answer.value = unread bytes << 32 | unacknowledged bytes
};

}  // namespace linnet::socket
