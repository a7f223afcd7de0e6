// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/drop.hpp"

namespace linnet::neigh {

enum class Drop : std::uint8_t {
#define DROP(name, text) name,
#include "neigh/drops.def"
#undef DROP
};
constexpr packet::DropRoom drop_room(Drop) {
  return packet::DropRoom::Neigh;
}

inline constexpr packet::DropText kDropTexts[] = {
#define DROP(name, text) {#name, text},
#include "neigh/drops.def"
#undef DROP
};
inline constexpr packet::DropList kDrops{packet::DropRoom::Neigh, "neigh", kDropTexts};

}  // namespace linnet::neigh
