// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/burst.hpp"
#include "packet/drop.hpp"
#include "packet/ledger.hpp"
#include "packet/pool.hpp"
#include "time/instant.hpp"
#include "time/random.hpp"

namespace linnet::packet {

// What a lane's turn gives every stage: the time (read once), and the lane's own account, buffers
// and randomness. Passed by reference down the calls of one turn; never kept.
struct Turn {
  time::Instant now;
  Ledger& ledger;
  Pool& pool;
  time::Random& random;
  unsigned lane = 0;  // the lane's index: also its queue number on every device

  // Ends the packet with a reason of any room.
  template <typename RoomDrop>
  void drop(Packet&& packet, RoomDrop why) {
    ledger.drop(std::move(packet), reason_of(why));
  }
  void deliver(Packet&& packet) { ledger.deliver(std::move(packet)); }
  // A fresh empty packet made here (counted as generated, flagged); empty handle if there is none.
  Packet generate(Pool::Priority priority = Pool::Priority::Control) {
    Packet packet = pool.allocate(priority);
    if (packet) {
      ledger.generated.add();
      packet.meta().flags = Meta::kGenerated;
      packet.meta().input_device = kNoDevice;
    }
    return packet;
  }
};

// The next stage as seen from below: packets go up by handler table. One indirect call a burst.
// The stage empties the burst.
struct Stage {
  void* self = nullptr;
  void (*run)(void* self, Turn& turn, Burst& burst) = nullptr;

  explicit operator bool() const { return run != nullptr; }
  void operator()(Turn& turn, Burst& burst) const { run(self, turn, burst); }

  // A stage that calls `(object.*Method)(turn, burst)`.
  template <auto Method, typename T>
  static Stage of(T& object) {
    return Stage{&object, [](void* self, Turn& turn, Burst& burst) {
                   (static_cast<T*>(self)->*Method)(turn, burst);
                 }};
  }
};

}  // namespace linnet::packet
