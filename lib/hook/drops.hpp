// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/drop.hpp"

namespace linnet::hook {

enum class Drop : std::uint8_t {
#define DROP(name, text) name,
#include "hook/drops.def"
#undef DROP
};
constexpr packet::DropRoom drop_room(Drop) {
  return packet::DropRoom::Hook;
}

inline constexpr packet::DropText kDropTexts[] = {
#define DROP(name, text) {#name, text},
#include "hook/drops.def"
#undef DROP
};
inline constexpr packet::DropList kDrops{packet::DropRoom::Hook, "hook", kDropTexts};

}  // namespace linnet::hook
