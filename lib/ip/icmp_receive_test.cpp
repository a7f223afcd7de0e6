// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors and redirects that come in.
#include <gtest/gtest.h>

#include <optional>

#include "ip/host_fixture.hpp"

namespace linnet::ip {
namespace {

using tests::Bytes;
using wire::IcmpType;

const Ipv4Address kFar(198, 18, 0, 1);
const Ipv4Address kGateway(192, 0, 2, 254);

class IcmpReceiveTest : public HostFixture {
 protected:
  struct Seen {
    IcmpError error;
    Ipv4Address reporter;
    Ipv4Address destination;
    Bytes payload;
  };
  IcmpReceiveTest() {
    icmp_.on_error(
        wire::protocol::kUdp,
        [](void* self, packet::Turn&, const ErrorReport& report) {
          Bytes payload;
          for (const std::byte byte : report.quoted_payload)
            payload.push_back(std::to_integer<std::uint8_t>(byte));
          static_cast<IcmpReceiveTest*>(self)->seen_ =
              Seen{report.error, report.reporter, report.quoted->destination, payload};
          return true;
        },
        this);
  }
  // The error message about `quoted`, from a router; true if the receiver heard of it.
  bool heard(const Bytes& quoted, IcmpType type = IcmpType::Unreachable, std::uint8_t code = 3,
             std::uint32_t rest = 0, Ipv4Address to = kHost,
             const std::vector<std::uint32_t>& segments = {}) {
    seen_.reset();
    HeaderSpec spec;
    spec.protocol = wire::protocol::kIcmp;
    spec.source = Ipv4Address(198, 51, 100, 77);
    spec.destination = to;
    packet::Turn now = turn();
    packet::Burst burst;
    burst.push(delivered(datagram(spec, icmp_message(type, code, rest, quoted)), segments));
    icmp_.input(now, burst);
    return seen_.has_value();
  }
  static Bytes ours(std::size_t size, HeaderSpec spec = {}) {
    spec.source = kHost;
    spec.destination = kFar;
    return datagram(spec, pattern(size));
  }

  std::optional<Seen> seen_;
};

TEST_F(IcmpReceiveTest, AnErrorReachesTheProtocolOfTheQuotedPacket) {
  ASSERT_TRUE(heard(ours(32), IcmpType::Unreachable, 4, 1280));
  EXPECT_EQ(seen_->error.type, IcmpType::Unreachable);
  EXPECT_EQ(seen_->error.code, 4);
  EXPECT_EQ(seen_->error.rest, 1280u);
  EXPECT_EQ(seen_->reporter, Ipv4Address(198, 51, 100, 77));
  EXPECT_EQ(seen_->destination, kFar);
  EXPECT_EQ(seen_->payload, pattern(32));
  EXPECT_TRUE(heard(ours(8), IcmpType::TimeExceeded, 0));
  EXPECT_TRUE(heard(ours(8), IcmpType::ParameterProblem, 0, 20u << 24));
  EXPECT_EQ(icmp_.counts().in_dest_unreachs, 1u);
  EXPECT_EQ(icmp_.counts().in_time_excds, 1u);
  EXPECT_EQ(icmp_.counts().in_parm_probs, 1u);
  EXPECT_EQ(ledger_.delivered.value(), 3u);
}

TEST_F(IcmpReceiveTest, TheQuoteMayLieInAnySegments) {
  HeaderSpec spec;
  spec.options = Bytes(40, 1);
  for (const std::vector<std::uint32_t>& segments :
       {std::vector<std::uint32_t>{20, 3, 9}, {21, 20, 20}, {60, 1, 1}}) {
    ASSERT_TRUE(heard(ours(1000, spec), IcmpType::Unreachable, 3, 0, kHost, segments));
    EXPECT_EQ(seen_->payload, pattern(128));
  }
}

TEST_F(IcmpReceiveTest, B8_AQuoteWithoutEightBytesOfPayloadIsDropped) {
  for (const std::size_t options : {0u, 8u, 40u}) {
    HeaderSpec spec;
    spec.options = Bytes(options, 1);
    const Bytes quoted = ours(8, spec);
    for (std::size_t size = 0; size < quoted.size(); ++size)
      EXPECT_FALSE(heard(Bytes(quoted.begin(), quoted.begin() + size))) << size;
    EXPECT_TRUE(heard(quoted));
  }
  EXPECT_EQ(drops(Drop::IcmpTruncated), 28u + 36 + 68);
}

TEST_F(IcmpReceiveTest, B8_AQuoteThatIsNotOursIsDropped) {
  Bytes quoted = ours(8);
  quoted[0] = 0x65;
  EXPECT_FALSE(heard(quoted));
  quoted = ours(8);
  quoted[12] ^= 1;
  EXPECT_FALSE(heard(quoted));
  HeaderSpec later;
  later.offset = 800;
  EXPECT_FALSE(heard(ours(8, later)));
  EXPECT_EQ(drops(Drop::IcmpBadQuote), 3u);
  EXPECT_FALSE(heard(ours(8), IcmpType::Unreachable, 16));
  quoted = ours(8);
  quoted[0] = 0x44;
  EXPECT_FALSE(heard(quoted));
  EXPECT_EQ(icmp_.counts().in_errors, 5u);
}

TEST_F(IcmpReceiveTest, AnErrorToAGroupIsDropped) {
  EXPECT_FALSE(heard(ours(8), IcmpType::Unreachable, 3, 0, Ipv4Address(192, 0, 2, 255)));
  EXPECT_FALSE(heard(ours(8), IcmpType::Unreachable, 3, 0, Ipv4Address(224, 0, 0, 1)));
  EXPECT_EQ(drops(Drop::IcmpToGroup), 2u);
}

TEST_F(IcmpReceiveTest, ProtocolsWithoutAReceiverAreNamed) {
  HeaderSpec tcp;
  tcp.protocol = wire::protocol::kTcp;
  EXPECT_FALSE(heard(ours(20, tcp)));
  EXPECT_EQ(drops(Drop::IcmpNoReceiver), 1u);
  icmp_.on_error(wire::protocol::kUdp, nullptr, nullptr);
  EXPECT_FALSE(heard(ours(20)));
  EXPECT_EQ(drops(Drop::IcmpNoReceiver), 2u);
}

class IcmpRedirectTest : public IcmpReceiveTest {
 protected:
  IcmpRedirectTest() {
    settings_.accept_redirects = 1;
    icmp_.on_redirect(
        [](void* self, packet::Turn&, const Icmp::RedirectReport& report) {
          static_cast<IcmpRedirectTest*>(self)->redirect_ = report;
        },
        this);
  }
  // Whether the redirect to `gateway` is taken.
  bool taken(Ipv4Address from, Ipv4Address gateway, const Bytes& quoted) {
    redirect_.reset();
    HeaderSpec spec;
    spec.protocol = wire::protocol::kIcmp;
    spec.source = from;
    packet::Turn now = turn();
    packet::Burst burst;
    burst.push(
        delivered(datagram(spec, icmp_message(IcmpType::Redirect, 1, gateway.host(), quoted))));
    icmp_.input(now, burst);
    return redirect_.has_value();
  }
  std::optional<Icmp::RedirectReport> redirect_;
};

TEST_F(IcmpRedirectTest, I13_OnlyTheGatewayInUseMayRedirectToItsOwnNetwork) {
  const Ipv4Address better(192, 0, 2, 9);
  ASSERT_TRUE(taken(kGateway, better, ours(8)));
  EXPECT_EQ(redirect_->destination, kFar);
  EXPECT_EQ(redirect_->gateway, better);
  EXPECT_EQ(redirect_->device, 1);
  EXPECT_FALSE(taken(Ipv4Address(192, 0, 2, 253), better, ours(8))) << "another sender";
  EXPECT_FALSE(taken(kGateway, Ipv4Address(203, 0, 113, 9), ours(8))) << "another network";
  EXPECT_FALSE(taken(kGateway, kHost, ours(8))) << "ourselves";
  EXPECT_FALSE(taken(kGateway, Ipv4Address(192, 0, 2, 255), ours(8))) << "a broadcast address";
  Bytes foreign = ours(8);
  foreign[12] ^= 1;
  EXPECT_FALSE(taken(kGateway, better, foreign)) << "a packet we did not send";
  HeaderSpec near;
  Bytes on_link = ours(8);
  on_link[16] = 192;
  on_link[17] = 0;
  on_link[18] = 2;
  EXPECT_FALSE(taken(kGateway, better, on_link)) << "a destination without a gateway";
  EXPECT_FALSE(taken(kGateway, better, ours(7)));
  EXPECT_EQ(drops(Drop::IcmpBadQuote), 6u);
}

TEST_F(IcmpRedirectTest, I13_RedirectsAreIgnoredByDefaultAndByRouters) {
  const Ipv4Address better(192, 0, 2, 9);
  settings_.ip_forward = 1;
  EXPECT_FALSE(taken(kGateway, better, ours(8)));
  settings_.ip_forward = 0;
  settings_.accept_redirects = 0;
  EXPECT_FALSE(taken(kGateway, better, ours(8)));
  settings_.accept_redirects = 1;
  icmp_.on_redirect(nullptr, nullptr);
  EXPECT_FALSE(taken(kGateway, better, ours(8)));
  EXPECT_EQ(drops(Drop::IcmpRedirectIgnored), 3u);
  EXPECT_EQ(icmp_.counts().in_redirects, 3u);
}

}  // namespace
}  // namespace linnet::ip
