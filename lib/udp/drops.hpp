// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/drop.hpp"

namespace linnet::udp {

enum class Drop : std::uint8_t {
#define DROP(name, text) name,
#include "udp/drops.def"
#undef DROP
};
constexpr packet::DropRoom drop_room(Drop) {
  return packet::DropRoom::Udp;
}

inline constexpr packet::DropText kDropTexts[] = {
#define DROP(name, text) {#name, text},
#include "udp/drops.def"
#undef DROP
};
inline constexpr packet::DropList kDrops{packet::DropRoom::Udp, "udp", kDropTexts};

}  // namespace linnet::udp
