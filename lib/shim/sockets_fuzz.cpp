// SPDX-License-Identifier: BSD-3-Clause
// Socket calls x packets: any calls with any arguments, and packets (TCP, UDP, ICMP errors, bytes)
// whose ports and numbers follow what the stack sent. Afterwards all sockets are closed, and with
// time everything must be back.
//   Input: records of an operation and what it asks for.
#include <linnet/embed.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <array>
#include <cstring>
#include <deque>

#include "base/checksum.hpp"
#include "shim/embed.hpp"
#include "support/fuzz_input.hpp"
#include "support/fuzz_stack.hpp"
#include "wire/icmp.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace {

using namespace linnet;

constexpr std::uint32_t kUs = 0xc0000201, kPeer = 0xc0000202;
constexpr std::uint16_t kPorts[] = {80, 81, 7, 0};
using Bytes = std::vector<std::uint8_t>;
using tests::FuzzInput;

template <typename T>
void put(Bytes& out, const T& header) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&header);
  out.insert(out.end(), bytes, bytes + sizeof header);
}

class World {
 public:
  void run(FuzzInput& input) {
    while (input.left() > 0) {
      const std::uint8_t what = input.byte();
      if (what < 110)
        packet(input, what);
      else if (what < 245)
        call(input, what);
      else
        ln_embed_advance(stack_,
                         (what % 2 == 0 ? 1'000'000 : 100'000'000) * std::int64_t{input.byte()});
      collect();
    }
  }

  void finish() {
    for (const int fd : fds_)
      ln_close(fd);
    fds_.clear();
    stack_->stack().sockets().tcp_settings.tcp_fastopen = 0;
    // An hour is more than any orphan, TIME-WAIT or half-open entry may take.
    for (unsigned i = 0; i < 360; ++i) {
      ln_embed_advance(stack_, 10'000'000'000);
      collect();
    }
    sent_.clear();
    tests::check_at_rest(stack_, 0);
  }

 private:
  // --- Packets.
  void inject(const Bytes& bytes) {
    packet::Packet frame = stack_->stack().pool().allocate();
    if (!frame) return;
    const auto count = std::min<std::size_t>(bytes.size(), frame.tailroom());
    if (count != 0) std::memcpy(frame.put(static_cast<std::uint32_t>(count)), bytes.data(), count);
    tests::expose_only_data(frame.mbuf());
    stack_->port(0)->inject(std::move(frame));
    stack_->settle();
  }

  // Keeps the head of what was sent: answers are made of it.
  void collect() {
    Bytes bytes(2048);
    for (ssize_t length;
         (length = ln_embed_take(stack_, 0, bytes.data(), bytes.size(), nullptr)) >= 0;) {
      LINNET_CHECK_OP(length, <=, 1500);
      sent_.emplace_front(bytes.begin(), bytes.begin() + std::min<ssize_t>(length, 80));
      lengths_.push_front(static_cast<std::uint32_t>(length));
      if (sent_.size() <= 8) continue;
      sent_.pop_back();
      lengths_.pop_back();
    }
  }

  static void finish_ip(Bytes& packet, std::uint8_t protocol, unsigned checksum_at) {
    auto& ip = *reinterpret_cast<wire::Ipv4Header*>(packet.data());
    ip.set_header_length(20);
    ip.total_length = be16(static_cast<std::uint16_t>(packet.size()));
    ip.ttl = 64;
    ip.protocol = protocol;
    ip.source = Ipv4Address::from_host(kPeer);
    ip.destination = Ipv4Address::from_host(kUs);
    ip.checksum = be16();
    ip.checksum = internet_checksum(std::as_bytes(std::span(packet)).first(20));
    if (checksum_at == 0) return;
    const auto length = static_cast<std::uint16_t>(packet.size() - 20);
    Bytes pseudo;
    if (protocol != wire::protocol::kIcmp) {
      put(pseudo, ip.source);
      put(pseudo, ip.destination);
      put(pseudo, be16(protocol));
      put(pseudo, be16(length));
    }
    pseudo.insert(pseudo.end(), packet.begin() + 20, packet.end());
    const be16 sum = internet_checksum(std::as_bytes(std::span(pseudo)));
    std::memcpy(packet.data() + 20 + checksum_at, &sum, sizeof sum);
  }

  void packet(FuzzInput& input, std::uint8_t what) {
    switch (what % 11) {
      case 8:
        return datagram(input);
      case 9:
        return error(input);
      case 10: {
        Bytes bytes = input.bytes(input.byte());
        if (bytes.size() >= 20 && (what & 16) != 0) finish_ip(bytes, bytes[9], 0);
        return inject(bytes);
      }
      default:
        return segment(input, what);
    }
  }

  // An answer to something that was sent, or a SYN to a port.
  void segment(FuzzInput& input, std::uint8_t what) {
    static constexpr std::uint8_t kFlags[] = {16, 16, 24, 18, 2, 17, 4, 20, 25, 48, 194, 1};
    const std::uint8_t how = input.byte();
    wire::TcpHeader header{};
    header.flags = (how & 128) != 0 ? input.byte() : kFlags[how % std::size(kFlags)];
    header.window = be16((what & 1) != 0 ? input.word() : 65535);
    header.source_port = be16(static_cast<std::uint16_t>(4000 + how % 4));
    header.destination_port = be16(kPorts[how >> 2 & 3]);
    header.sequence = be32(0xfffffff0u);
    const unsigned which = what / 11;
    if (which < sent_.size() && sent_[which].size() >= 40 &&
        sent_[which][9] == wire::protocol::kTcp) {
      wire::TcpHeader other;
      std::memcpy(&other, sent_[which].data() + 20, sizeof other);
      header.source_port = other.destination_port;
      header.destination_port = other.source_port;
      const std::uint32_t taken =
          lengths_[which] - 20 - other.header_length() + (other.flags & 1) + (other.flags >> 1 & 1);
      header.sequence = other.acknowledgment;
      header.acknowledgment = be32(other.sequence.host() + taken);
    }
    if ((what & 2) != 0) header.sequence = be32(header.sequence.host() + input.word() - 1000);
    if ((what & 4) != 0)
      header.acknowledgment = be32(header.acknowledgment.host() + input.byte() - 100);
    Bytes options = (what & 8) != 0 ? input.bytes(input.byte() % 41) : Bytes();
    options.resize((options.size() + 3) / 4 * 4, 1);
    header.set_header_length(static_cast<unsigned>(20 + options.size()));
    Bytes packet(20);
    put(packet, header);
    packet.insert(packet.end(), options.begin(), options.end());
    packet.insert(packet.end(), (how & 64) != 0 ? input.word() % 1400 : 0, 'x');
    finish_ip(packet, wire::protocol::kTcp, (what & 64) != 0 && how == 255 ? 0 : 16);
    inject(packet);
  }

  void datagram(FuzzInput& input) {
    const std::uint8_t how = input.byte();
    wire::UdpHeader header{};
    header.source_port = be16(how & 1 ? 4000 : input.word());
    header.destination_port = be16(kPorts[how >> 1 & 3]);
    const std::uint16_t count = input.word() % 1400;
    header.length = be16((how & 8) != 0 ? input.word() : static_cast<std::uint16_t>(8 + count));
    Bytes packet(20);
    put(packet, header);
    packet.insert(packet.end(), count, 'u');
    finish_ip(packet, wire::protocol::kUdp, (how & 16) != 0 ? 0 : 6);
    inject(packet);
  }

  void error(FuzzInput& input) {
    const std::uint8_t how = input.byte();
    wire::IcmpHeader header{};
    header.type = how & 1 ? 3 : input.byte();
    header.code = static_cast<std::uint8_t>(how >> 1 & 15);
    header.rest = be32(input.word());
    Bytes packet(20);
    put(packet, header);
    if (const unsigned which = how >> 5; which < sent_.size())
      packet.insert(packet.end(), sent_[which].begin(), sent_[which].end());
    finish_ip(packet, wire::protocol::kIcmp, 2);
    inject(packet);
  }

  // --- Calls.
  int fd(FuzzInput& input) const {
    const std::uint8_t which = input.byte();
    return which < fds_.size() ? fds_[which] : fds_.empty() ? -1 : fds_[which % fds_.size()];
  }
  void keep(int fd) {
    if (fd < 0) return;
    if (fds_.size() < 16)
      fds_.push_back(fd);
    else
      ln_close(fd);
  }
  static sockaddr_in name(FuzzInput& input) {
    const std::uint8_t how = input.byte();
    static constexpr std::uint32_t kHosts[] = {kPeer,      kUs,        0,          0x7f000001,
                                               0xffffffff, 0xe0000001, 0xc0000205, 0x08080808};
    sockaddr_in out{};
    out.sin_family = (how & 128) != 0 ? AF_UNSPEC : AF_INET;
    out.sin_addr.s_addr = htonl(kHosts[how & 7]);
    out.sin_port = htons(kPorts[how >> 3 & 3]);
    return out;
  }

  void call(FuzzInput& input, std::uint8_t what) {
    switch (what % 15) {
      case 0: {
        static constexpr int kTypes[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_STREAM, SOCK_DGRAM};
        const std::uint8_t how = input.byte();
        return keep(ln_socket(AF_INET, kTypes[how & 3] | SOCK_NONBLOCK,
                              (how & 31) == 31 ? IPPROTO_ICMP : 0));
      }
      case 1: {
        const int socket = fd(input);
        const sockaddr_in address = name(input);
        ln_bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
        return;
      }
      case 2:
        ln_listen(fd(input), static_cast<std::int8_t>(input.byte()));
        return;
      case 3:
        return keep(ln_accept4(fd(input), nullptr, nullptr, SOCK_NONBLOCK));
      case 4: {
        const int socket = fd(input);
        const sockaddr_in address = name(input);
        ln_connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
        return;
      }
      case 5:
        return send(input);
      case 6:
        return receive(input);
      case 7:
        ln_shutdown(fd(input), input.byte() % 4);
        return;
      case 8:
        return close(input);
      case 9:
        return set_option(input, what);
      case 10:
        return get_option(input);
      case 11:
        return wait(input);
      case 12:
        return keep(ln_dup(fd(input)));
      case 13: {
        int answer = 0;
        static constexpr unsigned long kRequests[] = {FIONREAD, TIOCOUTQ, FIONBIO, 0x8905};
        const int socket = fd(input);
        ln_ioctl(socket, kRequests[input.byte() % 4], &answer);
        return;
      }
      default:
        return borrow(input);
    }
  }

  void send(FuzzInput& input) {
    static const Bytes kText(65536, 's');
    const int socket = fd(input);
    const std::uint8_t how = input.byte();
    const std::size_t count = (how & 1) != 0 ? input.word() : how;
    const int flags = MSG_NOSIGNAL | ((how & 2) != 0 ? MSG_MORE : 0) |
                      ((how & 12) == 12 ? MSG_OOB : 0) | ((how & 48) == 48 ? MSG_FASTOPEN : 0);
    if ((how & 16) == 0) {
      ln_send(socket, kText.data(), count, flags);
      return;
    }
    const sockaddr_in address = name(input);
    ln_sendto(socket, kText.data(), count, flags, reinterpret_cast<const sockaddr*>(&address),
              sizeof address);
  }

  void receive(FuzzInput& input) {
    static Bytes room(65536);
    const int socket = fd(input);
    const std::uint8_t how = input.byte();
    const int flags = ((how & 1) != 0 ? MSG_PEEK : 0) | ((how & 2) != 0 ? MSG_TRUNC : 0) |
                      ((how & 12) == 12 ? MSG_OOB : 0) | ((how & 48) == 48 ? MSG_ERRQUEUE : 0) |
                      ((how & 64) != 0 ? MSG_WAITALL : 0);
    iovec part{room.data(), (how & 128) != 0 ? room.size() : input.byte()};
    char control[256];
    sockaddr_in from{};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ln_recvmsg(socket, &message, flags);
  }

  void close(FuzzInput& input) {
    if (fds_.empty()) return;
    const std::size_t which = input.byte() % fds_.size();
    ln_close(fds_[which]);
    fds_.erase(fds_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  // As the control core may at any time; the bits that let data in without a cookie among them.
  void set_fast_open(FuzzInput& input) {
    const std::uint32_t bits = input.byte();
    stack_->stack().sockets().tcp_settings.tcp_fastopen = (bits & 15) | (bits >> 4) << 8;
  }

  void set_option(FuzzInput& input, std::uint8_t what) {
    static constexpr std::pair<int, int> kOptions[] = {{SOL_SOCKET, SO_RCVBUF},
                                                       {SOL_SOCKET, SO_SNDBUF},
                                                       {SOL_SOCKET, SO_LINGER},
                                                       {SOL_SOCKET, SO_KEEPALIVE},
                                                       {SOL_SOCKET, SO_OOBINLINE},
                                                       {SOL_SOCKET, SO_REUSEADDR},
                                                       {SOL_SOCKET, SO_REUSEPORT},
                                                       {SOL_SOCKET, SO_BROADCAST},
                                                       {SOL_SOCKET, SO_RCVLOWAT},
                                                       {IPPROTO_TCP, TCP_NODELAY},
                                                       {IPPROTO_TCP, TCP_CORK},
                                                       {IPPROTO_TCP, TCP_MAXSEG},
                                                       {IPPROTO_TCP, TCP_KEEPIDLE},
                                                       {IPPROTO_TCP, TCP_USER_TIMEOUT},
                                                       {IPPROTO_TCP, TCP_LINGER2},
                                                       {IPPROTO_TCP, TCP_WINDOW_CLAMP},
                                                       {IPPROTO_TCP, TCP_QUICKACK},
                                                       {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
                                                       {IPPROTO_IP, IP_RECVERR},
                                                       {IPPROTO_IP, IP_TTL},
                                                       {IPPROTO_IP, IP_TOS},
                                                       {IPPROTO_IP, IP_MTU_DISCOVER},
                                                       {IPPROTO_IP, IP_PKTINFO},
                                                       {SOL_SOCKET, SO_MAX_PACING_RATE},
                                                       {IPPROTO_TCP, TCP_FASTOPEN},
                                                       {IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
                                                       {IPPROTO_TCP, TCP_FASTOPEN_KEY},
                                                       {IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE}};
    if (what >= 219) return set_fast_open(input);
    const int socket = fd(input);
    const std::uint8_t which = input.byte();
    Bytes value = input.bytes(input.byte() % 17);
    int level = which, option = value.empty() ? 0 : value[0];
    if (which < std::size(kOptions)) std::tie(level, option) = kOptions[which];
    ln_setsockopt(socket, level, option, value.data(), static_cast<socklen_t>(value.size()));
  }

  void get_option(FuzzInput& input) {
    static constexpr int kLevels[] = {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, 255};
    const int socket = fd(input);
    const std::uint8_t level = input.byte() % 4, option = input.byte() % 64;
    char value[512];
    socklen_t length = input.byte() * 2u;
    ln_getsockopt(socket, kLevels[level], option, value, &length);
    LINNET_CHECK_OP(length, <=, 510u);
  }

  void wait(FuzzInput& input) {
    const std::uint8_t how = input.byte();
    if ((how & 3) == 0) return keep(ln_epoll_create1(0));
    if ((how & 3) == 1) {
      epoll_event event{};
      event.events = input.word() | (how & 64 ? EPOLLET : 0u) | (how & 128 ? EPOLLONESHOT : 0u);
      const int set = fd(input);
      ln_epoll_ctl(set, 1 + (how >> 2) % 4, fd(input), &event);
      return;
    }
    if ((how & 3) == 2) {
      epoll_event events[4];
      ln_epoll_wait(fd(input), events, 1 + how % 4, 0);
      return;
    }
    pollfd all[16];
    nfds_t count = 0;
    for (const int one : fds_)
      all[count++] = {.fd = one, .events = POLLIN | POLLOUT | POLLPRI, .revents = 0};
    ln_poll(all, count, 0);
  }

  void borrow(FuzzInput& input) {
    const std::uint8_t how = input.byte();
    const int socket = fd(input);
    std::array<ln_buffer, 4> buffers{};
    if ((how & 1) != 0) {
      const int count = ln_recv_borrow(socket, buffers.data(), 1 + how % 4, MSG_DONTWAIT);
      if (count > 0) ln_recv_return(socket, buffers.data(), count);
      return;
    }
    if (ln_send_buffer_get(socket, buffers.data()) != 0) return;
    buffers[0].length = std::min<std::size_t>(buffers[0].length, input.word());
    if ((how & 2) != 0 ||
        ln_send_buffer(socket, buffers.data(), 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
      ln_send_buffer_drop(socket, buffers.data(), 1);
  }

  ln_stack* const stack_ = tests::make_fuzz_stack();
  std::vector<int> fds_;
  std::deque<Bytes> sent_;
  std::deque<std::uint32_t> lengths_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World* const world = new World;
  FuzzInput input(data, size);
  world->run(input);
  world->finish();
  return 0;
}
