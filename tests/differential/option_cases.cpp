// SPDX-License-Identifier: BSD-3-Clause
// Every option: its default, what it takes, what is read back.
#include <linux/udp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>

#include "cases.hpp"

namespace linnet::differential {
namespace {

struct Option {
  const char* label;
  int level, name;
};

#define OPTION(level, name) {#name, level, name}
constexpr int kLocalPortRange = 51;  // IP_LOCAL_PORT_RANGE of newer headers

constexpr Option kOptions[] = {
    OPTION(SOL_SOCKET, SO_REUSEADDR),
    OPTION(SOL_SOCKET, SO_REUSEPORT),
    OPTION(SOL_SOCKET, SO_KEEPALIVE),
    OPTION(SOL_SOCKET, SO_BROADCAST),
    OPTION(SOL_SOCKET, SO_OOBINLINE),
    OPTION(SOL_SOCKET, SO_PRIORITY),
    OPTION(SOL_SOCKET, SO_MARK),
    OPTION(SOL_SOCKET, SO_RCVLOWAT),
    OPTION(SOL_SOCKET, SO_SNDLOWAT),
    OPTION(SOL_SOCKET, SO_RCVBUF),
    OPTION(SOL_SOCKET, SO_SNDBUF),
    OPTION(SOL_SOCKET, SO_TYPE),
    OPTION(SOL_SOCKET, SO_DOMAIN),
    OPTION(SOL_SOCKET, SO_PROTOCOL),
    OPTION(SOL_SOCKET, SO_ERROR),
    OPTION(SOL_SOCKET, SO_ACCEPTCONN),
    OPTION(SOL_SOCKET, SO_NO_CHECK),
    OPTION(SOL_SOCKET, SO_MAX_PACING_RATE),
    OPTION(IPPROTO_IP, IP_TOS),
    OPTION(IPPROTO_IP, IP_TTL),
    OPTION(IPPROTO_IP, IP_HDRINCL),
    OPTION(IPPROTO_IP, IP_MTU_DISCOVER),
    OPTION(IPPROTO_IP, IP_MTU),
    OPTION(IPPROTO_IP, IP_RECVERR),
    OPTION(IPPROTO_IP, IP_PKTINFO),
    OPTION(IPPROTO_IP, IP_RECVTTL),
    OPTION(IPPROTO_IP, IP_RECVTOS),
    OPTION(IPPROTO_IP, IP_FREEBIND),
    OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
    {"IP_LOCAL_PORT_RANGE", IPPROTO_IP, kLocalPortRange},
    OPTION(IPPROTO_IP, IP_MULTICAST_TTL),
    OPTION(IPPROTO_IP, IP_UNICAST_IF),
    OPTION(IPPROTO_TCP, TCP_NODELAY),
    OPTION(IPPROTO_TCP, TCP_CORK),
    OPTION(IPPROTO_TCP, TCP_MAXSEG),
    OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
    OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
    OPTION(IPPROTO_TCP, TCP_KEEPCNT),
    OPTION(IPPROTO_TCP, TCP_SYNCNT),
    OPTION(IPPROTO_TCP, TCP_LINGER2),
    OPTION(IPPROTO_TCP, TCP_WINDOW_CLAMP),
    OPTION(IPPROTO_TCP, TCP_QUICKACK),
    OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
    OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
    OPTION(IPPROTO_TCP, TCP_FASTOPEN),
    OPTION(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE),
    OPTION(IPPROTO_UDP, UDP_CORK),
    {"an unknown option of SOL_SOCKET", SOL_SOCKET, 9999},
    {"an unknown option of IPPROTO_IP", IPPROTO_IP, 9999},
    {"an unknown option of IPPROTO_TCP", IPPROTO_TCP, 9999},
    {"an option of an unknown level", 77, 1},
};
#undef OPTION

constexpr int kValues[] = {-2, -1, 0, 1, 2, 6, 7, 127, 128, 255, 256, 5000, 32768, 0x7fffffff};

std::string read_back(Calls& calls, int fd, const Option& option, socklen_t room) {
  unsigned char bytes[16];
  std::memset(bytes, 0xee, sizeof bytes);
  socklen_t length = room;
  const long result = calls.getsockopt(fd, option.level, option.name, bytes, &length);
  if (result < 0) return result_text(result);
  int value = 0;
  std::memcpy(&value, bytes, std::min<std::size_t>(length, sizeof value));
  return "length " + std::to_string(length) + " value " + std::to_string(value);
}

std::string try_values(Calls& calls, int type, const Option& option) {
  std::string out;
  for (const int value : kValues) {
    const int fd = calls.socket(AF_INET, type, 0);
    const long set = calls.setsockopt(fd, option.level, option.name, &value, sizeof value);
    out += std::to_string(value) + ": " + result_text(set) + ", " +
           read_back(calls, fd, option, sizeof value) + "; ";
    calls.close(fd);
  }
  return out;
}

std::string try_lengths(Calls& calls, int type, const Option& option) {
  const int fd = calls.socket(AF_INET, type, 0);
  std::string out;
  const unsigned char one[16] = {1};
  for (const socklen_t length : {0u, 1u, 3u, 4u, 8u}) {
    out += "get " + std::to_string(length) + ": " + read_back(calls, fd, option, length) + "; ";
    const long set = calls.setsockopt(fd, option.level, option.name, one, length);
    out += "set " + std::to_string(length) + ": " + result_text(set) + "; ";
  }
  calls.close(fd);
  return out;
}

std::string try_linger(Calls& calls, int type) {
  std::string out;
  const int fd = calls.socket(AF_INET, type, 0);
  for (const linger wanted : {linger{0, 0}, linger{1, 5}, linger{0, 9}, linger{2, 0}}) {
    const long set = calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, &wanted, sizeof wanted);
    linger got{-7, -7};
    socklen_t length = sizeof got;
    const long get = calls.getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &length);
    out += result_text(set) + ", " + result_text(get) + " " + std::to_string(got.l_onoff) + " " +
           std::to_string(got.l_linger) + "; ";
  }
  out += result_text(calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, &out, 4));
  calls.close(fd);
  return out;
}

std::string try_timeouts(Calls& calls, int type) {
  std::string out;
  for (const int name : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    const int fd = calls.socket(AF_INET, type, 0);
    for (const timeval wanted :
         {timeval{0, 0}, timeval{1, 500000}, timeval{0, 1000000}, timeval{0, -1}}) {
      const long set = calls.setsockopt(fd, SOL_SOCKET, name, &wanted, sizeof wanted);
      timeval got{-7, -7};
      socklen_t length = sizeof got;
      const long get = calls.getsockopt(fd, SOL_SOCKET, name, &got, &length);
      out += result_text(set) + ", " + result_text(get) + " " + std::to_string(got.tv_sec) + "." +
             std::to_string(got.tv_usec) + "; ";
    }
    out += result_text(calls.setsockopt(fd, SOL_SOCKET, name, &out, 8)) + "; ";
    calls.close(fd);
  }
  return out;
}

std::string try_congestion(Calls& calls, int type) {
  const int fd = calls.socket(AF_INET, type, 0);
  std::string out;
  for (const std::string name : {"reno", "cubic", "none such", ""}) {
    const long set = calls.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(),
                                      static_cast<socklen_t>(name.size()));
    char text[32] = {};
    socklen_t length = sizeof text;
    const long get = calls.getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, &length);
    out += result_text(set) + ", " + result_text(get) + " " + text + " length " +
           std::to_string(length) + "; ";
  }
  calls.close(fd);
  return out;
}

// None yet; one key or two, of any length that is none; short looks at what was set; while it
// listens.
std::string try_fast_open_key(Calls& calls, int type) {
  const int fd = calls.socket(AF_INET, type, 0);
  std::string out;
  unsigned char keys[48];
  for (unsigned i = 0; i < sizeof keys; ++i)
    keys[i] = static_cast<unsigned char>(i + 1);
  const auto get = [&](socklen_t room) {
    unsigned char bytes[64] = {};
    socklen_t length = room;
    out +=
        "get " + result_text(calls.getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, bytes, &length));
    out += " length " + std::to_string(length) + ":";
    for (socklen_t i = 0; i < length && i < sizeof bytes; ++i)
      out += " " + std::to_string(bytes[i]);
    out += "; ";
  };
  const auto set = [&](socklen_t length) {
    out += "set " + std::to_string(length) + " " +
           result_text(calls.setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, length)) + "; ";
  };
  get(64);
  for (const socklen_t length : {16u, 0u, 8u, 15u, 17u, 31u, 33u, 48u, 32u}) {
    set(length);
    if (length == 16 || length == 32) {
      for (const socklen_t room : {64u, 32u, 20u, 16u, 3u, 0u})
        get(room);
    }
  }
  out += "listen " + result_text(calls.listen(fd, 1)) + "; ";
  keys[0] = 99;
  set(16);
  get(64);
  calls.close(fd);
  return out;
}

// What bind and, without a port, connect take of a range of one port; bounds in the wrong order.
std::string try_port_range(Calls& calls, int type) {
  std::string out;
  const auto make = [&](std::uint32_t low, std::uint32_t high, int no_port) {
    const int fd = calls.socket(AF_INET, type | SOCK_NONBLOCK, 0);
    const std::uint32_t range = low | high << 16;
    out += result_text(calls.setsockopt(fd, IPPROTO_IP, kLocalPortRange, &range, sizeof range));
    calls.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &no_port, sizeof no_port);
    return fd;
  };
  const auto name = [&](int fd) {
    sockaddr_in at{};
    socklen_t length = sizeof at;
    calls.getsockname(fd, reinterpret_cast<sockaddr*>(&at), &length);
    const unsigned port = ntohs(at.sin_port);
    out += " port " + (port < 40000 || port > 40003 ? std::string("other") : std::to_string(port));
    if (port == 0) out += " none";
    out += "; ";
  };
  std::vector<int> all;
  for (const auto& [low, high] : {std::pair(40001u, 40000u),
                                  {40000u, 40000u},
                                  {40000u, 40000u},
                                  {40001u, 0u},
                                  {0u, 40003u},
                                  {1000u, 2000u},
                                  {0u, 0u}}) {
    all.push_back(make(low, high, 0));
    out += " bind " + result_text(bind_to(calls, all.back(), 0));
    if (low == high) name(all.back());
  }
  for (const std::uint16_t peer : {std::uint16_t{41000}, std::uint16_t{41001}}) {
    all.push_back(make(40002, 40002, 1));
    out += " bind " + result_text(bind_to(calls, all.back(), 0));
    name(all.back());
    if (type == SOCK_DGRAM && peer == 41001) continue;
    connect_to(calls, all.back(), peer);
    if (type == SOCK_DGRAM) name(all.back());
  }
  for (const int fd : all)
    calls.close(fd);
  calls.settle();
  return out;
}

// To a host and to a group by devices that there are not.
std::string try_packet_info(Calls& calls) {
  const int fd = calls.socket(AF_INET, SOCK_DGRAM, 0);
  std::string out;
  for (const std::uint32_t host : {0x7f000001u, 0xe0000001u}) {
    for (const int index : {9999, 70000, -1}) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_addr.s_addr = htonl(host);
      to.sin_port = htons(9);
      char byte = 'x';
      iovec part{&byte, 1};
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
      msghdr message{};
      message.msg_name = &to;
      message.msg_namelen = sizeof to;
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* const header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = IPPROTO_IP;
      header->cmsg_type = IP_PKTINFO;
      header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
      in_pktinfo info{};
      info.ipi_ifindex = index;
      std::memcpy(CMSG_DATA(header), &info, sizeof info);
      out += result_text(calls.sendmsg(fd, &message, 0)) + "; ";
    }
  }
  calls.close(fd);
  return out;
}

}  // namespace

std::vector<Case> option_cases() {
  std::vector<Case> out;
  out.push_back({"udp IP_PKTINFO of no device", try_packet_info});
  for (const int type : {+SOCK_STREAM, +SOCK_DGRAM}) {
    const std::string kind = type == SOCK_STREAM ? "tcp " : "udp ";
    for (const Option& option : kOptions) {
      out.push_back({kind + option.label + " values",
                     [type, &option](Calls& calls) { return try_values(calls, type, option); }});
      out.push_back({kind + option.label + " lengths",
                     [type, &option](Calls& calls) { return try_lengths(calls, type, option); }});
    }
    out.push_back({kind + "SO_LINGER", [type](Calls& c) { return try_linger(c, type); }});
    out.push_back({kind + "timeouts", [type](Calls& c) { return try_timeouts(c, type); }});
    out.push_back(
        {kind + "TCP_FASTOPEN_KEY", [type](Calls& c) { return try_fast_open_key(c, type); }});
    out.push_back({kind + "port range", [type](Calls& c) { return try_port_range(c, type); }});
    out.push_back({kind + "TCP_CONGESTION", [type](Calls& c) { return try_congestion(c, type); }});
  }
  return out;
}

}  // namespace linnet::differential
