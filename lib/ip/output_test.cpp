// SPDX-License-Identifier: BSD-3-Clause
// Large packets on their way out: one packet for hooks and header, pieces for MTU and IDs.
#include "ip/output.hpp"

#include <gtest/gtest.h>

#include <map>

#include "device/segmentation.hpp"
#include "ip/drops.hpp"
#include "ip/host_fixture.hpp"
#include "wire/tcp.hpp"

namespace linnet::ip {
namespace {

using packet::Packet;
using tests::Bytes;

class LargeOutputTest : public HostFixture {
 protected:
  static constexpr std::uint32_t kTcpHeader = 32;

  // A TCP header with 12 bytes of options and the data, to be cut into pieces of `each`.
  Packet large(const Bytes& data, std::uint32_t each) {
    Bytes bytes(kTcpHeader, 1);
    auto& tcp = *reinterpret_cast<wire::TcpHeader*>(bytes.data());
    tcp.sequence = be32(1000);
    tcp.offset_reserved = 0;
    tcp.set_header_length(kTcpHeader);
    tcp.flags = 0x18;
    tcp.checksum = be16();
    bytes.insert(bytes.end(), data.begin(), data.end());
    Packet out = receive_segments(bytes, {kTcpHeader});
    out.make_large(kTcpHeader, each);
    return out;
  }
  SendResult send(Packet&& packet, bool dont_fragment, std::span<const std::byte> options = {}) {
    packet::Turn now = turn();
    return output_.send(now, std::move(packet),
                        {.destination = kPeer,
                         .protocol = wire::protocol::kTcp,
                         .dont_fragment = dont_fragment,
                         .options = options});
  }
  std::uint16_t id_of(const Packet& packet) { return packet.header<wire::Ipv4Header>()->id.host(); }
  // The number of packets that a hook at this point sees.
  void count_at(hook::Point point, unsigned& count) {
    host_.hooks.add(point, {.run =
                                [](void* self, packet::Turn&, hook::Point, Packet&) {
                                  ++*static_cast<unsigned*>(self);
                                  return hook::Verdict::Accept;
                                },
                            .self = &count});
  }
};

TEST_F(LargeOutputTest, ItIsOnePacketForHooksAndHasOneHeader) {
  unsigned output = 0, post = 0;
  count_at(hook::Point::Output, output);
  count_at(hook::Point::PostRouting, post);
  EXPECT_EQ(send(large(pattern(20000), 1448), true), SendResult::Sent);
  EXPECT_EQ(output, 1u);
  EXPECT_EQ(post, 1u);
  ASSERT_EQ(collector_.packets.size(), 1u);
  const Packet& packet = collector_.packets[0];
  EXPECT_TRUE(packet.large());
  EXPECT_EQ(packet.length(), 20000u + 52u);
  const Bytes bytes = bytes_of(packet);
  EXPECT_TRUE(header_checksum_good(bytes));
  EXPECT_EQ(packet.header<wire::Ipv4Header>()->total_length.host(), 20052u);
  EXPECT_EQ(device::Segmentation::count_of(packet, 0), 14u);
}

TEST_F(LargeOutputTest, TheMtuIsThatOfItsPieces) {
  const std::array<std::byte, 4> option{std::byte{1}, std::byte{1}, std::byte{1}, std::byte{0}};
  EXPECT_EQ(send(large(pattern(20000), 1448), true), SendResult::Sent);
  EXPECT_EQ(send(large(pattern(20000), 1449), true), SendResult::TooLong);
  EXPECT_EQ(send(large(pattern(20000), 1444), true, option), SendResult::Sent);
  EXPECT_EQ(send(large(pattern(20000), 1445), true, option), SendResult::TooLong);
  EXPECT_EQ(drops(Drop::FragmentationNeeded), 2u);
  EXPECT_EQ(collector_.packets.size(), 2u);
}

TEST_F(LargeOutputTest, AHeaderCanTellNoMoreThan65535Bytes) {
  EXPECT_EQ(send(large(pattern(65535 - 52), 1448), true), SendResult::Sent);
  EXPECT_EQ(send(large(pattern(65536 - 52), 1448), true), SendResult::TooLong);
  EXPECT_EQ(drops(Drop::OutputTooLong), 1u);
}

TEST_F(LargeOutputTest, B6_IdsAreReservedForEveryPiece) {
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(send(large(pattern(14480), 1448), false), SendResult::Sent);
  for (std::size_t i = 1; i < collector_.packets.size(); ++i) {
    const auto step =
        static_cast<std::uint16_t>(id_of(collector_.packets[i]) - id_of(collector_.packets[i - 1]));
    EXPECT_GE(step, 10u) << "ten pieces take ten";
    EXPECT_LE(step, 17u);
  }
  collector_.clear();
  ASSERT_EQ(send(large(pattern(14480), 1448), true), SendResult::Sent);
  EXPECT_EQ(id_of(collector_.packets[0]), 0u) << "RFC 6864: atomic datagrams have none";
}

TEST_F(LargeOutputTest, WithoutDfPiecesThatAreTooLongAreFragmentedEach) {
  ASSERT_TRUE(devices_.at(1)->set_mtu(600).ok());
  const Bytes data = pattern(5000);
  ASSERT_EQ(send(large(data, 1448), false), SendResult::Sent);
  std::map<std::uint16_t, Bytes> segments;  // by ID
  for (const Parsed& fragment : sent()) {
    EXPECT_LE(fragment.bytes.size(), 600u);
    Bytes& segment = segments[fragment.ip().id.host()];
    EXPECT_EQ(fragment.ip().fragment_offset(), segment.size());
    segment.insert(segment.end(), fragment.payload.begin(), fragment.payload.end());
  }
  ASSERT_EQ(segments.size(), 4u);
  Bytes joined;
  for (const auto& [id, segment] : segments) {
    const auto& tcp = *reinterpret_cast<const wire::TcpHeader*>(segment.data());
    EXPECT_EQ(tcp.sequence.host(), 1000 + joined.size()) << "IDs follow each other";
    Bytes summed(12);
    const Ipv4Address source(192, 0, 2, 1), destination = kPeer;
    std::memcpy(summed.data(), &source, 4);
    std::memcpy(summed.data() + 4, &destination, 4);
    summed[9] = wire::protocol::kTcp;
    summed[10] = static_cast<std::uint8_t>(segment.size() >> 8);
    summed[11] = static_cast<std::uint8_t>(segment.size());
    summed.insert(summed.end(), segment.begin(), segment.end());
    EXPECT_EQ(plain_checksum(summed), 0);
    joined.insert(joined.end(), segment.begin() + kTcpHeader, segment.end());
  }
  EXPECT_EQ(joined, data);
}

}  // namespace
}  // namespace linnet::ip
