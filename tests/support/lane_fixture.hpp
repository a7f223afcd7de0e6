// SPDX-License-Identifier: BSD-3-Clause
// What a test of one stage needs: a pool, a ledger, virtual time. Every test that uses it fails
// unless the ledger balances and every packet is back when it ends.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "packet/pool.hpp"
#include "packet/turn.hpp"
#include "support/poison.hpp"
#include "time/clock.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::tests {

using Bytes = std::vector<std::uint8_t>;

class LaneFixture : public testing::Test {
 protected:
  LaneFixture() {
    static int serial = 0;
    packet::Pool::Options options;
    options.name = "test" + std::to_string(serial++);
    options.packets = 4096;
    options.cache = 0;
    options.ops = poison_ops();
    pool_ = std::move(packet::Pool::create(options)).value();
    arm(*pool_);
  }
  ~LaneFixture() override {
    EXPECT_EQ(ledger_.received.value() + ledger_.generated.value(),
              ledger_.sent.value() + ledger_.delivered.value() + ledger_.held.value() +
                  ledger_.dropped_total())
        << "the ledger does not balance";
    EXPECT_EQ(pool_->available(), pool_->size()) << "packets are missing";
    disarm(*pool_);
  }

  // The lane's turn as it stands now.
  packet::Turn turn() { return packet::Turn{clock_.now(), ledger_, *pool_, random_, 0}; }
  void advance(time::Duration by) { clock_.advance(by); }

  // A packet with these bytes, counted as received. Under AddressSanitizer nothing around them may
  // be touched but through `push` and `put`.
  packet::Packet receive(std::span<const std::uint8_t> bytes) {
    packet::Packet packet = pool_->allocate();
    EXPECT_TRUE(packet);
    std::byte* const room = packet.put(static_cast<std::uint32_t>(bytes.size()));
    if (!bytes.empty()) std::memcpy(room, bytes.data(), bytes.size());
    ledger_.received.add();
    expose_only_data(packet.mbuf());
    return packet;
  }
  // All bytes from data() on.
  static Bytes bytes_of(const packet::Packet& packet) {
    Bytes out(packet.length());
    EXPECT_TRUE(packet.copy_out(0, std::as_writable_bytes(std::span(out))));
    return out;
  }
  template <typename RoomDrop>
  std::uint64_t drops(RoomDrop why) const {
    return ledger_.dropped(packet::reason_of(why));
  }

  std::unique_ptr<packet::Pool> pool_;
  packet::Ledger ledger_;
  time::ManualClock clock_{time::Instant::from_ns(1'000'000'000)};
  time::Random random_{42};
};

// A stage that keeps what it is given and counts it as sent.
class Collector {
 public:
  packet::Stage stage() { return packet::Stage::of<&Collector::take>(*this); }
  void take(packet::Turn& turn, packet::Burst& burst) {
    turn.ledger.sent.add(burst.size());
    burst.drain([this](packet::Packet&& packet) { packets.push_back(std::move(packet)); });
  }
  void clear() {
    for (packet::Packet& packet : packets)
      rte_pktmbuf_free(packet.release());
    packets.clear();
  }
  ~Collector() { clear(); }

  std::vector<packet::Packet> packets;
};

}  // namespace linnet::tests
