// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/drop.hpp"

namespace linnet::socket {

enum class Drop : std::uint8_t {
#define DROP(name, text) name,
#include "socket/drops.def"
#undef DROP
};
constexpr packet::DropRoom drop_room(Drop) {
  return packet::DropRoom::Socket;
}

inline constexpr packet::DropText kDropTexts[] = {
#define DROP(name, text) {#name, text},
#include "socket/drops.def"
#undef DROP
};
inline constexpr packet::DropList kDrops{packet::DropRoom::Socket, "socket", kDropTexts};

}  // namespace linnet::socket
