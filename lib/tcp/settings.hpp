// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "tcp/fast_open.hpp"

namespace linnet::tcp {

class CongestionControl;

// One number that the control core writes and lanes read.
class Setting {
 public:
  constexpr explicit Setting(std::uint32_t value) : value_(value) {}
  std::uint32_t get() const { return value_.load(std::memory_order_relaxed); }
  void set(std::uint32_t value) { value_.store(value, std::memory_order_relaxed); }
  operator std::uint32_t() const { return get(); }
  std::atomic<std::uint32_t>& atomic() { return value_; }  // for who writes settings by name
  Setting& operator=(std::uint32_t value) {
    set(value);
    return *this;
  }

 private:
  std::atomic<std::uint32_t> value_;
};

// What Linux keeps under net.ipv4.tcp_*: settings.def has names, units and defaults.
struct Settings {
#define SETTING(name, value, text) Setting name{value};
#include "tcp/settings.def"
#undef SETTING
  // tcp_congestion_control; nullptr: cubic.
  std::atomic<const CongestionControl*> congestion_control{nullptr};
  FastOpenKeys fast_open_keys;  // tcp_fastopen_key
  Setting metrics_flushes{0};   // how often what is remembered of servers was to be forgotten
};

// For sysctl: every number by its name.
struct SettingName {
  std::string_view name, text;
  Setting Settings::* member;
};
inline constexpr SettingName kSettingNames[] = {
#define SETTING(name, value, text) {#name, text, &Settings::name},
#include "tcp/settings.def"
#undef SETTING
};

}  // namespace linnet::tcp
