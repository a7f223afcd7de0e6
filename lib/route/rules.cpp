// SPDX-License-Identifier: BSD-3-Clause
#include "route/rules.hpp"

#include <algorithm>

namespace linnet::route {
namespace {

const std::vector<Rule>& standard_rules() {
  static const std::vector<Rule> kRules = {
      {.priority = 0, .table = kTableLocal},
      {.priority = 32766, .table = kTableMain},
      {.priority = 32767, .table = kTableDefault},
  };
  return kRules;
}

bool same_but_priority(const Rule& a, Rule b) {
  b.priority = a.priority;
  return a == b;
}

}  // namespace

Rules::Rules() : rules_(standard_rules()) {}

bool Rules::standard() const {
  return rules_ == standard_rules();
}

Result<> Rules::add(Rule rule) {
  if (rule.tos && (*rule.tos & ~kTosMask) != 0)
    return Error{"Invalid dsfield (tos): ECN bits must be 0", std::to_string(*rule.tos)};
  switch (rule.action) {
    case Type::Unicast:
      if (rule.table == 0) return Error{"Invalid argument", "table"};
      break;
    case Type::Blackhole:
    case Type::Unreachable:
    case Type::Prohibit:
      break;
    default:
      return Error{"Invalid argument", "type"};
  }
  if (rule.priority == 0 && rules_.size() > 1 && rules_[1].priority > 0)
    rule.priority = rules_[1].priority - 1;
  if (std::find(rules_.begin(), rules_.end(), rule) != rules_.end()) return Error{"File exists"};
  const auto place = std::upper_bound(
      rules_.begin(), rules_.end(), rule.priority,
      [](std::uint32_t priority, const Rule& other) { return priority < other.priority; });
  rules_.insert(place, std::move(rule));
  return Ok{};
}

Result<> Rules::remove(const Rule& rule) {
  auto found = std::find_if(rules_.begin(), rules_.end(), [&](const Rule& other) {
    return rule.priority == 0 ? same_but_priority(other, rule) : other == rule;
  });
  if (found == rules_.end() && rule.priority != 0 && same_but_priority(rule, Rule{})) {
    found = std::find_if(rules_.begin(), rules_.end(),
                         [&](const Rule& other) { return other.priority == rule.priority; });
  }
  if (found == rules_.end()) return Error{"No such file or directory"};
  rules_.erase(found);
  return Ok{};
}

RuleMatcher::RuleMatcher(const Rule& rule, const device::DeviceTable& devices)
    : from_(rule.from),
      to_(rule.to),
      input_(device_match(rule.input_device, devices, true)),
      output_(device_match(rule.output_device, devices, false)),
      mark_mask_(rule.mark ? rule.mark_mask : 0),
      tos_(rule.tos.value_or(0)) {
  mark_ = rule.mark.value_or(0) & mark_mask_;
}

RuleMatcher::DeviceMatch RuleMatcher::device_match(const std::string& name,
                                                   const device::DeviceTable& devices, bool input) {
  DeviceMatch match;
  if (name.empty()) return match;
  match.any = false;
  const device::Device* const device = devices.find(name);
  match.none = device == nullptr;
  if (device != nullptr) {
    match.index = device->index();
    match.from_here = input && device->loopback();
  }
  return match;
}

}  // namespace linnet::route
