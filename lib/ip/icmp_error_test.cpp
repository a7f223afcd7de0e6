// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors that are made here: about what, to whom, how many, and what they quote.
#include <gtest/gtest.h>

#include "ip/host_fixture.hpp"

namespace linnet::ip {
namespace {

using tests::Bytes;
using time::Duration;
using wire::IcmpType;

const Ipv4Address kElsewhere(198, 18, 0, 1);
constexpr IcmpError kPortUnreachable{IcmpType::Unreachable, wire::unreachable::kPort};

class IcmpErrorTest : public HostFixture {
 protected:
  void refuse(packet::Packet&& cause, const IcmpError& error = kPortUnreachable) {
    packet::Turn now = turn();
    icmp_.refuse(now, std::move(cause), error, packet::reason_of(Drop::NoRoute));
  }
  // Whether a refused datagram of this kind earns an error.
  bool earns(const HeaderSpec& spec, const Bytes& payload = pattern(64)) {
    advance(Duration::seconds(10));
    refuse(arrived(datagram(spec, payload)));
    return sent().size() == 1;
  }
};

TEST_F(IcmpErrorTest, AnErrorQuotesThePacketAndIsSignedByTheAddressItWasSentTo) {
  HeaderSpec spec;
  spec.tos = 0x2b;
  const Bytes cause = datagram(spec, pattern(64));
  refuse(arrived(cause));
  const auto errors = sent();
  ASSERT_EQ(errors.size(), 1u);
  const Parsed& error = errors[0];
  EXPECT_EQ(error.ip().source, kHost);
  EXPECT_EQ(error.ip().destination, kPeer);
  EXPECT_EQ(error.ip().tos, 0xc0 | 0x08);
  EXPECT_EQ(error.icmp().type, 3);
  EXPECT_EQ(error.icmp().code, 3);
  EXPECT_EQ(error.icmp().rest.host(), 0u);
  EXPECT_EQ(error.data(), cause);
  EXPECT_EQ(drops(Drop::NoRoute), 1u);
  EXPECT_EQ(icmp_.counts().out_dest_unreachs, 1u);
}

TEST_F(IcmpErrorTest, I15_AnErrorIsAtMost576BytesLong) {
  for (const std::size_t size : {0u, 1u, 527u, 528u, 529u, 1480u, 9000u}) {
    advance(Duration::seconds(10));
    const Bytes cause = datagram({}, pattern(size));
    refuse(arrived(cause, {20, 30}));
    const auto errors = sent();
    ASSERT_EQ(errors.size(), 1u);
    const std::size_t quoted = std::min<std::size_t>(cause.size(), 576 - 28);
    EXPECT_EQ(errors[0].data(), Bytes(cause.begin(), cause.begin() + quoted));
  }
}

TEST_F(IcmpErrorTest, TheQuoteIsTheSameWhereverTheCauseStands) {
  HeaderSpec spec;
  spec.options = {1, 1, 1, 1};
  const Bytes cause = datagram(spec, pattern(700));
  for (const std::vector<std::uint32_t>& segments :
       {std::vector<std::uint32_t>{}, {24}, {24, 1, 1}, {32, 200}}) {
    for (const std::uint32_t pulled : {0u, 20u, 24u}) {
      advance(Duration::seconds(10));
      packet::Packet packet = arrived(cause, segments);
      packet.pull(pulled);
      refuse(std::move(packet));
      const auto errors = sent();
      ASSERT_EQ(errors.size(), 1u);
      EXPECT_EQ(errors[0].data(), Bytes(cause.begin(), cause.begin() + 548));
    }
  }
  advance(Duration::seconds(10));
  packet::Packet framed = arrived(cause);
  std::memset(framed.push(14), 0xee, 14);
  refuse(std::move(framed));
  const auto errors = sent();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].data(), Bytes(cause.begin(), cause.begin() + 548));
}

TEST_F(IcmpErrorTest, SendErrorLeavesTheCauseAlone) {
  HeaderSpec spec;
  spec.destination = kElsewhere;
  const Bytes cause = datagram(spec, pattern(64));
  packet::Packet packet = arrived(cause);
  packet::Turn now = turn();
  icmp_.send_error(now, packet, {IcmpType::Redirect, 1, Ipv4Address(192, 0, 2, 9).host()});
  EXPECT_EQ(bytes_of(packet), cause);
  now.deliver(std::move(packet));
  const auto errors = sent();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].icmp().type, 5);
  EXPECT_EQ(errors[0].icmp().rest.host(), Ipv4Address(192, 0, 2, 9).host());
  EXPECT_EQ(icmp_.counts().out_redirects, 1u);
}

TEST_F(IcmpErrorTest, ARoutersErrorIsSignedByTheWayBackOrTheInputDevice) {
  HeaderSpec spec;
  spec.destination = kElsewhere;
  spec.source = Ipv4Address(203, 0, 113, 9);  // lives on eth1, came in on eth0
  refuse(arrived(datagram(spec, pattern(64))), {IcmpType::TimeExceeded, 0});
  settings_.icmp_errors_use_inbound_ifaddr = 1;
  refuse(arrived(datagram(spec, pattern(64))), {IcmpType::TimeExceeded, 0});
  const auto errors = sent();
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].ip().source, Ipv4Address(203, 0, 113, 1));
  EXPECT_EQ(errors[1].ip().source, kHost);
  EXPECT_EQ(icmp_.counts().out_time_excds, 2u);
}

TEST_F(IcmpErrorTest, I11_NothingButAWholeUnicastDatagramOfOneHostEarnsAnError) {
  EXPECT_TRUE(earns({}));
  HeaderSpec spec;
  spec.offset = 8;
  EXPECT_FALSE(earns(spec));
  spec.offset = 0;
  spec.more = true;
  EXPECT_TRUE(earns(spec)) << "a first fragment does";
  for (const Ipv4Address destination :
       {Ipv4Address(255, 255, 255, 255), Ipv4Address(224, 0, 0, 1), Ipv4Address(239, 1, 2, 3),
        Ipv4Address(192, 0, 2, 255), Ipv4Address(203, 0, 113, 255)}) {
    HeaderSpec to_group;
    to_group.destination = destination;
    EXPECT_FALSE(earns(to_group)) << destination.text();
  }
  for (const Ipv4Address source :
       {Ipv4Address(), Ipv4Address(0, 1, 2, 3), Ipv4Address(127, 0, 0, 1),
        Ipv4Address(127, 9, 9, 9), Ipv4Address(224, 0, 0, 1), Ipv4Address(239, 255, 255, 255),
        Ipv4Address(240, 0, 0, 1), Ipv4Address(255, 255, 255, 255), Ipv4Address(192, 0, 2, 255)}) {
    HeaderSpec from;
    from.source = source;
    EXPECT_FALSE(earns(from)) << source.text();
  }
}

TEST_F(IcmpErrorTest, I11_LinkLayerGroupsEarnNoError) {
  for (const packet::LinkCast cast :
       {packet::LinkCast::Broadcast, packet::LinkCast::Multicast, packet::LinkCast::Other}) {
    packet::Packet packet = arrived(datagram({}, pattern(64)));
    packet.meta().cast = cast;
    refuse(std::move(packet));
  }
  EXPECT_TRUE(sent().empty());
}

TEST_F(IcmpErrorTest, I11_NoErrorIsSentAboutAnError) {
  HeaderSpec spec;
  spec.protocol = wire::protocol::kIcmp;
  for (unsigned type = 0; type < 256; ++type) {
    const bool request = type <= 18 && !wire::is_icmp_error(static_cast<std::uint8_t>(type));
    EXPECT_EQ(earns(spec, icmp_message(static_cast<IcmpType>(type), 0, 0, pattern(28))), request)
        << type;
  }
  EXPECT_FALSE(earns(spec, {})) << "a type that is not there";
}

TEST_F(IcmpErrorTest, I11_WhatWasMadeHereEarnsNoError) {
  packet::Packet packet = arrived(datagram({}, pattern(64)));
  packet.meta().flags |= packet::Meta::kGenerated;
  refuse(std::move(packet));
  EXPECT_TRUE(sent().empty());
}

TEST_F(IcmpErrorTest, LoopbackHearsOfItsErrorsWithoutALimit) {
  HeaderSpec spec;
  spec.source = Ipv4Address(127, 0, 0, 1);
  spec.destination = Ipv4Address(127, 0, 0, 1);
  for (int i = 0; i < 20; ++i) {
    packet::Packet packet = arrived(datagram(spec, pattern(64)));
    packet.meta().flags |= packet::Meta::kLooped;
    refuse(std::move(packet));
  }
  EXPECT_EQ(sent().size(), 20u);
}

TEST_F(IcmpErrorTest, I15_ErrorsToOneDestinationAreLimited) {
  for (int i = 0; i < 50; ++i)
    refuse(arrived(datagram({}, pattern(64))));
  EXPECT_EQ(sent().size(), 6u);
  EXPECT_EQ(drops(Drop::IcmpRateLimited), 44u);
  EXPECT_EQ(icmp_.counts().out_rate_limited, 44u);
  for (int i = 0; i < 50; ++i)
    refuse(arrived(datagram({}, pattern(1480))),
           {IcmpType::Unreachable, wire::unreachable::kFragmentationNeeded, 1280});
  const auto errors = sent();
  EXPECT_EQ(errors.size(), 50u) << "path MTU discovery is not limited";
  EXPECT_EQ(errors[0].icmp().rest.host(), 1280u);
}

// A lane answers probes from A; whether spoofed packets of other sources earned errors meanwhile
// may not show in how many errors A gets. Under Linux before 5.10 it did, exactly (SAD DNS).
TEST_F(IcmpErrorTest, B7_TheGlobalLimitTellsNoExactNumber) {
  std::vector<unsigned> seen;
  for (unsigned spoofed = 0; spoofed < 2; ++spoofed) {
    std::vector<unsigned> counts;
    for (unsigned round = 0; round < 64; ++round) {
      advance(Duration::seconds(10));
      unsigned count = 0;
      if (spoofed == 1) refuse(arrived(datagram({}, pattern(64))));
      sent();
      for (unsigned i = 0; i < 100; ++i) {
        HeaderSpec spec;
        spec.source = Ipv4Address(198, 51, 99, 1 + i);  // the attacker's own addresses
        refuse(arrived(datagram(spec, pattern(64))));
      }
      count = static_cast<unsigned>(sent().size());
      counts.push_back(count);
    }
    std::sort(counts.begin(), counts.end());
    EXPECT_GT(counts.back() - counts.front(), 10u);
    seen.push_back(counts[32]);
  }
  EXPECT_LT(std::max(seen[0], seen[1]) - std::min(seen[0], seen[1]), 12u);
}

TEST_F(IcmpErrorTest, AnErrorThatFindsNoBufferIsCounted) {
  packet::Packet cause = arrived(datagram({}, pattern(64)));
  std::vector<packet::Packet> taken;
  while (packet::Packet packet = pool_->allocate(packet::Pool::Priority::Control))
    taken.push_back(std::move(packet));
  refuse(std::move(cause));
  EXPECT_EQ(drops(Drop::IcmpNoBuffer), 1u);
  for (packet::Packet& packet : taken)
    rte_pktmbuf_free(packet.release());
}

TEST_F(IcmpErrorTest, ASmallMtuOnTheWayBackShortensTheQuote) {
  ASSERT_TRUE(devices_.at(1)->set_mtu(300).ok());
  refuse(arrived(datagram({}, pattern(1000))));
  const auto errors = sent();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].bytes.size(), 300u);
}

}  // namespace
}  // namespace linnet::ip
