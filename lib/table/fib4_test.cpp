// SPDX-License-Identifier: BSD-3-Clause
#include "table/fib4.hpp"

#include <gtest/gtest.h>
#include <rte_fib.h>
#include <rte_memory.h>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "support/resident.hpp"
#include "time/random.hpp"

namespace linnet::table {
namespace {

using tests::kResidentIsOurs;
using tests::resident_bytes;

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
  void remove(Ipv4Prefix prefix) {
    model.erase(prefix);
    fib.erase(prefix, model.cover(prefix.address(), prefix.length()));
  }
  void remove(const char* text) { remove(*Ipv4Prefix::parse(text)); }
  std::uint32_t at(const char* address) { return fib.lookup(*Ipv4Address::parse(address)); }

  // Looks at the first and last address of every prefix and at their outer neighbours.
  void expect_agreement() {
    std::vector<Ipv4Address> where{ip(0), ip(~0U)};
    for (const auto& [prefix, value] : model.prefixes()) {
      where.insert(where.end(), {prefix.address(), ip(prefix.address().host() - 1), prefix.last(),
                                 ip(prefix.last().host() + 1)});
    }
    expect_agreement(where);
  }
  void expect_agreement(const std::vector<Ipv4Address>& where) {
    for (std::size_t first = 0; first < where.size(); first += Fib4::kBurst) {
      const auto count =
          static_cast<unsigned>(std::min<std::size_t>(Fib4::kBurst, where.size() - first));
      std::uint32_t values[Fib4::kBurst];
      fib.lookup(&where[first], count, values);
      for (unsigned i = 0; i < count; ++i) {
        const Ipv4Address address = where[first + i];
        ASSERT_EQ(values[i], model.lookup(address)) << address.text();
        ASSERT_EQ(fib.lookup(address), values[i]) << address.text();
      }
    }
  }
  static Ipv4Address ip(std::uint32_t host) { return Ipv4Address::from_host(host); }

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

TEST_F(Fib4Test, ARemovedPrefixLeavesItsPlaceToTheNextShorterOne) {
  add("10.0.0.0/8", 1);
  add("10.1.0.0/16", 2);
  add("10.1.2.0/24", 3);
  add("10.1.2.128/25", 4);
  remove("10.1.2.0/24");
  EXPECT_EQ(at("10.1.2.1"), 2u);
  EXPECT_EQ(at("10.1.2.129"), 4u);
  remove("10.1.0.0/16");
  EXPECT_EQ(at("10.1.2.1"), 1u);
  EXPECT_EQ(at("10.1.2.129"), 4u);
  remove("10.1.2.128/25");
  EXPECT_EQ(at("10.1.2.129"), 1u);
}

TEST_F(Fib4Test, AShorterPrefixThatComesLaterFillsOnlyTheGaps) {
  add("10.1.2.128/25", 4);
  add("10.1.0.0/16", 2);
  add("10.0.0.0/7", 1);
  EXPECT_EQ(at("10.1.2.200"), 4u);
  EXPECT_EQ(at("10.1.2.1"), 2u);
  EXPECT_EQ(at("11.255.0.1"), 1u);
  add("10.1.0.0/16", 7);
  EXPECT_EQ(at("10.1.2.1"), 7u);
  EXPECT_EQ(at("10.1.2.200"), 4u);
}

TEST_F(Fib4Test, APrefixWithItsParentsValueIsAPrefixOfItsOwn) {
  add("10.0.0.0/8", 1);
  add("10.1.2.0/26", 1);
  add("10.0.0.0/8", 2);
  EXPECT_EQ(at("10.1.2.1"), 1u);
  EXPECT_EQ(at("10.1.2.65"), 2u);
  remove("10.1.2.0/26");
  EXPECT_EQ(at("10.1.2.1"), 2u);
}

TEST_F(Fib4Test, RemovingAPrefixThatIsNotThereChangesNothing) {
  add("10.0.0.0/8", 1);
  for (const char* prefix :
       {"10.0.0.0/9", "10.1.0.0/17", "10.1.2.3/32", "10.1.2.0/24", "0.0.0.0/0"})
    remove(prefix);
  expect_agreement();
}

TEST_F(Fib4Test, TheDefaultRouteIsOneWord) {
  const std::size_t before = resident_bytes();
  add("0.0.0.0/0", 9);
  EXPECT_LT(resident_bytes(), before + 131072) << "the root alone is twice that";
  EXPECT_EQ(at("203.0.113.1"), 9u);
  add("10.0.0.0/8", 1);
  EXPECT_EQ(at("10.0.0.1"), 1u);
  remove("10.0.0.0/8");
  EXPECT_EQ(at("10.0.0.1"), 9u);
  remove("0.0.0.0/0");
  EXPECT_EQ(at("10.0.0.1"), 0u);
}

TEST(Fib4Memory, ATableOfTenRoutesTouchesLessThanAMegabyte) {
  Rcu rcu(1);
  const std::size_t before = resident_bytes();
  Fib4 fib(rcu);
  ASSERT_TRUE(fib.insert(*Ipv4Prefix::parse("0.0.0.0/0"), 1));
  for (unsigned i = 0; i < 9; ++i)
    ASSERT_TRUE(fib.insert(Ipv4Prefix(Ipv4Address(10 + 20 * i, i, i, 0), 24 + i % 2), 2 + i));
  Ipv4Address where[Fib4::kBurst];
  std::uint32_t values[Fib4::kBurst];
  for (unsigned i = 0; i < Fib4::kBurst; ++i)
    where[i] = Ipv4Address(4 * i, i, 3, 1);
  fib.lookup(where, Fib4::kBurst, values);
  EXPECT_LT(resident_bytes() - before, 1U << 20);
}

TEST_F(Fib4Test, ChunksGoBackWhenTheyHoldOneValue) {
  add("10.0.0.0/8", 1);
  EXPECT_EQ(fib.chunks(), 0u);
  add("10.1.2.3/32", 2);
  EXPECT_EQ(fib.chunks(), 2u);
  add("10.1.9.0/24", 3);
  EXPECT_EQ(fib.chunks(), 2u);
  remove("10.1.2.3/32");
  EXPECT_EQ(fib.chunks(), 1u);
  remove("10.1.9.0/24");
  EXPECT_EQ(fib.chunks(), 0u);
  expect_agreement();
}

TEST_F(Fib4Test, AChunkIsNotUsedAgainWhileALaneMayReadIt) {
  rcu.online(0);
  Fib4 small(rcu, 2);
  const auto host = [](unsigned c) { return Ipv4Prefix(Ipv4Address(10, c, 0, 1), 32); };
  ASSERT_TRUE(small.insert(host(1), 1));
  small.erase(host(1), {});
  EXPECT_EQ(small.chunks(), 0u);
  EXPECT_FALSE(small.insert(host(2), 2)) << "the lane has not been quiescent";
  rcu.quiescent(0);
  EXPECT_EQ(rcu.reclaim(), 0u);
  EXPECT_TRUE(small.insert(host(2), 2));
  EXPECT_EQ(small.lookup(Ipv4Address(10, 2, 0, 1)), 2u);
  rcu.offline(0);
}

TEST_F(Fib4Test, WithoutAChunkLeftAnInsertFailsAndChangesNothing) {
  Fib4 small(rcu, 3);
  ASSERT_TRUE(small.insert(*Ipv4Prefix::parse("10.1.0.0/17"), 1));
  ASSERT_TRUE(small.insert(*Ipv4Prefix::parse("10.2.0.0/17"), 2));
  EXPECT_FALSE(small.insert(*Ipv4Prefix::parse("10.3.0.1/32"), 3));
  EXPECT_EQ(small.lookup(Ipv4Address(10, 3, 0, 1)), 0u);
  EXPECT_EQ(small.chunks(), 2u);
  EXPECT_TRUE(small.insert(*Ipv4Prefix::parse("10.2.1.1/32"), 3));
  EXPECT_TRUE(small.insert(*Ipv4Prefix::parse("10.3.0.0/16"), 4));
  EXPECT_FALSE(small.insert(*Ipv4Prefix::parse("10.3.0.0/24"), 5));
  EXPECT_EQ(small.lookup(Ipv4Address(10, 3, 0, 1)), 4u);
}

TEST_F(Fib4Test, MemoryGoesBackWhenABigTableEmpties) {
  add("10.1.2.0/24", 1);
  for (unsigned i = 0; i < 20000; ++i)
    ASSERT_TRUE(fib.insert(Ipv4Prefix(ip(0x20000000 + (i << 16)), 24), 5));
  const std::size_t full = resident_bytes();
  EXPECT_GT(fib.memory_bytes(), 20000u * 1280);
  for (unsigned i = 0; i < 20000; ++i)
    fib.erase(Ipv4Prefix(ip(0x20000000 + (i << 16)), 24), {});
  rcu.reclaim();
  EXPECT_LT(fib.memory_bytes(), 4U << 20);
  if (kResidentIsOurs) {
    EXPECT_LT(resident_bytes(), full - (20U << 20));
  }
  add("10.3.2.0/24", 2);
  expect_agreement();
}

// Prefixes crowd into few places so that they cover one another in all ways.
Ipv4Prefix crowded_prefix(time::Random& random, unsigned shortest) {
  const auto length = static_cast<unsigned>(shortest + random.below(33 - shortest));
  const auto spread = static_cast<std::uint32_t>(random.next()) & 0x01030783;
  return Ipv4Prefix(Ipv4Address::from_host(0x0a000000 ^ spread), length);
}

TEST_F(Fib4Test, AgreesWithTheDefinitionUnderRandomChanges) {
  time::Random random(1);
  for (unsigned round = 0; round < 60; ++round) {
    // Growing, then shrinking; values repeat, so that a prefix often has its parent's.
    const unsigned removals = round % 20 < 12 ? 30 : 75;
    for (unsigned change = 0; change < 60; ++change) {
      const Ipv4Prefix prefix = crowded_prefix(random, 0);
      if (random.below(100) < removals && !model.prefixes().empty()) {
        auto victim = model.prefixes().lower_bound(prefix);
        if (victim == model.prefixes().end()) victim = model.prefixes().begin();
        remove(Ipv4Prefix(victim->first));
      } else {
        const auto value = static_cast<std::uint32_t>(1 + random.below(6));
        ASSERT_TRUE(fib.insert(prefix, value));
        model.insert(prefix, value);
      }
    }
    expect_agreement();
    rcu.reclaim();
  }
  while (!model.prefixes().empty())
    remove(Ipv4Prefix(model.prefixes().begin()->first));
  EXPECT_EQ(fib.chunks(), 0u);
}

// DPDK's rte_fib as a second opinion. Its 22.11 form loses count of its chunks when a prefix longer
// than 24 has its parent's value, so here no two prefixes have the same; and it is not asked about
// the default route, which costs it a second.
class RteFib {
 public:
  RteFib() {
    rte_fib_conf conf{};
    conf.type = RTE_FIB_DIR24_8;
    conf.default_nh = 0;
    conf.max_routes = 1 << 16;
    conf.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
    conf.dir24_8.num_tbl8 = 1 << 14;
    fib_ = rte_fib_create("oracle", SOCKET_ID_ANY, &conf);
  }
  ~RteFib() { rte_fib_free(fib_); }
  RteFib(const RteFib&) = delete;
  RteFib& operator=(const RteFib&) = delete;

  bool made() const { return fib_ != nullptr; }
  bool insert(Ipv4Prefix prefix, std::uint32_t value) {
    const auto length = static_cast<std::uint8_t>(prefix.length());
    return rte_fib_add(fib_, prefix.address().host(), length, value) == 0;
  }
  bool erase(Ipv4Prefix prefix) {
    const auto length = static_cast<std::uint8_t>(prefix.length());
    return rte_fib_delete(fib_, prefix.address().host(), length) == 0;
  }
  std::vector<std::uint32_t> lookup(const std::vector<Ipv4Address>& where) {
    std::vector<std::uint32_t> hosts, values;
    for (const Ipv4Address address : where)
      hosts.push_back(address.host());
    std::vector<std::uint64_t> found(where.size());
    EXPECT_EQ(rte_fib_lookup_bulk(fib_, hosts.data(), found.data(), static_cast<int>(hosts.size())),
              0);
    for (const std::uint64_t value : found)
      values.push_back(static_cast<std::uint32_t>(value));
    return values;
  }

 private:
  rte_fib* fib_;
};

TEST(Fib4Oracle, AgreesWithRteFibUnderRandomChanges) {
  Rcu rcu(1);
  Fib4 fib(rcu);
  RteFib oracle;
  ASSERT_TRUE(oracle.made());
  Model model;
  time::Random random(2);
  std::uint32_t value = 0;
  for (unsigned round = 0; round < 40; ++round) {
    for (unsigned change = 0; change < 500; ++change) {
      // Half of them anywhere, half in a crowd.
      Ipv4Prefix prefix = crowded_prefix(random, 8);
      if (random.below(2) != 0) {
        prefix = Ipv4Prefix(Ipv4Address::from_host(static_cast<std::uint32_t>(random.next())),
                            8 + static_cast<unsigned>(random.below(25)));
      }
      const bool present = model.prefixes().contains(prefix);
      if (present && random.below(2) != 0) {
        model.erase(prefix);
        fib.erase(prefix, model.cover(prefix.address(), prefix.length()));
        ASSERT_TRUE(oracle.erase(prefix)) << prefix.text();
      } else {
        model.insert(prefix, ++value);
        ASSERT_TRUE(fib.insert(prefix, value));
        ASSERT_TRUE(oracle.insert(prefix, value)) << prefix.text();
      }
    }
    std::vector<Ipv4Address> where;
    for (const auto& [prefix, its] : model.prefixes()) {
      where.insert(where.end(), {prefix.address(), prefix.last(),
                                 Ipv4Address::from_host(prefix.last().host() + 1)});
    }
    const std::vector<std::uint32_t> wanted = oracle.lookup(where);
    for (std::size_t i = 0; i < where.size(); ++i)
      ASSERT_EQ(fib.lookup(where[i]), wanted[i]) << where[i].text();
    rcu.reclaim();
  }
}

// A lane looks up while chunks come and go under it: an address that some prefix always covers
// never answers with nothing or with another place's value.
TEST(Fib4Lanes, ALaneNeverSeesAHoleWhileTheTableChanges) {
  Rcu rcu(1);
  Fib4 fib(rcu);
  ASSERT_TRUE(fib.insert(*Ipv4Prefix::parse("10.0.0.0/8"), 1));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0}, bursts{0};
  std::thread lane([&] {
    Ipv4Address where[Fib4::kBurst];
    for (unsigned i = 0; i < Fib4::kBurst; ++i)
      where[i] = Ipv4Address(10, i % 8, i % 4, i);
    while (!stop.load(std::memory_order_relaxed)) {
      rcu.online(0);
      std::uint32_t values[Fib4::kBurst];
      fib.lookup(where, Fib4::kBurst, values);
      for (unsigned i = 0; i < Fib4::kBurst; ++i) {
        if (values[i] != 1 && values[i] != 100 + i % 8) wrong.fetch_add(1);
      }
      bursts.fetch_add(1, std::memory_order_relaxed);
      rcu.offline(0);
    }
  });
  time::Random random(3);
  std::map<Ipv4Prefix, std::uint32_t> there;
  for (unsigned change = 0; change < 20000 || bursts.load() < 1000; ++change) {
    const auto second = static_cast<unsigned>(random.below(8));
    const Ipv4Prefix prefix(Ipv4Address(10, second, static_cast<unsigned>(random.below(4)),
                                        static_cast<unsigned>(random.below(64))),
                            25 + static_cast<unsigned>(random.below(8)));
    // Only /8 below these: everything in 10.x.0.0/16 has the value 100 + x or is the /8's.
    if (there.contains(prefix)) {
      there.erase(prefix);
      Fib4::Cover cover{8, 1};
      for (unsigned length = 25; length < prefix.length(); ++length) {
        if (there.contains(Ipv4Prefix(prefix.address(), length))) cover = {length, 100 + second};
      }
      fib.erase(prefix, cover);
    } else {
      there[prefix] = 100 + second;
      ASSERT_TRUE(fib.insert(prefix, 100 + second));
    }
    rcu.reclaim();
  }
  stop = true;
  lane.join();
  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace linnet::table
