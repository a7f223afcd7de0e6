// SPDX-License-Identifier: BSD-3-Clause
// Drop reasons. Each room that drops has a `drops.def` of lines
//     DROP(BadChecksum, "IPv4 header checksum is wrong, RFC 1812 5.2.2")
// and a `drops.hpp` that makes `enum class Drop` of it with DropBase; the composition root joins
// the rooms' texts into the one list that show, metrics and docs print.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace linnet::packet {

// The rooms that can drop. The number is the high byte of a reason.
enum class DropRoom : std::uint8_t {
  Packet,
  Device,
  Hook,
  Link,
  Neigh,
  Ip,
  Udp,
  Tcp,
  Socket,
  Stack,
  Count
};

inline constexpr unsigned kDropsPerRoom = 64;
inline constexpr unsigned kDropRooms = static_cast<unsigned>(DropRoom::Count);
inline constexpr unsigned kMaxDropReasons = kDropRooms * kDropsPerRoom;

// One reason of any room: index into the ledger's counters.
struct DropReason {
  std::uint16_t index;
  friend constexpr bool operator==(DropReason, DropReason) = default;
};

// The text behind a reason.
struct DropText {
  std::string_view name;
  std::string_view text;
};

// What a room says of its reasons, in the order of their numbers.
struct DropList {
  DropRoom room;
  std::string_view room_name;
  std::span<const DropText> texts;
};

// A room's enum class converts by its `drop_room` overload, found by argument-dependent look-up.
template <typename RoomDrop>
constexpr DropReason reason_of(RoomDrop drop) {
  return DropReason{static_cast<std::uint16_t>(
      static_cast<unsigned>(drop_room(drop)) * kDropsPerRoom + static_cast<unsigned>(drop))};
}

}  // namespace linnet::packet
