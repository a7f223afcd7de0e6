// SPDX-License-Identifier: BSD-3-Clause
#include "packet/packet.hpp"

#include <numeric>

#include "packet/drops.hpp"
#include "support/lane_fixture.hpp"

namespace linnet::packet {
namespace {

using tests::Bytes;

class PacketTest : public tests::LaneFixture {
 protected:
  static Bytes counting(std::size_t n) {
    Bytes out(n);
    std::iota(out.begin(), out.end(), std::uint8_t{0});
    return out;
  }
  void end(Packet&& packet) {
    Turn t = turn();
    t.deliver(std::move(packet));
  }
  // The same bytes, cut into segments of the given lengths.
  Packet segmented(const Bytes& bytes, const std::vector<std::size_t>& lengths) {
    Packet head = receive({});
    rte_mbuf* last = head.mbuf();
    std::size_t at = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      if (i > 0) {
        last->next = rte_pktmbuf_alloc(pool_->raw());
        last = last->next;
        ++head.mbuf()->nb_segs;
      }
      bytes_in_use(rte_pktmbuf_mtod(last, char*), lengths[i]);
      std::memcpy(rte_pktmbuf_mtod(last, char*), bytes.data() + at, lengths[i]);
      last->data_len = static_cast<std::uint16_t>(lengths[i]);
      head.mbuf()->pkt_len += static_cast<std::uint32_t>(lengths[i]);
      at += lengths[i];
    }
    EXPECT_TRUE(head.consistent());
    tests::expose_only_data(head.mbuf());
    return head;
  }
};

TEST_F(PacketTest, PullAndPushMovePointersOnly) {
  Packet packet = receive(counting(64));
  const std::byte* const start = packet.data();
  packet.pull(14);
  EXPECT_EQ(packet.length(), 50u);
  EXPECT_EQ(packet.data(), start + 14);
  EXPECT_EQ(packet.push(14), start);
  EXPECT_EQ(bytes_of(packet), counting(64));
  EXPECT_EQ(packet.push(129), nullptr) << "there are 128 bytes of headroom";
  end(std::move(packet));
}

TEST_F(PacketTest, AHeaderBeyondTheBytesIsNotSeen) {
  Packet packet = receive(counting(19));
  struct Twenty {
    std::uint8_t at[20];
  };
  EXPECT_EQ(packet.header<Twenty>(), nullptr);
  EXPECT_NE(packet.header<be32>(15), nullptr);
  EXPECT_EQ(packet.header<be32>(16), nullptr);
  end(std::move(packet));
}

TEST_F(PacketTest, TrimFreesSegmentsBehindTheEnd) {
  Packet packet = segmented(counting(100), {40, 0, 40, 20});
  packet.trim(40);
  EXPECT_TRUE(packet.consistent());
  EXPECT_EQ(packet.mbuf()->nb_segs, 1);
  EXPECT_EQ(bytes_of(packet), counting(40));
  end(std::move(packet));
}

TEST_F(PacketTest, D1_GatherGivesTheSameBytesForEveryLayout) {
  const Bytes want = counting(60);
  for (std::size_t cut = 0; cut <= 60; ++cut) {
    for (const std::uint32_t n : {1u, 14u, 20u, 34u, 60u}) {
      Packet packet = segmented(want, {cut, 60 - cut, 0});
      packet.meta().network_offset = packet.data_offset();
      ASSERT_TRUE(packet.gather(n, *pool_));
      EXPECT_TRUE(packet.consistent());
      EXPECT_GE(packet.contiguous(), n);
      EXPECT_EQ(bytes_of(packet), want);
      EXPECT_EQ(packet.meta().network_offset, packet.data_offset());
      end(std::move(packet));
    }
  }
}

TEST_F(PacketTest, GatherRefusesMoreThanThereIs) {
  Packet packet = segmented(counting(30), {10, 20});
  EXPECT_FALSE(packet.gather(31, *pool_));
  EXPECT_EQ(bytes_of(packet), counting(30));
  end(std::move(packet));
}

TEST_F(PacketTest, ACloneSharesBytesAndGatherUnsharesTheFront) {
  Packet packet = receive(counting(80));
  Packet twin = packet.clone(*pool_);
  ledger_.generated.add();
  EXPECT_TRUE(packet.shared());
  EXPECT_EQ(twin.push(1), nullptr);
  ASSERT_TRUE(twin.gather(20, *pool_));
  twin.data()[0] = std::byte{99};
  EXPECT_EQ(bytes_of(packet), counting(80)) << "the original was written to";
  EXPECT_EQ(bytes_of(twin)[0], 99);
  EXPECT_EQ(bytes_of(twin)[79], 79);
  end(std::move(twin));
  end(std::move(packet));
}

TEST_F(PacketTest, HeadroomIsMadeWhereItIsMissing) {
  Packet packet = receive(counting(40));
  while (packet.push(16) != nullptr) {
  }
  const std::uint32_t length = packet.length();
  ASSERT_TRUE(packet.make_headroom(60, *pool_));
  EXPECT_EQ(packet.length(), length);
  EXPECT_NE(packet.push(60), nullptr);
  EXPECT_TRUE(packet.consistent());
  end(std::move(packet));
}

TEST_F(PacketTest, ChecksumIsTheSameForEveryLayout) {
  const Bytes data = counting(77);
  Packet whole = receive(data);
  const std::uint16_t want = whole.checksum_sum(3, 70);
  end(std::move(whole));
  for (std::size_t a = 0; a <= 77; ++a) {
    Packet packet = segmented(data, {a, (77 - a) / 2, 77 - a - (77 - a) / 2});
    ASSERT_EQ(packet.checksum_sum(3, 70), want) << a;
    end(std::move(packet));
  }
}

TEST_F(PacketTest, CopyTakesARangeAndMeta) {
  Packet packet = segmented(counting(90), {30, 30, 30});
  packet.meta().mark = 7;
  Packet part = packet.copy(*pool_, 25, 40);
  ledger_.generated.add();
  const Bytes all = counting(90);
  EXPECT_EQ(bytes_of(part), Bytes(all.begin() + 25, all.begin() + 65));
  EXPECT_EQ(part.meta().mark, 7u);
  end(std::move(part));
  end(std::move(packet));
}

TEST_F(PacketTest, D10_LyingSegmentCountsAreSeen) {
  Packet packet = segmented(counting(60), {20, 40});
  packet.mbuf()->pkt_len = 61;
  EXPECT_FALSE(packet.consistent());
  packet.mbuf()->pkt_len = 60;
  packet.mbuf()->nb_segs = 1;
  EXPECT_FALSE(packet.consistent());
  packet.mbuf()->nb_segs = 2;
  EXPECT_TRUE(packet.consistent());
  end(std::move(packet));
}

TEST_F(PacketTest, D3_TheReserveServesControlTrafficWhenDataGetsNone) {
  std::vector<Packet> held;
  while (Packet packet = pool_->allocate())
    held.push_back(std::move(packet));
  EXPECT_EQ(pool_->exhausted(), 1u);
  Packet control = pool_->allocate(Pool::Priority::Control);
  EXPECT_TRUE(control);
  rte_pktmbuf_free(control.release());
  EXPECT_GE(pool_->available(), pool_->size() / 32 - 1);
  for (Packet& packet : held)
    rte_pktmbuf_free(packet.release());
  Packet again = pool_->allocate();
  EXPECT_TRUE(again) << "the pool must recover";
  rte_pktmbuf_free(again.release());
}

TEST_F(PacketTest, LedgerCountsEveryEnd) {
  Turn t = turn();
  t.drop(receive(counting(10)), Drop::NoBuffer);
  t.deliver(receive(counting(10)));
  Packet made = t.generate();
  t.drop(std::move(made), Drop::BadSegments);
  EXPECT_EQ(ledger_.received.value(), 2u);
  EXPECT_EQ(ledger_.generated.value(), 1u);
  EXPECT_EQ(drops(Drop::NoBuffer), 1u);
  EXPECT_EQ(drops(Drop::BadSegments), 1u);
  EXPECT_TRUE(ledger_.balanced());
}

using PacketDeathTest = PacketTest;
TEST_F(PacketDeathTest, ALostPacketAborts) {
  EXPECT_DEATH({ Packet lost(rte_pktmbuf_alloc(pool_->raw())); }, "a packet was lost");
}

}  // namespace
}  // namespace linnet::packet
