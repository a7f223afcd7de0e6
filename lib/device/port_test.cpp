// SPDX-License-Identifier: BSD-3-Clause
#include "device/port.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "device/attach.hpp"
#include "device/drops.hpp"
#include "device/transmitter.hpp"
#include "packet/drops.hpp"
#include "support/lane_fixture.hpp"

namespace linnet::device {
namespace {

using packet::Burst;
using packet::Packet;
using tests::Bytes;

class PortTest : public tests::LaneFixture {
 protected:
  // net_ring gives back what is sent; the number keeps tests of one process apart.
  static std::string ring() {
    static int serial = 0;
    return "net_ring" + std::to_string(serial++);
  }
  Port& add(PortOptions options) {
    options.name = "p" + std::to_string(devices_.size());
    options.pool = pool_.get();
    auto port = Port::create(options);
    EXPECT_TRUE(port.ok()) << port.error().text();
    Port& out = **port;
    EXPECT_TRUE(out.set_admin_up(true).ok());
    EXPECT_TRUE(devices_.add(std::move(*port)).ok());
    return out;
  }

  // Sends a frame as a lane does.
  void send(Port& port, Packet&& frame) {
    packet::Turn now = turn();
    transmitter_.send(now, port.index(), std::move(frame));
    transmitter_.flush(now);
  }
  // What the port receives next; empty if nothing.
  Packet take(Port& port) {
    Burst burst(1);
    if (port.receive(0, burst) == 0) return Packet();
    ledger_.received.add();
    Packet out = burst.take(0);
    burst.clear();
    return out;
  }
  Bytes take_bytes(Port& port) {
    Packet frame = take(port);
    EXPECT_TRUE(frame);
    if (!frame) return {};
    const Bytes out = bytes_of(frame);
    ledger_.deliver(std::move(frame));
    return out;
  }
  // A frame whose buffer is full of 0xee behind the data, as of a packet before it.
  Packet dirty_frame(std::uint32_t length, std::uint8_t fill = 0x11) {
    Packet frame = receive(Bytes(512, 0xee));
    std::memset(frame.data(), fill, length);
    frame.trim(length);
    return frame;
  }
  // The bytes in a chain of segments of at most `piece` bytes.
  Packet chain(const Bytes& bytes, std::size_t piece) {
    Packet head = receive(std::span(bytes).first(std::min(piece, bytes.size())));
    for (std::size_t at = piece; at < bytes.size(); at += piece) {
      Packet next = pool_->allocate();
      const std::size_t n = std::min(piece, bytes.size() - at);
      std::memcpy(next.put(static_cast<std::uint32_t>(n)), bytes.data() + at, n);
      EXPECT_EQ(rte_pktmbuf_chain(head.mbuf(), next.release()), 0);
    }
    return head;
  }
  static Bytes pattern(std::size_t length) {
    Bytes out(length);
    for (std::size_t i = 0; i < length; ++i)
      out[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    return out;
  }

  DeviceTable devices_;
  Transmitter transmitter_{devices_, 0};
};

TEST_F(PortTest, FramesGoOutAndComeInWithTheirAccount) {
  Port& port = add({.devargs = ring()});
  EXPECT_TRUE(port.running());
  EXPECT_TRUE(port.mac().is_station());
  const Bytes frame = pattern(1514);
  send(port, receive(frame));
  Packet back = take(port);
  ASSERT_TRUE(back);
  EXPECT_EQ(back.meta().input_device, port.index());
  EXPECT_EQ(bytes_of(back), frame);
  ledger_.deliver(std::move(back));
  const Statistics statistics = port.statistics();
  EXPECT_EQ(statistics.tx_packets, 1u);
  EXPECT_EQ(statistics.tx_bytes, 1514u);
  EXPECT_EQ(statistics.rx_packets, 1u);
  EXPECT_EQ(statistics.rx_bytes, 1514u);
  EXPECT_EQ(statistics.tx_dropped, 0u);
}

TEST_F(PortTest, MetaOfAnEarlierPacketIsGoneOnReceive) {
  Port& port = add({.devargs = ring()});
  Packet frame = receive(pattern(64));
  frame.meta().mark = 77;
  frame.meta().flags = packet::Meta::kGenerated;
  send(port, std::move(frame));
  Packet back = take(port);
  ASSERT_TRUE(back);
  EXPECT_EQ(back.meta().mark, 0u);
  EXPECT_EQ(back.meta().flags, 0u);
  ledger_.deliver(std::move(back));
}

TEST_F(PortTest, I8_ShortFramesArePaddedWithZeros) {
  Port& port = add({.devargs = ring()});
  for (std::uint32_t length = 14; length <= 61; ++length) {
    send(port, dirty_frame(length));
    const Bytes back = take_bytes(port);
    ASSERT_EQ(back.size(), std::max(length, 60u));
    EXPECT_EQ(std::count(back.begin(), back.begin() + length, 0x11), length);
    EXPECT_EQ(std::count(back.begin() + length, back.end(), 0), 60 - std::min(length, 60u) + 0);
  }
}

TEST_F(PortTest, I8_ASharedFrameIsPaddedInACopyOfItsOwn) {
  Port& port = add({.devargs = ring()});
  Packet frame = dirty_frame(42);
  Packet twin = frame.clone(*pool_);
  ASSERT_TRUE(twin);
  ledger_.generated.add();
  send(port, std::move(twin));
  EXPECT_EQ(frame.length(), 42u);
  // What lay behind the frame is still there.
  const auto* const behind = reinterpret_cast<const std::uint8_t*>(frame.put(18));
  ASSERT_NE(behind, nullptr);
  EXPECT_TRUE(std::all_of(behind, behind + 18, [](std::uint8_t b) { return b == 0xee; }));
  ledger_.deliver(std::move(frame));
  EXPECT_EQ(take_bytes(port).size(), 60u);
}

TEST_F(PortTest, D1_AChainGoesInOnePieceToADriverThatKnowsNoChains) {
  Port& port = add({.devargs = ring(), .lowest = true});
  ASSERT_EQ(port.max_segments(), 1u);
  for (const std::size_t piece : {1u, 7u, 14u, 100u, 1000u}) {
    const Bytes frame = pattern(200);
    send(port, chain(frame, piece));
    Packet back = take(port);
    ASSERT_TRUE(back);
    EXPECT_TRUE(back.single_segment());
    EXPECT_EQ(bytes_of(back), frame) << piece;
    ledger_.deliver(std::move(back));
  }
  const Bytes runt = pattern(30);
  send(port, chain(runt, 10));
  Bytes padded = runt;
  padded.resize(60, 0);
  EXPECT_EQ(take_bytes(port), padded);
}

TEST_F(PortTest, D1_AChainGoesAsItIsToADriverThatKnowsChains) {
  Port& port = add({.devargs = ring()});
  ASSERT_GT(port.max_segments(), 1u);
  const Bytes frame = pattern(300);
  send(port, chain(frame, 100));
  Packet back = take(port);
  ASSERT_TRUE(back);
  EXPECT_EQ(back.mbuf()->nb_segs, 3);
  EXPECT_EQ(bytes_of(back), frame);
  ledger_.deliver(std::move(back));
}

TEST_F(PortTest, D2_AFrameLongerThanTheMtuIsDroppedByName) {
  Port& port = add({.devargs = ring()});
  send(port, receive(pattern(1518)));  // with a VLAN tag
  EXPECT_EQ(take_bytes(port).size(), 1518u);
  send(port, receive(pattern(1519)));
  EXPECT_EQ(drops(Drop::TxTooLong), 1u);
  EXPECT_FALSE(take(port));
  EXPECT_EQ(port.statistics().tx_dropped, 1u);
}

TEST_F(PortTest, D3_AnEmptyPoolStopsReceivingAndOnlyUntilItIsRefilled) {
  Port& port = add({.devargs = "net_null_d3,size=64"});
  std::vector<Packet> kept;
  for (;;) {
    Packet frame = take(port);
    if (!frame) break;
    kept.push_back(std::move(frame));
  }
  EXPECT_GT(kept.size(), 4000u);
  EXPECT_FALSE(take(port));
  for (Packet& frame : kept)
    ledger_.deliver(std::move(frame));
  Packet again = take(port);
  ASSERT_TRUE(again);
  ledger_.deliver(std::move(again));
}

TEST_F(PortTest, D3_AFrameThatCannotBeCopiedForPaddingIsDroppedAsNoBuffer) {
  Port& port = add({.devargs = ring()});
  Packet frame = dirty_frame(42);
  Packet twin = frame.clone(*pool_);
  ASSERT_TRUE(twin);
  ledger_.generated.add();
  std::vector<rte_mbuf*> all(pool_->available());
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_->raw(), all.data(), static_cast<unsigned>(all.size())), 0);
  send(port, std::move(twin));
  EXPECT_EQ(drops(packet::Drop::NoBuffer), 1u);
  rte_pktmbuf_free_bulk(all.data(), static_cast<unsigned>(all.size()));
  ledger_.deliver(std::move(frame));
}

TEST_F(PortTest, D4_AFullDriverRingIsADropAndNotAStall) {
  Port& port = add({.devargs = ring()});
  for (int i = 0; i < 2000; ++i)
    send(port, receive(pattern(64)));
  const std::uint64_t dropped = drops(Drop::TxRingFull);
  EXPECT_GT(dropped, 0u);
  std::uint64_t back = 0;
  for (Packet frame = take(port); frame; frame = take(port)) {
    ledger_.deliver(std::move(frame));
    ++back;
  }
  EXPECT_EQ(back + dropped, 2000u);
}

TEST_F(PortTest, TheLowestPortWorksWithEveryOptionalCallRefused) {
  Port& port = add({.devargs = ring(), .lanes = 4, .lowest = true});
  EXPECT_EQ(port.queues(), 1u);
  EXPECT_TRUE(port.running());
  EXPECT_EQ(port.receive_wakeup_fd(0), -1);
  EXPECT_FALSE(port.arm_receive_wakeup(0, true));
  EXPECT_TRUE(port.set_promiscuous(true).ok());
  EXPECT_TRUE(port.set_all_multicast(true).ok());
  EXPECT_TRUE(port.set_mtu(1400).ok());
  EXPECT_EQ(port.mtu(), 1400u);
  const MacAddress mac = *MacAddress::parse("02:00:00:00:00:99");
  EXPECT_TRUE(port.set_mac(mac).ok());
  EXPECT_EQ(port.mac(), mac);
  port.refresh_link();
  EXPECT_TRUE(port.link_up());
  const Bytes frame = pattern(1414);
  send(port, receive(frame));
  EXPECT_EQ(take_bytes(port), frame);
}

TEST_F(PortTest, LanesWithoutAQueueSendThroughTheLaneThatOwnsOne) {
  Port& port = add({.devargs = ring(), .lanes = 3, .queues = 1});
  ASSERT_EQ(port.queues(), 1u);
  EXPECT_TRUE(port.needs_watch(0));
  EXPECT_FALSE(port.needs_watch(2));
  Transmitter third(devices_, 2);
  packet::Turn now = turn();
  third.send(now, port.index(), receive(pattern(80)));
  third.flush(now);
  Burst none;
  EXPECT_EQ(port.receive(2, none), 0u);
  // The owner's turn sends it, and net_ring gives it back in the same turn.
  EXPECT_EQ(take_bytes(port), pattern(80));
  // What waits when the port goes is freed with it.
  third.send(now, port.index(), receive(pattern(80)));
  third.flush(now);
}

TEST_F(PortTest, MtuAndMacOutOfRangeAreRefusedAndChangeNothing) {
  Port& port = add({.devargs = ring(), .mtu = 1280});
  EXPECT_EQ(port.mtu(), 1280u);
  EXPECT_FALSE(port.set_mtu(67).ok());
  EXPECT_FALSE(port.set_mtu(port.max_mtu() + 1).ok());
  EXPECT_EQ(port.mtu(), 1280u);
  const MacAddress before = port.mac();
  EXPECT_FALSE(port.set_mac(MacAddress::broadcast()).ok());
  EXPECT_EQ(port.mac(), before);
}

TEST_F(PortTest, D5_FramesThatCameWhileThePortWasDownAreGoneWhenItIsUpAgain) {
  Port& port = add({.devargs = ring()});
  for (int flap = 0; flap < 3; ++flap) {
    ASSERT_TRUE(port.set_admin_up(false).ok());
    Burst burst;
    for (int i = 0; i < 40; ++i)
      burst.push(receive(pattern(64)));
    ledger_.sent.add(port.transmit(0, burst));
    ASSERT_TRUE(port.set_admin_up(true).ok());
    EXPECT_FALSE(take(port));
    send(port, receive(pattern(70)));
    EXPECT_EQ(take_bytes(port), pattern(70));
  }
  EXPECT_EQ(port.statistics().rx_dropped, 120u);
}

TEST_F(PortTest, BadDevargsAreNamed) {
  const auto error_of = [&](const char* devargs) {
    PortOptions options;
    options.name = "bad";
    options.devargs = devargs;
    options.pool = pool_.get();
    auto port = Port::create(options);
    return port.ok() ? std::string("made") : port.error().text();
  };
  EXPECT_NE(error_of("wrong0").find("no driver is known"), std::string::npos) << error_of("wrong0");
  EXPECT_NE(error_of("net_af_packet0,iface=nonesuch").find("there is no interface nonesuch"),
            std::string::npos);
  EXPECT_NE(error_of("net_pcap0,rx_pcap=/nonexistent.pcap").find("cannot read /nonexistent.pcap"),
            std::string::npos);
  EXPECT_NE(error_of("0000:ff:1f.7").find("dpdk-devbind"), std::string::npos)
      << error_of("0000:ff:1f.7");
  EXPECT_NE(error_of("").find("devargs"), std::string::npos);
}

TEST_F(PortTest, D6_APortCanBeMadeAgainUnderTheSameNameOnlyAfterItWasRemoved) {
  PortOptions options;
  options.name = "again";
  options.devargs = "net_null_again";
  options.pool = pool_.get();
  for (int i = 0; i < 3; ++i) {
    auto port = Port::create(options);
    ASSERT_TRUE(port.ok()) << port.error().text();
    auto second = Port::create(options);
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.error().text().find("exists already"), std::string::npos);
  }
}

// A port's hash is asked for where the driver offers one, and trusted only where the key that was
// set comes back.
TEST_F(PortTest, SpreadingIsSetReadBackAndToldOf) {
  PortOptions options;
  options.devargs = "net_null_spread0";
  options.lanes = 2;
  options.spread_seed = 5;
  const Port& null = add(options);
  EXPECT_EQ(null.spreading().queues, 2u);
  EXPECT_TRUE(null.spreads());
  EXPECT_TRUE(null.spreading().by_hash || !null.spreading().why.empty()) << null.spreading().why;
  options.devargs = "net_null_spread1";
  options.lowest = true;
  const Port& lowest = add(options);
  EXPECT_EQ(lowest.spreading().why, "it has one queue");
  EXPECT_FALSE(lowest.spreads()) << "one queue for two lanes";
  options.lowest = false;
  options.devargs = ring();
  options.lanes = 1;
  EXPECT_FALSE(add(options).spreading().by_hash);
}

}  // namespace
}  // namespace linnet::device
