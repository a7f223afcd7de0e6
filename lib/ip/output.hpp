// SPDX-License-Identifier: BSD-3-Clause
// The way out of an IPv4 packet (Linux: ip_queue_xmit, ip_local_out, ip_output, ip_finish_output).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/ipv4.hpp"
#include "base/siphash.hpp"
#include "device/device.hpp"
#include "hook/hook.hpp"
#include "ip/counters.hpp"
#include "ip/drops.hpp"
#include "ip/settings.hpp"
#include "packet/turn.hpp"
#include "route/addresses.hpp"
#include "route/tables.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {

// What a local protocol asks for when it sends.
struct SendRequest {
  Ipv4Address destination;
  Ipv4Address source{};  // any: chosen from the route
  std::uint8_t protocol = 0;
  std::uint8_t tos = 0;
  std::uint8_t ttl = 0;  // 0: ip_default_ttl
  bool dont_fragment = false;
  bool allow_no_source = false;  // 0.0.0.0 may stand as source (address configuration)
  // kNoDevice: any. Else no other device is used: without a route through it the destination is
  // taken to be on its link, and what is ours on another device is not ours.
  std::uint16_t output_device = packet::kNoDevice;
  std::uint32_t mark = 0;
  std::span<const std::byte> options{};  // padded to a multiple of 4, at most 40 bytes
};

// How a send ended; the packet is gone in every case (dropped by name unless Sent).
enum class SendResult : std::uint8_t { Sent, NoRoute, Prohibited, NoSource, TooLong, NoBuffer };

// What a local protocol may learn before it sends: route, source and MTU (Linux: ip_route_output).
struct OutputRoute {
  bool reachable = false;               // the rest is set when true; `route` may name a refusal
  const route::Route* route = nullptr;  // nullptr: none was needed, or none is there
  const route::NextHop* hop = nullptr;
  Ipv4Address source;
  Ipv4Address next_hop;
  std::uint16_t device = packet::kNoDevice;
  std::uint32_t mtu = 0;
};

// A stage that takes one packet.
struct OnePacket {
  void* self = nullptr;
  void (*run)(void* self, packet::Turn& turn, packet::Packet&& packet) = nullptr;
};

// A way that local packets take again and again, with what each would work out anew (Linux: the
// dst_entry that a socket keeps). Made and kept by Output.
struct ReadyWay {
  OutputRoute route;
  // Of what request, and of which tables (route::Tables::generation).
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::uint64_t generation = kNone;
  Ipv4Address destination, source;
  std::uint32_t mark = 0;
  std::uint16_t output_device = packet::kNoDevice;
  std::uint8_t tos = 0;  // without ECN
  std::uint8_t protocol = 0;
  bool usual = false;         // reachable, from a source that is given
  wire::Ipv4Header header{};  // with DF; TOS, length, TTL and checksum are zero
};

class Output {
 public:
  Output(const device::DeviceTable& devices, const route::Tables& tables,
         const route::Addresses& addresses, hook::Hooks& hooks, const Settings& settings,
         SipKey key);

  // Where finished packets go: the neighbour stage (Meta: output_device, next_hop, hop). A next hop
  // of 255.255.255.255 asks for a link-layer broadcast, a multicast one for its group address.
  // `one`: the same for one packet; without it that goes as a burst.
  void connect(packet::Stage neighbours, OnePacket one = {}) {
    neighbours_ = neighbours;
    one_ = one;
  }

  OutputRoute route_for(const SendRequest& request) const;
  // As `route_for`, remembered. Valid until the next call.
  const ReadyWay& way_for(const SendRequest& request);

  // Sends a transport packet: data() at the transport header, its checksum done. Builds the IPv4
  // header, then hook OUTPUT, POSTROUTING, fragmentation, neighbour. RFC 6864: the ID is 0 on
  // atomic datagrams with DF, keyed per address pair otherwise. A large packet
  // (packet::PacketRef::large) goes as one, its header as for one datagram; the MTU holds for each
  // of its pieces, and each has an ID of its own.
  SendResult send(packet::Turn& turn, packet::Packet&& packet, const SendRequest& request) {
    return send(turn, std::move(packet), request, route_for(request));
  }
  // As above by a way that `route_for` gave in this turn for this request.
  SendResult send(packet::Turn& turn, packet::Packet&& packet, const SendRequest& request,
                  const OutputRoute& way);
  // As above by a way that `way_for` gave just now for this request.
  SendResult send(packet::Turn& turn, packet::Packet&& packet, const SendRequest& request,
                  const ReadyWay& way);
  // A datagram that is complete but for what RFC 791 leaves to us (IP_HDRINCL): data() at its IPv4
  // header, which is in one piece and whose lengths agree. Total length and checksum are written,
  // a zero source and a zero ID filled in.
  SendResult send_whole(packet::Turn& turn, packet::Packet&& packet, const SendRequest& request,
                        const OutputRoute& way);

  // Forwarded packets: data() at the IPv4 header, Meta has the route decision, MTU was checked
  // against DF. POSTROUTING, fragmentation, neighbour. `any_long`: some packet may be longer than
  // its path_mtu, or counted as going to a group; else `octets` are those of the burst. Empties it.
  void post_route(packet::Turn& turn, packet::Burst& burst, bool any_long, std::uint32_t octets);

  void count(Count what, std::uint64_t n) { counters_.add(what, n); }
  const Counters& counters() const { return counters_; }

 private:
  // Ways stand where addresses lead, one at each place.
  static constexpr unsigned kWays = 256;
  void make_way(ReadyWay& way, const SendRequest& request, std::uint64_t generation) const;
  std::uint32_t mtu_of(const OutputRoute& way) const;
  std::uint8_t ttl_of(const SendRequest& request) const {
    return request.ttl != 0 ? request.ttl
                            : static_cast<std::uint8_t>(
                                  settings_.ip_default_ttl.load(std::memory_order_relaxed));
  }
  void finish(packet::Turn& turn, packet::Burst& burst);
  void fragment_long(packet::Turn& turn, packet::Burst& burst);
  SendResult put_header(packet::Turn& turn, packet::Packet& packet, const SendRequest& request,
                        const OutputRoute& way);
  static void note_way(packet::PacketRef packet, const SendRequest& request,
                       const OutputRoute& way);
  SendResult pass_on(packet::Turn& turn, packet::Packet&& packet, const OutputRoute& way);
  // Why a datagram cannot go that way: dropped by name. Nothing: it can.
  std::optional<SendResult> refuse(packet::Turn& turn, packet::Packet& packet,
                                   const SendRequest& request, const OutputRoute& way,
                                   std::uint32_t total, std::uint32_t longest);
  const route::Route* look_up(const SendRequest& request) const;
  bool take_route(const SendRequest& request, OutputRoute& out) const;
  bool take_route_on(const device::Device* device, const SendRequest& request,
                     OutputRoute& out) const;
  std::uint16_t next_id(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol,
                        std::uint32_t count, packet::Turn& turn);

  const device::DeviceTable& devices_;
  const route::Tables& tables_;
  const route::Addresses& addresses_;
  hook::Hooks& hooks_;
  const Settings& settings_;
  SipKey key_;
  packet::Stage neighbours_{};
  OnePacket one_{};
  Counters counters_;
  std::array<ReadyWay, kWays> ways_;
  ReadyWay unkept_;  // while tables change
  // Counters for the ID field, one for a set of address pairs chosen by the key.
  static constexpr unsigned kIdSlots = 2048;
  std::uint16_t ids_[kIdSlots] = {};
};

}  // namespace linnet::ip
