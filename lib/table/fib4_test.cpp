// SPDX-License-Identifier: BSD-3-Clause
#include "table/fib4.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "time/random.hpp"

namespace linnet::table {
namespace {

// Longest prefix by trying every length: the definition.
class Model {
 public:
  void insert(Ipv4Prefix prefix, std::uint32_t value) { prefixes_[prefix] = value; }
  void erase(Ipv4Prefix prefix) { prefixes_.erase(prefix); }
  Fib4::Cover cover(Ipv4Address address, unsigned below) const {
    for (unsigned length = below; length-- > 0;) {
      const auto found = prefixes_.find(Ipv4Prefix(address, length));
      if (found != prefixes_.end()) return {length, found->second};
    }
    return {};
  }
  std::uint32_t lookup(Ipv4Address address) const { return cover(address, 33).value; }
  const std::map<Ipv4Prefix, std::uint32_t>& prefixes() const { return prefixes_; }

 private:
  std::map<Ipv4Prefix, std::uint32_t> prefixes_;
};

class Fib4Test : public testing::Test {
 protected:
  void add(const char* prefix, std::uint32_t value) {
    ASSERT_TRUE(fib.insert(*Ipv4Prefix::parse(prefix), value));
    model.insert(*Ipv4Prefix::parse(prefix), value);
  }
  void remove(const char* text) {
    const Ipv4Prefix prefix = *Ipv4Prefix::parse(text);
    model.erase(prefix);
    fib.erase(prefix, model.cover(prefix.address(), prefix.length()));
  }
  std::uint32_t at(const char* address) { return fib.lookup(*Ipv4Address::parse(address)); }

  Rcu rcu{1};
  Fib4 fib{rcu};
  Model model;
};

TEST_F(Fib4Test, AnEmptyTableCoversNothing) {
  EXPECT_EQ(at("0.0.0.0"), 0u);
  EXPECT_EQ(at("255.255.255.255"), 0u);
}

TEST_F(Fib4Test, TheLongestPrefixWinsInEveryPly) {
  add("10.0.0.0/8", 1);
  add("10.1.0.0/16", 2);
  add("10.1.128.0/17", 3);
  add("10.1.130.0/24", 4);
  add("10.1.130.64/26", 5);
  add("10.1.130.65/32", 6);
  EXPECT_EQ(at("10.2.0.1"), 1u);
  EXPECT_EQ(at("10.1.1.1"), 2u);
  EXPECT_EQ(at("10.1.129.1"), 3u);
  EXPECT_EQ(at("10.1.130.1"), 4u);
  EXPECT_EQ(at("10.1.130.66"), 5u);
  EXPECT_EQ(at("10.1.130.65"), 6u);
  EXPECT_EQ(at("11.0.0.1"), 0u);
}

}  // namespace
}  // namespace linnet::table
