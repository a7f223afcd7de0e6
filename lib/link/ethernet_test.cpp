// SPDX-License-Identifier: BSD-3-Clause
#include "link/ethernet.hpp"

#include "device/loopback.hpp"
#include "device/memory_port.hpp"
#include "packet/drops.hpp"
#include "support/lane_fixture.hpp"

namespace linnet::link {
namespace {

using packet::LinkCast;
using packet::Packet;
using tests::Bytes;

const MacAddress kOurs({2, 0, 0, 0, 0, 1});
const MacAddress kPeer({2, 0, 0, 0, 0, 2});

class EthernetTest : public tests::LaneFixture {
 protected:
  EthernetTest() {
    port_ = static_cast<device::MemoryPort*>(
        *devices_.add(std::make_unique<device::MemoryPort>("p0", kOurs)));
    EXPECT_TRUE(port_->set_admin_up(true));
    input_.handle(wire::ethertype::kIpv4, ipv4_.stage());
    input_.handle(wire::ethertype::kArp, arp_.stage());
  }
  static Bytes frame(MacAddress to, MacAddress from, std::uint16_t type, std::size_t payload = 46) {
    Bytes out(14 + payload, 0x55);
    std::copy(to.bytes().begin(), to.bytes().end(), out.begin());
    std::copy(from.bytes().begin(), from.bytes().end(), out.begin() + 6);
    out[12] = static_cast<std::uint8_t>(type >> 8);
    out[13] = static_cast<std::uint8_t>(type);
    return out;
  }
  // Hands frames to the input, counted as the device and the lane do.
  void input(std::initializer_list<Bytes> frames) {
    packet::Burst burst;
    for (const Bytes& bytes : frames) {
      Packet packet = receive(bytes);
      packet.meta().input_device = port_->index();
      burst.push(std::move(packet));
    }
    packet::Turn t = turn();
    input_.input(t, *port_, burst);
  }
  void expect_one_drop(const Bytes& bytes, packet::DropReason why) {
    const std::uint64_t before = ledger_.dropped(why);
    const std::uint64_t total = ledger_.dropped_total();
    input({bytes});
    EXPECT_EQ(ledger_.dropped(why), before + 1);
    EXPECT_EQ(ledger_.dropped_total(), total + 1);
    EXPECT_TRUE(ipv4_.packets.empty());
    EXPECT_TRUE(arp_.packets.empty());
  }

  device::DeviceTable devices_;
  device::MemoryPort* port_;
  EthernetInput input_;
  tests::Collector ipv4_;
  tests::Collector arp_;
};

TEST_F(EthernetTest, UnicastForUsGoesUpWithTheHeaderPulled) {
  input({frame(kOurs, kPeer, 0x0800)});
  ASSERT_EQ(ipv4_.packets.size(), 1u);
  const Packet& packet = ipv4_.packets[0];
  EXPECT_EQ(packet.length(), 46u);
  EXPECT_EQ(packet.meta().cast, LinkCast::Host);
  EXPECT_EQ(packet.header_at<wire::EthernetHeader>(packet.meta().link_offset)->source, kPeer);
}

TEST_F(EthernetTest, AMixedBurstKeepsTheOrderWithinAnEthertype) {
  Bytes a = frame(kOurs, kPeer, 0x0800);
  Bytes b = frame(MacAddress::broadcast(), kPeer, 0x0800);
  a[14] = 1;
  b[14] = 2;
  Bytes c = a;
  c[14] = 3;
  input({a, frame(MacAddress::broadcast(), kPeer, 0x0806, 28), b, c});
  ASSERT_EQ(ipv4_.packets.size(), 3u);
  ASSERT_EQ(arp_.packets.size(), 1u);
  for (unsigned i = 0; i < 3; ++i)
    EXPECT_EQ(bytes_of(ipv4_.packets[i])[0], i + 1);
  EXPECT_EQ(ipv4_.packets[1].meta().cast, LinkCast::Broadcast);
}

TEST_F(EthernetTest, D2_EveryBadFrameIsOneNamedDrop) {
  using packet::reason_of;
  for (std::size_t n = 0; n < 14; ++n) {
    Bytes runt = frame(kOurs, kPeer, 0x0800);
    runt.resize(n);
    expect_one_drop(runt, reason_of(Drop::Runt));
  }
  expect_one_drop(frame(kOurs, kPeer, 0x0800, 1505), reason_of(Drop::Oversize));
  expect_one_drop(frame(kOurs, MacAddress({3, 0, 0, 0, 0, 9}), 0x0800),
                  reason_of(Drop::SourceGroup));
  expect_one_drop(frame(kOurs, MacAddress::broadcast(), 0x0800), reason_of(Drop::SourceGroup));
  expect_one_drop(frame(kPeer, kPeer, 0x0800), reason_of(Drop::NotForUs));
  expect_one_drop(frame(MacAddress({1, 0, 0x5e, 1, 2, 3}), kPeer, 0x0800),
                  reason_of(Drop::NotForUs));
  expect_one_drop(frame(kOurs, kPeer, 0x86dd), reason_of(Drop::UnknownEthertype));
  expect_one_drop(frame(kOurs, kPeer, 46), reason_of(Drop::LengthField));
  EXPECT_EQ(port_->counters(0).rx_dropped.value(), 14u + 7u);
}

TEST_F(EthernetTest, FramesOfExactlyTheMtuAreTaken) {
  input({frame(kOurs, kPeer, 0x0800, 1500), frame(kOurs, kPeer, 0x0800, 0)});
  EXPECT_EQ(ipv4_.packets.size(), 2u);
}

TEST_F(EthernetTest, PromiscuousModeStillRefusesOtherStationsFrames) {
  // Linux: promiscuous frames are PACKET_OTHERHOST: captures see them, IP does not.
  EXPECT_TRUE(port_->set_promiscuous(true));
  expect_one_drop(frame(kPeer, kPeer, 0x0800), packet::reason_of(Drop::NotForUs));
}

TEST_F(EthernetTest, AllMulticastTakesEveryGroup) {
  EXPECT_TRUE(port_->set_all_multicast(true));
  input({frame(MacAddress({1, 0, 0x5e, 1, 2, 3}), kPeer, 0x0800)});
  ASSERT_EQ(ipv4_.packets.size(), 1u);
  EXPECT_EQ(ipv4_.packets[0].meta().cast, LinkCast::Multicast);
}

TEST_F(EthernetTest, AllSystemsGroupIsAlwaysTaken) {
  input({frame(wire::multicast_mac(0xe0000001), kPeer, 0x0800)});
  EXPECT_EQ(ipv4_.packets.size(), 1u);
}

TEST_F(EthernetTest, D10_ALyingDriverIsOneNamedDrop) {
  Packet packet = receive(frame(kOurs, kPeer, 0x0800));
  packet.mbuf()->pkt_len = 2000;
  packet::Burst burst;
  burst.push(std::move(packet));
  packet::Turn t = turn();
  input_.input(t, *port_, burst);
  EXPECT_EQ(drops(device::Drop::BadLength), 1u);
}

TEST_F(EthernetTest, D1_AHeaderInPiecesIsTheSameFrame) {
  const Bytes whole = frame(kOurs, kPeer, 0x0800);
  for (std::size_t cut = 1; cut < 30; ++cut) {
    Packet packet = receive(Bytes(whole.begin(), whole.begin() + static_cast<long>(cut)));
    rte_mbuf* const tail = rte_pktmbuf_alloc(pool_->raw());
    std::memcpy(rte_pktmbuf_append(tail, static_cast<std::uint16_t>(whole.size() - cut)),
                whole.data() + cut, whole.size() - cut);
    packet.mbuf()->next = tail;
    packet.mbuf()->nb_segs = 2;
    packet.mbuf()->pkt_len = static_cast<std::uint32_t>(whole.size());
    packet::Burst burst;
    burst.push(std::move(packet));
    packet::Turn t = turn();
    input_.input(t, *port_, burst);
    ASSERT_EQ(ipv4_.packets.size(), 1u) << cut;
    EXPECT_EQ(bytes_of(ipv4_.packets[0]), Bytes(whole.begin() + 14, whole.end()));
    ipv4_.clear();
  }
}

TEST_F(EthernetTest, OutputWritesTheHeaderInFrontAndMakesRoomWhereThereIsNone) {
  device::Transmitter transmitter(devices_, 0);
  EthernetOutput output(transmitter);
  packet::Turn t = turn();
  const wire::EthernetHeader header{kPeer, kOurs, be16(0x0800)};
  Packet packet = receive(Bytes(50, 7));
  output.send(t, port_->index(), header, std::move(packet));
  Packet crowded = receive(Bytes(50, 8));
  crowded.meta().input_device = port_->index();
  while (crowded.push(1) != nullptr) {
  }
  output.send(t, port_->index(), header, std::move(crowded));
  transmitter.flush(t);
  ASSERT_EQ(port_->outbound(), 2u);
  for (const std::size_t length : {std::size_t{64}, std::size_t{64 + 128}}) {
    Packet sent = port_->take();
    const Bytes bytes = bytes_of(sent);
    EXPECT_EQ(bytes.size(), length);
    EXPECT_EQ(std::memcmp(bytes.data(), &header, 14), 0);
    rte_pktmbuf_free(sent.release());
  }
}

TEST_F(EthernetTest, D4_AFullRingIsANamedDropAfterRetries) {
  device::Transmitter transmitter(devices_, 0);
  EthernetOutput output(transmitter);
  port_->set_ring_size(3);
  packet::Turn t = turn();
  for (int i = 0; i < 10; ++i) {
    output.send(t, port_->index(), {kPeer, kOurs, be16(0x0800)}, receive(Bytes(50, 7)));
  }
  transmitter.flush(t);
  EXPECT_EQ(drops(device::Drop::TxRingFull), 7u);
  EXPECT_EQ(port_->counters(0).tx_dropped.value(), 7u);
  EXPECT_EQ(ledger_.sent.value(), 3u);
}

TEST_F(EthernetTest, D5_ADeviceThatIsDownDropsByName) {
  device::Transmitter transmitter(devices_, 0);
  EthernetOutput output(transmitter);
  packet::Turn t = turn();
  EXPECT_TRUE(port_->set_admin_up(false));
  output.send(t, port_->index(), {kPeer, kOurs, be16(0x0800)}, receive(Bytes(50, 7)));
  transmitter.flush(t);
  EXPECT_EQ(drops(device::Drop::DeviceDown), 1u);
  transmitter.send(t, 63, receive(Bytes(50, 7)));
  transmitter.flush(t);
  EXPECT_EQ(drops(device::Drop::NoSuchDevice), 1u);
}

}  // namespace
}  // namespace linnet::link
