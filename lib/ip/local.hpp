// SPDX-License-Identifier: BSD-3-Clause
// Local delivery of IPv4 (Linux: ip_local_deliver, inet_protos).
#pragma once

#include <array>
#include <cstdint>

#include "hook/hook.hpp"
#include "ip/drops.hpp"
#include "ip/icmp.hpp"
#include "ip/reassembly.hpp"
#include "packet/turn.hpp"

namespace linnet::ip {

class Local {
 public:
  Local(hook::Hooks& hooks, Reassembly& reassembly, Icmp& icmp)
      : hooks_(hooks), reassembly_(reassembly), icmp_(icmp) {}

  // The handler of a protocol number: takes whole datagrams, data() at the transport header, Meta
  // with network_offset and transport_offset.
  void handle(std::uint8_t protocol, packet::Stage stage) { protocols_[protocol] = stage; }

  // Raw sockets: shown every whole datagram, data() at the IPv4 header, before its handler. True: a
  // socket had it, so that a protocol without a handler is no error.
  using Raw = bool (*)(void* self, packet::Turn& turn, packet::PacketRef packet);
  void set_raw(Raw raw, void* self) {
    raw_ = raw;
    raw_self_ = self;
  }

  // Asked for each fragment, data() at its IPv4 header: true, it was taken to another lane, where
  // all of its datagram come together. Not set: reassembly is here.
  using Elsewhere = bool (*)(void* self, packet::Turn& turn, packet::Packet& packet);
  void set_elsewhere(Elsewhere elsewhere, void* self) {
    elsewhere_ = elsewhere;
    elsewhere_self_ = self;
  }

  // Datagrams and fragments for this host, data() at the IPv4 header, which is checked and in one
  // piece. Reassembly, hook INPUT, then the protocol's handler; without one: ICMP protocol
  // unreachable (RFC 1122 section 3.2.2.1). Empties the burst.
  void deliver(packet::Turn& turn, packet::Burst& burst);

 private:
  void reassemble(packet::Turn& turn, packet::Burst& burst);
  void dispatch(packet::Turn& turn, packet::Burst& burst);

  hook::Hooks& hooks_;
  Reassembly& reassembly_;
  Icmp& icmp_;
  std::array<packet::Stage, 256> protocols_{};
  Raw raw_ = nullptr;
  void* raw_self_ = nullptr;
  Elsewhere elsewhere_ = nullptr;
  void* elsewhere_self_ = nullptr;
};

}  // namespace linnet::ip
