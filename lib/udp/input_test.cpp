// SPDX-License-Identifier: BSD-3-Clause
#include "udp/input.hpp"

#include <gtest/gtest.h>

#include "ip/host_fixture.hpp"
#include "wire/udp.hpp"

namespace linnet::udp {
namespace {

using ip::HeaderSpec;
using tests::Bytes;

class UdpInputTest : public ip::HostFixture {
 protected:
  // A UDP datagram with its checksum, as RFC 768 writes it down.
  static Bytes segment(const HeaderSpec& spec, const Bytes& data) {
    Bytes out(8);
    auto& header = *reinterpret_cast<wire::UdpHeader*>(out.data());
    header.source_port = be16(40000);
    header.destination_port = be16(33434);
    header.length = be16(static_cast<std::uint16_t>(8 + data.size()));
    out.insert(out.end(), data.begin(), data.end());
    Bytes summed(12);
    std::memcpy(summed.data(), &spec.source, 4);
    std::memcpy(summed.data() + 4, &spec.destination, 4);
    summed[9] = 17;
    std::memcpy(summed.data() + 10, &out[4], 2);
    summed.insert(summed.end(), out.begin(), out.end());
    const std::uint16_t sum = ip::plain_checksum(summed);
    set_checksum(out, sum == 0 ? 0xffff : sum);
    return out;
  }
  static void set_checksum(Bytes& segment, std::uint16_t value) {
    reinterpret_cast<wire::UdpHeader*>(segment.data())->checksum = be16(value);
  }
  static void set_length(Bytes& segment, std::size_t value) {
    reinterpret_cast<wire::UdpHeader*>(segment.data())->length =
        be16(static_cast<std::uint16_t>(value));
  }
  void take(const Bytes& segment, const HeaderSpec& spec = {},
            const std::vector<std::uint32_t>& segments = {}) {
    advance(time::Duration::seconds(10));
    packet::Turn now = turn();
    packet::Burst burst;
    burst.push(delivered(ip::datagram(spec, segment), segments));
    udp_.input(now, burst);
    EXPECT_TRUE(burst.empty());
  }

  Input udp_{icmp_};
};

TEST_F(UdpInputTest, AClosedPortIsUnreachable) {
  const Bytes data = segment({}, ip::pattern(60));
  take(data);
  const auto errors = sent();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].icmp().type, 3);
  EXPECT_EQ(errors[0].icmp().code, 3);
  EXPECT_EQ(errors[0].ip().source, HeaderSpec{}.destination);
  EXPECT_EQ(errors[0].data(), ip::datagram({}, data));
  EXPECT_EQ(drops(Drop::NoSocket), 1u);
  EXPECT_EQ(udp_.counters().value(Count::NoPorts), 1u);
}

TEST_F(UdpInputTest, I11_GroupsHearNothing) {
  for (const Ipv4Address group :
       {Ipv4Address(192, 0, 2, 255), Ipv4Address(255, 255, 255, 255), Ipv4Address(224, 0, 0, 1)}) {
    HeaderSpec spec;
    spec.destination = group;
    take(segment(spec, ip::pattern(20)), spec);
  }
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(drops(Drop::NoSocket), 3u);
}

TEST_F(UdpInputTest, I14_TheChecksumIsJudgedOverAnySegments) {
  for (const std::size_t size : {0u, 1u, 2u, 301u, 1400u}) {
    const Bytes good = segment({}, ip::pattern(size));
    for (const std::vector<std::uint32_t>& segments :
         {std::vector<std::uint32_t>{}, {20}, {21, 1, 1}, {23, 5, 1, 100, 7}}) {
      take(good, {}, segments);
      EXPECT_EQ(sent().size(), 1u);
      for (const std::size_t at : {std::size_t{0}, good.size() - 1}) {
        Bytes broken = good;
        broken[at] ^= 0x40;
        take(broken, {}, segments);
        EXPECT_TRUE(sent().empty());
      }
    }
  }
  EXPECT_EQ(drops(Drop::BadChecksum), 40u);
  EXPECT_EQ(udp_.counters().value(Count::InCsumErrors), 40u);
}

TEST_F(UdpInputTest, I14_ZeroMeansNoChecksumAndASumOfZeroIsAllOnes) {
  Bytes data = segment({}, ip::pattern(9));
  set_checksum(data, 0);
  take(data);
  EXPECT_EQ(sent().size(), 1u);
  // Two bytes of data chosen so that the sum is all ones.
  Bytes probe = segment({}, {0, 0});
  const Bytes filler(probe.begin() + 6, probe.begin() + 8);
  probe = segment({}, filler);
  EXPECT_EQ(probe[6], 0xff);
  EXPECT_EQ(probe[7], 0xff);
  take(probe);
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(UdpInputTest, TheAddressesAreUnderTheChecksum) {
  HeaderSpec other;
  other.source = Ipv4Address(198, 51, 100, 2);
  take(segment({}, ip::pattern(9)), other);
  EXPECT_EQ(drops(Drop::BadChecksum), 1u);
}

TEST_F(UdpInputTest, I8_EveryLengthAroundTheDatagramsIsJudged) {
  const Bytes whole = segment({}, ip::pattern(8));
  for (std::size_t size = 0; size <= 16; ++size) {
    for (std::size_t length = 0; length <= 20; ++length) {
      Bytes data(whole.begin(), whole.begin() + size);
      if (size >= 6) set_length(data, length);
      if (size >= 8) set_checksum(data, 0);
      take(data);
      const bool good = size >= 8 && length >= 8 && length <= size;
      ASSERT_EQ(sent().size(), good ? 1u : 0u) << size << " length " << length;
    }
  }
  EXPECT_EQ(drops(Drop::Truncated), 8u * 21);
}

TEST_F(UdpInputTest, BytesBehindTheLengthAreNotUnderTheChecksum) {
  Bytes data = segment({}, ip::pattern(9));
  data.insert(data.end(), {1, 2, 3});
  take(data);
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(UdpInputTest, AVerifiedChecksumIsNotComputedAgain) {
  Bytes data = segment({}, ip::pattern(9));
  set_checksum(data, 0x1234);
  packet::Packet packet = delivered(ip::datagram({}, data));
  packet.meta().flags |= packet::Meta::kChecksumGood;
  packet::Turn now = turn();
  packet::Burst burst;
  burst.push(std::move(packet));
  udp_.input(now, burst);
  EXPECT_EQ(drops(Drop::NoSocket), 1u);
}

}  // namespace
}  // namespace linnet::udp
