// SPDX-License-Identifier: BSD-3-Clause
// IPv4 address conflict detection (RFC 5227): probing before an address is used, announcing it,
// defending it.
//
//   probe_address -> Probing --(3 probes, 2 s of silence)--> AddressFree, Announcing -> forgotten
//                       \--(somebody has or probes it)--> AddressDuplicate, forgotten
//   a conflict for an address in use: defended at most once in 10 s (section 2.4 (c))
#pragma once

#include <memory>

#include "neigh/arp.hpp"
#include "neigh/mailbox.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::neigh {

class ConflictDetector {
 public:
  static constexpr unsigned kWatches = 512;
  static constexpr unsigned kProbeNum = 3;
  static constexpr unsigned kAnnounceNum = 2;
  static constexpr time::Duration kProbeWait = time::Duration::seconds(1);
  static constexpr time::Duration kProbeMin = time::Duration::seconds(1);
  static constexpr time::Duration kProbeMax = time::Duration::seconds(2);
  static constexpr time::Duration kAnnounceWait = time::Duration::seconds(2);
  static constexpr time::Duration kAnnounceInterval = time::Duration::seconds(2);
  static constexpr time::Duration kDefendInterval = time::Duration::seconds(10);

  ConflictDetector(time::TimerWheel& wheel, ArpSender& arp, table::Ring<Event>& events);

  // Starts over where the address is watched already. False: all watches are taken.
  bool probe(packet::Turn& turn, std::uint16_t device, Ipv4Address address);
  bool announce(packet::Turn& turn, std::uint16_t device, Ipv4Address address);
  void forget(std::uint16_t device, Ipv4Address address);
  // Forgets every address of a device (packet::kNoDevice: of all).
  void forget_device(std::uint16_t device);

  // Whether we are still asking for this address: it is not ours yet.
  bool probing(std::uint16_t device, Ipv4Address address) const;
  // Another station's ARP packet, checked. True if it shows that an address we probe is taken.
  bool contests_probe(std::uint16_t device, const wire::ArpPacket& arp);
  // Another station uses `address`, which we use on this device.
  void conflict(packet::Turn& turn, std::uint16_t device, Ipv4Address address, MacAddress other);

 private:
  enum class Phase : std::uint8_t { Free, Probing, Announcing, Defended };
  struct Watch : time::Timer {
    Watch() : Timer(&ConflictDetector::on_timer) {}
    ConflictDetector* detector = nullptr;
    Phase phase = Phase::Free;
    std::uint8_t sent = 0;
    std::uint16_t device = 0;
    Ipv4Address address;
    time::Instant defended_until;
  };

  static void on_timer(time::Timer& timer, time::Instant now, void* turn);
  Watch* find(std::uint16_t device, Ipv4Address address) const;
  Watch* find_or_take(std::uint16_t device, Ipv4Address address);
  void release(Watch& watch);
  void step_probing(packet::Turn& turn, Watch& watch);
  void step_announcing(packet::Turn& turn, Watch& watch);
  void tell(EventKind kind, const Watch& watch, MacAddress other);

  time::TimerWheel& wheel_;
  ArpSender& arp_;
  table::Ring<Event>& events_;
  std::unique_ptr<Watch[]> watches_;
  unsigned end_ = 0;  // watches from here on were never taken
};

}  // namespace linnet::neigh
