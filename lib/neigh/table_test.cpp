// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <thread>
#include <vector>

#include "time/random.hpp"

namespace linnet::neigh {
namespace {

// An entry whose every field follows from its key and a version: a reader can tell a torn one.
EntryView made(std::uint32_t address, std::uint8_t version) {
  EntryView entry;
  entry.key = key_of(3, Ipv4Address::from_host(address));
  const auto low = static_cast<std::uint8_t>(address);
  entry.link.header.destination = MacAddress({2, version, version, version, version, low});
  entry.link.header.source = MacAddress({4, low, version, version, version, version});
  entry.link.header.ethertype = be16(static_cast<std::uint16_t>(version << 8 | version));
  entry.link.state = Nud::Reachable;
  entry.link.probes = version;
  entry.confirmed = entry.updated = time::Instant::from_ns(version);
  return entry;
}
bool whole(std::uint32_t address, const PublishedHeader& link) {
  const EntryView expected = made(address, link.probes);
  return std::memcmp(&expected.link, &link, sizeof link) == 0;
}

TEST(NeighTable, AgreesWithAMapThroughRandomChanges) {
  Table table(64, SipKey{7, 9});
  time::Random random(1);
  std::map<std::uint32_t, std::uint8_t> oracle;
  for (int step = 0; step < 20000; ++step) {
    const auto address = static_cast<std::uint32_t>(random.below(100));
    const auto version = static_cast<std::uint8_t>(random.below(250));
    const EntryView entry = made(address, version);
    const std::uint32_t index = table.find(entry.key);
    ASSERT_EQ(index != Table::kNone, oracle.contains(address));
    if (index == Table::kNone) {
      const bool fits = table.insert(entry) != Table::kNone;
      ASSERT_EQ(fits, oracle.size() < 64);
      if (fits) oracle[address] = version;
    } else if (random.below(2) == 0) {
      table.publish(index, entry);
      oracle[address] = version;
    } else {
      table.erase(index);
      oracle.erase(address);
    }
    ASSERT_EQ(table.entries(), oracle.size());
  }
  for (const auto& [address, version] : oracle) {
    EntryView entry;
    ASSERT_TRUE(table.find_view(made(address, 0).key, entry));
    EXPECT_EQ(entry.link.probes, version);
    EXPECT_TRUE(whole(address, entry.link));
  }
}

TEST(NeighTable, WrongIndexIsNeverBelieved) {
  Table table(16, SipKey{7, 9});
  const EntryView first = made(1, 1), second = made(2, 2);
  const std::uint32_t index = table.insert(first);
  PublishedHeader link;
  EXPECT_TRUE(table.read_header(index, first.key, link));
  EXPECT_FALSE(table.read_header(index, second.key, link));
  EXPECT_FALSE(table.read_header(Table::kNone, first.key, link));
  EXPECT_FALSE(table.read_header(16, first.key, link));
  table.erase(index);
  EXPECT_FALSE(table.read_header(index, first.key, link));
  EntryView entry;
  EXPECT_FALSE(table.read(index, entry));
  EXPECT_EQ(table.insert(second), index) << "the slot is used again";
  EXPECT_FALSE(table.read_header(index, first.key, link));
}

TEST(NeighTable, UseIsNotedAndNudgedOnce) {
  Table table(16, SipKey{});
  const std::uint32_t index = table.insert(made(1, 1));
  EXPECT_EQ(table.used(index), time::Instant());
  table.mark_used(index, time::Instant::from_ns(50'000'000));
  table.mark_used(index, time::Instant::from_ns(51'000'000));
  EXPECT_EQ(table.used(index), time::Instant::from_ns(50'000'000)) << "not for every packet";
  EXPECT_TRUE(table.nudge(index));
  EXPECT_FALSE(table.nudge(index));
  table.unnudge(index);
  EXPECT_TRUE(table.nudge(index));
}

TEST(NeighTable, ProxiesAreBounded) {
  Table table(16, SipKey{});
  for (unsigned i = 0; i < Table::kMaxProxies; ++i)
    EXPECT_TRUE(table.add_proxy(key_of(1, Ipv4Address::from_host(i))));
  EXPECT_FALSE(table.add_proxy(key_of(2, Ipv4Address())));
  EXPECT_TRUE(table.add_proxy(key_of(1, Ipv4Address::from_host(5)))) << "is there already";
  table.remove_proxy(key_of(1, Ipv4Address::from_host(5)));
  EXPECT_FALSE(table.has_proxy(key_of(1, Ipv4Address::from_host(5))));
  EXPECT_TRUE(table.add_proxy(key_of(2, Ipv4Address())));
}

// Readers meet a writer that inserts, changes and erases without pause: what they read is whole,
// and the control core's look-up finds what is never erased.
TEST(NeighTable, ReadersNeverSeeATornEntry) {
  Table table(32, SipKey{7, 9});
  std::vector<std::uint32_t> slots(40, Table::kNone);
  slots[39] = table.insert(made(39, 1));
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> torn{0}, missed{0}, hits{0};
  const auto reader = [&] {
    PublishedHeader link;
    EntryView entry;
    while (!done.load(std::memory_order_relaxed)) {
      for (std::uint32_t address = 0; address < 40; ++address) {
        const std::uint64_t key = made(address, 0).key;
        const std::uint32_t index = table.find(key);
        if (table.read_header(index, key, link)) {
          hits.fetch_add(1, std::memory_order_relaxed);
          torn += !whole(address, link);
        }
        if (index < table.capacity() && table.read(index, entry))
          torn += !whole(address_of(entry.key).host(), entry.link);
      }
      missed += !table.find_view(made(39, 0).key, entry);
    }
  };
  std::thread readers[2] = {std::thread(reader), std::thread(reader)};
  time::Random random(3);
  for (int step = 0; step < 100000; ++step) {
    const auto address = static_cast<std::uint32_t>(random.below(25));
    const EntryView entry = made(address, static_cast<std::uint8_t>(random.below(250)));
    if (slots[address] == Table::kNone) {
      slots[address] = table.insert(entry);
    } else if (random.below(3) == 0) {
      table.erase(std::exchange(slots[address], Table::kNone));
    } else {
      table.publish(slots[address], entry);
    }
  }
  done = true;
  for (std::thread& thread : readers)
    thread.join();
  EXPECT_EQ(torn.load(), 0u);
  // A reader gives up after some tries; it may not do so often.
  EXPECT_LE(missed.load(), hits.load() / 100 + 1);
}

}  // namespace
}  // namespace linnet::neigh
