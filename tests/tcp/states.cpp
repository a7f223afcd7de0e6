// SPDX-License-Identifier: BSD-3-Clause
// Every state of TCP x every event (RFC 9293 3.10, RFC 5961): what is answered, and what state
// follows. The table is read beside the RFC; a change of behaviour is a change of a line in it.
//   tcp_states --check TABLE    fails where the stack does something else
//   tcp_states --write TABLE    writes what it does now
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>

#include "tcp/peer.hpp"

namespace {

using linnet::tests::kTcpStates;
using linnet::tests::name_of;
using linnet::tests::Peer;
using linnet::tests::TcpPacket;
using linnet::tests::TcpState;

constexpr std::uint8_t kF = 1, kS = 2, kR = 4, kP = 8, kA = 16, kU = 32;

// A segment by its distance from what the stack expects and has sent.
struct Segment {
  const char* name;
  std::uint8_t flags;
  std::int64_t seq = 0;  // from RCV.NXT
  std::int64_t ack = 0;  // from SND.NXT
  unsigned bytes = 0;
  bool at_window = false;  // `seq` counts from the window's end
  std::uint16_t urgent = 0;
  std::uint16_t window = 65535;
};

constexpr Segment kSegments[] = {
    {"ACK of all that was sent", kA},
    {"ACK of all but the last number", kA, 0, -1},
    {"T15 ACK of what was not sent", kA, 0, 1},
    {"B1 ACK from long ago", kA, 0, -100'000},
    {"ACK that closes the window", kA, 0, 0, 0, false, 0, 0},
    {"data in order", kP | kA, 0, 0, 10},
    {"data beyond a hole", kP | kA, 100, 0, 10},
    {"data that came before", kP | kA, -100, 0, 10},
    {"data across the left edge", kP | kA, -5, 0, 10},
    {"data beyond the window", kP | kA, 1, 0, 10, true},
    {"B1 data with an ACK of what was not sent", kP | kA, 0, 1, 10},
    {"data without ACK", kP, 0, 0, 10},
    {"T6 urgent data", kP | kA | kU, 0, 0, 10, false, 10},
    {"T6 urgent pointer beyond the segment", kA | kU, 0, 0, 0, false, 0xffff},
    {"FIN in order", kF | kA},
    {"FIN that acknowledges not all", kF | kA, 0, -1},
    {"FIN with data", kF | kP | kA, 0, 0, 10},
    {"FIN beyond a hole", kF | kA, 100},
    {"FIN again", kF | kA, -1},
    {"FIN beyond the window", kF | kA, 1, 0, 0, true},
    {"FIN without ACK", kF},
    {"B1 RST at RCV.NXT", kR},
    {"B1 RST in the window", kR, 1},
    {"B1 RST at the window's end", kR, -1, 0, 0, true},
    {"B1 RST beyond the window", kR, 1'000, 0, 0, true},
    {"B1 RST before the window", kR, -1},
    {"RST and ACK", kR | kA},
    {"RST and ACK of what was not sent", kR | kA, 0, 1},
    {"B1 SYN at RCV.NXT", kS},
    {"B1 SYN in the window", kS, 1'000},
    {"B1 SYN beyond the window", kS, 1'000, 0, 0, true},
    {"SYN again", kS, -1},
    {"SYN and ACK", kS | kA, -1},
    {"SYN and ACK of what was not sent", kS | kA, -1, 1},
    {"T13 SYN and FIN", kS | kF, -1},
    {"T13 SYN and RST", kS | kR, -1},
    {"T13 no flag", 0},
    {"T13 FIN, PSH, URG", kF | kP | kU, 0, 0, 0, false, 1},
    {"T13 all flags", kF | kS | kR | kP | kA | kU, 0, 0, 0, false, 1},
};

struct Call {
  const char* name;
  std::function<long(Peer&)> make;
};

long send_ten(Peer& peer) {
  return ln_send(peer.socket, "0123456789", 10, MSG_NOSIGNAL);
}
long receive(Peer& peer) {
  char bytes[10];
  return ln_recv(peer.socket, bytes, sizeof bytes, 0);
}
long close_socket(Peer& peer) {
  int& fd = peer.socket >= 0 ? peer.socket : peer.listener;
  const long result = ln_close(fd);
  fd = -1;
  return result;
}
long abort_socket(Peer& peer) {
  linger how{1, 0};
  ln_setsockopt(peer.socket >= 0 ? peer.socket : peer.listener, SOL_SOCKET, SO_LINGER, &how,
                sizeof how);
  return close_socket(peer);
}
const Call kCalls[] = {
    {"SEND of ten bytes", send_ten},
    {"RECEIVE", receive},
    {"CLOSE of the sending side",
     [](Peer& peer) -> long { return ln_shutdown(peer.socket, SHUT_WR); }},
    {"CLOSE", close_socket},
    {"ABORT", abort_socket},
    {"OPEN passive", [](Peer& peer) -> long { return ln_listen(peer.socket, 1); }},
};

// A letter a flag, and where numbers are not the connection's: what they are.
std::string text_of(const TcpPacket& packet, std::uint32_t send_next, std::uint32_t receive_next,
                    const TcpPacket* cause) {
  std::string out = packet.flag_letters();
  if (!packet.payload.empty()) out += "+" + std::to_string(packet.payload.size());
  if (packet.has('S') || cause == nullptr) return out;
  if (!packet.has('R')) {
    if (packet.seq != send_next) out += "(seq " + std::to_string(packet.seq - send_next) + ")";
    if (packet.ack != receive_next)
      out += "(ack +" + std::to_string(packet.ack - receive_next) + ")";
    return out;
  }
  // RFC 9293 3.10.7.1: <SEQ=SEG.ACK><CTL=RST> or <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>.
  const auto length =
      static_cast<std::uint32_t>(cause->payload.size()) + cause->has('S') + cause->has('F');
  const bool right = packet.has('A') && !cause->has('A')
                         ? packet.seq == 0 && packet.ack == cause->seq + length
                         : packet.seq == (cause->has('A') ? cause->ack : send_next);
  return right ? out : out + "(seq " + std::to_string(packet.seq - send_next) + ")";
}

// "ANSWER ANSWER >STATE"; "-": neither.
std::string outcome(Peer& peer, TcpState before, const TcpPacket* cause, std::uint32_t send_next,
                    std::uint32_t receive_next) {
  std::string out;
  for (const TcpPacket& packet : peer.take())
    out += (out.empty() ? "" : ",") + text_of(packet, send_next, receive_next, cause);
  const TcpState after = peer.state();
  if (after != before) out += std::string(">") + name_of(after);
  return out.empty() ? "-" : out;
}

TcpPacket packet_of(const Peer& peer, const Segment& segment) {
  TcpPacket packet = peer.blank();
  packet.flags = segment.flags;
  packet.seq += static_cast<std::uint32_t>(segment.seq) + (segment.at_window ? peer.window : 0);
  packet.ack = (segment.flags & kA) != 0 ? packet.ack + static_cast<std::uint32_t>(segment.ack) : 0;
  packet.urgent = segment.urgent;
  packet.window = segment.window;
  if ((segment.flags & kS) != 0) packet.mss = 1000;
  packet.payload.assign(segment.bytes, 0x5a);
  return packet;
}

struct Line {
  std::string event;
  std::string cells[kTcpStates];
};

std::vector<Line> observe(std::string& faults) {
  std::vector<Line> lines;
  Peer peer;
  const auto in_every_state = [&](const char* event, const auto& happen) {
    Line& line = lines.emplace_back();
    line.event = event;
    for (unsigned i = 0; i < kTcpStates; ++i) {
      const auto state = static_cast<TcpState>(i);
      if (!peer.reach(state))
        faults +=
            std::string("cannot reach ") + name_of(state) + ": " + name_of(peer.state()) + "\n";
      line.cells[i] = happen(state);
      peer.leave();
      if (!peer.balanced()) faults += line.event + ": the account does not balance\n";
    }
  };
  for (const Segment& segment : kSegments) {
    in_every_state(segment.name, [&](TcpState state) {
      const std::uint32_t send_next = peer.send_next, receive_next = peer.receive_next;
      const TcpPacket packet = packet_of(peer, segment);
      peer.send(packet);
      return outcome(peer, state, &packet, send_next, receive_next);
    });
  }
  for (const Call& call : kCalls) {
    in_every_state(call.name, [&](TcpState state) -> std::string {
      // There is no descriptor to call on, or the listener's.
      if (peer.socket < 0 && (peer.listener < 0 || state == TcpState::SynReceived)) return ".";
      if (peer.socket < 0) std::swap(peer.socket, peer.listener);
      const std::uint32_t send_next = peer.send_next, receive_next = peer.receive_next;
      errno = 0;
      const long result = call.make(peer);
      const std::string said = result < 0 ? std::to_string(result) + "/" + strerrorname_np(errno)
                                          : std::to_string(result);
      return said + ":" + outcome(peer, state, nullptr, send_next, receive_next);
    });
  }
  faults += peer.faults();
  return lines;
}

std::string table_of(const std::vector<Line>& lines) {
  std::ostringstream out;
  out << "# SPDX-License-Identifier: BSD-3-Clause\n"
         "# What follows from each event in each state of TCP; tests/tcp/README.md says how to "
         "read it.\n";
  for (const Line& line : lines) {
    out << "\n" << line.event << "\n";
    for (unsigned i = 0; i < kTcpStates; ++i) {
      std::string name = name_of(static_cast<TcpState>(i));
      name.resize(11, ' ');
      out << "  " << name << line.cells[i] << "\n";
    }
  }
  return out.str();
}

// Prints the lines that differ. How many those are.
int compare(const std::string& have, const std::string& want) {
  std::istringstream have_lines(have), want_lines(want);
  std::string event, have_line, want_line;
  int differ = 0;
  while (std::getline(have_lines, have_line)) {
    if (!std::getline(want_lines, want_line)) want_line.clear();
    if (!have_line.starts_with(" ")) event = have_line;
    if (have_line == want_line) continue;
    std::printf("FAIL %s\n  is     %s\n  was to %s\n", event.c_str(), have_line.c_str(),
                want_line.c_str());
    ++differ;
  }
  return differ;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: tcp_states --check|--write TABLE\n");
    return 2;
  }
  std::string faults;
  const std::string table = table_of(observe(faults));
  if (!faults.empty()) std::printf("FAIL\n%s", faults.c_str());
  if (std::strcmp(arguments[1], "--write") == 0) {
    std::ofstream(arguments[2]) << table;
    return faults.empty() ? 0 : 1;
  }
  std::ifstream file(arguments[2]);
  const std::string want{std::istreambuf_iterator<char>(file), {}};
  const int differ = compare(table, want);
  std::printf("%zu events in %u states, %d differ\n", std::size(kSegments) + std::size(kCalls),
              kTcpStates, differ);
  return differ == 0 && faults.empty() ? 0 : 1;
}
