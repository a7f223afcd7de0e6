// SPDX-License-Identifier: BSD-3-Clause
// Linux's names of settings and what they stand for here.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ip/settings.hpp"
#include "neigh/neighbours.hpp"
#include "socket/settings.hpp"
#include "tcp/settings.hpp"

namespace linnet::stack {
class Stack;
}

namespace linnet::control {

// A value as a person reads it, `unit` times smaller than the one kept: seconds of milliseconds.
struct Setting {
  std::string_view name;
  std::atomic<std::uint32_t>* value;
  std::uint32_t least = 0;
  std::uint32_t most = 0;
  std::uint32_t unit = 1;

  std::uint32_t get() const { return value->load(std::memory_order_relaxed) / unit; }
  void set(std::uint32_t to) const { value->store(to * unit, std::memory_order_relaxed); }
};

// Whose settings they are.
struct SettingsOwners {
  ip::Settings& ip;
  neigh::Settings& neigh;
  socket::Settings& socket;
  tcp::Settings& tcp;
};

// All settings, ordered by name.
std::vector<Setting> settings_of(const SettingsOwners& owners);
std::vector<Setting> settings_of(stack::Stack& stack);

}  // namespace linnet::control
