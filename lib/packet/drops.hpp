// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/drop.hpp"

namespace linnet::packet {

enum class Drop : std::uint8_t {
#define DROP(name, text) name,
#include "packet/drops.def"
#undef DROP
};
constexpr DropRoom drop_room(Drop) {
  return DropRoom::Packet;
}

inline constexpr DropText kDropTexts[] = {
#define DROP(name, text) {#name, text},
#include "packet/drops.def"
#undef DROP
};
inline constexpr DropList kDrops{DropRoom::Packet, "packet", kDropTexts};

}  // namespace linnet::packet
