// SPDX-License-Identifier: BSD-3-Clause
// `show`: what the daemon itself has to tell.
#include <rte_version.h>

#include <algorithm>

#include "control/command.hpp"
#include "control/completion.hpp"
#include "control/config.hpp"
#include "control/link.hpp"
#include "stack/lane_state.hpp"

namespace linnet::control {
namespace {

// Rows of a table, each cell as wide as its column's widest.
class Columns {
 public:
  explicit Columns(std::vector<std::string> heads) { rows_.push_back(std::move(heads)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // The first column is aligned left, the others right; the last as it is where `text_last`.
  std::string text(bool text_last = false) const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i)
        widths[i] = std::max(widths[i], row[i].size());
    }
    std::string out;
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        const bool last = i + 1 == row.size();
        if (i > 0) out += "  ";
        if (last && text_last) {
          out += row[i];
        } else {
          out += i == 0 ? left(row[i], widths[i]) : right(std::string_view(row[i]), widths[i]);
        }
      }
      out += '\n';
    }
    return out;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

Result<std::string> show_account(const Context& context, const Format& format) {
  const stack::Account account = context.stack.account();
  const std::pair<const char*, std::uint64_t> lines[] = {
      {"received", account.received}, {"generated", account.generated},
      {"sent", account.sent},         {"delivered", account.delivered},
      {"held", account.held},         {"dropped", account.dropped}};
  if (format.json) {
    Json json;
    for (const auto& [name, count] : lines)
      json[name] = count;
    json["balanced"] = account.balanced();
    return write_json(json, format);
  }
  std::string out;
  for (const auto& [name, count] : lines)
    out += left(name, 10) + right(count, 20) + '\n';
  // While lanes run, a packet may be between two of the counters as they are read.
  out += account.balanced()
             ? "balanced: received + generated = sent + delivered + held + dropped\n"
             : "not balanced at this moment: received + generated differs from sent + delivered + "
               "held + dropped\n";
  return out;
}

Result<std::string> show_drops(const Context& context, const Format& format, bool only_nonzero) {
  Columns columns({"reason", "count", "text"});
  Json json = Json::array();
  for (const auto& [reason, drop] : stack::all_drop_reasons()) {
    const std::uint64_t count = context.stack.dropped(reason);
    if (only_nonzero && count == 0) continue;
    columns.add({drop.name, std::to_string(count), drop.text});
    json.push_back({{"reason", drop.name}, {"count", count}, {"text", drop.text}});
  }
  return format.json ? write_json(json, format) : columns.text(true);
}

std::string hundredths(std::uint64_t numerator, std::uint64_t denominator) {
  if (denominator == 0) return "-";
  const std::uint64_t scaled = numerator * 100 / denominator;
  const std::string rest = std::to_string(scaled % 100);
  return std::to_string(scaled / 100) + '.' + (rest.size() < 2 ? "0" : "") + rest;
}

Result<std::string> show_lanes(const Context& context, const Format& format) {
  Columns columns({"lane", "turns", "busy", "packets", "bursts", "fill", "timers", "handed",
                   "sleeps", "busy ms", "longest us"});
  Json json = Json::array();
  for (unsigned i = 0; i < context.stack.lanes(); ++i) {
    const stack::LaneStatistics& lane = context.stack.lane(i).statistics();
    const auto text = [](const packet::Counter& counter) {
      return std::to_string(counter.value());
    };
    columns.add({std::to_string(i), text(lane.turns), text(lane.busy_turns), text(lane.packets),
                 text(lane.bursts), hundredths(lane.packets.value(), lane.bursts.value()),
                 text(lane.timers),
                 std::to_string(context.stack.lane(i).state().sockets.tcp().handovers()),
                 text(lane.sleeps), std::to_string(lane.busy_ns.value() / 1'000'000),
                 std::to_string(lane.longest_turn_ns.value() / 1'000)});
    json.push_back({{"lane", i},
                    {"turns", lane.turns.value()},
                    {"busy_turns", lane.busy_turns.value()},
                    {"packets", lane.packets.value()},
                    {"bursts", lane.bursts.value()},
                    {"timers", lane.timers.value()},
                    {"handovers", context.stack.lane(i).state().sockets.tcp().handovers()},
                    {"sleeps", lane.sleeps.value()},
                    {"busy_ns", lane.busy_ns.value()},
                    {"longest_turn_ns", lane.longest_turn_ns.value()}});
  }
  return format.json ? write_json(json, format) : columns.text();
}

Result<std::string> show_pools(const Context& context, const Format& format) {
  const packet::Pool& pool = context.stack.pool();
  if (format.json) {
    Json json = Json::array();
    json.push_back({{"name", pool.raw()->name},
                    {"size", pool.size()},
                    {"available", pool.available()},
                    {"in_use", pool.in_use()},
                    {"exhausted", pool.exhausted()},
                    {"data_room", pool.data_room()}});
    return write_json(json, format);
  }
  Columns columns({"pool", "packets", "available", "in use", "failed", "data room"});
  columns.add({pool.raw()->name, std::to_string(pool.size()), std::to_string(pool.available()),
               std::to_string(pool.in_use()), std::to_string(pool.exhausted()),
               std::to_string(pool.data_room())});
  return columns.text();
}

Result<std::string> show_ports(const Context& context, const Format& format) {
  Columns columns({"device", "mtu", "state", "queues", "driver"});
  Json json = Json::array();
  for (const auto& device : context.stack.devices().all()) {
    // Each lane has one queue pair on each device.
    columns.add({device->name(), std::to_string(device->mtu()), std::string(state_of(*device)),
                 std::to_string(context.stack.lanes()), device->driver()});
    json.push_back({{"name", device->name()},
                    {"mtu", device->mtu()},
                    {"state", state_of(*device)},
                    {"queues", context.stack.lanes()},
                    {"driver", device->driver()}});
  }
  return format.json ? write_json(json, format) : columns.text(true);
}

Result<std::string> show_version(const Context&, const Format& format) {
  if (format.json)
    return write_json(Json{{"linnet", LINNET_VERSION}, {"dpdk", rte_version()}}, format);
  return std::string("Linnet " LINNET_VERSION ", ") + rte_version() + '\n';
}

Result<std::string> show_config(const Context& context, const Format& format) {
  const std::vector<std::string> lines = configuration_of(context);
  return format.json ? write_json(Json(lines), format) : lines_of(lines);
}

using Show = Result<std::string> (*)(const Context& context, const Format& format);

template <Show Tell>
Result<Action> parse(Cursor& cursor, const Verb& verb, const Format& format) {
  if (!cursor.done()) return unknown_word(cursor, verb);
  return Action{[format](const Context& context) { return Tell(context, format); }};
}

constexpr Clause<bool> kDropClauses[] = {{"nonzero", [](Cursor&, bool& only_nonzero) -> Result<> {
                                            only_nonzero = true;
                                            return Ok{};
                                          }}};

Result<Action> parse_drops(Cursor& cursor, const Verb& verb, const Format& format) {
  bool only_nonzero = false;
  if (auto result = take_clauses<bool>(cursor, verb, kDropClauses, only_nonzero); !result)
    return result.error();
  return Action{[only_nonzero, format](const Context& context) {
    return show_drops(context, format, only_nonzero);
  }};
}

Result<Action> parse_help(Cursor& cursor, const Verb&, const Format&) {
  std::string title;
  if (!cursor.done()) {
    std::string_view root;
    if (cursor.word() == "ip") {
      root = "ip";
      cursor.next();
    }
    const Group* group = cursor.done() ? nullptr : find_group(root, cursor.word());
    if (!cursor.done() || root.empty()) {
      if (group == nullptr) return cursor.wrong("unknown command", "a command that help lists");
      title = group->title();
      cursor.next();
    }
    if (!cursor.done()) return cursor.wrong("unknown word", "the end of the command");
  }
  return Action{[title](const Context&) -> Result<std::string> { return usage_of(title); }};
}

constexpr Command kShowCommands[] = {
    {"show", "account", parse<show_account>}, {"show", "drops", parse_drops},
    {"show", "lanes", parse<show_lanes>},     {"show", "pools", parse<show_pools>},
    {"show", "ports", parse<show_ports>},     {"show", "config", parse<show_config>},
    {"show", "version", parse<show_version>}};
constexpr Command kHelpCommands[] = {{"help", "", parse_help}};

}  // namespace

std::span<const Command> show_commands() {
  return kShowCommands;
}

std::span<const Command> help_commands() {
  return kHelpCommands;
}

}  // namespace linnet::control
