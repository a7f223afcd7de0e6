// SPDX-License-Identifier: BSD-3-Clause
// What the tests of this room share: two ports and a loopback, a host whose addresses are set by
// hand, a resolver on lane 0 and one on lane 1, ARP packets in and out. Virtual time.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "device/loopback.hpp"
#include "device/memory_port.hpp"
#include "neigh/fake_host.hpp"
#include "neigh/resolver.hpp"
#include "route/route.hpp"
#include "support/lane_fixture.hpp"
#include "wire/arp.hpp"
#include "wire/ipv4.hpp"

namespace linnet::neigh {

inline const MacAddress kOurMac({2, 0, 0, 0, 0, 1});
inline const MacAddress kOurMac1({2, 0, 0, 0, 0, 2});
inline const MacAddress kPeerMac({2, 0, 0, 0, 0, 0x10});
inline const MacAddress kOtherMac({2, 0, 0, 0, 0, 0x20});
inline const Ipv4Address kOurs(192, 0, 2, 1);
inline const Ipv4Address kPeer(192, 0, 2, 7);
inline const Ipv4Address kStranger(192, 0, 2, 99);
inline const Ipv4Address kAny{};

// A frame that left, taken apart.
struct Sent {
  wire::EthernetHeader link;
  tests::Bytes payload;
  bool arp() const { return link.ethertype.host() == wire::ethertype::kArp; }
  wire::ArpPacket arp_packet() const {
    wire::ArpPacket out{};
    if (payload.size() >= sizeof out) std::memcpy(&out, payload.data(), sizeof out);
    return out;
  }
};

class NeighFixture : public tests::LaneFixture {
 public:
  // An ARP packet to come in; as it stands: a request of kPeer for our address.
  struct ArpIn {
    std::uint16_t operation = wire::kArpRequest;
    MacAddress sender_mac = kPeerMac;
    Ipv4Address sender_ip = kPeer;
    MacAddress target_mac{};
    Ipv4Address target_ip = kOurs;
    std::optional<MacAddress> frame_source{};  // left out: the sender's
    packet::LinkCast cast = packet::LinkCast::Host;
    std::uint16_t device = 0;
    std::uint16_t hardware_type = 1, protocol_type = 0x0800;
    std::uint8_t hardware_size = 6, protocol_size = 4;
    std::size_t length = sizeof(wire::ArpPacket);
  };

 protected:
  explicit NeighFixture(System::Options options = default_options()) {
    devices_.add(std::make_unique<device::MemoryPort>("p0", kOurMac)).value();
    devices_.add(std::make_unique<device::MemoryPort>("p1", kOurMac1)).value();
    devices_.add(std::make_unique<device::Loopback>()).value();
    for (const auto& device : devices_.all())
      static_cast<void>(device->set_admin_up(true));
    host_.own.push_back({0, kOurs});
    system_ = std::move(System::create(options, devices_, host_)).value();
    resolver_ = std::make_unique<Resolver>(*system_, 0, wheel_, output_);
    other_ = std::make_unique<Resolver>(*system_, 1, other_wheel_, other_output_);
    resolver_->connect_unresolved(unresolved_.stage());
  }
  ~NeighFixture() override {
    packet::Turn now = turn();
    resolver_->clear(now);
    settle();
    EXPECT_TRUE(other_ledger_.balanced()) << "lane 1 does not balance";
    EXPECT_EQ(ledger_.held.value() + other_ledger_.held.value(), 0u);
    unresolved_.clear();
    for (unsigned i = 0; i < 2; ++i)
      sent(i);
    packet::Burst looped;
    devices_.at(2)->receive(0, looped);
    looped.drain([](packet::Packet&& p) { rte_pktmbuf_free(p.release()); });
  }
  static System::Options default_options() {
    System::Options options;
    options.capacity = 4096;
    options.lanes = 2;
    options.key = SipKey{1, 2};
    return options;
  }

  device::MemoryPort& port(unsigned i) { return static_cast<device::MemoryPort&>(*devices_.at(i)); }
  packet::Turn other_turn() {
    return packet::Turn{clock_.now(), other_ledger_, *pool_, random_, 1};
  }
  void settle() {
    packet::Turn now = turn();
    transmitter_.flush(now);
    packet::Turn other = other_turn();
    other_transmitter_.flush(other);
  }
  // A turn of the owner: messages, timers, flush.
  void run() {
    packet::Turn now = turn();
    resolver_->turn(now);
    wheel_.advance(now.now, 100000, &now);
    settle();
  }
  void run_for(time::Duration span, time::Duration step = time::Duration::milliseconds(5)) {
    const time::Instant end = clock_.now() + span;
    while (clock_.now() < end) {
      advance(std::min(step, end - clock_.now()));
      run();
    }
  }

  // Sends an IP packet whose payload begins with `tag` to a neighbour.
  void send_to(Ipv4Address next_hop, std::uint8_t tag = 0, std::uint16_t device = 0,
               const route::NextHop* hop = nullptr, Resolver* by = nullptr) {
    const bool other = by != nullptr && by == other_.get();
    packet::Packet packet = ip_packet(tag, other);
    packet.meta().output_device = device;
    packet.meta().next_hop = next_hop;
    packet.meta().hop = hop;
    packet::Turn now = other ? other_turn() : turn();
    Resolver& resolver = other ? *other_ : *resolver_;
    if (one_by_one_) {
      resolver.output_one(now, std::move(packet));
    } else {
      packet::Burst burst;
      burst.push(std::move(packet));
      resolver.output(now, burst);
    }
    settle();
  }
  packet::Packet ip_packet(std::uint8_t tag, bool on_other_lane = false) {
    wire::Ipv4Header header{};
    header.set_header_length(20);
    header.total_length = be16(21);
    header.source = packet_source_;
    header.destination = Ipv4Address(203, 0, 113, 9);
    tests::Bytes bytes(21);
    std::memcpy(bytes.data(), &header, sizeof header);
    bytes[20] = tag;
    packet::Packet packet = receive(bytes);
    if (on_other_lane) {
      ledger_.received.subtract();
      other_ledger_.received.add();
    }
    return packet;
  }

  void arp_in(const ArpIn& in, Resolver* by = nullptr) {
    const bool other = by != nullptr && by == other_.get();
    const wire::ArpPacket arp{be16(in.hardware_type), be16(in.protocol_type), in.hardware_size,
                              in.protocol_size,       be16(in.operation),     in.sender_mac,
                              in.sender_ip,           in.target_mac,          in.target_ip};
    const wire::EthernetHeader link{kOurMac, in.frame_source.value_or(in.sender_mac),
                                    be16(wire::ethertype::kArp)};
    tests::Bytes bytes(sizeof link + sizeof arp);
    std::memcpy(bytes.data(), &link, sizeof link);
    std::memcpy(bytes.data() + sizeof link, &arp, sizeof arp);
    bytes.resize(sizeof link + in.length);
    packet::Packet packet = receive(bytes);
    if (other) {
      ledger_.received.subtract();
      other_ledger_.received.add();
    }
    packet.meta().input_device = in.device;
    packet.meta().cast = in.cast;
    packet.meta().link_offset = packet.data_offset();
    packet.pull(sizeof link);
    packet::Burst burst;
    burst.push(std::move(packet));
    packet::Turn now = other ? other_turn() : turn();
    (other ? *other_ : *resolver_).arp_input(now, burst);
    settle();
  }
  void reply_in(Ipv4Address from = kPeer, MacAddress mac = kPeerMac) {
    arp_in({.operation = wire::kArpReply,
            .sender_mac = mac,
            .sender_ip = from,
            .target_mac = kOurMac});
  }

  // What left by a port since the last call.
  std::vector<Sent> sent(unsigned device = 0) {
    std::vector<Sent> out;
    while (packet::Packet frame = port(device).take()) {
      Sent one{};
      const tests::Bytes bytes = bytes_of(frame);
      std::memcpy(&one.link, bytes.data(), sizeof one.link);
      one.payload.assign(bytes.begin() + sizeof one.link, bytes.end());
      out.push_back(std::move(one));
      rte_pktmbuf_free(frame.release());
    }
    return out;
  }
  std::vector<std::uint8_t> tags(const std::vector<Sent>& frames) {
    std::vector<std::uint8_t> out;
    for (const Sent& frame : frames) {
      if (!frame.arp()) out.push_back(frame.payload.at(20));
    }
    return out;
  }
  std::size_t arps(const std::vector<Sent>& frames) {
    return static_cast<std::size_t>(
        std::count_if(frames.begin(), frames.end(), [](const Sent& frame) { return frame.arp(); }));
  }

  std::optional<NeighbourInfo> entry(Ipv4Address address = kPeer, std::uint16_t device = 0) {
    return system_->find(clock_.now(), device, address);
  }
  Nud state(Ipv4Address address = kPeer, std::uint16_t device = 0) {
    const auto found = entry(address, device);
    return found ? found->state : Nud::None;
  }
  // An entry as `ip neigh replace` makes it.
  void set(Nud to, Ipv4Address address = kPeer, MacAddress mac = kPeerMac) {
    ASSERT_TRUE(system_->change({0, address, mac, to}, System::Change::Replace).ok());
    run();
  }
  // Asked for and answered.
  void make_reachable(Ipv4Address address = kPeer, MacAddress mac = kPeerMac) {
    send_to(address);
    reply_in(address, mac);
    sent();
  }

  device::DeviceTable devices_;
  FakeHost host_;
  bool one_by_one_ = false;  // by output_one
  Ipv4Address packet_source_ = kOurs;
  time::TimerWheel wheel_{clock_.now()}, other_wheel_{clock_.now()};
  device::Transmitter transmitter_{devices_, 0}, other_transmitter_{devices_, 1};
  link::EthernetOutput output_{transmitter_}, other_output_{other_transmitter_};
  packet::Ledger other_ledger_;
  tests::Collector unresolved_;
  std::unique_ptr<System> system_;
  std::unique_ptr<Resolver> resolver_, other_;
};

}  // namespace linnet::neigh
