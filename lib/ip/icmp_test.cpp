// SPDX-License-Identifier: BSD-3-Clause
// ICMP requests and their answers.
#include "ip/icmp.hpp"

#include <gtest/gtest.h>

#include "ip/host_fixture.hpp"
#include "ip/reassembly.hpp"

namespace linnet::ip {
namespace {

using tests::Bytes;
using wire::IcmpType;

class IcmpTest : public HostFixture {
 protected:
  void take(packet::Packet&& packet) {
    packet::Turn now = turn();
    packet::Burst burst;
    burst.push(std::move(packet));
    icmp_.input(now, burst);
    EXPECT_TRUE(burst.empty());
  }
  void take(const Bytes& message, HeaderSpec spec = {}) {
    spec.protocol = wire::protocol::kIcmp;
    take(delivered(datagram(spec, message)));
  }
  Bytes echo(const Bytes& data) { return icmp_message(IcmpType::Echo, 0, 0x1234'0007, data); }
};

TEST_F(IcmpTest, EchoIsAnsweredWithTheSameData) {
  for (const std::size_t size : {0u, 1u, 2u, 55u, 56u, 1471u, 1472u}) {
    HeaderSpec spec;
    spec.tos = 0x48;
    take(echo(pattern(size)), spec);
    const auto answers = sent();
    ASSERT_EQ(answers.size(), 1u);
    const Parsed& answer = answers[0];
    EXPECT_EQ(answer.ip().source, kHost);
    EXPECT_EQ(answer.ip().destination, kPeer);
    EXPECT_EQ(answer.ip().protocol, wire::protocol::kIcmp);
    EXPECT_EQ(answer.ip().tos, 0x48);
    EXPECT_EQ(answer.ip().ttl, 64);
    EXPECT_EQ(answer.icmp().type, 0);
    EXPECT_EQ(answer.icmp().code, 0);
    EXPECT_EQ(answer.icmp().rest.host(), 0x1234'0007u);
    EXPECT_EQ(answer.data(), pattern(size));
  }
  EXPECT_EQ(icmp_.counts().in_echos, 7u);
  EXPECT_EQ(icmp_.counts().out_echo_reps, 7u);
}

TEST_F(IcmpTest, I14_EchoChecksumIsRightForEveryIdentifier) {
  for (std::uint32_t id = 0; id < 0x10000; id += 257) {
    take(icmp_message(IcmpType::Echo, 0, id << 16 | (0xffff - id), {}));
    ASSERT_EQ(sent().size(), 1u);  // Parsed checks the sum
  }
  // Sums that come out as 0x0000 and 0xffff.
  for (const std::uint32_t rest : {0xf7ff'0000u, 0xf7fe'0000u, 0xffff'f7ffu, 0u}) {
    take(icmp_message(IcmpType::Echo, 0, rest, {}));
    ASSERT_EQ(sent().size(), 1u);
  }
}

TEST_F(IcmpTest, TheLargestEchoInManySegmentsIsAnsweredInFragments) {
  const Bytes data = pattern(65507);
  HeaderSpec spec;
  spec.protocol = wire::protocol::kIcmp;
  take(delivered(datagram(spec, echo(data)), {21, 3, 1, 1999}));
  time::TimerWheel wheel(clock_.now());
  Reassembly reassembly(wheel, settings_, SipKey{}, packet::Stage{});
  packet::Turn now = turn();
  packet::Packet whole;
  EXPECT_EQ(collector_.packets.size(), 45u);
  for (packet::Packet& packet : collector_.packets) {
    EXPECT_LE(packet.length(), 1500u);
    ledger_.received.add();
    packet::Packet complete = reassembly.add(now, std::move(packet));
    if (complete) whole = std::move(complete);
  }
  collector_.packets.clear();
  ASSERT_TRUE(whole);
  const Parsed answer(bytes_of(whole));
  EXPECT_EQ(answer.icmp().type, 0);
  EXPECT_EQ(answer.data(), data);
  now.deliver(std::move(whole));
}

TEST_F(IcmpTest, AnAnswerDoesNotWriteToSharedBuffers) {
  HeaderSpec spec;
  spec.protocol = wire::protocol::kIcmp;
  packet::Packet original = delivered(datagram(spec, echo(pattern(600))), {20, 4, 300});
  const Bytes before = bytes_of(original);
  packet::Packet twin = original.clone(*pool_);
  ledger_.received.add();
  take(std::move(twin));
  EXPECT_EQ(sent().size(), 1u);
  EXPECT_EQ(bytes_of(original), before);
  turn().deliver(std::move(original));
}

TEST_F(IcmpTest, I11_EchoToGroupsIsIgnoredUnlessAskedFor) {
  const Ipv4Address groups[] = {Ipv4Address(192, 0, 2, 255), Ipv4Address(255, 255, 255, 255),
                                Ipv4Address(224, 0, 0, 1)};
  HeaderSpec spec;
  for (const Ipv4Address group : groups) {
    spec.destination = group;
    take(echo(pattern(8)), spec);
  }
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(drops(Drop::IcmpEchoIgnored), 3u);
  settings_.icmp_echo_ignore_broadcasts = 0;
  for (const Ipv4Address group : groups) {
    spec.destination = group;
    take(echo(pattern(8)), spec);
    const auto answers = sent();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].ip().source, kHost);
  }
}

TEST_F(IcmpTest, EchoCanBeTurnedOff) {
  settings_.icmp_echo_ignore_all = 1;
  take(echo(pattern(8)));
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(drops(Drop::IcmpEchoIgnored), 1u);
}

TEST_F(IcmpTest, I9_NoAnswerGoesToAnAddressThatIsNoHost) {
  HeaderSpec spec;
  for (const Ipv4Address source : {Ipv4Address(), Ipv4Address(224, 1, 1, 1),
                                   Ipv4Address(192, 0, 2, 255), Ipv4Address(127, 0, 0, 1)}) {
    spec.source = source;
    take(echo({}), spec);
  }
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(drops(Drop::MartianSource), 4u);
}

TEST_F(IcmpTest, ABrokenChecksumIsDroppedInAnySegments) {
  Bytes message = echo(pattern(301));
  message.back() ^= 1;
  HeaderSpec spec;
  spec.protocol = wire::protocol::kIcmp;
  for (const std::vector<std::uint32_t>& segments :
       {std::vector<std::uint32_t>{}, {20}, {27, 3, 1}, {28, 51}}) {
    take(delivered(datagram(spec, message), segments));
    take(delivered(datagram(spec, echo(pattern(301))), segments));
    EXPECT_EQ(sent().size(), 1u);
  }
  EXPECT_EQ(drops(Drop::IcmpChecksum), 4u);
  EXPECT_EQ(icmp_.counts().in_csum_errors, 4u);
}

TEST_F(IcmpTest, I8_AMessageShorterThanItsHeaderIsDropped) {
  const Bytes message = echo({});
  for (std::size_t size = 0; size < 8; ++size)
    take(Bytes(message.begin(), message.begin() + size));
  EXPECT_EQ(drops(Drop::IcmpTruncated), 8u);
  EXPECT_TRUE(sent().empty());
}

TEST_F(IcmpTest, EchoCarriesRecordRouteAndTimestampBack) {
  settings_.universal_offset_ns = 43'199'000'000'000;  // noon in a second of the lane's time
  HeaderSpec spec;
  spec.options = {7, 11, 8, 10, 0, 0, 1, 0, 0, 0, 0, 1, 68, 8, 5, 0, 0, 0, 0, 0};
  take(echo(pattern(40)), spec);
  const auto answers = sent();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].options,
            (Bytes{7, 11, 12, 10, 0, 0, 1, 192, 0, 2, 1, 68, 8, 9, 0, 0x02, 0x93, 0x2e, 0x00, 0}));
  EXPECT_EQ(answers[0].data(), pattern(40));
}

TEST_F(IcmpTest, I7_AFullTimestampOverflowIsAParameterProblem) {
  HeaderSpec spec;
  spec.options = {68, 4, 5, 0xf0};
  take(echo(pattern(8)), spec);
  const auto answers = sent();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].icmp().type, 12);
  EXPECT_EQ(answers[0].icmp().rest.host(), 20u << 24);
  EXPECT_EQ(drops(Drop::BadOption), 1u);
}

TEST_F(IcmpTest, TimestampTellsTheTimeOfDay) {
  Bytes times(12, 0);
  times[3] = 99;
  const Bytes request = icmp_message(IcmpType::Timestamp, 0, 0x0001'0002, times);
  take(request);
  auto answers = sent();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].icmp().type, 14);
  EXPECT_EQ(answers[0].icmp().rest.host(), 0x0001'0002u);
  // Without a time of day the high bit says that it is not the standard one (RFC 792).
  EXPECT_EQ(answers[0].data(), (Bytes{0, 0, 0, 99, 0x80, 0, 0x03, 0xe8, 0x80, 0, 0x03, 0xe8}));
  settings_.universal_offset_ns = 43'199'000'000'000;
  Bytes longer = times;
  longer.resize(500, 7);
  take(icmp_message(IcmpType::Timestamp, 0, 0, longer));
  answers = sent();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].data(), (Bytes{0, 0, 0, 99, 0x02, 0x93, 0x2e, 0, 0x02, 0x93, 0x2e, 0}));
  take(icmp_message(IcmpType::Timestamp, 0, 0, Bytes(11, 0)));
  EXPECT_EQ(drops(Drop::IcmpTruncated), 1u);
  HeaderSpec spec;
  spec.destination = Ipv4Address(192, 0, 2, 255);
  take(request, spec);
  EXPECT_EQ(drops(Drop::IcmpEchoIgnored), 1u);
  EXPECT_EQ(icmp_.counts().out_timestamp_reps, 2u);
}

TEST_F(IcmpTest, EveryOtherTypeIsIgnoredByName) {
  for (unsigned type = 0; type < 256; ++type) {
    const bool asks = type == 8 || type == 13;
    if (asks || wire::is_icmp_error(static_cast<std::uint8_t>(type))) continue;
    take(icmp_message(static_cast<IcmpType>(type), 0, 0, pattern(28)));
  }
  take(icmp_message(IcmpType::SourceQuench, 0, 0, pattern(28)));
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(drops(Drop::IcmpDeprecated), 5u);
  EXPECT_EQ(drops(Drop::IcmpNoReceiver), 2u);
  EXPECT_EQ(drops(Drop::IcmpUnknown), 256u - 7 - 6 - 0u);
  EXPECT_EQ(icmp_.counts().in_src_quenchs, 1u);
}

TEST_F(IcmpTest, AnAnswerThatFindsNoBufferIsDroppedByName) {
  HeaderSpec spec;
  spec.protocol = wire::protocol::kIcmp;
  packet::Packet request = delivered(datagram(spec, echo(pattern(100))), {20, 3, 3});
  std::vector<packet::Packet> taken;
  while (packet::Packet packet = pool_->allocate(packet::Pool::Priority::Control))
    taken.push_back(std::move(packet));
  take(std::move(request));
  EXPECT_EQ(drops(Drop::IcmpNoBuffer), 1u);
  EXPECT_EQ(icmp_.counts().out_errors, 1u);
  for (packet::Packet& packet : taken)
    rte_pktmbuf_free(packet.release());
}

TEST_F(IcmpTest, AnAnswerWithoutARouteIsDropped) {
  EXPECT_TRUE(tables_.remove(route::RouteSpec{}).ok());
  take(echo({}));
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(drops(Drop::NoRoute), 1u);
}

}  // namespace
}  // namespace linnet::ip
