// SPDX-License-Identifier: BSD-3-Clause
#include "control/execute.hpp"

#include <algorithm>
#include <fstream>

#include "control/command.hpp"
#include "control/completion.hpp"
#include "control/words.hpp"

namespace linnet::control {
namespace {

// A command that was read without a fault.
struct Parsed {
  Action action;
  std::vector<DeviceWord> devices;
};

void apply_option(std::string_view name, Format& format) {
  if (name == "-s") ++format.statistics;
  if (name == "-d") format.details = true;
  if (name == "-j") format.json = true;
  if (name == "-p") format.pretty = true;
  if (name == "-br") format.brief = true;
  if (name == "-o") format.oneline = true;
  if (name == "-4") format.only_ipv4 = true;
}

Result<> take_options(Cursor& cursor, Format& format) {
  while (!cursor.done() && cursor.word().starts_with('-')) {
    const OptionInfo* option = find_option(cursor.word());
    if (option == nullptr) {
      std::string expected;
      for (const OptionInfo& each : options()) {
        if (!expected.empty()) expected += ", ";
        expected += each.name;
      }
      return cursor.wrong("unknown option", expected + " or a command");
    }
    apply_option(option->name, format);
    cursor.next();
  }
  return Ok{};
}

std::string names_of_groups(std::string_view root) {
  std::string names = root.empty() ? "ip" : "";
  for (const Group& group : groups()) {
    if (group.root != root) continue;
    if (!names.empty()) names += ", ";
    names += group.name;
  }
  return names;
}

// The group that the first words name; the cursor stands behind them.
Result<const Group*> take_group(Cursor& cursor, Format& format) {
  if (auto result = take_options(cursor, format); !result) return result.error();
  std::string_view root;
  if (!cursor.done() && cursor.word() == "ip") {
    root = "ip";
    cursor.next();
    if (auto result = take_options(cursor, format); !result) return result.error();
  }
  const Group* group = cursor.done() ? nullptr : find_group(root, cursor.word());
  if (group == nullptr && root == "ip" && !cursor.done() && abbreviates(cursor.word(), "help"))
    group = find_group("", "help");
  if (group == nullptr) return cursor.wrong("unknown command", names_of_groups(root));
  cursor.next();
  return group;
}

Result<const Verb*> take_verb(Cursor& cursor, const Group& group) {
  if (group.verbs.front().name.empty()) return &group.verbs.front();
  if (cursor.done() && !group.default_verb.empty()) return find_verb(group, group.default_verb);
  const Verb* verb = cursor.done() ? nullptr : find_verb(group, cursor.word());
  if (verb == nullptr) {
    std::string names;
    for (const Verb& each : group.verbs)
      names += std::string(each.name) + ", ";
    return cursor.wrong("unknown command", names + "help");
  }
  cursor.next();
  return verb;
}

Result<Parsed> parse(std::span<const std::string> words) {
  Cursor cursor(words);
  Format format;
  const auto group = take_group(cursor, format);
  if (!group) return group.error();
  if ((*group)->name == "show") {
    if (auto result = take_options(cursor, format); !result) return result.error();
  }
  const bool wants_help = !cursor.done() && cursor.word() == "help" && (*group)->name != "help";
  if (wants_help && cursor.position() + 1 == static_cast<int>(words.size())) {
    return Parsed{[title = (*group)->title()](const Context&) -> Result<std::string> {
                    return usage_of(title);
                  },
                  {}};
  }
  const auto verb = take_verb(cursor, **group);
  if (!verb) return verb.error();
  const auto action = parser_of(**group, **verb)(cursor, **verb, format);
  if (!action) return action.error();
  return Parsed{*action, cursor.devices()};
}

Error no_device(const DeviceWord& device) {
  return Error{"there is no such device", device.name, device.position,
               "a device that `ip link` lists"};
}

// Gives an error that the stack put about a word the word's place in the command.
Error placed(Error error, std::span<const std::string> words) {
  if (error.position < 0 && !error.word.empty()) {
    const auto at = std::find(words.begin(), words.end(), error.word);
    if (at != words.end()) error.position = static_cast<int>(at - words.begin());
  }
  return error;
}

Reply failure(int code, const Error& error) {
  return Reply{code, "", "Error: " + error.text() + ".\n"};
}

Error in_file(const std::string& path, int line, const Error& error) {
  Error out = error;
  out.message = path + ':' + std::to_string(line) + ": " + error.message;
  return out;
}

// Reads the lines of a file that hold words and gives each to `take`, until one fails.
template <typename Take>
Result<> for_each_line(const std::string& path, Take take) {
  std::ifstream file(path);
  if (!file) return Error{"the file of commands cannot be read", path};
  std::string text;
  for (int number = 1; std::getline(file, text); ++number) {
    const auto words = split_words(text);
    if (!words) return in_file(path, number, words.error());
    if (words->empty()) continue;
    if (auto result = take(*words); !result) return in_file(path, number, result.error());
  }
  if (file.bad()) return Error{"the file of commands cannot be read to its end", path};
  return Ok{};
}

Result<std::string> run(const Parsed& parsed, const Context& context,
                        std::span<const std::string> words) {
  auto result = parsed.action(context);
  if (!result) return placed(result.error(), words);
  return result;
}

Result<Parsed> parse_here(stack::Stack& stack, std::span<const std::string> words) {
  auto parsed = parse(words);
  if (!parsed) return parsed;
  for (const DeviceWord& device : parsed->devices) {
    if (stack.devices().find(device.name) == nullptr) return no_device(device);
  }
  return parsed;
}

}  // namespace

std::string Context::name(std::uint16_t index) const {
  const device::Device* device = stack.devices().at(index);
  return device == nullptr ? "if" + std::to_string(index + 1) : device->name();
}

Parser parser_of(const Group& group, const Verb& verb) {
  const std::string title = group.title();
  for (const auto& commands :
       {link_commands(), address_commands(), route_commands(), rule_commands(),
        neighbour_commands(), metrics_commands(), sysctl_commands(), show_commands(),
        socket_commands(), help_commands()}) {
    for (const Command& command : commands) {
      if (command.group == title && command.verb == verb.name) return command.parse;
    }
  }
  return nullptr;
}

Reply execute(stack::Stack& stack, time::Instant now, std::span<const std::string> words) {
  if (words.empty()) return Reply{};
  if (words.front() == kCompleteWord) {
    std::vector<std::string> devices;
    for (const auto& device : stack.devices().all())
      devices.push_back(device->name());
    return Reply{kExitOk, lines_of(complete(words.subspan(1), devices)), ""};
  }
  const auto parsed = parse_here(stack, words);
  if (!parsed) return failure(kExitUsage, parsed.error());
  auto text = run(*parsed, Context{stack, now}, words);
  if (!text) return failure(kExitRefused, text.error());
  return Reply{kExitOk, std::move(text).value(), ""};
}

Reply execute(stack::Stack& stack, time::Instant now, std::string_view line) {
  const auto words = split_words(line);
  if (!words) return failure(kExitUsage, words.error());
  return execute(stack, now, *words);
}

Result<> check(std::span<const std::string> words,
               const std::optional<std::vector<std::string>>& devices) {
  const auto parsed = parse(words);
  if (!parsed) return parsed.error();
  if (!devices) return Ok{};
  for (const DeviceWord& device : parsed->devices) {
    if (std::find(devices->begin(), devices->end(), device.name) == devices->end())
      return no_device(device);
  }
  return Ok{};
}

Result<> run_file(stack::Stack& stack, time::Instant now, const std::string& path) {
  return for_each_line(path, [&](const std::vector<std::string>& words) -> Result<> {
    const auto parsed = parse_here(stack, words);
    if (!parsed) return parsed.error();
    const auto text = run(*parsed, Context{stack, now}, words);
    if (!text) return text.error();
    return Ok{};
  });
}

Result<> check_file(const std::string& path,
                    const std::optional<std::vector<std::string>>& devices) {
  return for_each_line(
      path, [&](const std::vector<std::string>& words) { return check(words, devices); });
}

}  // namespace linnet::control
