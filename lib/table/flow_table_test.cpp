// SPDX-License-Identifier: BSD-3-Clause
#include "table/flow_table.hpp"

#include <gtest/gtest.h>

#include <unordered_map>
#include <vector>

#include "base/siphash.hpp"
#include "time/random.hpp"

namespace linnet::table {
namespace {

struct Tuple {
  std::uint64_t one, other;
};

class FlowTableTest : public testing::Test {
 protected:
  std::uint32_t hash(std::uint32_t number) const {
    return static_cast<std::uint32_t>(siphash13({1, 2}, keys_[number].one, keys_[number].other));
  }
  std::uint32_t find(const FlowTable& table, const Tuple& key) {
    compared_ = 0;
    const auto h = static_cast<std::uint32_t>(siphash13({1, 2}, key.one, key.other));
    return table.find(h, [&](std::uint32_t number) {
      ++compared_;
      return keys_[number].one == key.one && keys_[number].other == key.other;
    });
  }
  std::vector<Tuple> keys_;
  unsigned compared_ = 0;
};

TEST_F(FlowTableTest, AModelOfRandomChangesAgrees) {
  time::Random random(7);
  for (std::uint32_t i = 0; i < 20000; ++i)
    keys_.push_back({random.below(5000), random.below(3)});
  FlowTable table(16, 1u << 20);
  std::unordered_map<std::uint32_t, bool> in;
  for (int step = 0; step < 200000; ++step) {
    const auto number = static_cast<std::uint32_t>(random.below(keys_.size()));
    if (in[number]) {
      ASSERT_TRUE(table.erase(hash(number), number));
      ASSERT_FALSE(table.erase(hash(number), number));
      in[number] = false;
    } else if (find(table, keys_[number]) == FlowTable::kNone) {
      ASSERT_TRUE(table.insert(hash(number), number));
      in[number] = true;
    }
  }
  std::uint32_t count = 0;
  for (std::uint32_t number = 0; number < keys_.size(); ++number) {
    if (!in[number]) continue;
    ++count;
    ASSERT_EQ(find(table, keys_[number]), number);
    ASSERT_TRUE(table.replace(hash(number), number, number));
  }
  EXPECT_EQ(table.size(), count);
}

// T18: tuples that collide under an unkeyed hash (here: all but the ports equal, ports chosen so
// that every plain sum and exclusive or is the same) do not collide under the key.
TEST_F(FlowTableTest, T18_ChainsStayShortForChosenKeys) {
  for (std::uint64_t i = 0; i < 100000; ++i)
    keys_.push_back({0x0a00000100000000 | i << 16, 0x0a00000200000000 | (0xffffffff - i) << 16});
  FlowTable table(16, 1u << 20);
  for (std::uint32_t number = 0; number < keys_.size(); ++number) {
    ASSERT_TRUE(table.insert(hash(number), number));
    if (number % 1000 == 0) {
      ASSERT_LE(table.longest(), 8u);
    }
  }
  for (std::uint32_t number = 0; number < keys_.size(); ++number) {
    ASSERT_EQ(find(table, keys_[number]), number);
    ASSERT_LE(compared_, 2u);
  }
  EXPECT_LE(table.memory_bytes(), keys_.size() * 32);
  for (std::uint32_t number = 0; number < keys_.size(); ++number)
    ASSERT_TRUE(table.erase(hash(number), number));
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(FlowTableTest, ItIsFullAtItsMost) {
  FlowTable table(8, 100);
  for (std::uint32_t i = 0; i < 101; ++i)
    keys_.push_back({i, 0});
  for (std::uint32_t i = 0; i < 100; ++i)
    ASSERT_TRUE(table.insert(hash(i), i));
  EXPECT_FALSE(table.insert(hash(100), 100));
  EXPECT_TRUE(table.erase(hash(5), 5));
  EXPECT_TRUE(table.insert(hash(100), 100));
}

// Numbers under one whole hash, more than two buckets hold: refused, nothing is lost.
TEST_F(FlowTableTest, EqualHashesOverflowWithAnAnswer) {
  FlowTable table(256, 1000);
  unsigned taken = 0;
  while (taken < 17 && table.insert(42, taken))
    ++taken;
  EXPECT_GE(taken, 8u);
  EXPECT_LE(taken, 16u);
  for (unsigned i = 0; i < taken; ++i)
    EXPECT_EQ(table.find(42, [i](std::uint32_t n) { return n == i; }), i);
}

// Both ends of a connection of a host to itself have the same hash.
TEST(FlowTable, TwoEntriesOfEachHashAllFindRoom) {
  FlowTable table(256, 1 << 22);
  time::Random random(7);
  for (std::uint32_t i = 0; i < 200'000; i += 2) {
    const auto hash = static_cast<std::uint32_t>(random.below(1ull << 32));
    ASSERT_TRUE(table.insert(hash, i)) << i;
    ASSERT_TRUE(table.insert(hash, i + 1)) << i;
  }
  EXPECT_EQ(table.size(), 200'000u);
}

}  // namespace
}  // namespace linnet::table
