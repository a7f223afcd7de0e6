// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/drop.hpp"

namespace linnet::stack {

enum class Drop : std::uint8_t {
#define DROP(name, text) name,
#include "stack/drops.def"
#undef DROP
};
constexpr packet::DropRoom drop_room(Drop) {
  return packet::DropRoom::Stack;
}

inline constexpr packet::DropText kDropTexts[] = {
#define DROP(name, text) {#name, text},
#include "stack/drops.def"
#undef DROP
};
inline constexpr packet::DropList kDrops{packet::DropRoom::Stack, "stack", kDropTexts};

}  // namespace linnet::stack
