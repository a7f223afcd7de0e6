// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "base/result.hpp"
#include "device/device.hpp"
#include "route/tables.hpp"

namespace linnet::route {

// TOS without the two ECN bits (RFC 3168): what rules and routes are keyed by.
inline constexpr std::uint8_t kTosMask = 0xfc;

// The policy rules in order (Linux: net/core/fib_rules.c, net/ipv4/fib_rules.c).
class Rules {
 public:
  // The three that are always there at the start: local, main, default.
  Rules();

  // Puts a rule behind those of its priority. Priority 0 stands for "one before the second rule",
  // as the kernel chooses.
  Result<> add(Rule rule);
  // The first rule equal to `rule`, whatever its priority where 0 is given; else, where nothing but
  // a priority is given, the first of that priority.
  Result<> remove(const Rule& rule);
  const std::vector<Rule>& list() const { return rules_; }
  // Nothing was added to or taken from the standard three.
  bool standard() const;

 private:
  std::vector<Rule> rules_;
};

// A rule as lanes test it.
class RuleMatcher {
 public:
  // A device that does not exist matches nothing.
  RuleMatcher(const Rule& rule, const device::DeviceTable& devices);
  bool matches(const Key& key) const;

 private:
  struct DeviceMatch {
    bool any = true;
    bool none = false;
    bool from_here = false;  // "iif lo": packets that start here
    std::uint16_t index = 0;
    bool matches(std::uint16_t device) const;
  };
  static DeviceMatch device_match(const std::string& name, const device::DeviceTable& devices,
                                  bool input);

  Ipv4Prefix from_, to_;
  DeviceMatch input_, output_;
  std::uint32_t mark_ = 0, mark_mask_ = 0;
  std::uint8_t tos_ = 0;
};

}  // namespace linnet::route
