// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

namespace linnet::tests {
namespace {

constexpr std::uint32_t kLocal = 0xc0000201, kPeer = 0xc0000202;  // 192.0.2.1 and .2
constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kAck = 16;
constexpr std::int64_t kTenMilliseconds = 10'000'000;

constexpr const char* kNames[kTcpStates] = {"CLOSED",  "LISTEN",     "SYN-SENT",   "SYN-RECV",
                                            "ESTAB",   "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                            "CLOSING", "LAST-ACK",   "TIME-WAIT"};

sockaddr_in address_of(std::uint32_t host, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(host);
  return out;
}

}  // namespace

const char* name_of(TcpState state) {
  return kNames[static_cast<unsigned>(state)];
}

Peer::Peer(std::uint64_t seed) {
  ln_embed_options options{};
  options.size = sizeof options;
  options.seed = seed;
  stack_ = ln_embed_create(&options);
  port_ = ln_embed_add_ip_port(stack_, "tun0", 1500);
  ln_embed_command(stack_, "ip addr add 192.0.2.1/24 dev tun0", nullptr, 0);
  // Neither scale nor timestamps: what stands in segments is what it says.
  ln_embed_sysctl_set(stack_, "net.ipv4.tcp_window_scaling", "0");
  ln_embed_sysctl_set(stack_, "net.ipv4.tcp_timestamps", "0");
}

Peer::~Peer() {
  ln_embed_destroy(stack_);
}

bool Peer::balanced() const {
  ln_embed_account account{};
  ln_embed_get_account(stack_, &account);
  return account.received + account.generated ==
         account.sent + account.delivered + account.held + account.dropped;
}

TcpState Peer::state() const {
  std::string text(1 << 18, '\0');
  if (ln_embed_command(stack_, "ss -Htan", text.data(), text.size()) != 0) return TcpState::Count;
  const std::string local = ":" + std::to_string(local_port_),
                    peer = ":" + std::to_string(peer_port_);
  TcpState found = TcpState::Closed;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, receive, send, here, there;
    words >> name >> receive >> send >> here >> there;
    if (!here.ends_with(local)) continue;
    const auto* const at = std::find(std::begin(kNames), std::end(kNames), name);
    if (at == std::end(kNames)) continue;
    const auto state = static_cast<TcpState>(at - std::begin(kNames));
    if (state == TcpState::Listen ? found == TcpState::Closed : there.ends_with(peer))
      found = state;
  }
  return found;
}

TcpPacket Peer::blank() const {
  TcpPacket out;
  out.source = kPeer;
  out.destination = kLocal;
  out.source_port = peer_port_;
  out.destination_port = local_port_;
  out.seq = receive_next;
  out.ack = send_next;
  out.window = 65535;
  return out;
}

void Peer::send(const TcpPacket& packet) {
  const Bytes bytes = build(packet);
  ln_embed_inject(stack_, port_, bytes.data(), bytes.size());
}

std::vector<TcpPacket> Peer::take() {
  std::vector<TcpPacket> out;
  Bytes bytes(65536);
  for (;;) {
    bytes.resize(65536);
    const ssize_t length = ln_embed_take(stack_, port_, bytes.data(), bytes.size(), nullptr);
    if (length < 0) return out;
    bytes.resize(static_cast<std::size_t>(length));
    std::string why;
    const auto packet = take_apart(bytes, why);
    if (!packet) {
      faults_ += why + "\n";
      continue;
    }
    // Of flows that were left: their own timers go on.
    if (packet->destination_port != peer_port_) continue;
    if ((packet->flags & kRst) == 0) {
      const auto taken = static_cast<std::uint32_t>(packet->payload.size()) +
                         ((packet->flags & kSyn) != 0) + ((packet->flags & kFin) != 0);
      if (static_cast<std::int32_t>(packet->seq + taken - send_next) > 0 ||
          (packet->flags & kSyn) != 0)
        send_next = packet->seq + taken;
      if ((packet->flags & kAck) != 0) receive_next = packet->ack;
      window = packet->window;
    }
    out.push_back(*packet);
  }
}

void Peer::open_listener() {
  ln_embed_use(stack_);
  listener = ln_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const sockaddr_in address = address_of(INADDR_ANY, local_port_);
  ln_bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ln_listen(listener, 8);
}

bool Peer::establish() {
  open_listener();
  TcpPacket syn = blank();
  syn.seq = receive_next - 1;
  syn.flags = kSyn;
  syn.mss = 1000;
  send(syn);
  take();
  pass(kTenMilliseconds);
  TcpPacket ack = blank();
  ack.flags = kAck;
  send(ack);
  socket = ln_accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
  return socket >= 0;
}

bool Peer::reach(TcpState wanted) {
  ++local_port_;
  ++peer_port_;
  // Its first data byte, beyond the wrap that the SYN stands before.
  receive_next = 0;
  send_next = 0x12345678;
  const auto with = [this](std::uint8_t flags, std::uint32_t unacked) {
    TcpPacket packet = blank();
    packet.flags = flags;
    packet.ack -= unacked;
    send(packet);
    take();
  };
  switch (wanted) {
    case TcpState::Closed:
      break;
    case TcpState::Listen:
      open_listener();
      break;
    case TcpState::SynSent: {
      ln_embed_use(stack_);
      socket = ln_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      const sockaddr_in here = address_of(INADDR_ANY, local_port_);
      ln_bind(socket, reinterpret_cast<const sockaddr*>(&here), sizeof here);
      const sockaddr_in there = address_of(kPeer, peer_port_);
      ln_connect(socket, reinterpret_cast<const sockaddr*>(&there), sizeof there);
      take();
      receive_next = 0;  // nothing was acknowledged
      break;
    }
    case TcpState::SynReceived: {
      open_listener();
      TcpPacket syn = blank();
      syn.seq = receive_next - 1;
      syn.flags = kSyn;
      syn.mss = 1000;
      send(syn);
      take();
      break;
    }
    default: {
      if (!establish()) return false;
      pass(kTenMilliseconds);
      const bool peer_first = wanted == TcpState::CloseWait || wanted == TcpState::LastAck;
      if (peer_first) with(kFin | kAck, 0);
      if (wanted != TcpState::Established && wanted != TcpState::CloseWait) {
        ln_shutdown(socket, SHUT_WR);
        take();
      }
      pass(kTenMilliseconds);
      if (wanted == TcpState::FinWait2) with(kAck, 0);
      if (wanted == TcpState::Closing) with(kFin | kAck, 1);
      if (wanted == TcpState::TimeWait) with(kFin | kAck, 0);
      break;
    }
  }
  take();
  return state() == wanted;
}

void Peer::leave() {
  for (int* const fd : {&socket, &listener}) {
    const linger now{1, 0};
    ln_setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    if (*fd >= 0) ln_close(*fd);
    *fd = -1;
  }
  TcpPacket reset = blank();
  reset.flags = kRst;
  send(reset);
  take();
}

}  // namespace linnet::tests
