// SPDX-License-Identifier: BSD-3-Clause
#include "ip/reassembly.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "ip/datagram_fixture.hpp"

namespace linnet::ip {
namespace {

using tests::Bytes;
using time::Duration;

class ReassemblyTest : public DatagramFixture {
 protected:
  ~ReassemblyTest() override { clear(); }
  void clear() {
    packet::Turn now = turn();
    reassembly_.clear(now, packet::reason_of(Drop::FragmentTimeout));
  }

  // A fragment with payload bytes [begin, end) of `data`.
  Bytes piece(const Bytes& data, std::size_t begin, std::size_t end, HeaderSpec spec = {}) {
    spec.offset = static_cast<unsigned>(begin);
    spec.more = end < data.size();
    return datagram(spec, Bytes(data.begin() + begin, data.begin() + end));
  }
  // Adds a fragment and checks what reassembly says of itself.
  packet::Packet add(const Bytes& bytes, const std::vector<std::uint32_t>& segments = {}) {
    packet::Turn now = turn();
    packet::Packet whole = reassembly_.add(now, receive_segments(bytes, segments));
    EXPECT_EQ(ledger_.held.value(), reassembly_.held_packets());
    return whole;
  }
  // Adds a fragment that must not complete anything.
  void add_only(const Bytes& bytes) { EXPECT_FALSE(finish(add(bytes)).has_value()); }
  // The whole datagram's payload, if there is one; checks its header.
  std::optional<Bytes> finish(packet::Packet&& whole) {
    if (!whole) return std::nullopt;
    EXPECT_TRUE(whole.consistent());
    const Bytes bytes = bytes_of(whole);
    const auto& ip = *reinterpret_cast<const wire::Ipv4Header*>(bytes.data());
    EXPECT_EQ(ip.total_length.host(), bytes.size());
    EXPECT_FALSE(ip.is_fragment());
    EXPECT_TRUE(header_checksum_good(bytes));
    last_header_ = ip;
    packet::Turn now = turn();
    now.deliver(std::move(whole));
    return Bytes(bytes.begin() + ip.header_length(), bytes.end());
  }
  void pass(Duration time) {
    advance(time);
    packet::Turn now = turn();
    wheel_.advance(now.now, 10'000, &now);
  }

  Settings settings_;
  time::TimerWheel wheel_{clock_.now()};
  Reassembly reassembly_{wheel_, settings_, SipKey{1, 2}, collector_.stage()};
  wire::Ipv4Header last_header_{};
};

TEST_F(ReassemblyTest, I1_EveryPermutationOfUpToSixPiecesGivesTheDatagram) {
  const Bytes data = pattern(1003);
  const std::size_t cuts[] = {0, 8, 200, 208, 600, 1000, 1003};
  for (std::size_t count = 2; count <= 6; ++count) {
    std::vector<std::size_t> edges(cuts, cuts + count);
    edges.push_back(data.size());
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), 0u);
    do {
      for (std::size_t i = 0; i < count; ++i) {
        const auto whole = finish(add(piece(data, edges[order[i]], edges[order[i] + 1])));
        ASSERT_EQ(whole.has_value(), i + 1 == count);
        if (whole.has_value()) {
          ASSERT_EQ(*whole, data);
        }
      }
      ASSERT_EQ(reassembly_.held_bytes(), 0u);
      ASSERT_EQ(reassembly_.datagrams(), 0u);
      ASSERT_EQ(wheel_.armed(), 0u);
    } while (std::next_permutation(order.begin(), order.end()));
  }
  EXPECT_EQ(reassembly_.counters().value(Count::ReasmOKs), 2u + 6 + 24 + 120 + 720);
  EXPECT_EQ(reassembly_.counters().value(Count::ReasmFails), 0u);
}

// The naive model: a map of bytes, and the rules as sentences over sets.
class Model {
 public:
  enum class Says { Wait, Whole, Duplicate, Lost };
  Says add(std::size_t begin, std::size_t end, bool last) {
    if (lost_) return Says::Lost;
    const auto same = pieces_.find({begin, end});
    if (same != pieces_.end() && last_.count({begin, end}) == (last ? 1u : 0u))
      return Says::Duplicate;
    for (std::size_t i = begin; i < end; ++i)
      lost_ |= bytes_.count(i) != 0;
    // One end, and nothing behind it.
    if (last) ends_.insert(end);
    bytes_.insert(begin);
    for (std::size_t i = begin; i < end; ++i)
      bytes_.insert(i);
    lost_ |= ends_.size() > 1 || (!ends_.empty() && *bytes_.rbegin() >= *ends_.begin());
    lost_ |= ends_.size() == 1 && !last && end == *ends_.begin();
    if (lost_) return Says::Lost;
    pieces_.insert({begin, end});
    if (last) last_.insert({begin, end});
    return !ends_.empty() && bytes_.size() == *ends_.begin() ? Says::Whole : Says::Wait;
  }

 private:
  std::set<std::pair<std::size_t, std::size_t>> pieces_, last_;
  std::set<std::size_t> bytes_, ends_;
  bool lost_ = false;
};

TEST_F(ReassemblyTest, I1_RandomFragmentsAgreeWithTheByteMap) {
  const Bytes data = pattern(96);
  unsigned wholes = 0;
  unsigned losses = 0;
  for (unsigned round = 0; round < 20'000; ++round) {
    Model model;
    HeaderSpec spec;
    spec.id = static_cast<std::uint16_t>(round);
    const std::size_t blocks = 2 + random_.below(4);
    for (unsigned i = 0; i < 8; ++i) {
      std::size_t begin = random_.below(blocks) * 8;
      std::size_t end = begin + 8 * (1 + random_.below(2));
      const bool last =
          begin > 0 && (end >= blocks * 8 ? random_.below(20) != 0 : random_.below(20) == 0);
      if (last && random_.below(8) == 0) end -= 3;
      spec.offset = static_cast<unsigned>(begin);
      spec.more = !last;
      const std::uint64_t duplicates = drops(Drop::FragmentDuplicate);
      const std::uint32_t held = reassembly_.held_packets();
      const auto whole =
          finish(add(datagram(spec, Bytes(data.begin() + begin, data.begin() + end))));
      const Model::Says says = model.add(begin, end, last);
      ASSERT_EQ(whole.has_value(), says == Model::Says::Whole) << "round " << round;
      ASSERT_EQ(drops(Drop::FragmentDuplicate) - duplicates, says == Model::Says::Duplicate);
      if (says == Model::Says::Wait) {
        ASSERT_EQ(reassembly_.held_packets(), held + 1);
      }
      if (says == Model::Says::Lost) {
        ASSERT_EQ(reassembly_.held_packets(), 0u);
        ++losses;
      }
      if (!whole.has_value()) continue;
      ASSERT_EQ(*whole, Bytes(data.begin(), data.begin() + whole->size()));
      ++wholes;
      break;
    }
    clear();
  }
  EXPECT_GT(wholes, 500u);
  EXPECT_GT(losses, 5'000u);
}

TEST_F(ReassemblyTest, I1_AnOverlapDropsWhatIsThereAndWhatStillComesUntilTheTimeout) {
  const Bytes data = pattern(3000);
  add_only(piece(data, 0, 1000));
  add_only(piece(data, 2000, 3000));
  add_only(piece(data, 992, 2000));
  EXPECT_EQ(drops(Drop::FragmentOverlap), 3u);
  EXPECT_EQ(reassembly_.held_packets(), 0u);
  add_only(piece(data, 0, 1000));
  add_only(piece(data, 1000, 2000));
  add_only(piece(data, 2000, 3000));
  EXPECT_EQ(drops(Drop::FragmentOverlap), 6u);
  pass(Duration::seconds(35));
  EXPECT_EQ(reassembly_.datagrams(), 0u);
  EXPECT_TRUE(collector_.packets.empty());
  add_only(piece(data, 0, 1000));
  add_only(piece(data, 1000, 2000));
  EXPECT_EQ(finish(add(piece(data, 2000, 3000))), data);
}

TEST_F(ReassemblyTest, I1_TeardropIsAnOverlap) {
  const Bytes data = pattern(64);
  add_only(piece(data, 0, 40));
  add_only(piece(data, 24, 32));
  EXPECT_EQ(drops(Drop::FragmentOverlap), 2u);
}

TEST_F(ReassemblyTest, I1_PingOfDeathIsRefused) {
  HeaderSpec spec;
  spec.offset = 65528;
  add_only(datagram(spec, pattern(100)));
  EXPECT_EQ(drops(Drop::FragmentTooLong), 1u);
  EXPECT_EQ(reassembly_.datagrams(), 0u);
}

TEST_F(ReassemblyTest, I1_ThePayloadFitsButTheFirstHeaderIsTooLong) {
  const Bytes data = pattern(65515);
  HeaderSpec options;
  options.options = Bytes(4, 1);
  std::optional<Bytes> whole;
  add_only(piece(data, 0, 1400, options));
  for (std::size_t at = 1400; at < data.size(); at += 1400)
    add_only(piece(data, at, std::min(at + 1400, data.size())));
  EXPECT_EQ(drops(Drop::FragmentTooLong), 47u);
}

TEST_F(ReassemblyTest, TheLargestDatagramIsReassembled) {
  const Bytes data = pattern(65515);
  std::optional<Bytes> whole;
  for (std::size_t at = 0; at < data.size(); at += 1480)
    whole = finish(add(piece(data, at, std::min(at + 1480, data.size()))));
  EXPECT_EQ(whole, data);
}

TEST_F(ReassemblyTest, I1_TheSixtyFifthFragmentDropsTheDatagram) {
  const Bytes data = pattern(66 * 8);
  for (std::size_t i = 0; i < 64; ++i)
    add_only(piece(data, i * 8, i * 8 + 8));
  EXPECT_EQ(reassembly_.held_packets(), 64u);
  add_only(piece(data, 64 * 8, 65 * 8));
  EXPECT_EQ(drops(Drop::FragmentTooMany), 65u);
  EXPECT_EQ(reassembly_.held_bytes(), 0u);
}

TEST_F(ReassemblyTest, SixtyFourFragmentsAreEnough) {
  const Bytes data = pattern(64 * 8 - 1);
  for (std::size_t i = 64; i-- > 1;)
    add_only(piece(data, i * 8, std::min(i * 8 + 8, data.size())));
  EXPECT_EQ(finish(add(piece(data, 0, 8))), data);
}

TEST_F(ReassemblyTest, I1_EmptyAndOddFragmentsAreRefusedAlone) {
  HeaderSpec spec;
  spec.more = true;
  add_only(datagram(spec, {}));
  add_only(datagram(spec, pattern(12)));
  spec.offset = 16;
  spec.more = false;
  add_only(datagram(spec, {}));
  EXPECT_EQ(drops(Drop::FragmentBadLength), 3u);
  const Bytes data = pattern(30);
  add_only(piece(data, 0, 16));
  EXPECT_EQ(finish(add(piece(data, 16, 30))), data);
}

TEST_F(ReassemblyTest, I2_TinyTcpFragmentsAreRefused) {
  const Bytes data = pattern(64);
  HeaderSpec tcp;
  tcp.protocol = wire::protocol::kTcp;
  add_only(piece(data, 0, 8, tcp));
  add_only(piece(data, 8, 64, tcp));
  EXPECT_EQ(drops(Drop::FragmentTiny), 2u);
  add_only(piece(data, 0, 16, tcp));
  EXPECT_EQ(finish(add(piece(data, 16, 64, tcp))), data);
  add_only(piece(data, 0, 8));
  EXPECT_EQ(finish(add(piece(data, 8, 64))), data);
}

TEST_F(ReassemblyTest, I1_TwoEndsDropTheDatagram) {
  HeaderSpec spec;
  spec.offset = 80;
  add_only(datagram(spec, pattern(16)));
  spec.offset = 160;
  add_only(datagram(spec, pattern(16)));
  EXPECT_EQ(drops(Drop::FragmentInconsistent), 2u);
  add_only(piece(pattern(96), 0, 80));
  EXPECT_EQ(drops(Drop::FragmentInconsistent), 3u);
}

TEST_F(ReassemblyTest, DatagramsDifferByEachPartOfTheKey) {
  const Bytes data = pattern(64);
  std::vector<HeaderSpec> specs(5);
  specs[1].id = 1;
  specs[2].source = Ipv4Address(198, 51, 100, 2);
  specs[3].destination = Ipv4Address(192, 0, 2, 2);
  specs[4].protocol = 1;
  for (const HeaderSpec& spec : specs)
    add_only(piece(data, 0, 32, spec));
  EXPECT_EQ(reassembly_.datagrams(), 5u);
  for (const HeaderSpec& spec : specs)
    EXPECT_EQ(finish(add(piece(data, 32, 64, spec))), data);
}

TEST_F(ReassemblyTest, TimeoutHandsTheFirstFragmentOnAndDropsTheRest) {
  const Bytes data = pattern(3000);
  add_only(piece(data, 1000, 2000));
  add_only(piece(data, 0, 1000));
  pass(Duration::milliseconds(29'900));
  EXPECT_EQ(reassembly_.held_packets(), 2u);
  pass(Duration::seconds(5));
  EXPECT_EQ(reassembly_.held_packets(), 0u);
  EXPECT_EQ(reassembly_.datagrams(), 0u);
  ASSERT_EQ(collector_.packets.size(), 1u);
  EXPECT_EQ(bytes_of(collector_.packets[0]), piece(data, 0, 1000));
  EXPECT_EQ(drops(Drop::FragmentTimeout), 1u);
  EXPECT_EQ(reassembly_.counters().value(Count::ReasmTimeout), 1u);
}

TEST_F(ReassemblyTest, TimeoutWithoutTheFirstFragmentIsSilent) {
  add_only(piece(pattern(3000), 1000, 2000));
  pass(Duration::seconds(35));
  EXPECT_TRUE(collector_.packets.empty());
  EXPECT_EQ(drops(Drop::FragmentTimeout), 1u);
}

TEST_F(ReassemblyTest, TheTimeoutCountsFromTheFirstToArrive) {
  const Bytes data = pattern(3000);
  add_only(piece(data, 0, 1000));
  for (int i = 0; i < 3; ++i) {
    pass(Duration::seconds(9));
    add_only(piece(data, 0, 1000));
  }
  EXPECT_EQ(drops(Drop::FragmentDuplicate), 3u);
  pass(Duration::seconds(8));
  EXPECT_EQ(reassembly_.datagrams(), 0u);
}

TEST_F(ReassemblyTest, OptionsOfTheFirstFragmentStayAndOthersGo) {
  const Bytes data = pattern(2000);
  HeaderSpec first;
  first.options = {7, 7, 4, 0, 0, 0, 0, 0};
  HeaderSpec later;
  later.options = {148, 4, 0, 0};
  add_only(piece(data, 1000, 2000, later));
  EXPECT_EQ(finish(add(piece(data, 0, 1000, first))), data);
  EXPECT_EQ(last_header_.header_length(), 28u);
}

TEST_F(ReassemblyTest, FragmentsInAnySegmentsAreJoined) {
  const Bytes data = pattern(3000);
  for (const std::uint32_t first : {20u, 21u, 28u, 500u}) {
    EXPECT_FALSE(add(piece(data, 1000, 2000), {first, 3, 70}));
    EXPECT_FALSE(add(piece(data, 0, 1000), {first, 1, 1}));
    EXPECT_EQ(finish(add(piece(data, 2000, 3000), {first})), data);
  }
}

TEST_F(ReassemblyTest, EcnOfTheFragmentsIsCombined) {
  // RFC 3168 5.3 for each pair of codepoints: -1 is a drop, else the datagram's codepoint.
  const int combined[4][4] = {{0, -1, -1, -1}, {-1, 1, 1, 3}, {-1, 2, 2, 3}, {-1, 3, 3, 3}};
  const Bytes data = pattern(64);
  for (unsigned a = 0; a < 4; ++a) {
    for (unsigned b = 0; b < 4; ++b) {
      HeaderSpec first;
      HeaderSpec second;
      first.tos = static_cast<std::uint8_t>(0xb8 | a);
      second.tos = static_cast<std::uint8_t>(0xb8 | b);
      add_only(piece(data, 0, 32, first));
      const auto whole = finish(add(piece(data, 32, 64, second)));
      ASSERT_EQ(whole.has_value(), combined[a][b] >= 0);
      if (whole.has_value()) {
        EXPECT_EQ(last_header_.tos, 0xb8 | combined[a][b]);
      }
    }
  }
  EXPECT_EQ(drops(Drop::FragmentEcn), 12u);
}

TEST_F(ReassemblyTest, SharedBuffersAreNotWrittenTo) {
  const Bytes data = pattern(64);
  packet::Packet original = receive_segments(piece(data, 0, 32), {});
  packet::Packet twin = original.clone(*pool_);
  ledger_.received.add();
  packet::Turn now = turn();
  EXPECT_FALSE(reassembly_.add(now, std::move(twin)));
  EXPECT_EQ(finish(add(piece(data, 32, 64))), data);
  EXPECT_EQ(bytes_of(original), piece(data, 0, 32));
  now.deliver(std::move(original));
}

}  // namespace
}  // namespace linnet::ip
