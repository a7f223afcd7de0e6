// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/drop.hpp"

namespace linnet::ip {

enum class Drop : std::uint8_t {
#define DROP(name, text) name,
#include "ip/drops.def"
#undef DROP
};
constexpr packet::DropRoom drop_room(Drop) {
  return packet::DropRoom::Ip;
}

inline constexpr packet::DropText kDropTexts[] = {
#define DROP(name, text) {#name, text},
#include "ip/drops.def"
#undef DROP
};
inline constexpr packet::DropList kDrops{packet::DropRoom::Ip, "ip", kDropTexts};

}  // namespace linnet::ip
