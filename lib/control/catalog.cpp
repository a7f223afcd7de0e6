// SPDX-License-Identifier: BSD-3-Clause
#include "control/catalog.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "control/catalog_tables.hpp"

namespace linnet::control {
namespace {

constexpr std::string_view kScopes[] = {"global", "site", "link", "host", "nowhere"};
constexpr std::string_view kProtocols[] = {"kernel", "boot", "static", "redirect", "unspec"};
constexpr std::string_view kTables[] = {"main", "local", "default", "all"};
constexpr std::string_view kTypes[] = {"unicast",   "local",       "broadcast", "multicast",
                                       "blackhole", "unreachable", "prohibit",  "throw"};
constexpr std::string_view kOnOff[] = {"on", "off"};
constexpr std::string_view kNudStates[] = {"permanent", "reachable",  "stale",  "noarp", "delay",
                                           "probe",     "incomplete", "failed", "all"};
constexpr std::string_view kPrefixes[] = {"default"};
constexpr std::string_view kBroadcasts[] = {"+", "-"};

constexpr std::string_view kStatistics[] = {"-stats", "-statistics"};
constexpr std::string_view kDetails[] = {"-details"};
constexpr std::string_view kJson[] = {"-json"};
constexpr std::string_view kPretty[] = {"-pretty"};
constexpr std::string_view kBrief[] = {"-brief"};
constexpr std::string_view kOneline[] = {"-oneline"};
constexpr OptionInfo kOptions[] = {
    {"-s", kStatistics, "with counters; twice for more of them"},
    {"-d", kDetails, "with details"},
    {"-j", kJson, "JSON, with iproute2's names"},
    {"-p", kPretty, "JSON for the eye, together with -j"},
    {"-br", kBrief, "a line for each, the most important only"},
    {"-o", kOneline, "a line for each, the breaks written as a backslash"},
    {"-4", {}, "IPv4 only: `ip addr` leaves out what has no address"},
};

bool is_one_of(std::string_view word, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), word) != names.end();
}

// The first for which `test` holds with its name or one of its other names.
template <typename Entry, typename Test>
const Entry* first_named(std::span<const Entry> entries, Test test) {
  for (const Entry& entry : entries) {
    if (test(entry.name) || std::any_of(entry.also.begin(), entry.also.end(), test)) return &entry;
  }
  return nullptr;
}

}  // namespace

std::string_view describe(Operand operand) {
  switch (operand) {
    case Operand::None:
      return "nothing";
    case Operand::Device:
      return "a device's name";
    case Operand::Address:
      return "an IPv4 address";
    case Operand::Prefix:
      return "a prefix (192.0.2.0/24 or default)";
    case Operand::Interface:
      return "an address with its length (192.0.2.1/24)";
    case Operand::Broadcast:
      return "an IPv4 address, + or -";
    case Operand::Mac:
      return "a MAC address (02:00:5e:10:00:01)";
    case Operand::Number:
      return "a number";
    case Operand::Scope:
      return "global, site, link, host or a number up to 255";
    case Operand::Protocol:
      return "kernel, boot, static or a number up to 255";
    case Operand::Table:
      return "main, local, default or a number from 1";
    case Operand::RouteType:
      return "unicast, local, broadcast, multicast, blackhole, unreachable, prohibit or throw";
    case Operand::OnOff:
      return "on or off";
    case Operand::Nud:
      return "permanent, reachable, stale, noarp or another state";
    case Operand::Name:
      return "a name";
    case Operand::Mark:
      return "MARK or MARK/MASK";
    case Operand::Setting:
      return "a setting's name (sysctl -a lists them)";
  }
  return "";
}

std::span<const std::string_view> choices(Operand operand) {
  switch (operand) {
    case Operand::Scope:
      return kScopes;
    case Operand::Protocol:
      return kProtocols;
    case Operand::Table:
      return kTables;
    case Operand::RouteType:
      return kTypes;
    case Operand::OnOff:
      return kOnOff;
    case Operand::Nud:
      return kNudStates;
    case Operand::Prefix:
      return kPrefixes;
    case Operand::Broadcast:
      return kBroadcasts;
    default:
      return {};
  }
}

std::string Group::title() const {
  return root.empty() ? std::string(name) : std::string(root) + ' ' + std::string(name);
}

std::span<const Group> groups() {
  static const std::vector<Group> all = [] {
    std::vector<Group> joined(ip_groups().begin(), ip_groups().end());
    joined.insert(joined.end(), own_groups().begin(), own_groups().end());
    return joined;
  }();
  return all;
}

std::span<const OptionInfo> options() {
  return kOptions;
}

const OptionInfo* find_option(std::string_view word) {
  if (word.starts_with("--")) word.remove_prefix(1);
  return first_named(options(), [word](std::string_view name) { return name == word; });
}

bool abbreviates(std::string_view word, std::string_view name) {
  return !word.empty() && name.starts_with(word);
}

const Group* find_group(std::string_view root, std::string_view word) {
  for (const Group& group : groups()) {
    if (group.root != root) continue;
    if (abbreviates(word, group.name) || is_one_of(word, group.also) ||
        std::any_of(group.also.begin(), group.also.end(),
                    [word](std::string_view name) { return abbreviates(word, name); })) {
      return &group;
    }
  }
  return nullptr;
}

const Verb* find_verb(const Group& group, std::string_view word) {
  return first_named(group.verbs,
                     [word](std::string_view name) { return abbreviates(word, name); });
}

const Keyword* find_keyword(std::span<const Keyword> keywords, std::string_view word) {
  // A whole word is what it says: `to` is no short `tos`.
  for (const Keyword& keyword : keywords) {
    if (word == keyword.name) return &keyword;
  }
  for (const Keyword& keyword : keywords) {
    if (keyword.abbreviates && abbreviates(word, keyword.name)) return &keyword;
  }
  return nullptr;
}

}  // namespace linnet::control
