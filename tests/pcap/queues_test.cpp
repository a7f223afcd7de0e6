// SPDX-License-Identifier: BSD-3-Clause
// Captures on several queues of one net_pcap port (`rx_pcap` given several times), in virtual time:
// frames that come to the lane that owns their flow, to another one, or to any, are answered alike,
// byte for byte and flow by flow. Only the count of hand-overs tells them apart.
#include <gtest/gtest.h>
#include <linnet/socket.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <fstream>
#include <iterator>
#include <map>

#include "device/port.hpp"
#include "shim/current.hpp"
#include "shim/program.hpp"
#include "shim/stack_host.hpp"
#include "socket/flow.hpp"
#include "stack/lane_state.hpp"
#include "stack/stack.hpp"
#include "support/frames.hpp"
#include "support/tcp_frames.hpp"

namespace linnet::tests {
namespace {

// Where frames come to: their owner's queue, the one after it, each to the next, all to the first
// of as many, or to the only one that the port has.
enum class Queues { Right, Wrong, Any, First, Single };

constexpr unsigned kFlows = 256;  // of TCP and of UDP
constexpr unsigned kLong = 64;    // of UDP in fragments
constexpr unsigned kUdpRounds = 5;
const Ipv4Address kOurs(10, 0, 0, 1);
const MacAddress kOurMac = mac(1), kTheirMac = mac(2);

// Who speaks: each flow has an address of its own.
enum Kind : std::uint8_t { kTcp, kUdp, kFragments };
Ipv4Address peer(Kind kind, unsigned flow) {
  return Ipv4Address(172, 16, kind, static_cast<std::uint8_t>(flow));
}

Bytes words(Kind kind, unsigned flow, unsigned round = 0) {
  return pattern(kind == kFragments ? 2000 : 40 + flow % 64, flow * 8 + round);
}

struct Outcome {
  std::map<std::uint32_t, std::vector<Bytes>> sent;  // datagrams by receiver, without IP's ID
  std::map<std::string, std::uint64_t> dropped;      // by reason
  std::uint64_t handovers = 0, received = 0;
};

// Gives lanes their turns between calls, never within one.
class TurnsHost final : public shim::StackHost {
 public:
  using StackHost::StackHost;
  time::Instant now() override { return time::Instant::from_ns(1'000'000'000); }
  bool drive() override { return setting_up && turns(); }
  bool drive_at_once() override { return false; }
  bool may_sleep() override { return false; }
  Slept sleep(std::span<pollfd>, time::Instant, const sigset_t*) override {
    return Slept::TimedOut;
  }
  bool turns() {
    bool any = false;
    for (unsigned i = 0; i < stack_.lanes(); ++i) {
      any |= stack_.lane(i).turn(now());
      stack_.lane(i).after_turn();
    }
    return any;
  }
  bool setting_up = true;
};

// An echo server, called between turns.
class Echo {
 public:
  Echo() {
    udp_ = bound(SOCK_DGRAM, 7);
    const int large = 200'000;
    EXPECT_EQ(ln_setsockopt(udp_, SOL_SOCKET, SO_RCVBUF, &large, sizeof large), 0);
    listener_ = bound(SOCK_STREAM, 80);
    EXPECT_EQ(ln_listen(listener_, 2 * kFlows), 0);
  }
  // True: it did something.
  bool look() {
    bool any = false;
    sockaddr_in from{};
    socklen_t length = sizeof from;
    auto* const name = reinterpret_cast<sockaddr*>(&from);
    for (ssize_t count = 0;
         (count = ln_recvfrom(udp_, piece_.data(), piece_.size(), MSG_DONTWAIT, name, &length)) > 0;
         any = true)
      EXPECT_EQ(ln_sendto(udp_, piece_.data(), static_cast<std::size_t>(count), 0, name, length),
                count);
    for (int fd = 0; (fd = ln_accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0; any = true)
      open_.push_back(fd);
    for (int& fd : open_) {
      if (fd < 0) continue;
      const ssize_t count = ln_recv(fd, piece_.data(), piece_.size(), MSG_DONTWAIT);
      if (count < 0) continue;
      any = true;
      if (count > 0) {
        EXPECT_EQ(ln_send(fd, piece_.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL), count);
      } else {
        ln_close(std::exchange(fd, -1));
      }
    }
    return any;
  }

 private:
  static int bound(int type, std::uint16_t port) {
    const int fd = ln_socket(AF_INET, type | SOCK_NONBLOCK, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    EXPECT_EQ(ln_bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    return fd;
  }
  int udp_ = -1, listener_ = -1;
  std::vector<int> open_;
  std::array<char, 8192> piece_{};
};

// A frame, and the lane that owns it.
struct Placed {
  Bytes frame;
  std::uint32_t hash;
};

class Script {
 public:
  explicit Script(const socket::FlowHash& hash) : hash_(hash) {}

  // What peers send; without initial sequence numbers of ours only their SYNs.
  std::vector<Placed> frames(const std::map<std::uint32_t, std::uint32_t>& ours) {
    tcp(2, 1000, {}, {});
    udp(0);
    if (!ours.empty()) tcp(0x18, 1001, ours, words);
    // So many that whatever the data lead to is done before the ends of streams come.
    for (unsigned round = 1; round < kUdpRounds; ++round)
      udp(round);
    fragments();
    if (!ours.empty()) tcp(0x11, 1001, ours, {});
    return std::move(out_);
  }

 private:
  static Bytes framed(const Bytes& datagram) {
    Bytes frame = Ether{.destination = kOurMac, .source = kTheirMac}.with(datagram);
    frame.resize(std::max<std::size_t>(frame.size(), 60));
    return frame;
  }
  void tcp(std::uint8_t flags, std::uint32_t seq,
           const std::map<std::uint32_t, std::uint32_t>& ours,
           Bytes (*payload)(Kind, unsigned, unsigned)) {
    for (unsigned i = 0; i < kFlows; ++i) {
      const Ipv4Address from = peer(kTcp, i);
      TcpFrame segment{.seq = seq, .flags = flags};
      // The end of a stream stands after its words.
      if ((flags & 1) != 0) segment.seq += static_cast<std::uint32_t>(words(kTcp, i).size());
      if (!ours.empty()) segment.ack = ours.at(from.host()) + 1;
      const Bytes data = payload == nullptr ? Bytes() : payload(kTcp, i, 0);
      out_.push_back({framed(Ip{.source = from, .destination = kOurs, .protocol = 6}.with(
                          segment.with(data, from, kOurs))),
                      hash_.of({kOurs, from, 80, 40000}, 6)});
    }
  }
  void udp(unsigned round) {
    for (unsigned i = 0; i < kFlows; ++i) {
      const Ipv4Address from = peer(kUdp, i);
      out_.push_back({framed(udp_datagram({.source = from, .destination = kOurs},
                                          {.destination_port = 7}, words(kUdp, i, round))),
                      hash_.of({kOurs, from, 7, 40000}, 17)});
    }
  }
  void fragments() {
    for (unsigned i = 0; i < kLong; ++i) {
      const Ipv4Address from = peer(kFragments, i);
      const Ip header{.source = from, .destination = kOurs, .id = static_cast<std::uint16_t>(i)};
      const Bytes whole = Udp{.destination_port = 7}.with(words(kFragments, i), from, kOurs);
      for (const Bytes& piece : header.cut(whole, 1024))
        out_.push_back({framed(piece), hash_.of_fragments(from, kOurs, header.id, 17)});
    }
  }

  const socket::FlowHash& hash_;
  std::vector<Placed> out_;
};

std::string file_of(const char* which, unsigned queue) {
  return testing::TempDir() + "linnet-queues-" + std::to_string(::getpid()) + '-' + which + '-' +
         std::to_string(queue) + ".pcap";
}

void write_capture(const std::string& path, const std::vector<Bytes>& frames) {
  std::ofstream file(path, std::ios::binary);
  const auto put = [&](std::initializer_list<std::uint32_t> numbers) {
    for (const std::uint32_t number : numbers)
      file.write(reinterpret_cast<const char*>(&number), sizeof number);
  };
  put({0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1});
  for (const Bytes& frame : frames) {
    const auto length = static_cast<std::uint32_t>(frame.size());
    put({0, 0, length, length});
    file.write(reinterpret_cast<const char*>(frame.data()), static_cast<std::streamsize>(length));
  }
}

std::vector<Bytes> read_capture(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const Bytes all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::vector<Bytes> frames;
  for (std::size_t at = 24; at + 16 <= all.size();) {
    std::uint32_t length = 0;
    std::memcpy(&length, all.data() + at + 8, sizeof length);
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(at + 16);
    frames.emplace_back(begin, begin + length);
    at += 16 + length;
  }
  return frames;
}

class Replay {
 public:
  Replay(unsigned lanes, Queues queues) : queues_(queues == Queues::Single ? 1 : lanes) {
    static unsigned serial = 0;
    stack::Options options;
    options.lanes = lanes;
    options.pool.name = "queues" + std::to_string(serial++);
    options.pool.packets = 8192;
    options.pool.cache = 0;
    options.burst = 16 / lanes;  // what comes in a turn of all lanes fits into the socket's buffer
    options.seed = 7;            // the same keys in every run
    options.origin = time::Instant::from_ns(1'000'000'000);
    stack_ = std::move(stack::Stack::create(options)).value();
    placement_ = queues;
  }
  ~Replay() {
    for (unsigned i = 0; i < queues_; ++i) {
      std::remove(file_of("in", i).c_str());
      std::remove(file_of("out", i).c_str());
    }
  }

  Outcome operator()(const std::map<std::uint32_t, std::uint32_t>& ours) {
    const socket::FlowHash& hash = stack_->sockets().flow_hash;
    const std::vector<Placed> frames = Script(hash).frames(ours);
    place(frames);
    add_port();
    Outcome out;
    serve(out);
    for (unsigned i = 0; i < stack_->lanes(); ++i)
      out.handovers += stack_->lane(i).state().sockets.handovers();
    const stack::Account account = stack_->account();
    EXPECT_TRUE(account.balanced());
    out.received = account.received;
    EXPECT_EQ(out.received, frames.size());
    stack_
        .reset();  // ends the port, which writes what is left; and checks that all packets are back
    for (unsigned i = 0; i < queues_; ++i) {
      std::vector<Bytes> frames_sent = read_capture(file_of("out", i));
      EXPECT_GE(frames_sent.size(), sent_[i]);
      frames_sent.resize(sent_[i]);
      for (const Bytes& frame : frames_sent)
        note(out, frame);
    }
    return out;
  }

 private:
  void place(const std::vector<Placed>& frames) {
    std::vector<std::vector<Bytes>> files(queues_);
    unsigned next = 0;
    for (const Placed& one : frames) {
      const unsigned owner = stack_->sockets().flow_hash.owner(one.hash);
      const unsigned at[] = {owner, owner + 1, next++, 0, 0};
      files[at[static_cast<unsigned>(placement_)] % queues_].push_back(one.frame);
    }
    for (unsigned i = 0; i < queues_; ++i)
      write_capture(file_of("in", i), files[i]);
  }
  void add_port() {
    static unsigned serial = 0;
    device::PortOptions options;
    options.name = "eth0";
    options.lanes = stack_->lanes();
    options.pool = &stack_->pool();
    options.mac = kOurMac;
    options.devargs = "net_pcap_queues" + std::to_string(serial++);
    for (unsigned i = 0; i < queues_; ++i)
      options.devargs += ",rx_pcap=" + file_of("in", i) + ",tx_pcap=" + file_of("out", i);
    device::Device& port =
        *stack_->add_device(std::move(device::Port::create(options)).value()).value();
    EXPECT_EQ(port.spreading().queues, queues_);
    ASSERT_TRUE(stack_->add_address(port, {.interface = interface_of("10.0.0.1/24")}).ok());
    const Ipv4Address gateway(10, 0, 0, 2);
    ASSERT_TRUE(stack_->neighbours()
                    .change({.device = port.index(),
                             .address = gateway,
                             .mac = kTheirMac,
                             .state = neigh::Nud::Permanent},
                            neigh::System::Change::Replace)
                    .ok());
    port_ = &port;
  }
  void serve(Outcome& out) {
    TurnsHost host(*stack_);
    auto program = std::move(shim::Program::create(host.parts())).value();
    shim::choose_for_thread(program);
    {
      Echo echo;
      while (host.turns()) {
      }
      host.setting_up = false;
      ASSERT_TRUE(stack_->set_link(*port_, true).ok());
      route::RouteSpec spec;
      spec.prefix = net("0.0.0.0/0");
      spec.hops.push_back({.gateway = Ipv4Address(10, 0, 0, 2)});
      ASSERT_TRUE(stack_->routes().add(spec).ok());
      for (unsigned idle = 0; idle < 4;)
        idle = host.turns() | echo.look() ? 0 : idle + 1;
    }
    for (const auto& [reason, text] : stack::all_drop_reasons()) {
      if (stack_->dropped(reason) != 0) out.dropped[text.name] = stack_->dropped(reason);
    }
    for (unsigned lane = 0; lane < stack_->lanes(); ++lane)
      sent_[lane % queues_] += port_->counters(lane).tx_packets.value();
    // What comes now are resets: the last acknowledgement never came.
    program->end();
    while (host.turns()) {
    }
    stack_->control_turn(host.now());
  }
  static void note(Outcome& out, const Bytes& frame) {
    const FrameSeen seen = parse_frame(frame);
    if (!seen.ip) return;  // our own announcements
    EXPECT_EQ(fault_of(seen, 1500, true), "");
    Bytes datagram = seen.ip->bytes;
    datagram[4] = datagram[5] = datagram[10] = datagram[11] = 0;  // the ID, and what sums it
    out.sent[seen.ip->destination.host()].push_back(std::move(datagram));
  }

  const unsigned queues_;
  Queues placement_ = Queues::Right;
  std::unique_ptr<stack::Stack> stack_;
  device::Device* port_ = nullptr;
  std::array<std::size_t, device::kMaxQueues> sent_{};  // by the time that all was answered
};

// Our initial sequence numbers, by peer.
std::map<std::uint32_t, std::uint32_t> learn(unsigned lanes) {
  std::map<std::uint32_t, std::uint32_t> out;
  for (const auto& [to, datagrams] : Replay(lanes, Queues::Right)({}).sent) {
    if (to >> 8 != peer(kTcp, 0).host() >> 8) continue;
    const auto segment = parse_tcp(*parse_ip(datagrams.front()));
    if (segment) out[to] = segment->seq;
  }
  return out;
}

class QueuesTest : public testing::TestWithParam<unsigned> {};

// The answers are those that were to come, in the run that others are measured by.
void expect_answers(const Outcome& outcome) {
  // A SYN that became a half-open entry; nothing else was dropped.
  EXPECT_EQ(outcome.dropped,
            (std::map<std::string, std::uint64_t>{{"socket.TcpHalfOpen", kFlows}}));
  for (unsigned i = 0; i < kFlows; ++i) {
    Bytes said;
    unsigned flags = 0;
    for (const Bytes& datagram : outcome.sent.at(peer(kTcp, i).host())) {
      const auto segment = parse_tcp(*parse_ip(datagram));
      ASSERT_TRUE(segment);
      said = said + segment->payload;
      flags |= segment->flags;
    }
    EXPECT_EQ(said, words(kTcp, i)) << i;
    EXPECT_EQ(flags & 7, 3u) << i << ": a SYN and a FIN, no RST";
    EXPECT_EQ(outcome.sent.at(peer(kUdp, i).host()).size(), kUdpRounds) << i;
  }
  for (unsigned i = 0; i < kLong; ++i)
    EXPECT_EQ(outcome.sent.at(peer(kFragments, i).host()).size(), 2u) << i;
}

TEST_P(QueuesTest, WhateverQueueFlowsComeToTheyAreAnsweredAlikeAndOnlyHandOversDiffer) {
  const unsigned lanes = GetParam();
  const auto ours = learn(lanes);
  ASSERT_EQ(ours.size(), kFlows);
  const Outcome right = Replay(lanes, Queues::Right)(ours);
  expect_answers(right);
  EXPECT_EQ(right.handovers, 0u);
  for (const Queues queues : {Queues::Wrong, Queues::Any, Queues::First, Queues::Single}) {
    const Outcome other = Replay(lanes, queues)(ours);
    EXPECT_EQ(other.received, right.received);
    EXPECT_EQ(other.dropped, right.dropped);
    EXPECT_EQ(other.sent.size(), right.sent.size());
    for (const auto& [to, datagrams] : right.sent)
      EXPECT_EQ(other.sent.at(to), datagrams) << Ipv4Address::from_host(to).text();
    // Every segment and fragment was in the wrong place; datagrams stay where a port spreads them.
    if (queues == Queues::Wrong) {
      EXPECT_EQ(other.handovers, lanes == 1 ? 0 : 3 * kFlows + 2 * kLong);
    }
    EXPECT_EQ(other.handovers > kFlows, lanes > 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Lanes, QueuesTest, testing::Values(1u, 2u, 4u));

}  // namespace
}  // namespace linnet::tests
