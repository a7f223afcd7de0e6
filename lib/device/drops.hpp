// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/drop.hpp"

namespace linnet::device {

enum class Drop : std::uint8_t {
#define DROP(name, text) name,
#include "device/drops.def"
#undef DROP
};
constexpr packet::DropRoom drop_room(Drop) {
  return packet::DropRoom::Device;
}

inline constexpr packet::DropText kDropTexts[] = {
#define DROP(name, text) {#name, text},
#include "device/drops.def"
#undef DROP
};
inline constexpr packet::DropList kDrops{packet::DropRoom::Device, "device", kDropTexts};

}  // namespace linnet::device
