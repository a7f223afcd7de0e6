// SPDX-License-Identifier: BSD-3-Clause
// A sequence of ARP packets of any bytes to a host that also sends. Input: settings (bits 0-3:
// arp_ignore, 4-5: arp_accept, 6: proxy_arp, 7: an address is being probed), then steps, each: what
// (bits 0-1: the frame's cast, 2: the sender MAC is the frame's, 3: the form is made right, 4: send
// a packet to the sender first, 5-7: time goes on by 0, 1 ms, 10 ms ... 1000 s), the ARP packet's
// length, and its bytes.
#include <algorithm>
#include <array>
#include <cstring>

#include "device/memory_port.hpp"
#include "neigh/fake_host.hpp"
#include "neigh/resolver.hpp"
#include "support/fuzz_eal.hpp"
#include "wire/arp.hpp"

namespace {

using namespace linnet;
using namespace linnet::neigh;

constexpr std::uint32_t kLimit = 32;
const MacAddress kOurMac({2, 0, 0, 0, 0, 1});
const MacAddress kFixedMac({2, 0, 0, 0, 0, 0x10});
const Ipv4Address kOurs(192, 0, 2, 1), kFixed(192, 0, 2, 7), kProbed(192, 0, 2, 2);

struct Machine {
  Machine(tests::FuzzLane& fuzz_lane, unsigned what) : lane(fuzz_lane) {
    auto added = devices.add(std::make_unique<device::MemoryPort>("p0", kOurMac));
    port = static_cast<device::MemoryPort*>(added.value());
    LINNET_CHECK(port->set_admin_up(true).ok());
    host.own.push_back({0, kOurs});
    host.forward = true;
    host.ways[Ipv4Address(10, 0, 0, 1)] = 1;
    System::Options options;
    options.capacity = 64;
    options.pending_packets = 16;
    system = std::move(System::create(options, devices, host)).value();
    system->settings().gc_thresh2 = kLimit / 2;
    system->settings().gc_thresh3 = kLimit;
    system->settings().arp_ignore = what & 15;
    system->settings().arp_accept = what >> 4 & 3;
    system->settings().proxy_arp = what >> 6 & 1;
    resolver = std::make_unique<Resolver>(*system, 0, wheel, output);
    LINNET_CHECK(system->change({0, kFixed, kFixedMac, Nud::Permanent}, System::Change::Add).ok());
    if ((what & 128) != 0) LINNET_CHECK(system->probe_address(0, kProbed).ok());
    run();
  }
  ~Machine() {
    packet::Turn turn = lane.turn();
    resolver->clear(turn);
    transmitter.flush(turn);
    take_sent();
  }

  void run() {
    packet::Turn turn = lane.turn();
    resolver->turn(turn);
    wheel.advance(turn.now, 1000, &turn);
    transmitter.flush(turn);
    take_sent();
  }
  // Every ARP packet that leaves is well formed and says only what is so.
  void take_sent() {
    while (packet::Packet frame = port->take()) {
      const auto& link = *frame.header<wire::EthernetHeader>();
      LINNET_CHECK(link.source == kOurMac);
      LINNET_CHECK(!link.destination.is_zero());
      if (link.ethertype.host() == wire::ethertype::kArp) {
        const auto& arp = *frame.header<wire::ArpPacket>(sizeof link);
        LINNET_CHECK_OP(frame.length(), ==, sizeof link + sizeof arp);
        LINNET_CHECK(arp.sender_mac == kOurMac);
        LINNET_CHECK(arp.operation.host() == wire::kArpRequest || link.destination.is_station());
      }
      rte_pktmbuf_free(frame.release());
    }
  }
  void send_to(Ipv4Address next_hop) {
    const std::array<std::uint8_t, 20> bytes{0x45};
    packet::Packet packet = lane.receive(bytes);
    packet.meta().output_device = 0;
    packet.meta().next_hop = next_hop;
    packet::Burst burst;
    burst.push(std::move(packet));
    packet::Turn turn = lane.turn();
    resolver->output(turn, burst);
    transmitter.flush(turn);
    take_sent();
  }
  void receive(std::span<const std::uint8_t> frame, packet::LinkCast cast) {
    packet::Packet packet = lane.receive(frame);
    packet.meta().input_device = 0;
    packet.meta().cast = cast;
    packet.meta().link_offset = packet.data_offset();
    packet.pull(sizeof(wire::EthernetHeader));
    packet::Burst burst;
    burst.push(std::move(packet));
    packet::Turn turn = lane.turn();
    resolver->arp_input(turn, burst);
    transmitter.flush(turn);
    take_sent();
  }
  void check() {
    const auto fixed = system->find(lane.now(), 0, kFixed);
    LINNET_CHECK(fixed && fixed->state == Nud::Permanent && fixed->mac == kFixedMac);
    // Asked for where a step sends to it, but never learned.
    const auto ours = system->find(lane.now(), 0, kOurs);
    LINNET_CHECK(!ours || !ours->mac);
    LINNET_CHECK_OP(system->counts().entries, <=, kLimit + 1);
    LINNET_CHECK_OP(system->counts().pending_packets, <=, 16u);
    system->list(lane.now(), [](const NeighbourInfo& info) {
      LINNET_CHECK(!info.mac || info.mac->is_station());
      LINNET_CHECK(!info.mac || *info.mac != kOurMac);
    });
  }

  tests::FuzzLane& lane;
  device::DeviceTable devices;
  device::MemoryPort* port = nullptr;
  FakeHost host;
  time::TimerWheel wheel{lane.now()};
  device::Transmitter transmitter{devices, 0};
  link::EthernetOutput output{transmitter};
  std::unique_ptr<System> system;
  std::unique_ptr<Resolver> resolver;
};

// Takes one step's bytes off the front of `data`; false at the end.
bool step(Machine& machine, std::span<const std::uint8_t>& data) {
  if (data.size() < 2) return false;
  const unsigned what = data[0];
  const std::size_t length = std::min<std::size_t>(data[1] % 48, data.size() - 2);
  constexpr std::size_t kLink = sizeof(wire::EthernetHeader);
  std::array<std::uint8_t, kLink + 48> frame{};
  const MacAddress stranger({2, 0, 0, 0, 0, 0x66});
  wire::EthernetHeader link{kOurMac, stranger, be16(wire::ethertype::kArp)};
  std::copy_n(data.data() + 2, length, frame.data() + kLink);
  data = data.subspan(2 + length);
  wire::ArpPacket arp{};
  std::memcpy(&arp, frame.data() + kLink, sizeof arp);
  if ((what & 4) != 0) link.source = arp.sender_mac;
  if ((what & 8) != 0) {
    arp.hardware_type = be16(wire::kArpEthernet);
    arp.protocol_type = be16(wire::ethertype::kIpv4);
    arp.hardware_size = 6;
    arp.protocol_size = 4;
    arp.operation = be16(static_cast<std::uint16_t>(1 + (arp.operation.host() & 1)));
    std::memcpy(frame.data() + kLink, &arp, sizeof arp);
  }
  std::memcpy(frame.data(), &link, sizeof link);
  if ((what & 16) != 0) machine.send_to(arp.sender_ip);
  machine.receive({frame.data(), kLink + length}, static_cast<packet::LinkCast>(what & 3));
  std::int64_t pause = what >> 5 == 0 ? 0 : 1;
  for (unsigned i = 1; i < what >> 5; ++i)
    pause *= 10;
  machine.lane.advance(time::Duration::milliseconds(pause));
  machine.run();
  machine.check();
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tests::FuzzLane& lane = tests::FuzzLane::instance();
  if (size < 1) return 0;
  {
    Machine machine(lane, data[0]);
    std::span<const std::uint8_t> rest(data + 1, std::min<std::size_t>(size - 1, 2000));
    while (step(machine, rest)) {
    }
  }
  lane.check_balance();
  return 0;
}
