// SPDX-License-Identifier: BSD-3-Clause
#include "ip/fragment.hpp"

#include <gtest/gtest.h>

#include "ip/datagram_fixture.hpp"

namespace linnet::ip {
namespace {

using tests::Bytes;

class FragmentTest : public DatagramFixture {
 protected:
  // What fragment() makes of the bytes.
  std::vector<Bytes> split(const Bytes& datagram, std::uint32_t mtu,
                           const std::vector<std::uint32_t>& segments = {}) {
    collector_.clear();
    packet::Turn now = turn();
    fragment(now, receive_segments(datagram, segments), mtu, collector_.stage());
    std::vector<Bytes> out;
    for (const packet::Packet& packet : collector_.packets)
      out.push_back(bytes_of(packet));
    return out;
  }
};

// Every property that fragments of a datagram have; returns the joined payload.
Bytes check_fragments(const std::vector<Bytes>& fragments, std::uint32_t mtu, unsigned origin,
                      bool more_behind) {
  Bytes joined;
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    const Bytes& bytes = fragments[i];
    const auto& ip = *reinterpret_cast<const wire::Ipv4Header*>(bytes.data());
    EXPECT_LE(bytes.size(), mtu);
    EXPECT_EQ(ip.total_length.host(), bytes.size());
    EXPECT_TRUE(header_checksum_good(bytes));
    EXPECT_EQ(ip.fragment_offset(), origin + joined.size());
    const bool last = i + 1 == fragments.size();
    EXPECT_EQ(ip.more_fragments(), !last || more_behind);
    if (!last) {
      EXPECT_EQ((bytes.size() - ip.header_length()) % 8, 0u);
    }
    joined.insert(joined.end(), bytes.begin() + ip.header_length(), bytes.end());
  }
  return joined;
}

TEST_F(FragmentTest, EveryMtuAndLengthGivesFragmentsThatJoinToTheDatagram) {
  for (const std::uint32_t mtu : {68u, 69u, 75u, 76u, 77u, 576u, 1500u}) {
    for (std::uint32_t payload = mtu - 19; payload < mtu + 20; ++payload) {
      const Bytes data = pattern(payload);
      const auto fragments = split(datagram({}, data), mtu);
      ASSERT_GE(fragments.size(), 2u);
      ASSERT_EQ(check_fragments(fragments, mtu, 0, false), data);
    }
  }
}

TEST_F(FragmentTest, TheLargestDatagramAndTheSmallestMtu) {
  const Bytes data = pattern(65515);
  const auto fragments = split(datagram({}, data), 68, {2000, 2000, 2000});
  EXPECT_EQ(fragments.size(), 65515u / 48 + 1);
  EXPECT_EQ(check_fragments(fragments, 68, 0, false), data);
}

TEST_F(FragmentTest, FragmentsLargerThanABufferAreChains) {
  const Bytes data = pattern(30000);
  const auto fragments = split(datagram({}, data), 9000);
  ASSERT_EQ(fragments.size(), 4u);
  EXPECT_EQ(check_fragments(fragments, 9000, 0, false), data);
  for (const packet::Packet& packet : collector_.packets)
    EXPECT_TRUE(packet.consistent());
}

TEST_F(FragmentTest, AnySegmentationOfTheDatagramGivesTheSameFragments) {
  const Bytes data = pattern(1000);
  const auto expected = split(datagram({}, data), 300);
  for (const std::uint32_t first : {20u, 21u, 27u, 300u, 1019u})
    EXPECT_EQ(split(datagram({}, data), 300, {first, 1, 7, 100}), expected) << first;
}

TEST_F(FragmentTest, AFragmentOfAFragmentKeepsItsPlaceAndMoreFragments) {
  for (const bool more : {false, true}) {
    HeaderSpec spec;
    spec.offset = 4000;
    spec.more = more;
    const Bytes data = pattern(1000);
    EXPECT_EQ(check_fragments(split(datagram(spec, data), 300), 300, 4000, more), data);
  }
}

TEST_F(FragmentTest, UncopiedOptionsStandInTheFirstFragmentOnly) {
  HeaderSpec spec;
  spec.options = {7, 7, 4, 0, 0, 0, 0, 1, 130, 4, 5, 6};
  const Bytes data = pattern(900);
  const auto fragments = split(datagram(spec, data), 576);
  ASSERT_EQ(fragments.size(), 2u);
  EXPECT_EQ(check_fragments(fragments, 576, 0, false), data);
  EXPECT_EQ(Bytes(fragments[0].begin() + 20, fragments[0].begin() + 32), spec.options);
  EXPECT_EQ(fragments[1][0], 0x46);
  EXPECT_EQ(Bytes(fragments[1].begin() + 20, fragments[1].begin() + 24), (Bytes{130, 4, 5, 6}));
}

TEST_F(FragmentTest, SixtyBytesOfHeaderFitTheSmallestMtu) {
  HeaderSpec spec;
  spec.options = Bytes(40, 1);
  const Bytes data = pattern(100);
  const auto fragments = split(datagram(spec, data), 68);
  EXPECT_EQ(check_fragments(fragments, 68, 0, false), data);
  EXPECT_EQ(fragments[0].size(), 68u);
  EXPECT_EQ(fragments[1][0], 0x45);
}

TEST_F(FragmentTest, MetaIsCopiedAndHeadersAreRemembered) {
  packet::Packet whole = receive_segments(datagram({}, pattern(900)), {});
  whole.meta().output_device = 7;
  whole.meta().next_hop = Ipv4Address(10, 0, 0, 1);
  whole.meta().mark = 99;
  packet::Turn now = turn();
  fragment(now, std::move(whole), 576, collector_.stage());
  ASSERT_EQ(collector_.packets.size(), 2u);
  for (const packet::Packet& packet : collector_.packets) {
    EXPECT_EQ(packet.meta().output_device, 7);
    EXPECT_EQ(packet.meta().next_hop, Ipv4Address(10, 0, 0, 1));
    EXPECT_EQ(packet.meta().mark, 99u);
    EXPECT_EQ(packet.meta().network_offset, packet.data_offset());
    EXPECT_EQ(packet.meta().transport_offset, packet.data_offset() + 20);
    EXPECT_GE(packet.data_offset(), 64);
  }
}

TEST_F(FragmentTest, WithoutBuffersTheRestIsDroppedByName) {
  packet::Packet whole = receive_segments(datagram({}, pattern(20000)), {});
  std::vector<packet::Packet> taken;
  while (packet::Packet packet = pool_->allocate())
    taken.push_back(std::move(packet));
  for (int i = 0; i < 3; ++i)
    rte_pktmbuf_free(taken[static_cast<std::size_t>(i)].release());
  packet::Turn now = turn();
  fragment(now, std::move(whole), 1500, collector_.stage());
  EXPECT_EQ(collector_.packets.size(), 3u);
  EXPECT_EQ(drops(Drop::FragmentNoBuffer), 1u);
  EXPECT_EQ(ledger_.delivered.value(), 0u);
  for (packet::Packet& packet : taken)
    rte_pktmbuf_free(packet.release());
}

TEST_F(FragmentTest, I1_AnOffsetThatWouldWrapIsDropped) {
  HeaderSpec spec;
  spec.offset = 65528;
  EXPECT_TRUE(split(datagram(spec, pattern(200)), 68).empty());
  EXPECT_EQ(drops(Drop::FragmentTooLong), 1u);
}

}  // namespace
}  // namespace linnet::ip
