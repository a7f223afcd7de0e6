// SPDX-License-Identifier: BSD-3-Clause
// All commands as data: names, keywords, usage. The parsers, the completion and the reference page
// are made from it, so none of them can know a word that the others do not. Knows no stack: the
// client is linked with it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace linnet::control {

// What stands behind a keyword, or alone.
enum class Operand : std::uint8_t {
  None,
  Device,
  Address,
  Prefix,
  Interface,
  Broadcast,
  Mac,
  Number,
  Scope,
  Protocol,
  Table,
  RouteType,
  OnOff,
  Nud,
  Name,
  Mark,
  Setting
};
// "a device's name", for messages.
std::string_view describe(Operand operand);
// The words that can stand there, where there are few.
std::span<const std::string_view> choices(Operand operand);

struct Keyword {
  std::string_view name;
  bool abbreviates =
      false;  // any beginning is taken, the table's order decides (iproute2: matches)
  Operand operand = Operand::None;
  std::string_view means{};  // the keyword that it is another name for; empty: itself
  std::string_view id() const { return means.empty() ? name : means; }
};

struct Verb {
  std::string_view name;
  std::span<const std::string_view> also{};  // other names
  std::string_view usage;                    // what follows the verb
  std::string_view summary;
  std::span<const Keyword> keywords{};
  Operand first = Operand::None;  // what may stand without a keyword
  std::string_view example{};
};

struct Group {
  std::string_view root;  // "ip", or empty where `name` is the first word
  std::string_view name;
  std::span<const std::string_view> also{};
  std::string_view summary;
  std::string_view default_verb;  // where none is typed; empty: one must be
  std::span<const Verb> verbs;
  std::string title() const;  // "ip link"
};

// In iproute2's order, which decides what an abbreviation means.
std::span<const Group> groups();

// The options that may stand in front of a command or behind `ip`.
struct OptionInfo {
  std::string_view name;  // without its first hyphen
  std::span<const std::string_view> also;
  std::string_view summary;
};
std::span<const OptionInfo> options();
// The option of this word ("-s", "--stats", "-json"); nullptr if there is none.
const OptionInfo* find_option(std::string_view word);

// Whether `word` names `name` by a beginning of it (never by nothing).
bool abbreviates(std::string_view word, std::string_view name);
// By name, other names, or a beginning of any, the first in order; nullptr if there is none.
const Group* find_group(std::string_view root, std::string_view word);
const Verb* find_verb(const Group& group, std::string_view word);
const Keyword* find_keyword(std::span<const Keyword> keywords, std::string_view word);

}  // namespace linnet::control
