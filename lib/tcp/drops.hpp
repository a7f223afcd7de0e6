// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/drop.hpp"

namespace linnet::tcp {

enum class Drop : std::uint8_t {
#define DROP(name, text) name,
#include "tcp/drops.def"
#undef DROP
};
constexpr packet::DropRoom drop_room(Drop) {
  return packet::DropRoom::Tcp;
}

inline constexpr packet::DropText kDropTexts[] = {
#define DROP(name, text) {#name, text},
#include "tcp/drops.def"
#undef DROP
};
inline constexpr packet::DropList kDrops{packet::DropRoom::Tcp, "tcp", kDropTexts};

}  // namespace linnet::tcp
