// SPDX-License-Identifier: BSD-3-Clause
// Linux's names of settings and what they stand for here.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
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

// One number of a setting as a person reads it, `unit` times smaller than the one kept: seconds of
// milliseconds.
struct SettingNumber {
  std::atomic<std::uint32_t>* kept;
  std::uint32_t least = 0;
  std::uint32_t most = 0;
  std::uint32_t unit = 1;

  std::uint32_t get() const { return kept->load(std::memory_order_relaxed) / unit; }
  void set(std::uint32_t to) const { kept->store(to * unit, std::memory_order_relaxed); }
};

// What `Setting::read` found in a text.
struct SettingValue {
  std::vector<std::uint32_t> numbers;
  const tcp::CongestionControl* control = nullptr;
  std::optional<tcp::FastOpenKeySet> keys{};
};

// One number, several that Linux keeps in one line, the name of a congestion control, or keys.
struct Setting {
  std::string_view name;
  std::vector<SettingNumber> numbers;
  bool ascending = false;  // none may be less than the one before
  std::atomic<const tcp::CongestionControl*>* control = nullptr;

  tcp::FastOpenKeys* keys = nullptr;

  bool read_only() const { return numbers.empty() && control == nullptr && keys == nullptr; }
  // As Linux prints it: numbers parted by tabs.
  std::string text() const;
  // What may be written, for error messages.
  std::string expected() const;
  // Empty: not a value of this setting.
  std::optional<SettingValue> read(std::string_view text) const;
  void write(const SettingValue& value) const;
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
