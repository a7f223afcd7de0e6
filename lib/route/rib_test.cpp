// SPDX-License-Identifier: BSD-3-Clause
#include "route/rib.hpp"

#include <gtest/gtest.h>

#include <map>

#include "time/random.hpp"

namespace linnet::route {
namespace {

std::vector<std::uint32_t> infos_of(const Rib& rib, Ipv4Prefix prefix) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t node = rib.first(prefix); node != Rib::kNone; node = rib.next(node))
    out.push_back(rib.at(node).info);
  return out;
}

TEST(Rib, KeepsTheOrderOfAPrefixsRoutes) {
  Rib rib;
  const Ipv4Prefix prefix(Ipv4Address(10, 0, 0, 0), 8);
  const auto second = rib.insert(prefix, 0, 2, Rib::kNone);
  rib.insert(prefix, 0, 3, second);
  rib.insert(prefix, 0, 1, Rib::kNone);
  EXPECT_EQ(infos_of(rib, prefix), std::vector<std::uint32_t>({1, 2, 3}));
  // Also when the hash table grows under it.
  for (unsigned i = 0; i < 1000; ++i)
    rib.insert(Ipv4Prefix(Ipv4Address(11, i / 256, i % 256, 0), 24), 0, 9, Rib::kNone);
  EXPECT_EQ(infos_of(rib, prefix), std::vector<std::uint32_t>({1, 2, 3}));
  rib.erase(second);
  EXPECT_EQ(infos_of(rib, prefix), std::vector<std::uint32_t>({1, 3}));
}

TEST(Rib, TellsPrefixesOfOneAddressApart) {
  Rib rib;
  for (unsigned length = 0; length <= 32; ++length)
    rib.insert(Ipv4Prefix(Ipv4Address(), length), 0, length, Rib::kNone);
  for (unsigned length = 0; length <= 32; ++length) {
    EXPECT_EQ(infos_of(rib, Ipv4Prefix(Ipv4Address(), length)),
              std::vector<std::uint32_t>({length}));
  }
  EXPECT_EQ(rib.first(Ipv4Prefix(Ipv4Address(1, 0, 0, 0), 8)), Rib::kNone);
}

TEST(Rib, AgreesWithAMultimapUnderRandomChanges) {
  Rib rib;
  std::map<Ipv4Prefix, std::vector<std::uint32_t>> model;
  time::Random random(4);
  std::size_t size = 0;
  for (std::uint32_t change = 1; change < 60000; ++change) {
    const Ipv4Prefix prefix(
        Ipv4Address::from_host(static_cast<std::uint32_t>(random.below(600)) << 20),
        12 + static_cast<unsigned>(random.below(3)));
    std::vector<std::uint32_t>& wanted = model[prefix];
    // Growing first, shrinking later.
    if (!wanted.empty() && random.below(100) < (change < 20000 ? 20 : 60)) {
      std::uint32_t node = rib.first(prefix);
      const std::size_t which = random.below(wanted.size());
      for (std::size_t i = 0; i < which; ++i)
        node = rib.next(node);
      rib.erase(node);
      wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(which));
      --size;
    } else if (wanted.size() < 4) {
      rib.insert(prefix, 0, change, Rib::kNone);
      wanted.insert(wanted.begin(), change);
      ++size;
    }
    ASSERT_EQ(infos_of(rib, prefix), wanted);
    ASSERT_EQ(rib.size(), size);
  }
  for (const auto& [prefix, wanted] : model)
    ASSERT_EQ(infos_of(rib, prefix), wanted) << prefix.text();
}

TEST(Rib, GivesItsMemoryBackWhenEmpty) {
  Rib rib;
  for (unsigned i = 0; i < 1000; ++i)
    rib.insert(Ipv4Prefix(Ipv4Address(10, i / 256, i % 256, 0), 24), 0, 1, Rib::kNone);
  for (std::uint32_t node = 0; node < 1000; ++node)
    rib.erase(node);
  EXPECT_EQ(rib.memory_bytes(), 0u);
  rib.insert(Ipv4Prefix(), 0, 1, Rib::kNone);
  EXPECT_EQ(infos_of(rib, Ipv4Prefix()), std::vector<std::uint32_t>({1}));
}

}  // namespace
}  // namespace linnet::route
