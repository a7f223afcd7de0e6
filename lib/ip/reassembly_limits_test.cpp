// SPDX-License-Identifier: BSD-3-Clause
// What reassembly holds under attack (reliability row I1, rules R3, R4, R6).
#include <gtest/gtest.h>

#include "ip/datagram_fixture.hpp"
#include "ip/reassembly.hpp"

namespace linnet::ip {
namespace {

using tests::Bytes;
using time::Duration;

class ReassemblyLimits : public DatagramFixture {
 protected:
  ReassemblyLimits() { settings_.ipfrag_high_thresh = 400'000; }
  ~ReassemblyLimits() override {
    packet::Turn now = turn();
    reassembly_->clear(now, packet::reason_of(Drop::FragmentTimeout));
  }

  bool add(const HeaderSpec& spec, std::size_t size = 64) {
    packet::Turn now = turn();
    packet::Packet whole =
        reassembly_->add(now, receive_segments(datagram(spec, pattern(size)), {}));
    EXPECT_EQ(ledger_.held.value(), reassembly_->held_packets());
    EXPECT_LE(reassembly_->held_bytes(), settings_.ipfrag_high_thresh.load());
    if (!whole) return false;
    now.deliver(std::move(whole));
    return true;
  }
  static HeaderSpec first(unsigned source, unsigned id) {
    HeaderSpec spec;
    spec.source = Ipv4Address::from_host(0x0a000000 + source);
    spec.id = static_cast<std::uint16_t>(id);
    spec.more = true;
    return spec;
  }
  static HeaderSpec last(unsigned source, unsigned id) {
    HeaderSpec spec = first(source, id);
    spec.more = false;
    spec.offset = 64;
    return spec;
  }

  Settings settings_;
  time::TimerWheel wheel_{clock_.now()};
  std::unique_ptr<Reassembly> reassembly_ = make();
  std::unique_ptr<Reassembly> make() {
    settings_.ipfrag_high_thresh = 400'000;
    return std::make_unique<Reassembly>(wheel_, settings_, SipKey{1, 2}, packet::Stage{});
  }
};

TEST_F(ReassemblyLimits, I1_ManySourcesEvictTheOldestDatagrams) {
  for (unsigned i = 0; i < 1000; ++i)
    EXPECT_FALSE(add(first(i, 1)));
  EXPECT_GT(drops(Drop::FragmentMemory), 700u);
  EXPECT_EQ(drops(Drop::FragmentSourceLimit), 0u);
  EXPECT_TRUE(add(last(999, 1)));
  EXPECT_FALSE(add(last(0, 1)));
}

TEST_F(ReassemblyLimits, I1_OneSourceCanNotPushOthersOut) {
  for (unsigned i = 0; i < 50; ++i)
    EXPECT_FALSE(add(first(1000 + i, 7)));
  for (unsigned i = 0; i < 5000; ++i)
    EXPECT_FALSE(add(first(1, i)));
  EXPECT_EQ(drops(Drop::FragmentMemory), 0u);
  EXPECT_GT(drops(Drop::FragmentSourceLimit), 4000u);
  for (unsigned i = 0; i < 50; ++i)
    EXPECT_TRUE(add(last(1000 + i, 7)));
  // The flood's own newest datagrams are still served.
  EXPECT_TRUE(add(last(1, 4999)));
}

TEST_F(ReassemblyLimits, R3_AFragmentIsChargedTheBufferItPins) {
  EXPECT_FALSE(add(first(1, 1), 8));
  EXPECT_GE(reassembly_->held_bytes(), 2048u);
}

TEST_F(ReassemblyLimits, R4_AnEighthOfThePoolIsTheMost) {
  settings_.ipfrag_high_thresh = 1u << 30;
  reassembly_ = std::make_unique<Reassembly>(wheel_, settings_, SipKey{1, 2}, packet::Stage{});
  const std::uint32_t pool_bytes = pool_->size() * pool_->data_room();
  for (unsigned i = 0; i < 3000; ++i)
    EXPECT_FALSE(add(first(i, 1)));
  EXPECT_LE(reassembly_->held_bytes(), pool_bytes / 8);
  EXPECT_GT(reassembly_->held_bytes(), pool_bytes / 9);
}

TEST_F(ReassemblyLimits, I1_BannedDatagramsGiveWayToNewOnes) {
  for (unsigned i = 0; i < 5000; ++i) {
    EXPECT_FALSE(add(first(i, 1)));
    EXPECT_FALSE(add(first(i, 1), 72));  // another length at the same place
  }
  EXPECT_EQ(drops(Drop::FragmentOverlap), 10'000u);
  EXPECT_EQ(reassembly_->held_packets(), 0u);
  EXPECT_LE(reassembly_->datagrams(), 4096u);
  EXPECT_FALSE(add(first(9000, 1)));
  EXPECT_TRUE(add(last(9000, 1)));
}

TEST_F(ReassemblyLimits, I1_FirstFragmentsOnlyLeaveAVictimItsDatagrams) {
  unsigned whole = 0;
  for (unsigned i = 0; i < 200; ++i) {
    EXPECT_FALSE(add(first(77, i)));
    for (unsigned k = 0; k < 40; ++k)
      EXPECT_FALSE(add(first(1 + k % 2, i * 40 + k)));
    whole += add(last(77, i)) ? 1 : 0;
  }
  EXPECT_GE(whole, 180u);
}

TEST_F(ReassemblyLimits, TheTimeoutIsASetting) {
  settings_.ipfrag_time_ms = 100;
  EXPECT_FALSE(add(first(1, 1)));
  advance(Duration::milliseconds(120));
  packet::Turn now = turn();
  EXPECT_EQ(wheel_.advance(now.now, 10, &now), 1u);
  EXPECT_EQ(drops(Drop::FragmentTimeout), 1u);
}

}  // namespace
}  // namespace linnet::ip
