// SPDX-License-Identifier: BSD-3-Clause
#include "wire/tcp.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

namespace linnet::wire {
namespace {

// Parses from memory of exactly the size, so that a read beyond it is seen by AddressSanitizer.
ParsedTcpOptions parse(const std::vector<int>& bytes, bool syn = true) {
  const auto exact = std::make_unique<std::byte[]>(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i)
    exact[i] = static_cast<std::byte>(bytes[i]);
  return parse_tcp_options({exact.get(), bytes.size()}, syn);
}

std::vector<int> emit(const TcpOptions& options) {
  std::array<std::byte, kTcpMaxOptions> out{};
  const unsigned length = emit_tcp_options(options, out);
  EXPECT_EQ(length, tcp_options_length(options));
  std::vector<int> bytes;
  for (unsigned i = 0; i < length; ++i)
    bytes.push_back(std::to_integer<int>(out[i]));
  return bytes;
}

TEST(TcpHeader, T8_DataOffsetMustLieBetweenFiveWordsAndTheSegment) {
  for (unsigned words = 0; words < 16; ++words) {
    for (unsigned length = 0; length <= 70; ++length) {
      TcpHeader header{};
      header.set_header_length(words * 4);
      EXPECT_EQ(header.header_length(), words * 4);
      EXPECT_EQ(header.length_good(length), words >= 5 && words * 4 <= length);
    }
  }
}

TEST(TcpOptions, SynOfLinuxIsRead) {
  const auto parsed = parse({2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9, 1, 3, 3, 7});
  EXPECT_EQ(parsed.malformed, 0u);
  EXPECT_EQ(parsed.options.mss, 1460);
  EXPECT_EQ(parsed.options.window_scale, 7);
  EXPECT_TRUE(parsed.options.sack_permitted);
  EXPECT_TRUE(parsed.options.has_timestamps);
  EXPECT_EQ(parsed.options.ts_value, 7u);
  EXPECT_EQ(parsed.options.ts_echo, 9u);
}

TEST(TcpOptions, SackBlocksKeepTheirOrder) {
  const auto parsed =
      parse({1, 1, 5, 18, 0, 0, 0, 9, 0, 0, 0, 12, 255, 255, 255, 255, 0, 0, 0, 3}, false);
  ASSERT_EQ(parsed.options.sack_count, 2);
  EXPECT_EQ(parsed.options.sack[0], (SeqRange{Seq(9), Seq(12)}));
  EXPECT_EQ(parsed.options.sack[1], (SeqRange{Seq(0xffffffff), Seq(3)}));
}

TEST(TcpOptions, T7_LengthsThatCannotBeSteppedOverEndTheReading) {
  for (const int length : {0, 1, 5, 255}) {
    const auto parsed = parse({2, 4, 1, 0, 254, length, 3, 3});
    EXPECT_EQ(parsed.malformed, 1u);
    EXPECT_EQ(parsed.options.mss, 256);
    EXPECT_FALSE(parsed.options.window_scale);
  }
  EXPECT_EQ(parse({2}).malformed, 1u);
  EXPECT_EQ(parse({1, 1, 8}).malformed, 1u);
}

TEST(TcpOptions, T7_MUST7_AnIllegalLengthLosesOnlyItsOwnOption) {
  const std::vector<std::vector<int>> bad = {{2, 3, 9},
                                             {2, 5, 9, 9, 9},
                                             {2, 2},
                                             {3, 2},
                                             {3, 4, 9, 9},
                                             {4, 3, 0},
                                             {8, 9, 1, 1, 1, 1, 1, 1, 1},
                                             {8, 2},
                                             {34, 3, 1},
                                             {34, 7, 1, 2, 3, 4, 5},
                                             {34, 4, 1, 2}};
  for (auto bytes : bad) {
    bytes.insert(bytes.end(), {1, 2, 4, 2, 0});
    const auto parsed = parse(bytes);
    EXPECT_EQ(parsed.malformed, 1u) << bytes[0];
    EXPECT_EQ(parsed.options.mss, 512);
    EXPECT_FALSE(parsed.options.window_scale);
    EXPECT_FALSE(parsed.options.sack_permitted);
    EXPECT_FALSE(parsed.options.has_timestamps);
    EXPECT_FALSE(parsed.options.has_fast_open);
  }
  for (const int length : {2, 9, 11, 17}) {
    std::vector<int> bytes(static_cast<std::size_t>(length), 0);
    bytes[0] = 5;
    bytes[1] = length;
    EXPECT_EQ(parse(bytes, false).options.sack_count, 0);
    EXPECT_EQ(parse(bytes, false).malformed, 1u);
  }
}

TEST(TcpOptions, T7_EndEndsAndNopsMayFillAll) {
  EXPECT_FALSE(parse({0, 2, 4, 1, 1}).options.mss);
  EXPECT_EQ(parse({0, 9, 0}).malformed, 0u);
  EXPECT_EQ(parse(std::vector<int>(40, 1)).malformed, 0u);
}

TEST(TcpOptions, T7_OfTwoTheLaterCounts) {
  const auto parsed = parse({8, 10, 0, 0, 0, 1, 0, 0, 0, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 3}, false);
  EXPECT_EQ(parsed.options.ts_value, 2u);
  EXPECT_EQ(parsed.options.ts_echo, 3u);
}

TEST(TcpOptions, T7_WindowScaleOver14CountsAs14) {
  EXPECT_EQ(parse({3, 3, 14}).options.window_scale, 14);
  EXPECT_EQ(parse({3, 3, 15}).options.window_scale, 14);
  EXPECT_EQ(parse({3, 3, 255}).options.window_scale, 14);
}

TEST(TcpOptions, T22_AnMssOfZeroSaysNothing) {
  EXPECT_FALSE(parse({2, 4, 0, 0}).options.mss);
}

TEST(TcpOptions, OptionsOfTheHandshakeAreLeftOutElsewhere) {
  const auto other = parse({2, 4, 5, 180, 4, 2, 1, 3, 3, 7, 34, 2}, false);
  EXPECT_FALSE(other.options.mss || other.options.window_scale);
  EXPECT_FALSE(other.options.sack_permitted || other.options.has_fast_open);
  EXPECT_EQ(other.malformed, 0u);
  EXPECT_EQ(parse({5, 10, 0, 0, 0, 1, 0, 0, 0, 2}, true).options.sack_count, 0);
}

TEST(TcpOptions, EmittedAsLinuxOrdersThem) {
  TcpOptions options;
  options.mss = 1460;
  options.sack_permitted = true;
  options.has_timestamps = true;
  options.ts_value = 0x01020304;
  options.window_scale = 7;
  EXPECT_EQ(emit(options),
            (std::vector<int>{2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}));
  options.has_timestamps = false;
  EXPECT_EQ(emit(options), (std::vector<int>{2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 7}));
}

TEST(TcpOptions, ThreeSackBlocksFitBesideTimestamps) {
  TcpOptions options;
  options.sack_count = 4;
  EXPECT_EQ(emit(options).size(), 36u);
  options.has_timestamps = true;
  const auto bytes = emit(options);
  EXPECT_EQ(bytes.size(), 40u);
  EXPECT_EQ(bytes[15], 2 + 3 * 8);
}

TEST(TcpOptions, FastOpenCookieIsPaddedAndLeftOutWhereItDoesNotFit) {
  TcpOptions options;
  options.has_fast_open = true;
  EXPECT_EQ(emit(options), (std::vector<int>{34, 2, 1, 1}));
  options.fast_open_length = 8;
  options.fast_open = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(emit(options), (std::vector<int>{34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1}));
  options.mss = 1460;
  options.has_timestamps = options.sack_permitted = true;
  options.window_scale = 1;
  EXPECT_EQ(emit(options).size(), 32u);
  options.fast_open_length = 16;
  EXPECT_EQ(emit(options).size(), 40u);
  options.sack_count = 1;
  EXPECT_EQ(emit(options).size(), 32u);
}

TEST(TcpOptions, FastOpenStandsInItsExperimentToo) {
  const auto asks = parse({254, 4, 0xf9, 0x89});
  EXPECT_TRUE(asks.options.has_fast_open && asks.options.fast_open_experiment);
  EXPECT_EQ(asks.options.fast_open_length, 0);
  TcpOptions options = parse({254, 8, 0xf9, 0x89, 1, 2, 3, 4}).options;
  ASSERT_TRUE(options.has_fast_open && options.fast_open_experiment);
  EXPECT_EQ(options.fast_open_length, 4);
  EXPECT_EQ(emit(options), (std::vector<int>{254, 8, 0xf9, 0x89, 1, 2, 3, 4}));
  options.fast_open_length = 6;
  EXPECT_EQ(emit(options), (std::vector<int>{254, 10, 0xf9, 0x89, 1, 2, 3, 4, 0, 0, 1, 1}));
  // The later counts, in its form.
  EXPECT_FALSE(parse({254, 4, 0xf9, 0x89, 34, 2}).options.fast_open_experiment);
}

TEST(TcpOptions, T7_OtherExperimentsAreNobodysBusiness) {
  for (const std::vector<int>& bytes : {std::vector<int>{254, 2},
                                        {254, 3, 0xf9},
                                        {254, 4, 0xf9, 0x88},
                                        {254, 4, 0x89, 0xf9},
                                        {253, 4, 0xf9, 0x89}}) {
    EXPECT_FALSE(parse(bytes).options.has_fast_open);
    EXPECT_EQ(parse(bytes).malformed, 0u);
  }
  EXPECT_FALSE(parse({254, 4, 0xf9, 0x89}, false).options.has_fast_open);
  EXPECT_FALSE(parse({254, 7, 0xf9, 0x89, 1, 2, 3}).options.has_fast_open);
  EXPECT_EQ(parse({254, 7, 0xf9, 0x89, 1, 2, 3}).malformed, 1u);
}

TEST(TcpOptions, WhatIsEmittedIsReadBack) {
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    const bool syn = random() % 2 == 0;
    TcpOptions in;
    if (syn) {
      in.mss = static_cast<std::uint16_t>(1 + random() % 65535);
      in.window_scale = static_cast<std::uint8_t>(random() % 15);
      in.sack_permitted = random() % 2 == 0;
    } else {
      in.sack_count = static_cast<std::uint8_t>(random() % 4);
      for (unsigned i = 0; i < in.sack_count; ++i)
        in.sack[i] = {Seq(static_cast<std::uint32_t>(random())),
                      Seq(static_cast<std::uint32_t>(random()))};
    }
    in.has_timestamps = random() % 2 == 0;
    if (in.has_timestamps) in.ts_value = static_cast<std::uint32_t>(random());
    const auto out = parse(emit(in), syn);
    EXPECT_EQ(out.malformed, 0u);
    EXPECT_EQ(out.options.mss, in.mss);
    EXPECT_EQ(out.options.window_scale, in.window_scale);
    EXPECT_EQ(out.options.sack_permitted, in.sack_permitted);
    EXPECT_EQ(out.options.ts_value, in.ts_value);
    ASSERT_EQ(out.options.sack_count, in.sack_count);
    EXPECT_EQ(out.options.sack, in.sack);
  }
}

TEST(TcpOptions, T7_AnyBytesAreReadWithoutHarm) {
  std::mt19937 random(11);
  for (int round = 0; round < 200000; ++round) {
    std::vector<int> bytes(random() % 41);
    for (int& byte : bytes)
      byte = static_cast<int>(random() % 4 == 0 ? random() % 256 : random() % 11);
    const auto parsed = parse(bytes, round % 2 == 0);
    EXPECT_LE(parsed.options.sack_count, TcpOptions::kMaxSackBlocks);
    EXPECT_LE(parsed.options.window_scale.value_or(0), 14);
    EXPECT_LE(parsed.malformed, 20u);
  }
}

}  // namespace
}  // namespace linnet::wire
