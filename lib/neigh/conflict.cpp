// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/conflict.hpp"

#include <algorithm>

namespace linnet::neigh {
namespace {

using packet::Turn;
using time::Duration;

Duration random_up_to(Turn& turn, Duration span) {
  return Duration::nanoseconds(static_cast<std::int64_t>(
      turn.random.below(static_cast<std::uint64_t>(span.count_ns()) + 1)));
}

}  // namespace

ConflictDetector::Watch* ConflictDetector::find(std::uint16_t device, Ipv4Address address) const {
  for (unsigned i = 0; i < end_; ++i) {
    Watch& watch = watches_[i];
    if (watch.phase != Phase::Free && watch.address == address && watch.device == device)
      return &watch;
  }
  return nullptr;
}

ConflictDetector::Watch* ConflictDetector::find_or_take(std::uint16_t device, Ipv4Address address) {
  if (Watch* const known = find(device, address); known != nullptr) return known;
  for (unsigned i = 0; i < kWatches; ++i) {
    Watch& watch = watches_[i];
    if (watch.phase != Phase::Free) continue;
    watch.device = device;
    watch.address = address;
    watch.defended_until = time::Instant();
    end_ = std::max(end_, i + 1);
    return &watch;
  }
  return nullptr;
}

void ConflictDetector::release(Watch& watch) {
  wheel_.cancel(watch);
  watch.phase = Phase::Free;
}

bool ConflictDetector::probe(Turn& turn, std::uint16_t device, Ipv4Address address) {
  Watch* const watch = find_or_take(device, address);
  if (watch == nullptr) return false;
  watch->phase = Phase::Probing;
  watch->sent = 0;
  wheel_.arm(*watch, turn.now + random_up_to(turn, kProbeWait));
  return true;
}

bool ConflictDetector::announce(Turn& turn, std::uint16_t device, Ipv4Address address) {
  Watch* const watch = find_or_take(device, address);
  if (watch == nullptr) return false;
  watch->phase = Phase::Announcing;
  watch->sent = 0;
  step_announcing(turn, *watch);
  return true;
}

void ConflictDetector::forget(std::uint16_t device, Ipv4Address address) {
  if (Watch* const watch = find(device, address); watch != nullptr) release(*watch);
}

void ConflictDetector::forget_device(std::uint16_t device) {
  for (unsigned i = 0; i < end_; ++i) {
    Watch& watch = watches_[i];
    if (watch.phase != Phase::Free && (device == packet::kNoDevice || watch.device == device))
      release(watch);
  }
}

bool ConflictDetector::probing(std::uint16_t device, Ipv4Address address) const {
  const Watch* const watch = find(device, address);
  return watch != nullptr && watch->phase == Phase::Probing;
}

// RFC 5227 2.1.1: a packet whose sender has the address, or another station's probe for it.
bool ConflictDetector::contests_probe(std::uint16_t device, const wire::ArpPacket& arp) {
  const bool probe = arp.sender_ip.is_any() && arp.operation.host() == wire::kArpRequest;
  Watch* const watch = find(device, probe ? arp.target_ip : arp.sender_ip);
  if (watch == nullptr || watch->phase != Phase::Probing) return false;
  tell(EventKind::AddressDuplicate, *watch, arp.sender_mac);
  release(*watch);
  return true;
}

// RFC 5227 2.4 (c): the address is kept and defended, but never twice within the interval, so that
// two stubborn hosts do not fill the link.
void ConflictDetector::conflict(Turn& turn, std::uint16_t device, Ipv4Address address,
                                MacAddress other) {
  Watch* const watch = find_or_take(device, address);
  if (watch == nullptr || turn.now < watch->defended_until) return;
  watch->defended_until = turn.now + kDefendInterval;
  tell(EventKind::AddressConflict, *watch, other);
  arp_.announce(turn, device, address);
  if (watch->phase == Phase::Announcing) return;
  watch->phase = Phase::Defended;
  wheel_.arm(*watch, watch->defended_until);
}

void ConflictDetector::on_timer(time::Timer& timer, time::Instant, void* context) {
  Watch& watch = static_cast<Watch&>(timer);
  ConflictDetector& detector = *watch.detector;
  Turn& turn = *static_cast<Turn*>(context);
  if (watch.phase == Phase::Probing)
    detector.step_probing(turn, watch);
  else if (watch.phase == Phase::Announcing)
    detector.step_announcing(turn, watch);
  else
    detector.release(watch);
}

void ConflictDetector::step_probing(Turn& turn, Watch& watch) {
  if (watch.sent < kProbeNum) {
    ++watch.sent;
    arp_.probe(turn, watch.device, watch.address);
    const Duration wait = watch.sent == kProbeNum
                              ? kAnnounceWait
                              : kProbeMin + random_up_to(turn, kProbeMax - kProbeMin);
    wheel_.arm(watch, turn.now + wait);
    return;
  }
  tell(EventKind::AddressFree, watch, MacAddress());
  watch.phase = Phase::Announcing;
  watch.sent = 0;
  step_announcing(turn, watch);
}

void ConflictDetector::step_announcing(Turn& turn, Watch& watch) {
  ++watch.sent;
  arp_.announce(turn, watch.device, watch.address);
  if (watch.sent < kAnnounceNum) {
    wheel_.arm(watch, turn.now + kAnnounceInterval);
  } else if (turn.now < watch.defended_until) {
    watch.phase = Phase::Defended;
    wheel_.arm(watch, watch.defended_until);
  } else {
    release(watch);
  }
}

void ConflictDetector::tell(EventKind kind, const Watch& watch, MacAddress other) {
  Event event{};
  event.kind = kind;
  event.device = watch.device;
  event.address = watch.address;
  event.mac = other;
  // A full ring means that the control core has many such events to read already.
  static_cast<void>(events_.push(event));
}

}  // namespace linnet::neigh
