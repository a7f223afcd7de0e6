// SPDX-License-Identifier: BSD-3-Clause
// `ip tcp_metrics` (iproute2: ip/tcp_metrics.c).
#include "control/command.hpp"
#include "socket/system.hpp"

namespace linnet::control {
namespace {

Result<Action> parse_flush(Cursor& cursor, const Verb&, const Format&) {
  if (!cursor.done() && cursor.word() == "all") cursor.next();
  if (!cursor.done()) return cursor.wrong("unknown word", "all or nothing");
  return Action{[](const Context& context) -> Result<std::string> {
    tcp::Setting& flushes = context.stack.sockets().tcp_settings.metrics_flushes;
    flushes = flushes + 1;
    return std::string{};
  }};
}

constexpr Command kCommands[] = {{"ip tcp_metrics", "flush", parse_flush}};

}  // namespace

std::span<const Command> metrics_commands() {
  return kCommands;
}

}  // namespace linnet::control
