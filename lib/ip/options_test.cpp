// SPDX-License-Identifier: BSD-3-Clause
#include "ip/options.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "time/random.hpp"

namespace linnet::ip {
namespace {

using Verdict = Options::Verdict;
using Bytes = std::vector<std::uint8_t>;

const Ipv4Address kOwn(192, 0, 2, 1);
constexpr std::uint32_t kNoon = 43'200'000;

// A copy that ends where its bytes end, so that a sanitizer sees every read behind it.
class Exact {
 public:
  explicit Exact(const Bytes& bytes) : size_(bytes.size()), bytes_(new std::byte[bytes.size()]) {
    if (size_ > 0) std::memcpy(bytes_.get(), bytes.data(), size_);
  }
  std::span<std::byte> span() { return {bytes_.get(), size_}; }
  Bytes bytes() const {
    Bytes out(size_);
    if (size_ > 0) std::memcpy(out.data(), bytes_.get(), size_);
    return out;
  }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> bytes_;
};

Options parse(const Bytes& bytes) {
  Exact exact(bytes);
  return parse_options(exact.span());
}

// One option area with a single option of (type, length, pointer) at its start, as RFC 791 reads:
// what is right and, where not, which byte is to blame. Written by cases from the RFC's text, on
// purpose not as a walk.
struct Expected {
  Verdict verdict = Verdict::Good;
  unsigned offset = 0;
};
Expected model(unsigned type, unsigned length, unsigned pointer, unsigned flags, unsigned area) {
  const auto bad_at = [](unsigned offset) { return Expected{Verdict::Bad, offset}; };
  if (type == 0 || area == 0) return {};
  if (area < 2) return type == 1 ? Expected{} : bad_at(0);
  if (length < 2 || length > area) return bad_at(0);
  const bool route = type == 7 || type == 131 || type == 137;
  const bool stamp = type == 68;
  if (route && length < 3) return bad_at(1);
  if (stamp && length < 4) return bad_at(1);
  if (type == 148 && length < 4) return bad_at(1);
  if (type == 130 && length < 3) return bad_at(1);
  if (route) {
    const bool full = pointer > length;
    const bool fits = pointer >= 4 && pointer + 3 <= length;
    if (pointer < 4 || (!full && !fits)) return bad_at(2);
    if (type != 7) return {Verdict::SourceRoute, 0};
  }
  if (stamp) {
    const unsigned entry = flags == 1 || flags == 3 ? 8 : 4;
    const bool full = pointer > length;
    const bool fits = pointer >= 5 && pointer + entry - 1 <= length;
    if (pointer < 5 || (!full && !fits)) return bad_at(2);
  }
  return {};
}

TEST(Options, I7_EveryTypeLengthAndPointerAgreesWithTheModel) {
  unsigned checked = 0;
  for (const unsigned type : {0u, 7u, 68u, 130u, 131u, 136u, 137u, 148u, 222u}) {
    for (unsigned area = 0; area <= 40; area += area < 4 ? 1 : 4) {
      for (unsigned length = 0; length <= 41; ++length) {
        for (unsigned pointer = 0; pointer <= 42; ++pointer) {
          for (const unsigned flags : {0u, 1u, 3u, 9u}) {
            // Behind the option END follows, so only the first option decides.
            Bytes bytes(area, 0);
            const std::uint8_t head[] = {
                static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(length),
                static_cast<std::uint8_t>(pointer), static_cast<std::uint8_t>(flags)};
            std::copy_n(head, std::min<std::size_t>(area, sizeof(head)), bytes.begin());
            // A flags byte behind the option would be an option of its own.
            if (length < 4 && area >= 4) bytes[3] = 0;
            if (length == 2 && area >= 3) bytes[2] = 0;
            const Options found = parse(bytes);
            const Expected expected = model(type, length, pointer, flags, area);
            ASSERT_EQ(found.verdict, expected.verdict)
                << type << " length " << length << " pointer " << pointer << " flags " << flags
                << " area " << area;
            if (expected.verdict != Verdict::Good) {
              ASSERT_EQ(found.bad_offset, expected.offset);
            }
            ++checked;
          }
        }
      }
    }
  }
  EXPECT_GT(checked, 800'000u);
}

TEST(Options, I7_EveryOffsetOfAnOptionBehindNops) {
  for (unsigned nops = 0; nops < 40; ++nops) {
    Bytes bytes(40, 1);
    bytes[nops] = 7;
    const unsigned room = 40 - nops;
    if (room < 3) {
      if (room == 2) bytes[nops + 1] = 3;
      const Options found = parse(bytes);
      EXPECT_EQ(found.verdict, Verdict::Bad);
      EXPECT_EQ(found.bad_offset, nops);
      continue;
    }
    bytes[nops + 1] = static_cast<std::uint8_t>(room);
    bytes[nops + 2] = 4;
    const Options found = parse(bytes);
    EXPECT_EQ(found.verdict, room >= 7 || room == 3 ? Verdict::Good : Verdict::Bad) << room;
    if (found.verdict == Verdict::Good) {
      EXPECT_EQ(found.record_route, nops);
    }
  }
}

TEST(Options, OptionsThatMayStandOnceAreBadTwice) {
  const Bytes route = {7, 7, 4, 0, 0, 0, 0};
  const Bytes stamp = {68, 8, 5, 0, 0, 0, 0, 0};
  const Bytes security = {130, 4, 1, 2};
  for (const Bytes& option : {route, stamp, security}) {
    Bytes twice = option;
    twice.insert(twice.end(), option.begin(), option.end());
    EXPECT_EQ(parse(option).verdict, Verdict::Good);
    const Options found = parse(twice);
    EXPECT_EQ(found.verdict, Verdict::Bad);
    EXPECT_EQ(found.bad_offset, option.size());
  }
}

TEST(Options, RouterAlertIsSeenWithValueZeroOnly) {
  EXPECT_TRUE(parse({148, 4, 0, 0}).router_alert);
  EXPECT_FALSE(parse({148, 4, 0, 1}).router_alert);
  EXPECT_FALSE(parse({1, 1, 1, 0}).router_alert);
}

TEST(Options, WhatFollowsTheEndIsNotRead) {
  EXPECT_EQ(parse({1, 0, 7, 0}).verdict, Verdict::Good);
  EXPECT_EQ(parse({1, 1, 7, 0}).verdict, Verdict::Bad);
}

TEST(Options, RecordRouteTakesOneAddressUntilItIsFull) {
  Exact options({7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  const Options found = parse_options(options.span());
  EXPECT_EQ(update_options(options.span(), found, kOwn, 0), Verdict::Good);
  EXPECT_EQ(options.bytes(), (Bytes{7, 11, 8, 192, 0, 2, 1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(update_options(options.span(), found, kOwn, 0), Verdict::Good);
  const Bytes full{7, 11, 12, 192, 0, 2, 1, 192, 0, 2, 1, 0};
  EXPECT_EQ(options.bytes(), full);
  EXPECT_EQ(update_options(options.span(), found, kOwn, 0), Verdict::Good);
  EXPECT_EQ(options.bytes(), full);
}

TEST(Options, TimestampWritesTheTimeInNetworkOrder) {
  Exact options({68, 8, 5, 0, 0, 0, 0, 0});
  const Options found = parse_options(options.span());
  EXPECT_EQ(update_options(options.span(), found, kOwn, kNoon), Verdict::Good);
  EXPECT_EQ(options.bytes(), (Bytes{68, 8, 9, 0, 0x02, 0x93, 0x2e, 0x00}));
}

TEST(Options, TimestampOverflowCountsToFifteenAndIsThenAnError) {
  Exact options({68, 8, 9, 0x00, 1, 2, 3, 4});
  const Options found = parse_options(options.span());
  for (unsigned i = 1; i <= 15; ++i) {
    EXPECT_EQ(update_options(options.span(), found, kOwn, kNoon), Verdict::Good);
    EXPECT_EQ(options.bytes()[3] >> 4, static_cast<int>(i));
  }
  EXPECT_EQ(update_options(options.span(), found, kOwn, kNoon), Verdict::Bad);
}

TEST(Options, PrespecifiedTimestampIsWrittenOnlyBesideOurAddress) {
  Exact other({68, 12, 5, 3, 192, 0, 2, 9, 0, 0, 0, 0});
  const Options found = parse_options(other.span());
  const Bytes before = other.bytes();
  EXPECT_EQ(update_options(other.span(), found, kOwn, kNoon), Verdict::Good);
  EXPECT_EQ(other.bytes(), before);
  Exact ours({68, 12, 5, 3, 192, 0, 2, 1, 0, 0, 0, 0});
  EXPECT_EQ(update_options(ours.span(), found, kOwn, kNoon), Verdict::Good);
  EXPECT_EQ(ours.bytes(), (Bytes{68, 12, 13, 3, 192, 0, 2, 1, 0x02, 0x93, 0x2e, 0x00}));
  // Done: no overflow is counted.
  EXPECT_EQ(update_options(ours.span(), found, kOwn, kNoon), Verdict::Good);
  EXPECT_EQ(ours.bytes()[3], 3);
}

TEST(Options, AddressAndTimestampTakeEightBytes) {
  Exact options({68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0});
  const Options found = parse_options(options.span());
  EXPECT_EQ(update_options(options.span(), found, kOwn, kNoon), Verdict::Good);
  EXPECT_EQ(options.bytes(), (Bytes{68, 12, 13, 1, 192, 0, 2, 1, 0x02, 0x93, 0x2e, 0x00}));
}

TEST(Options, ReplyKeepsRecordRouteAndTimestampInOrder) {
  Exact options({1, 68, 8, 5, 0, 9, 9, 9, 9, 148, 4, 0, 0, 7, 7, 4, 1, 2, 3, 4});
  const Options found = parse_options(options.span());
  ASSERT_EQ(found.verdict, Verdict::Good);
  std::array<std::byte, 40> out;
  out.fill(std::byte{0xee});
  const std::size_t size = reply_options(options.span(), found, out);
  const Bytes expected{68, 8, 5, 0, 9, 9, 9, 9, 7, 7, 4, 1, 2, 3, 4, 0};
  ASSERT_EQ(size, expected.size());
  EXPECT_EQ(std::memcmp(out.data(), expected.data(), size), 0);
}

TEST(Options, FragmentsBehindTheFirstGetCopiedOptionsOnly) {
  Exact options({7, 7, 4, 1, 2, 3, 4, 1, 130, 4, 5, 6, 148, 4, 0, 0, 68, 4, 5, 0});
  std::array<std::byte, 40> out;
  const std::size_t size = fragment_options(options.span(), out);
  const Bytes expected{130, 4, 5, 6, 148, 4, 0, 0};
  ASSERT_EQ(size, expected.size());
  EXPECT_EQ(std::memcmp(out.data(), expected.data(), size), 0);
}

TEST(Options, I7_RandomAreasAreSafeAndStayGoodAfterAnUpdate) {
  time::Random random(3);
  const std::uint8_t types[] = {0, 1, 7, 68, 130, 131, 137, 148, 200};
  unsigned good = 0;
  for (int round = 0; round < 300'000; ++round) {
    Bytes bytes(random.below(41));
    for (std::uint8_t& byte : bytes)
      byte = static_cast<std::uint8_t>(random.below(3) == 0 ? types[random.below(9)]
                                                            : random.below(44));
    Exact options(bytes);
    const Options found = parse_options(options.span());
    std::array<std::byte, 40> out;
    ASSERT_LE(fragment_options(options.span(), out), 40u);
    if (found.verdict != Verdict::Good) {
      ASSERT_LT(found.bad_offset, bytes.size());
      continue;
    }
    ++good;
    ASSERT_LE(reply_options(options.span(), found, out), 40u);
    if (update_options(options.span(), found, kOwn, kNoon) != Verdict::Good) continue;
    const Options again = parse_options(options.span());
    // A record route whose size is no multiple of an address gets too short for the next one
    // (RFC 791: that datagram is in error); nothing else goes bad.
    if (again.verdict != Verdict::Good) {
      ASSERT_EQ(again.verdict, Verdict::Bad);
      const unsigned option = again.bad_offset - 2u;
      ASSERT_TRUE(option == found.record_route || option == found.timestamp);
      ASSERT_GT(options.bytes()[option + 1] + 1u, options.bytes()[option + 2]);
      continue;
    }
    ASSERT_EQ(again.record_route, found.record_route);
    ASSERT_EQ(again.timestamp, found.timestamp);
  }
  EXPECT_GT(good, 5'000u);
}

}  // namespace
}  // namespace linnet::ip
