// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "base/checksum.hpp"
#include "base/endian.hpp"
#include "base/intrusive_list.hpp"
#include "base/ipv4.hpp"
#include "base/mac.hpp"
#include "base/result.hpp"
#include "base/siphash.hpp"
#include "time/random.hpp"

namespace linnet {
namespace {

std::span<const std::byte> bytes(const std::vector<std::uint8_t>& v) {
  return std::as_bytes(std::span(v));
}

// The definition of RFC 1071, a 16-bit word at a time in network order: the model for all below.
std::uint16_t model_checksum(const std::vector<std::uint8_t>& data) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < data.size(); i += 2) {
    sum += static_cast<std::uint32_t>(data[i] << 8 | (i + 1 < data.size() ? data[i + 1] : 0));
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(~sum);
}

std::vector<std::uint8_t> random_bytes(time::Random& random, std::size_t size) {
  std::vector<std::uint8_t> out(size);
  // Runs of 0x00 and 0xff are where carries go wrong.
  const std::uint64_t kind = random.below(4);
  for (auto& b : out) {
    b = kind == 0 ? 0xff : kind == 1 ? 0 : static_cast<std::uint8_t>(random.below(256));
  }
  return out;
}

TEST(Endian, ValuesStandInNetworkOrder) {
  const be32 value(0x01020304);
  std::uint8_t raw[4];
  std::memcpy(raw, &value, 4);
  EXPECT_EQ(raw[0], 1);
  EXPECT_EQ(raw[3], 4);
  EXPECT_EQ(value.host(), 0x01020304u);
  EXPECT_EQ(be32::from_raw(value.raw()), value);
  EXPECT_LT(be16(2), be16(0x100));
}

TEST(Checksum, Rfc1071Example) {
  const std::vector<std::uint8_t> data{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(internet_checksum(bytes(data)).host(), static_cast<std::uint16_t>(~0xddf2));
}

TEST(Checksum, I14_AgreesWithTheDefinitionAtEveryLengthAndSplit) {
  time::Random random(3);
  for (int round = 0; round < 3000; ++round) {
    const auto data = random_bytes(random, random.below(round % 2 == 0 ? 200 : 2000));
    const std::uint16_t want = model_checksum(data);
    ASSERT_EQ(internet_checksum(bytes(data)).host(), want) << data.size();
    ChecksumSum parts;
    std::size_t at = 0;
    while (at < data.size()) {
      const std::size_t n = 1 + random.below(data.size() - at);
      parts.add_at(bytes(data).subspan(at, n), at);
      at += n;
    }
    ASSERT_EQ(parts.checksum().host(), want);
  }
}

TEST(Checksum, HeaderOfTwentyBytesAgrees) {
  time::Random random(4);
  for (int round = 0; round < 20000; ++round) {
    auto data = random_bytes(random, 20);
    data[0] = 0x45;
    if (round % 2 == 0) {
      data[10] = data[11] = 0;
      const be16 checksum = internet_checksum(bytes(data));
      std::memcpy(&data[10], &checksum, 2);
    }
    ChecksumSum sum;
    sum.add(bytes(data));
    ASSERT_EQ(ipv4_header_good20(data.data()), sum.valid()) << round;
    if (round % 2 == 0) {
      ASSERT_TRUE(sum.valid());
      for (int bit = 0; bit < 160; ++bit) {
        data[static_cast<std::size_t>(bit / 8)] ^= static_cast<std::uint8_t>(1 << bit % 8);
        ASSERT_FALSE(ipv4_header_good20(data.data())) << "flipped bit " << bit;
        data[static_cast<std::size_t>(bit / 8)] ^= static_cast<std::uint8_t>(1 << bit % 8);
      }
    }
  }
}

TEST(Checksum, I14_IncrementalUpdateEqualsFullComputation) {
  time::Random random(5);
  for (int round = 0; round < 200'000; ++round) {
    auto data = random_bytes(random, 20);
    data[10] = data[11] = 0;
    const be16 before_sum = internet_checksum(bytes(data));
    const std::size_t at = random.below(2) == 0 ? 12 : 2;
    be32 before;
    std::memcpy(&before, &data[at], 4);
    const be32 after(random.below(3) == 0 ? 0xffffffffu
                                          : static_cast<std::uint32_t>(random.next()));
    std::memcpy(&data[at], &after, 4);
    const std::uint16_t full = internet_checksum(bytes(data)).host();
    const std::uint16_t adjusted = checksum_adjust(before_sum, before, after).host();
    // Zero has two forms in one's complement; a receiver takes either.
    const auto same = [](std::uint16_t a, std::uint16_t b) {
      return a == b || (a == 0 && b == 0xffff) || (a == 0xffff && b == 0);
    };
    ASSERT_TRUE(same(full, adjusted)) << full << " " << adjusted;
  }
}

TEST(Mac, ParsesWhatPeopleWriteAndNothingElse) {
  EXPECT_EQ(MacAddress::parse("02:00:5e:10:00:01")->text(), "02:00:5e:10:00:01");
  EXPECT_EQ(MacAddress::parse("2-0-5E-10-0-1")->text(), "02:00:5e:10:00:01");
  for (const char* bad : {"", "02", "02:00:5e:10:00", "02:00:5e:10:00:01:02", "g2:00:5e:10:00:01",
                          "02:00:5e:10:00:001", "02 00 5e 10 00 01", "02:00:5e:10:00:01 "}) {
    EXPECT_FALSE(MacAddress::parse(bad)) << bad;
  }
  EXPECT_TRUE(MacAddress::broadcast().is_broadcast());
  EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01")->is_group());
  EXPECT_FALSE(MacAddress().is_station());
}

TEST(Ipv4, ParsesDottedDecimalOnly) {
  EXPECT_EQ(Ipv4Address::parse("192.0.2.255")->text(), "192.0.2.255");
  EXPECT_EQ(Ipv4Address::parse("0.0.0.0")->host(), 0u);
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1..2.3", "1.2.3.4 ",
                          " 1.2.3.4", "0x1.2.3.4", "1.2.3.-4", "1.2.3."}) {
    EXPECT_FALSE(Ipv4Address::parse(bad)) << bad;
  }
}

TEST(Ipv4, PrefixesRefuseHostBits) {
  EXPECT_EQ(Ipv4Prefix::parse("10.0.0.0/8")->text(), "10.0.0.0/8");
  EXPECT_EQ(Ipv4Prefix::parse("default")->text(), "0.0.0.0/0");
  EXPECT_EQ(Ipv4Prefix::parse("10.1.2.3")->length(), 32u);
  for (const char* bad : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "/8", "10.0.0.0/08"}) {
    EXPECT_FALSE(Ipv4Prefix::parse(bad)) << bad;
  }
  EXPECT_EQ(Ipv4Interface::parse("10.0.0.1/8")->prefix().text(), "10.0.0.0/8");
  EXPECT_EQ(Ipv4Prefix(Ipv4Address(10, 1, 2, 3), 30).last().text(), "10.1.2.3");
  EXPECT_TRUE(Ipv4Prefix().contains(Ipv4Address(1, 2, 3, 4)));
}

TEST(SipHash, ReferenceVectors) {
  // From the paper's appendix A: key 00..0f, message 00..0e.
  const SipKey key{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
  std::vector<std::uint8_t> message(15);
  for (std::size_t i = 0; i < message.size(); ++i)
    message[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(siphash24(key, bytes(message)), 0xa129ca6149be45e5ULL);
  EXPECT_EQ(siphash24(key, {}), 0x726fdb47dd0e0e31ULL);
}

TEST(SipHash, ShortFormDependsOnKeyAndBothWords) {
  const SipKey key{1, 2};
  const std::uint64_t base = siphash13(key, 3, 4);
  EXPECT_NE(base, siphash13(key, 4, 3));
  EXPECT_NE(base, siphash13(SipKey{2, 1}, 3, 4));
  EXPECT_EQ(base, siphash13(key, 3, 4));
}

struct Item {
  int value;
  ListHook hook;
};

TEST(IntrusiveList, KeepsOrderAndUnlinksAnywhere) {
  Item a{1, {}}, b{2, {}}, c{3, {}};
  IntrusiveList<Item, &Item::hook> list;
  IntrusiveList<Item, &Item::hook> other;
  list.push_back(b);
  list.push_front(a);
  other.push_back(c);
  list.splice_back(other);
  EXPECT_TRUE(other.empty());
  EXPECT_EQ(list.front()->value, 1);
  EXPECT_EQ(list.next(a)->value, 2);
  EXPECT_EQ(list.back()->value, 3);
  b.hook.unlink();
  EXPECT_EQ(list.next(a), &c);
  EXPECT_EQ(list.next(c), nullptr);
  list.pop_front();
  list.pop_front();
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.pop_front(), nullptr);
}

TEST(IntrusiveListDeathTest, AnElementCannotBeOnTwoLists) {
  Item a{1, {}};
  IntrusiveList<Item, &Item::hook> list;
  list.push_back(a);
  EXPECT_DEATH(list.push_back(a), "check failed");
  list.pop_front();
}

TEST(Result, CarriesValueOrError) {
  Result<int> good = 3;
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 3);
  const Result<int> bad = Error{"no such device", "eth9", 4, "a device name"};
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().text(), "no such device: \"eth9\" (word 5), expected a device name");
}

TEST(ResultDeathTest, ReadingTheWrongSideAborts) {
  const Result<int> bad = Error{"x"};
  EXPECT_DEATH(static_cast<void>(bad.value()), "check failed");
}

}  // namespace
}  // namespace linnet
