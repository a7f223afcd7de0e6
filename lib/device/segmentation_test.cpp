// SPDX-License-Identifier: BSD-3-Clause
#include "device/segmentation.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/checksum.hpp"
#include "device/drops.hpp"
#include "device/memory_port.hpp"
#include "device/port.hpp"
#include "device/transmitter.hpp"
#include "support/lane_fixture.hpp"

namespace linnet::device {
namespace {

using packet::Packet;
using packet::PacketRef;
using tests::Bytes;

namespace flag = wire::tcp_flag;

// What a large packet is made of.
struct LargeOptions {
  std::uint32_t data = 4000;
  std::uint32_t each = 1000;
  std::uint32_t link = 14;
  unsigned ip_options = 0, tcp_options = 12;
  std::uint8_t flags = flag::kAck | flag::kPsh;
  std::uint16_t urgent = 0;
  std::uint16_t id = 0;
  bool dont_fragment = true;
  std::uint32_t seq = 0xfffffe00;        // wraps on the way
  std::vector<std::uint32_t> buffers{};  // lengths of the chained ones; what is left: 2000 each
  std::uint32_t behind_headers = 0;      // bytes of data in the first buffer
};

class SegmentationTest : public tests::LaneFixture {
 protected:
  static std::uint8_t byte_at(std::uint32_t i) {
    return static_cast<std::uint8_t>(i * 7 + i / 251);
  }

  Packet large(const LargeOptions& o) {
    packet::Turn now = turn();
    Packet out = now.generate(packet::Pool::Priority::Data);
    EXPECT_TRUE(out);
    const std::uint32_t ip_size = 20 + o.ip_options, tcp_size = 20 + o.tcp_options;
    std::byte* const at = out.put(o.link + ip_size + tcp_size);
    std::memset(at, 1, o.link + ip_size + tcp_size);  // options: no operation
    auto& ip = *reinterpret_cast<wire::Ipv4Header*>(at + o.link);
    ip.set_header_length(ip_size);
    ip.id = be16(o.id);
    ip.fragment = be16(o.dont_fragment ? wire::Ipv4Header::kDontFragment : std::uint16_t{0});
    ip.total_length = be16(static_cast<std::uint16_t>(ip_size + tcp_size + o.data));
    ip.protocol = wire::protocol::kTcp;
    ip.source = Ipv4Address(192, 0, 2, 1);
    ip.destination = Ipv4Address(198, 51, 100, 2);
    auto& tcp = *reinterpret_cast<wire::TcpHeader*>(at + o.link + ip_size);
    tcp.sequence = be32(o.seq);
    tcp.offset_reserved = 0;
    tcp.set_header_length(tcp_size);
    tcp.flags = o.flags;
    tcp.urgent = be16(o.urgent);
    tcp.checksum = be16();
    out.make_large(tcp_size, o.each);
    out.meta().link_offset = out.data_offset();
    out.meta().network_offset = static_cast<std::uint16_t>(out.data_offset() + o.link);
    out.meta().transport_offset = static_cast<std::uint16_t>(out.meta().network_offset + ip_size);
    out.meta().mark = 77;
    add_data(out, o);
    return out;
  }

  void add_data(Packet& out, const LargeOptions& o) {
    std::uint32_t done = 0;
    const auto fill = [&](PacketRef buffer, std::uint32_t count) {
      std::byte* const room = buffer.put(count);
      ASSERT_NE(room, nullptr);
      for (std::uint32_t i = 0; i < count; ++i)
        room[i] = std::byte{byte_at(done++)};
    };
    fill(out, o.behind_headers);
    for (std::size_t i = 0; done < o.data || i < o.buffers.size(); ++i) {
      const std::uint32_t most = o.data - done;
      Packet next = pool_->allocate();
      ASSERT_TRUE(next);
      fill(next, std::min(most, i < o.buffers.size() ? o.buffers[i] : 2000u));
      ASSERT_EQ(rte_pktmbuf_chain(out.mbuf(), next.release()), 0);
    }
    ASSERT_EQ(out.length() - o.link - 40 - o.ip_options - o.tcp_options, o.data);
  }

  std::vector<Packet> cut(Packet&& packet, std::uint32_t link) {
    packet::Turn now = turn();
    std::vector<Packet> out;
    Segmentation pieces(now, std::move(packet), link);
    while (Packet piece = pieces.next())
      out.push_back(std::move(piece));
    EXPECT_FALSE(pieces.next()) << "it stays at its end";
    return out;
  }
  void end(std::vector<Packet>& pieces) {
    for (Packet& piece : pieces)
      ledger_.deliver(std::move(piece));
    pieces.clear();
  }

  // All that must hold of piece `i`, which begins at `done`; returns its bytes of data.
  std::uint32_t check_piece(const Packet& piece, const LargeOptions& o, unsigned i,
                            std::uint32_t done) {
    const std::uint32_t ip_size = 20 + o.ip_options, tcp_size = 20 + o.tcp_options;
    const std::uint32_t count = std::min(o.each, o.data - done);
    const bool first = done == 0, last = done + count == o.data;
    EXPECT_TRUE(piece.consistent());
    EXPECT_FALSE(piece.large());
    EXPECT_EQ(piece.length(), o.link + ip_size + tcp_size + count);
    const Bytes bytes = bytes_of(piece);
    const auto& ip = *reinterpret_cast<const wire::Ipv4Header*>(bytes.data() + o.link);
    const auto& tcp = *reinterpret_cast<const wire::TcpHeader*>(bytes.data() + o.link + ip_size);
    EXPECT_EQ(ip.total_length.host(), ip_size + tcp_size + count);
    EXPECT_EQ(ip.id.host(), o.dont_fragment ? o.id : static_cast<std::uint16_t>(o.id + i));
    EXPECT_EQ(piece.checksum_sum(o.link, ip_size), 0xffff) << "IP checksum";
    ChecksumSum sum;
    sum.add(ip.source.network());
    sum.add(ip.destination.network());
    sum.add_host(ip.protocol);
    sum.add_host(static_cast<std::uint16_t>(tcp_size + count));
    sum.add(be16::from_raw(piece.checksum_sum(o.link + ip_size, tcp_size + count)));
    EXPECT_TRUE(sum.valid()) << "TCP checksum of piece " << i;
    EXPECT_EQ(tcp.sequence.host(), o.seq + done);
    std::uint8_t flags = o.flags;
    if (!last) flags &= static_cast<std::uint8_t>(~(flag::kFin | flag::kPsh));
    if (!first) flags &= static_cast<std::uint8_t>(~flag::kCwr);
    if (!first && o.urgent <= done) flags &= static_cast<std::uint8_t>(~flag::kUrg);
    EXPECT_EQ(tcp.flags, flags) << "piece " << i;
    if ((flags & flag::kUrg) != 0) {
      EXPECT_EQ(tcp.urgent.host(), o.urgent - done);
    }
    const std::uint32_t headers = o.link + ip_size + tcp_size;
    for (std::uint32_t at = 0; at < count; ++at) {
      if (bytes[headers + at] != byte_at(done + at)) {
        ADD_FAILURE() << "byte " << done + at << " is wrong";
        break;
      }
    }
    EXPECT_EQ(piece.meta().mark, 77u);
    EXPECT_EQ(piece.header_at<wire::Ipv4Header>(piece.meta().network_offset)->id, ip.id);
    EXPECT_EQ(piece.header_at<wire::TcpHeader>(piece.meta().transport_offset)->sequence,
              tcp.sequence);
    return count;
  }

  // Returns the bytes of data of all.
  std::uint32_t check_pieces(const std::vector<Packet>& pieces, const LargeOptions& o) {
    std::uint32_t done = 0;
    for (unsigned i = 0; i < pieces.size(); ++i)
      done += check_piece(pieces[i], o, i, done);
    return done;
  }

  // Of buffers of its own, and of references to them as the send queue's are.
  void check(const LargeOptions& o) {
    Packet whole = large(o);
    Packet references = whole.clone(*pool_);
    ASSERT_TRUE(references);
    ledger_.generated.add();
    check_cut(o, std::move(references));
    check_cut(o, std::move(whole));
  }
  void check_cut(const LargeOptions& o, Packet&& packet) {
    std::vector<Packet> pieces = cut(std::move(packet), o.link);
    ASSERT_EQ(pieces.size(), (o.data + o.each - 1) / o.each);
    EXPECT_EQ(check_pieces(pieces, o), o.data);
    end(pieces);
  }
};

TEST_F(SegmentationTest, EveryLengthAroundMultiplesOfASegmentIsCutRight) {
  for (const std::uint32_t each : {48u, 255u, 256u, 257u, 536u, 1448u})
    for (std::uint32_t times = 1; times <= 3; ++times)
      for (std::uint32_t data = times * each - 1; data <= times * each + 1; ++data)
        check({.data = data, .each = each});
  check({.data = 61440, .each = 1448});
  check({.data = 61440, .each = 88});
}

TEST_F(SegmentationTest, BuffersEndWhereSegmentsDoNot) {
  check({.data = 5000, .each = 1448, .buffers = {1, 1, 1447, 1448, 1449, 3}});
  check({.data = 5000, .each = 1448, .buffers = {1448, 1448, 1448}});
  check({.data = 5000, .each = 1448, .buffers = {0, 700, 0, 748, 0, 1, 0}});
  check({.data = 5000, .each = 1000, .buffers = {501, 333, 777, 101}, .behind_headers = 1333});
  check({.data = 1500, .each = 1000, .behind_headers = 1500});
  for (std::uint32_t piece = 1; piece < 1100; piece += 37)
    check({.data = 3 * piece + 700, .each = 400, .buffers = {piece, piece, piece}});
}

TEST_F(SegmentationTest, HeadersWithOptionsAndWithoutLinkHeader) {
  for (const unsigned ip_options : {0u, 4u, 40u})
    for (const unsigned tcp_options : {0u, 12u, 40u})
      for (const std::uint32_t link : {0u, 14u})
        check({.link = link, .ip_options = ip_options, .tcp_options = tcp_options});
}

TEST_F(SegmentationTest, FlagsStandWhereTheyBelong) {
  for (unsigned flags = 0; flags < 256; ++flags)
    check({.data = 3000, .flags = static_cast<std::uint8_t>(flags), .urgent = 1500});
}

TEST_F(SegmentationTest, TheUrgentPointerNamesTheSameByteInEachPiece) {
  for (const unsigned urgent : {0u, 1u, 999u, 1000u, 1001u, 2000u, 3999u, 4000u, 60000u})
    check({.flags = flag::kAck | flag::kUrg, .urgent = static_cast<std::uint16_t>(urgent)});
}

TEST_F(SegmentationTest, IdsGoUpAndWrapButOnAtomicDatagrams) {
  check({.id = 65534, .dont_fragment = false});
  check({.id = 0, .dont_fragment = true});
  check({.id = 4711, .dont_fragment = true});
}

TEST_F(SegmentationTest, DataStaysWhereItIsAndWhatIsSharedIsNotTakenAway) {
  const LargeOptions o{.data = 6000, .each = 1448};
  Packet whole = large(o);
  Packet twin = whole.clone(*pool_);
  ASSERT_TRUE(twin);
  ledger_.generated.add();
  const Bytes before = bytes_of(twin);
  // A reference to a buffer of the chain, as who captures might hold it.
  rte_mbuf* const held = whole.mbuf()->next->next;
  rte_mbuf_refcnt_update(held, 1);
  std::vector<Packet> pieces = cut(std::move(whole), o.link);
  ASSERT_EQ(pieces.size(), 5u);
  check_pieces(pieces, o);
  end(pieces);
  EXPECT_EQ(bytes_of(twin), before) << "the twin shares the bytes and is as it was";
  rte_pktmbuf_free_seg(held);
  ledger_.deliver(std::move(twin));
}

TEST_F(SegmentationTest, HeadersThatAreScatteredAreGathered) {
  const LargeOptions o{.ip_options = 40, .tcp_options = 40};
  Packet packet = large(o);
  packet.pull(o.link);
  Packet twin = packet.clone(*pool_);  // shared: room for the link header comes in a new buffer
  ledger_.generated.add();
  ASSERT_TRUE(packet.make_headroom(o.link, *pool_));
  ASSERT_TRUE(packet.large()) << "it stays what it is in its new buffer";
  EXPECT_LT(packet.contiguous(), 120u);
  std::memset(packet.push(o.link), 1, o.link);
  std::vector<Packet> pieces = cut(std::move(packet), o.link);
  ASSERT_EQ(pieces.size(), 4u);
  check_pieces(pieces, o);
  end(pieces);
  ledger_.deliver(std::move(twin));
}

TEST_F(SegmentationTest, R4_AnEmptyPoolEndsTheRestAsOneDropAndEveryPieceMadeIsWhole) {
  const LargeOptions o{.data = 20000, .each = 1448};
  for (unsigned spare = 0; spare < 30; ++spare) {
    const std::uint64_t before = drops(Drop::SegmentNoBuffer);
    Packet whole = large(o);
    std::vector<rte_mbuf*> taken;
    while (pool_->available() > spare)
      taken.push_back(rte_pktmbuf_alloc(pool_->raw()));
    packet::Turn now = turn();
    std::vector<Packet> pieces;
    Segmentation cutting(now, std::move(whole), o.link);
    // The pool's reserve is for control traffic; here all of it goes.
    while (Packet piece = cutting.next())
      pieces.push_back(std::move(piece));
    for (rte_mbuf* buffer : taken)
      rte_pktmbuf_free(buffer);
    EXPECT_TRUE(cutting.failed());
    EXPECT_LT(pieces.size(), 14u);
    EXPECT_EQ(drops(Drop::SegmentNoBuffer), before + 1);
    check_pieces(pieces, o);
    end(pieces);
  }
}

class LargeFramesTest : public SegmentationTest {
 protected:
  LargeFramesTest() {
    auto port = std::make_unique<MemoryPort>("wire", MacAddress({2, 0, 0, 0, 0, 1}));
    port_ = port.get();
    EXPECT_TRUE(port_->set_admin_up(true).ok());
    EXPECT_TRUE(devices_.add(std::move(port)).ok());
  }
  void send(Packet&& frame, bool plain = false) {
    packet::Turn now = turn();
    rte_mbuf* const mbuf = frame.release();
    transmitter_.send_all(now, 0, &mbuf, 1, plain, mbuf->pkt_len);
  }
  void flush() {
    packet::Turn now = turn();
    transmitter_.flush(now);
  }
  std::vector<Packet> sent() {
    std::vector<Packet> out;
    while (Packet frame = port_->take()) {
      ledger_.received.add();
      out.push_back(std::move(frame));
    }
    return out;
  }

  DeviceTable devices_;
  MemoryPort* port_;
  Transmitter transmitter_{devices_, 0};
};

TEST_F(LargeFramesTest, ADeviceThatCutsNothingGetsThePiecesInOrderAmongOtherFrames) {
  const LargeOptions o{.data = 61440, .each = 600};
  send(receive(Bytes(100, 1)));
  send(large(o));
  send(receive(Bytes(101, 2)));
  flush();
  std::vector<Packet> frames = sent();
  ASSERT_EQ(frames.size(), 105u);
  EXPECT_EQ(frames.front().length(), 100u);
  EXPECT_EQ(frames.back().length(), 101u);
  std::uint32_t done = 0;
  for (unsigned i = 0; i < 103; ++i)
    done += check_piece(frames[i + 1], o, i, done);
  EXPECT_EQ(port_->statistics().tx_packets, 105u);
  EXPECT_EQ(port_->statistics().tx_bytes, 201u + 61440u + 103u * 66u);
  EXPECT_EQ(ledger_.sent.value(), 105u);
  end(frames);
}

TEST_F(LargeFramesTest, LargePacketsGoBeforeThereAre64) {
  for (int i = 0; i < 2; ++i)
    send(large({.data = 60000, .each = 1448}));
  EXPECT_EQ(port_->outbound(), 84u) << "as many bytes as a burst has go at once";
  flush();
  std::vector<Packet> frames = sent();
  EXPECT_EQ(frames.size(), 84u);
  end(frames);
}

TEST_F(LargeFramesTest, AFullRingDropsPiecesByNameAndTheAccountIsExact) {
  port_->set_ring_size(10);
  send(large({.data = 30000, .each = 1000}));
  flush();
  EXPECT_EQ(drops(Drop::TxRingFull), 20u);
  EXPECT_EQ(port_->statistics().tx_packets, 10u);
  EXPECT_EQ(port_->statistics().tx_dropped, 20u);
  std::vector<Packet> frames = sent();
  end(frames);
}

TEST_F(LargeFramesTest, AnEmptyPoolIsCountedAtTheDevice) {
  Packet whole = large({.data = 20000});
  std::vector<rte_mbuf*> taken;
  while (pool_->available() > 5)
    taken.push_back(rte_pktmbuf_alloc(pool_->raw()));
  send(std::move(whole));
  flush();
  for (rte_mbuf* buffer : taken)
    rte_pktmbuf_free(buffer);
  EXPECT_EQ(port_->statistics().tx_dropped, 1u);
  EXPECT_EQ(drops(Drop::SegmentNoBuffer), 1u);
  std::vector<Packet> frames = sent();
  EXPECT_LT(frames.size(), 20u);
  end(frames);
}

// virtio_user cuts segments, as its host does it for it; the host's end, net_vhost, shows what was
// given to it. In a process of its own that ends without closing the ports: virtio_user's alarms
// outlive its device (22.11).
class TsoPortTest : public SegmentationTest {
 protected:
  std::unique_ptr<Port> make(const std::string& devargs, bool tso) {
    auto port = Port::create(
        {.name = devargs.substr(4, 6), .devargs = devargs, .pool = pool_.get(), .tso = tso});
    LINNET_CHECK(port.ok() && (*port)->set_admin_up(true).ok());
    return std::move(port).value();
  }
  // What comes out at the host's end, whose thread may still be opening its queue.
  static void wait_for(Port& host, packet::Burst& burst, unsigned count) {
    for (int i = 0; i < 50'000'000 && burst.size() < count; ++i)
      host.receive(0, burst);
  }
  [[noreturn]] void send_large_packets(bool tso) {
    const std::string path = "/tmp/linnet-tso-" + std::to_string(getpid());
    const auto host = make("net_vhost0,tso=1,iface=" + path, true);
    DeviceTable devices;
    Transmitter transmitter(devices, 0);
    LINNET_CHECK(devices.add(make("net_virtio_user0,path=" + path, tso)).ok());
    Device& guest = *devices.at(0);
    LINNET_CHECK_OP(guest.cuts_large(), ==, tso);
    guest.refresh_link();
    packet::Turn now = turn();
    const LargeOptions o{.data = 20000, .each = 1448, .seq = 77};
    transmitter.send(now, 0, large(o));
    LargeOptions urgent = o;
    urgent.data = 2000;
    urgent.flags |= flag::kUrg;
    transmitter.send(now, 0, large(urgent));
    transmitter.flush(now);
    packet::Burst burst;
    wait_for(*host, burst, tso ? 3 : 16);
    LINNET_CHECK_OP(burst.size(), ==, tso ? 3u : 16u);
    LINNET_CHECK_OP(ledger_.sent.value(), ==, burst.size());
    LINNET_CHECK_OP(burst[0].length(), ==, 66u + (tso ? 20000u : 1448u));
    Bytes bytes(burst[0].length());
    LINNET_CHECK(burst[0].copy_out(0, std::as_writable_bytes(std::span(bytes))));
    for (std::uint32_t i = 66; i < bytes.size(); ++i)
      LINNET_CHECK_OP(bytes[i], ==, byte_at(i - 66));
    // With URG the driver is not trusted.
    LINNET_CHECK_OP(burst[burst.size() - 2].length(), ==, 66u + 1448u);
    LINNET_CHECK_OP(burst[burst.size() - 1].length(), ==, 66u + 552u);
    LINNET_CHECK_OP(guest.statistics().tx_packets, ==, 14u + 2u);
    LINNET_CHECK_OP(guest.statistics().tx_bytes, ==, 20000u + 14 * 66u + 2000u + 2 * 66u);
    unlink(path.c_str());
    _exit(0);
  }
};

TEST_F(TsoPortTest, ADriverThatCutsGetsLargePacketsWholeAndCountsWhatTheWireHas) {
  EXPECT_EXIT(send_large_packets(true), testing::ExitedWithCode(0), "");
}

TEST_F(TsoPortTest, SwitchedOffItIsLeftToUs) {
  EXPECT_EXIT(send_large_packets(false), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace linnet::device
