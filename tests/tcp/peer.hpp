// SPDX-License-Identifier: BSD-3-Clause
// A stack and one peer of it, whose packets the test makes, brought into any of TCP's eleven
// states.
#pragma once

#include <linnet/embed.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tcp/packet.hpp"

namespace linnet::tests {

// RFC 9293 3.3.2.
enum class TcpState : std::uint8_t {
  Closed,
  Listen,
  SynSent,
  SynReceived,
  Established,
  FinWait1,
  FinWait2,
  CloseWait,
  Closing,
  LastAck,
  TimeWait,
  Count
};
inline constexpr unsigned kTcpStates = static_cast<unsigned>(TcpState::Count);
const char* name_of(TcpState state);

class Peer {
 public:
  explicit Peer(std::uint64_t seed = 7);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // A new flow (ports of its own) in that state. False: it did not come to it.
  bool reach(TcpState state);
  // Ends what `reach` made: descriptors are closed and the flow is reset.
  void leave();
  // As `linnet ss` sees the flow; Listen: only its listener is there.
  TcpState state() const;

  // What stands in the flow's segments now: of the peer's, `seq` from RCV.NXT and `ack` from
  // SND.NXT of the stack, as the test knows them.
  TcpPacket blank() const;
  void send(const TcpPacket& packet);
  // What the stack sent, oldest first; what it acknowledged and sent moves the peer's numbers.
  std::vector<TcpPacket> take();
  void pass(std::int64_t ns) { ln_embed_advance(stack_, ns); }

  std::uint32_t receive_next = 0;  // the stack's RCV.NXT
  std::uint32_t send_next = 0;     // the stack's SND.NXT
  std::uint32_t window = 0;        // that the stack offered last, not scaled: none is agreed
  int socket = -1, listener = -1;
  // What was wrong with packets of the stack, and with its account.
  const std::string& faults() const { return faults_; }
  bool balanced() const;

 private:
  void open_listener();
  bool establish();

  ln_stack* stack_;
  int port_;
  std::uint16_t local_port_ = 1000, peer_port_ = 2000;
  std::string faults_;
};

}  // namespace linnet::tests
