// SPDX-License-Identifier: BSD-3-Clause
// What a command is between its words and its deed.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "control/catalog.hpp"
#include "control/grammar.hpp"
#include "control/output.hpp"
#include "stack/stack.hpp"
#include "time/instant.hpp"

namespace linnet::control {

// What an action works on. All devices that the command names exist.
struct Context {
  stack::Stack& stack;
  time::Instant now;

  device::Device& device(const std::string& name) const { return *stack.devices().find(name); }
  std::uint16_t index(const std::string& name) const { return device(name).index(); }
  // The name of a device by its index.
  std::string name(std::uint16_t index) const;
};

// The deed of a command that was read without a fault. What it returns goes to standard output; an
// error is the stack's refusal, and nothing has changed.
using Action = std::function<Result<std::string>(const Context&)>;

// Reads the words behind a verb to the end.
using Parser = Result<Action> (*)(Cursor& cursor, const Verb& verb, const Format& format);

struct Command {
  std::string_view group;  // its title: "ip link"
  std::string_view verb;
  Parser parse;
};

// The parsers of each room of commands.
std::span<const Command> link_commands();
std::span<const Command> address_commands();
std::span<const Command> route_commands();
std::span<const Command> rule_commands();
std::span<const Command> neighbour_commands();
std::span<const Command> metrics_commands();
std::span<const Command> sysctl_commands();
std::span<const Command> show_commands();
std::span<const Command> socket_commands();
std::span<const Command> help_commands();

// The parser of a verb of the catalog.
Parser parser_of(const Group& group, const Verb& verb);

}  // namespace linnet::control
