// SPDX-License-Identifier: BSD-3-Clause
// `ip rule` (iproute2: iprule.c; the kernel's net/core/fib_rules.c).
#include <algorithm>
#include <cstdio>

#include "control/command.hpp"
#include "control/route_text.hpp"
#include "control/rule.hpp"

namespace linnet::control {
namespace {

using route::Rule;
using route::Type;

// What a command names; what it leaves out counts for nothing when a rule is looked for.
struct RuleWords {
  std::optional<std::uint32_t> priority;
  std::optional<Ipv4Prefix> from, to;
  std::optional<std::uint8_t> tos;
  std::optional<std::uint32_t> mark;
  std::uint32_t mark_mask = 0xffffffff;
  std::string input_device, output_device;
  std::optional<Type> action;
  std::optional<std::uint32_t> table;

  bool empty() const {
    return !priority && !from && !to && !tos && !mark && input_device.empty() &&
           output_device.empty() && !action && !table;
  }
};

// MARK or MARK/MASK.
Result<> take_mark(Cursor& cursor, RuleWords& words) {
  if (!cursor.done()) {
    const std::string_view text = cursor.word();
    const auto slash = text.find('/');
    const auto mark = parse_number(text.substr(0, slash));
    const auto mask = slash == std::string_view::npos ? std::optional<std::uint32_t>(0xffffffff)
                                                      : parse_number(text.substr(slash + 1));
    if (mark && mask) {
      words.mark = *mark;
      words.mark_mask = *mask;
      cursor.next();
      return Ok{};
    }
  }
  return cursor.wrong("not a mark", describe(Operand::Mark));
}

Result<> set_action(Cursor& cursor, RuleWords& words, Type type) {
  if (words.action) return cursor.wrong_before("a second action", "one action");
  if (words.table && type != Type::Unicast)
    return cursor.wrong_before("a table and an action that ends the search", "one of them");
  words.action = type;
  return Ok{};
}

Result<> take_type(Cursor& cursor, RuleWords& words) {
  auto type = cursor.route_type();
  if (!type) return type.error();
  if (*type != Type::Unicast && *type != Type::Blackhole && *type != Type::Unreachable &&
      *type != Type::Prohibit) {
    return cursor.wrong_before("a rule cannot do this",
                               "unicast, blackhole, unreachable or prohibit");
  }
  return set_action(cursor, words, *type);
}

Result<> take_table(Cursor& cursor, RuleWords& words) {
  if (words.action && *words.action != Type::Unicast)
    return cursor.wrong_before("a table and an action that ends the search", "one of them");
  return store(words.table, cursor.table());
}

Result<> take_device_name(Cursor& cursor, std::string& to) {
  auto name = cursor.name(describe(Operand::Device));
  if (!name) return name.error();
  if (name->size() > 15) return cursor.wrong_before("not a device's name", "up to 15 characters");
  to = *name;
  return Ok{};
}

constexpr Clause<RuleWords> kRuleClauses[] = {
    {"from", [](Cursor& c, RuleWords& words) { return store(words.from, c.prefix()); }},
    {"to", [](Cursor& c, RuleWords& words) { return store(words.to, c.prefix()); }},
    {"priority",
     [](Cursor& c, RuleWords& words) { return store(words.priority, c.number(0, 0xffffffff)); }},
    {"tos", [](Cursor& c, RuleWords& words) { return store(words.tos, c.tos()); }},
    {"fwmark", take_mark},
    {"table", take_table},
    {"iif", [](Cursor& c, RuleWords& words) { return take_device_name(c, words.input_device); }},
    {"oif", [](Cursor& c, RuleWords& words) { return take_device_name(c, words.output_device); }},
    {"type", take_type},
    {"blackhole",
     [](Cursor& c, RuleWords& words) { return set_action(c, words, Type::Blackhole); }},
    {"unreachable",
     [](Cursor& c, RuleWords& words) { return set_action(c, words, Type::Unreachable); }},
    {"prohibit", [](Cursor& c, RuleWords& words) { return set_action(c, words, Type::Prohibit); }},
};

Rule rule_of(const RuleWords& words) {
  Rule rule;
  rule.priority = words.priority.value_or(0);
  rule.from = words.from.value_or(Ipv4Prefix{});
  rule.to = words.to.value_or(Ipv4Prefix{});
  rule.tos = words.tos;
  rule.mark = words.mark;
  rule.mark_mask = words.mark_mask;
  rule.input_device = words.input_device;
  rule.output_device = words.output_device;
  rule.action = words.action.value_or(Type::Unicast);
  rule.table = words.table.value_or(route::kTableMain);
  return rule;
}

// Linux: rule_find.
bool agrees(const RuleWords& words, const Rule& rule) {
  return (!words.priority || *words.priority == rule.priority) &&
         (!words.from || *words.from == rule.from) && (!words.to || *words.to == rule.to) &&
         (!words.tos || words.tos == rule.tos) &&
         (!words.mark || (words.mark == rule.mark && words.mark_mask == rule.mark_mask)) &&
         (words.input_device.empty() || words.input_device == rule.input_device) &&
         (words.output_device.empty() || words.output_device == rule.output_device) &&
         (!words.action || *words.action == rule.action) &&
         (!words.table || (rule.action == Type::Unicast && *words.table == rule.table));
}

Result<Action> parse_rule_add(Cursor& cursor, const Verb& verb, const Format&) {
  RuleWords words;
  if (auto result = take_clauses<RuleWords>(cursor, verb, kRuleClauses, words); !result)
    return result.error();
  return Action{[rule = rule_of(words)](const Context& context) -> Result<std::string> {
    if (auto result = context.stack.routes().add_rule(rule); !result) return result.error();
    return std::string{};
  }};
}

Result<std::string> delete_rule(const Context& context, const RuleWords& words) {
  const std::vector<Rule> rules = context.stack.routes().rules();
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [&words](const Rule& rule) { return agrees(words, rule); });
  if (found == rules.end()) return Error{"No such file or directory"};
  if (auto result = context.stack.routes().remove_rule(*found); !result) return result.error();
  return std::string{};
}

Result<Action> parse_rule_delete(Cursor& cursor, const Verb& verb, const Format&) {
  RuleWords words;
  if (auto result = take_clauses<RuleWords>(cursor, verb, kRuleClauses, words); !result)
    return result.error();
  if (words.empty())
    return cursor.wrong("", "what the rule is known by: priority, from, table ...");
  return Action{[words](const Context& context) { return delete_rule(context, words); }};
}

std::string hex_of(std::uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%x", value);
  return text;
}

void put_prefix(Json& json, const char* name, const char* length, const Ipv4Prefix& prefix) {
  json[name] = prefix.address().text();
  if (prefix.length() != 32) json[length] = prefix.length();
}

Json rule_json(const Rule& rule) {
  Json json;
  json["priority"] = rule.priority;
  if (rule.from.length() == 0) {
    json["src"] = "all";
  } else {
    put_prefix(json, "src", "srclen", rule.from);
  }
  if (rule.to.length() != 0) put_prefix(json, "dst", "dstlen", rule.to);
  if (rule.tos) json["tos"] = hex_of(*rule.tos);
  if (rule.mark) json["fwmark"] = hex_of(*rule.mark);
  if (rule.mark && rule.mark_mask != 0xffffffff) json["fwmask"] = hex_of(rule.mark_mask);
  if (!rule.input_device.empty()) json["iif"] = rule.input_device;
  if (!rule.output_device.empty()) json["oif"] = rule.output_device;
  if (rule.action == Type::Unicast) {
    json["table"] = name_of_table(rule.table);
  } else {
    json["action"] = name_of(rule.action);
  }
  return json;
}

Result<Action> parse_rule_show(Cursor& cursor, const Verb& verb, const Format& format) {
  if (!cursor.done()) return unknown_word(cursor, verb);
  return Action{[format](const Context& context) -> Result<std::string> {
    std::string text;
    Json json = Json::array();
    for (const Rule& rule : context.stack.routes().rules()) {
      text += std::to_string(rule.priority) + ":\t" + rule_words(rule) + '\n';
      json.push_back(rule_json(rule));
    }
    return format.json ? write_json(json, format) : text;
  }};
}

constexpr Command kRuleCommands[] = {{"ip rule", "show", parse_rule_show},
                                     {"ip rule", "add", parse_rule_add},
                                     {"ip rule", "delete", parse_rule_delete}};

}  // namespace

std::string rule_words(const Rule& rule) {
  std::string out = "from ";
  out += rule.from.length() == 0 ? "all" : text_of(rule.from);
  if (rule.to.length() != 0) out += " to " + text_of(rule.to);
  if (rule.tos) out += " tos " + hex_of(*rule.tos);
  if (rule.mark) {
    out += " fwmark " + hex_of(*rule.mark);
    if (rule.mark_mask != 0xffffffff) out += '/' + hex_of(rule.mark_mask);
  }
  if (!rule.input_device.empty()) out += " iif " + rule.input_device;
  if (!rule.output_device.empty()) out += " oif " + rule.output_device;
  if (rule.action == Type::Unicast) {
    out += " lookup " + name_of_table(rule.table);
  } else {
    out += ' ' + std::string(name_of(rule.action));
  }
  return out;
}

std::span<const Command> rule_commands() {
  return kRuleCommands;
}

}  // namespace linnet::control
