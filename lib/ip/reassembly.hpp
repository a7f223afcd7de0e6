// SPDX-License-Identifier: BSD-3-Clause
// Reassembly (RFC 791, RFC 815; RFC 1858, RFC 5722 for overlaps; reliability row I1).
#pragma once

#include <cstdint>
#include <memory>

#include "base/siphash.hpp"
#include "ip/counters.hpp"
#include "ip/drops.hpp"
#include "ip/settings.hpp"
#include "packet/turn.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::ip {

// The datagrams of one lane that wait for fragments.
//
//   key (source, destination, id, protocol) -> [first 0..1480) [hole] [2960..4440) ... end known?
//
// Bounded: 64 fragments a datagram, truesize over all (oldest datagrams go first), a share for one
// source, a timeout. Any overlap drops the whole datagram and what still comes of it until the
// timeout; an exact duplicate is dropped alone.
class Reassembly {
 public:
  static constexpr unsigned kMaxFragments = 64;

  // `expired`: takes the first fragment (offset 0) of a datagram that timed out, data() at the IP
  // header, for ICMP time exceeded; it must end the packet. Timed-out datagrams without a first
  // fragment are dropped silently by name (RFC 792).
  Reassembly(time::TimerWheel& wheel, const Settings& settings, SipKey key, packet::Stage expired);
  ~Reassembly();

  // Takes one fragment, data() at the IP header, header checked and options parsed. Returns the
  // whole datagram (headers fixed up: total length, no fragment bits, checksum; multi-segment) when
  // this was the missing piece, else an empty handle.
  packet::Packet add(packet::Turn& turn, packet::Packet&& fragment);

  // Drops everything held; for shutdown.
  void clear(packet::Turn& turn, packet::DropReason why);

  std::uint32_t held_bytes() const;  // truesize
  std::uint32_t held_packets() const;
  std::uint32_t datagrams() const;
  const Counters& counters() const;  // those of Linux's named Reasm*

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linnet::ip
