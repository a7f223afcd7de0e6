// SPDX-License-Identifier: BSD-3-Clause
// A lane's face of the neighbour cache.
#pragma once

#include <array>
#include <memory>

#include "link/ethernet.hpp"
#include "neigh/drops.hpp"
#include "neigh/system.hpp"
#include "packet/turn.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::neigh {

class Owner;

class Resolver {
 public:
  // Lane 0 is the owner. `wheel` is the lane's, advanced with the Turn as its context.
  Resolver(System& system, unsigned lane, time::TimerWheel& wheel, link::EthernetOutput& output);
  // `clear` was called.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Where packets go whose neighbour did not answer: data() at the IP header. Only the owner's is
  // called. Not connected: they are dropped as ResolutionFailed.
  void connect_unresolved(packet::Stage stage);

  // IP packets to their neighbours: data() at the IP header; Meta: output_device, next_hop, hop.
  // A next_hop of 255.255.255.255 is the link's broadcast. Empties the burst.
  void output(packet::Turn& turn, packet::Burst& burst);
  // As `output` for one packet.
  void output_one(packet::Turn& turn, packet::Packet&& packet);
  // ARP packets: data() at the ARP header; Meta: input_device, cast, link_offset (the frame's
  // Ethernet header). Empties the burst.
  void arp_input(packet::Turn& turn, packet::Burst& burst);
  // What other lanes and the control core sent; once a turn. Does nothing on other lanes.
  void turn(packet::Turn& turn);
  // An upper layer knows that the neighbour answers (Linux: dst_confirm_neigh). Cheap to repeat.
  void confirm(packet::Turn& turn, std::uint16_t device, Ipv4Address next_hop);

  // Before the end, when no lane runs any more, the owner last: drops what waits, stops the timers.
  void clear(packet::Turn& turn);

  packet::Stage output_stage() { return packet::Stage::of<&Resolver::output>(*this); }
  packet::Stage arp_stage() { return packet::Stage::of<&Resolver::arp_input>(*this); }

 private:
  static constexpr unsigned kCacheSlots = 1024;

  bool header_for(packet::Turn& turn, const packet::Meta& meta, std::uint64_t key,
                  PublishedHeader& out);
  bool usable(packet::Turn& turn, std::uint32_t index, std::uint64_t key, PublishedHeader& out);
  bool look_up(packet::Turn& turn, const packet::Meta& meta, std::uint64_t key,
               PublishedHeader& out);
  bool special_header(const packet::Meta& meta, PublishedHeader& out) const;
  void used_stale(packet::Turn& turn, std::uint32_t index, std::uint64_t key);
  void without_header(packet::Turn& turn, packet::Packet&& packet);
  void hand_over(packet::Turn& turn, MessageKind kind, packet::Packet&& packet);
  void handle(packet::Turn& turn, const Message& message);

  System& system_;
  Table& table_;
  const unsigned lane_;
  link::EthernetOutput& output_;
  std::unique_ptr<Owner> owner_;  // on lane 0
  std::array<std::uint32_t, kCacheSlots> cache_;
};

}  // namespace linnet::neigh
