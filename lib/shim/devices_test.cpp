// SPDX-License-Identifier: BSD-3-Clause
// Sockets that are bound to a device, or send by one, while the shorter way leads through another
// (Linux: flowi4_oif).
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <cerrno>

#include "shim/test_wire.hpp"
#include "support/tcp_frames.hpp"

namespace linnet::shim {
namespace {

using tests::Bytes;

// 198.51.100.0/24 lies behind tun1, everything else behind tun0.
class DevicesTest : public WireTest {
 protected:
  void SetUp() override {
    make(1);
    ASSERT_EQ(ln_embed_add_ip_port(stack_[0], "tun1", 1500), 1);
    ok("ip addr add 10.0.1.1/24 dev tun1");
    ok("ip route add default via 10.0.0.2");
    ok("ip route add 198.51.100.0/24 via 10.0.1.2");
  }
  void ok(const char* line) {
    EXPECT_EQ(ln_embed_command(stack_[0], line, nullptr, 0), 0) << line << ": " << ln_embed_error();
  }
  static int bind_to_device(int fd, const char* name) {
    return ln_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name,
                         static_cast<socklen_t>(std::strlen(name)));
  }
  static int send_by(int fd, int device) {
    const auto index = static_cast<int>(htonl(static_cast<std::uint32_t>(device)));
    return ln_setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &index, sizeof index);
  }
  static ssize_t send(int fd, const char* to, const Bytes& bytes) {
    const sockaddr_in name = name_of(to, 9);
    return ln_sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&name),
                     sizeof name);
  }
  // With IP_PKTINFO's device.
  static ssize_t send_told(int fd, const char* to, int device) {
    sockaddr_in name = name_of(to, 9);
    char byte = 'x';
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
    msghdr message{};
    message.msg_name = &name;
    message.msg_namelen = sizeof name;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info{};
    info.ipi_ifindex = device;
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
    return ln_sendmsg(fd, &message, 0);
  }
  // "tun1 10.0.1.1 > 198.51.100.7" for each packet that left.
  std::vector<std::string> left() {
    std::vector<std::string> out;
    Bytes bytes(2048);
    for (int port = 0; port < 2; ++port) {
      ssize_t length;
      while ((length = ln_embed_take(stack_[0], port, bytes.data(), bytes.size(), nullptr)) >= 0) {
        const auto packet =
            tests::parse_ip(Bytes(bytes.begin(), bytes.begin() + static_cast<long>(length)));
        if (!packet) return {"no IP packet"};
        out.push_back("tun" + std::to_string(port) + ' ' + packet->source.text() + " > " +
                      packet->destination.text());
      }
    }
    return out;
  }
  using Lines = std::vector<std::string>;
  // Linux's numbers: lo is 1.
  static constexpr int kTun0 = 2, kTun1 = 3;
};

TEST_F(DevicesTest, ADatagramOfABoundSocketLeavesByItsDevice) {
  const int fd = socket_on(0, SOCK_DGRAM);
  EXPECT_EQ(send(fd, "198.51.100.7", {1}), 1);
  EXPECT_EQ(left(), Lines{"tun1 10.0.1.1 > 198.51.100.7"});
  ASSERT_EQ(bind_to_device(fd, "tun0"), 0);
  EXPECT_EQ(send(fd, "198.51.100.7", {1}), 1);
  EXPECT_EQ(left(), Lines{"tun0 10.0.0.1 > 198.51.100.7"});
  // No route leads there by tun1, so it is taken to be on its link.
  ASSERT_EQ(bind_to_device(fd, "tun1"), 0);
  EXPECT_EQ(send(fd, "203.0.113.7", {1}), 1);
  EXPECT_EQ(left(), Lines{"tun1 10.0.1.1 > 203.0.113.7"});
  // Our own address is that of the other device.
  EXPECT_EQ(send(fd, "10.0.0.1", {1}), 1);
  EXPECT_EQ(left(), Lines{"tun1 10.0.1.1 > 10.0.0.1"});
  ASSERT_EQ(bind_to_device(fd, ""), 0);
  EXPECT_EQ(send(fd, "198.51.100.7", {1}), 1);
  EXPECT_EQ(left(), Lines{"tun1 10.0.1.1 > 198.51.100.7"});
}

TEST_F(DevicesTest, ADeviceThatIsDownLeadsNowhere) {
  const int fd = socket_on(0, SOCK_DGRAM);
  ASSERT_EQ(bind_to_device(fd, "tun1"), 0);
  ok("ip link set tun1 down");
  EXPECT_EQ(send(fd, "198.51.100.7", {1}), -1);
  EXPECT_EQ(errno, ENETUNREACH);
  EXPECT_EQ(connect_to(fd, "198.51.100.7", 9), -1);
  EXPECT_EQ(errno, ENETUNREACH);
}

TEST_F(DevicesTest, ADatagramLeavesByTheDeviceThatIsToldWithIt) {
  const int fd = socket_on(0, SOCK_DGRAM);
  EXPECT_EQ(send_told(fd, "198.51.100.7", kTun0), 1);
  EXPECT_EQ(left(), Lines{"tun0 10.0.0.1 > 198.51.100.7"});
  EXPECT_EQ(send(fd, "198.51.100.7", {1}), 1);
  EXPECT_EQ(left(), Lines{"tun1 10.0.1.1 > 198.51.100.7"});
  // Linux: ip_cmsg_send goes before SO_BINDTODEVICE.
  ASSERT_EQ(bind_to_device(fd, "tun1"), 0);
  EXPECT_EQ(send_told(fd, "198.51.100.7", kTun0), 1);
  EXPECT_EQ(left(), Lines{"tun0 10.0.0.1 > 198.51.100.7"});
}

TEST_F(DevicesTest, UnicastIfSaysByWhichDeviceWhereNothingElseDoes) {
  const int fd = socket_on(0, SOCK_DGRAM);
  EXPECT_EQ(send_by(fd, 9), -1);
  EXPECT_EQ(errno, EADDRNOTAVAIL);
  ASSERT_EQ(send_by(fd, kTun0), 0);
  int index = 0;
  socklen_t length = sizeof index;
  ASSERT_EQ(ln_getsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &index, &length), 0);
  EXPECT_EQ(ntohl(static_cast<std::uint32_t>(index)), std::uint32_t{kTun0});
  EXPECT_EQ(send(fd, "198.51.100.7", {1}), 1);
  EXPECT_EQ(left(), Lines{"tun0 10.0.0.1 > 198.51.100.7"});
  EXPECT_EQ(send_told(fd, "198.51.100.7", kTun1), 1);
  EXPECT_EQ(left(), Lines{"tun1 10.0.1.1 > 198.51.100.7"});
  const int connected = socket_on(0, SOCK_DGRAM);
  ASSERT_EQ(send_by(connected, kTun0), 0);
  ASSERT_EQ(connect_to(connected, "198.51.100.7", 9), 0);
  EXPECT_EQ(ln_send(connected, "x", 1, 0), 1);
  EXPECT_EQ(left(), Lines{"tun0 10.0.0.1 > 198.51.100.7"});
  ASSERT_EQ(send_by(fd, 0), 0);
  EXPECT_EQ(send(fd, "198.51.100.7", {1}), 1);
  EXPECT_EQ(left(), Lines{"tun1 10.0.1.1 > 198.51.100.7"});
  ASSERT_EQ(bind_to_device(fd, "tun1"), 0);
  EXPECT_EQ(send_by(fd, kTun0), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(DevicesTest, APingSocketGoesByItsDevice) {
  const int ping = socket_on(0, SOCK_DGRAM, IPPROTO_ICMP);
  ASSERT_EQ(bind_to_device(ping, "tun0"), 0);
  EXPECT_EQ(send(ping, "198.51.100.7", {ICMP_ECHO, 0, 0, 0, 0, 0, 0, 0}), 8);
  EXPECT_EQ(left(), Lines{"tun0 10.0.0.1 > 198.51.100.7"});
}

// Two connections to one address, so that a remembered way could be taken for the other's.
TEST_F(DevicesTest, AConnectionOfABoundSocketLeavesByItsDevice) {
  const int unbound = socket_on(0);
  EXPECT_EQ(connect_to(unbound, "198.51.100.7", 9), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  EXPECT_EQ(left(), Lines{"tun1 10.0.1.1 > 198.51.100.7"});
  const int bound = socket_on(0);
  ASSERT_EQ(bind_to_device(bound, "tun0"), 0);
  ASSERT_EQ(bind_to(bound, "10.0.1.1", 0), 0);
  EXPECT_EQ(connect_to(bound, "198.51.100.7", 9), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  EXPECT_EQ(left(), Lines{"tun0 10.0.1.1 > 198.51.100.7"});
  // The SYNs again, after a second.
  ln_embed_advance(stack_[0], 1'100 * kMillisecond);
  EXPECT_EQ(left(), (Lines{"tun0 10.0.1.1 > 198.51.100.7", "tun1 10.0.1.1 > 198.51.100.7"}));
}

TEST_F(DevicesTest, AListenerThatIsBoundAnswersByItsDevice) {
  const int listener = socket_on(0);
  ASSERT_EQ(bind_to_device(listener, "tun0"), 0);
  ASSERT_EQ(bind_to(listener, "0.0.0.0", 80), 0);
  ASSERT_EQ(ln_listen(listener, 8), 0);
  const auto segment = [&](std::uint8_t flags) {
    tests::Ip ip;
    ip.source = tests::ip("198.51.100.7");
    ip.destination = tests::ip("10.0.0.1");
    ip.protocol = 6;
    const tests::TcpFrame tcp{.seq = 1000, .ack = 5, .flags = flags};
    return ip.with(tcp.with({}, ip.source, ip.destination));
  };
  const Bytes syn = segment(0x02), stray = segment(0x10);
  // What is no connection's is answered with a RST.
  ASSERT_EQ(ln_embed_inject(stack_[0], 0, stray.data(), stray.size()), 0);
  EXPECT_EQ(left(), Lines{"tun0 10.0.0.1 > 198.51.100.7"});
  ASSERT_EQ(ln_embed_inject(stack_[0], 0, syn.data(), syn.size()), 0);
  EXPECT_EQ(left(), Lines{"tun0 10.0.0.1 > 198.51.100.7"});
  // The SYN-ACK again, from the half-open entry's timer.
  ln_embed_advance(stack_[0], 1'100 * kMillisecond);
  EXPECT_EQ(left(), Lines{"tun0 10.0.0.1 > 198.51.100.7"});
}

}  // namespace
}  // namespace linnet::shim
