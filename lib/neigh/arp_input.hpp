// SPDX-License-Identifier: BSD-3-Clause
// What is done with an ARP packet that came in (Linux: arp_process).
#pragma once

#include "neigh/cache.hpp"
#include "neigh/conflict.hpp"

namespace linnet::neigh {

class ArpInput {
 public:
  ArpInput(System& system, Cache& cache, ConflictDetector& conflicts, ArpSender& sender)
      : table_(system.table()),
        settings_(system.settings()),
        devices_(system.devices()),
        host_(system.host()),
        cache_(cache),
        conflicts_(conflicts),
        sender_(sender) {}

  // On the owner lane: data() at the ARP header; Meta: input_device, cast, link_offset.
  void input(packet::Turn& turn, packet::Packet&& packet);

 private:
  // What a packet came to: nothing (it was used), or the reason to drop it.
  using Verdict = std::optional<Drop>;
  struct Heard {
    wire::ArpPacket arp;
    std::uint16_t device;
    bool to_us;  // the frame was addressed to our MAC
    bool request() const { return arp.operation.host() == wire::kArpRequest; }
  };
  Verdict process(packet::Turn& turn, const Heard& heard);
  Verdict refuse_sender(packet::Turn& turn, const Heard& heard);
  Verdict answer_probe(packet::Turn& turn, const Heard& heard);
  Verdict answer_request(packet::Turn& turn, const Heard& heard);
  Verdict update(packet::Turn& turn, const Heard& heard);
  bool local(const Heard& heard) const;
  bool ignored(const Heard& heard) const;
  bool proxied(const Heard& heard) const;
  bool accepts_new(const Heard& heard, bool gratuitous) const;

  Table& table_;
  const Settings& settings_;
  const device::DeviceTable& devices_;
  const Host& host_;
  Cache& cache_;
  ConflictDetector& conflicts_;
  ArpSender& sender_;
};

}  // namespace linnet::neigh
