// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/drop.hpp"

namespace linnet::link {

enum class Drop : std::uint8_t {
#define DROP(name, text) name,
#include "link/drops.def"
#undef DROP
};
constexpr packet::DropRoom drop_room(Drop) {
  return packet::DropRoom::Link;
}

inline constexpr packet::DropText kDropTexts[] = {
#define DROP(name, text) {#name, text},
#include "link/drops.def"
#undef DROP
};
inline constexpr packet::DropList kDrops{packet::DropRoom::Link, "link", kDropTexts};

}  // namespace linnet::link
