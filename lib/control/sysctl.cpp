// SPDX-License-Identifier: BSD-3-Clause
// `sysctl` (procps: sysctl.c).
#include "control/sysctl.hpp"

#include <algorithm>

#include "control/command.hpp"

namespace linnet::control {
namespace {

// Every setting without the stack it belongs to: for parsing.
const std::vector<Setting>& all_settings() {
  static ip::Settings ip;
  static neigh::Settings neigh;
  static socket::Settings socket;
  static tcp::Settings tcp;
  static const std::vector<Setting> all = settings_of({ip, neigh, socket, tcp});
  return all;
}

const Setting* find_setting(const std::vector<Setting>& all, std::string_view name) {
  const auto at = std::find_if(all.begin(), all.end(),
                               [name](const Setting& setting) { return setting.name == name; });
  return at != all.end() ? &*at : nullptr;
}

// What a command asks: names to read and values to write, in their order.
struct SysctlQuestion {
  std::string_view name;
  std::optional<SettingValue> value;
};
struct Request {
  bool all = false;
  bool only_values = false;
  bool write = false;
  std::vector<SysctlQuestion> questions;
};

Result<> take_option(Cursor& cursor, Request& request) {
  const std::string& word = cursor.word();
  if (word == "-a" || word == "--all") {
    request.all = true;
  } else if (word == "-n" || word == "--values") {
    request.only_values = true;
  } else if (word == "-w" || word == "--write") {
    request.write = true;
  } else {
    return cursor.wrong("unknown option", "-a, -n, -w or a setting's name");
  }
  cursor.next();
  return Ok{};
}

Result<SettingValue> take_value(const Cursor& cursor, const Setting& setting,
                                std::string_view text) {
  if (setting.read_only()) return cursor.wrong("this setting is only read", "its name alone");
  if (auto value = setting.read(text)) return std::move(*value);
  return cursor.wrong("not a value of this setting", setting.expected());
}

// NAME or NAME=VALUE; slashes stand for dots, as in sysctl(8).
Result<> take_question(Cursor& cursor, Request& request) {
  std::string word = cursor.word();
  const auto equals = word.find('=');
  std::string name = word.substr(0, equals);
  if (name.find('.') == std::string::npos) std::replace(name.begin(), name.end(), '/', '.');
  const Setting* const setting = find_setting(all_settings(), name);
  if (setting == nullptr) return cursor.wrong("no such setting", describe(Operand::Setting));
  SysctlQuestion question{setting->name, std::nullopt};
  if (equals == std::string::npos) {
    if (request.write) return cursor.wrong("nothing to write", word + "=VALUE");
  } else {
    auto value = take_value(cursor, *setting, std::string_view(word).substr(equals + 1));
    if (!value) return value.error();
    question.value = std::move(*value);
  }
  request.questions.push_back(question);
  cursor.next();
  return Ok{};
}

// NAME = VALUE in three words is written as NAME=VALUE in one; both are common in files.
Result<> take_spaced(Cursor& cursor, Request& request) {
  SysctlQuestion& question = request.questions.back();
  cursor.next();  // the equals sign
  const Setting& setting = *find_setting(all_settings(), question.name);
  std::string text;
  for (std::size_t i = 0; i < std::max<std::size_t>(setting.numbers.size(), 1); ++i) {
    if (cursor.done()) return cursor.wrong("", setting.expected());
    text += (i == 0 ? "" : " ") + cursor.word();
    cursor.next();
  }
  auto value = setting.read(text);
  if (!value) return cursor.wrong_before("not a value of this setting", setting.expected());
  question.value = std::move(*value);
  return Ok{};
}

Result<std::string> run_sysctl(const Context& context, const Request& request,
                               const Format& format) {
  const std::vector<Setting> settings = settings_of(context.stack);
  std::string text;
  Json json = Json::object();
  const auto tell = [&](const Setting& setting) {
    if (!request.only_values) text += std::string(setting.name) + " = ";
    text += setting.text() + '\n';
    Json& told = json[std::string(setting.name)];
    if (setting.numbers.size() == 1)
      told = setting.numbers[0].get();
    else
      told = setting.text();
  };
  if (request.all) {
    for (const Setting& setting : settings)
      tell(setting);
  }
  for (const SysctlQuestion& question : request.questions) {
    const Setting& setting = *find_setting(settings, question.name);
    if (question.value) setting.write(*question.value);
    tell(setting);
  }
  return format.json ? write_json(json, format) : text;
}

Result<Action> parse_sysctl(Cursor& cursor, const Verb& verb, const Format& format) {
  Request request;
  while (!cursor.done()) {
    const std::string& word = cursor.word();
    Result<> result{Ok{}};
    if (word.starts_with('-')) {
      result = take_option(cursor, request);
    } else if (word == "=" && !request.write && !request.questions.empty() &&
               !request.questions.back().value) {
      result = take_spaced(cursor, request);
    } else {
      result = take_question(cursor, request);
    }
    if (!result) return result.error();
  }
  if (request.all && !request.questions.empty())
    return cursor.wrong_before("all settings and one of them at once", "-a alone");
  if (!request.all && request.questions.empty()) return cursor.wrong("", describe(verb.first));
  return Action{
      [request, format](const Context& context) { return run_sysctl(context, request, format); }};
}

constexpr Command kSysctlCommands[] = {{"sysctl", "", parse_sysctl}};

}  // namespace

std::span<const Command> sysctl_commands() {
  return kSysctlCommands;
}

}  // namespace linnet::control
