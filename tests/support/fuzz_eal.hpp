// SPDX-License-Identifier: BSD-3-Clause
// For fuzz targets with packets: starts EAL before the first input and hands out packets whose
// head- and tailroom AddressSanitizer watches. Include it in one source file of a target.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "packet/turn.hpp"
#include "support/poison.hpp"
#include "support/test_eal.hpp"
#include "time/clock.hpp"

namespace linnet::tests {

// A lane for one fuzz target: pool, ledger and virtual time live as long as the process.
class FuzzLane {
 public:
  static FuzzLane& instance() {
    static FuzzLane* const lane = new FuzzLane;  // never destroyed: EAL ends with the process
    return *lane;
  }

  packet::Turn turn() { return packet::Turn{clock_.now(), ledger_, *pool_, random_, 0}; }
  void advance(time::Duration by) { clock_.advance(by); }
  // Time and chance begin anew, so that an input does by itself what it did among others.
  void restart() {
    clock_ = time::ManualClock(kStart);
    random_ = time::Random(kSeed);
  }
  packet::Pool& pool() { return *pool_; }
  packet::Ledger& ledger() { return ledger_; }
  time::Instant now() { return clock_.now(); }

  // A packet with these bytes, counted as received; all around them is out of bounds.
  packet::Packet receive(std::span<const std::uint8_t> bytes) {
    packet::Packet packet = pool_->allocate();
    LINNET_CHECK(packet);
    const auto room = std::min<std::size_t>(bytes.size(), rte_pktmbuf_tailroom(packet.mbuf()));
    if (room != 0) std::memcpy(packet.put(static_cast<std::uint32_t>(room)), bytes.data(), room);
    expose_only_data(packet.mbuf());
    ledger_.received.add();
    return packet;
  }
  // After an input: the ledger balances and all packets but those held are back.
  void check_balance() {
    LINNET_CHECK(ledger_.balanced());
    LINNET_CHECK_OP(pool_->in_use(), ==, ledger_.held.value());
  }

 private:
  static constexpr time::Instant kStart = time::Instant::from_ns(1'000'000'000);
  static constexpr std::uint64_t kSeed = 42;

  FuzzLane() : pool_(options()) {}
  static packet::Pool::Options options() {
    packet::Pool::Options options;
    options.name = "fuzz";
    options.packets = 2048;
    return options;
  }

  PoisonedPool pool_;
  packet::Ledger ledger_;
  time::ManualClock clock_{kStart};
  time::Random random_{kSeed};
};

}  // namespace linnet::tests

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (!linnet::tests::start_eal(64, 1)) {
    std::fprintf(stderr, "EAL did not start\n");
    std::exit(1);
  }
  return 0;
}
