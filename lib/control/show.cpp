// SPDX-License-Identifier: BSD-3-Clause
// `show`: what the daemon itself has to tell.
#include <rte_cycles.h>
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

// How far a device's own spreading can be trusted to bring packets to the lane that owns their
// flow: what it says, and what was measured.
struct Trust {
  bool trusted = false;
  std::string why{};
  std::uint64_t owned = 0, elsewhere = 0;
};

Trust trust_in(const device::Device& device, unsigned lanes) {
  constexpr std::uint64_t kEnough = 1000, kRight = 99;  // packets; percent of them
  Trust out;
  for (unsigned i = 0; i < lanes; ++i) {
    out.owned += device.counters(i).rx_owned.value();
    out.elsewhere += device.counters(i).rx_elsewhere.value();
  }
  const std::uint64_t measured = out.owned + out.elsewhere;
  const device::Spreading spreading = device.spreading();
  if (lanes == 1) {
    out.trusted = true;
    out.why = "there is one lane";
  } else if (measured < kEnough) {
    out.why = !spreading.why.empty() ? spreading.why : "too few packets for us were seen";
  } else if (out.owned * 100 >= measured * kRight) {
    out.trusted = true;
    out.why = "packets come to the lane that owns their flow";
  } else {
    out.why = (spreading.why.empty() ? std::string() : spreading.why + "; ") +
              std::to_string(out.elsewhere * 100 / measured) +
              " % came to another lane than their flow's, and were handed over";
  }
  return out;
}

// Loopback brings a packet back to the lane that sent it: there is nothing to spread.
template <typename Tell>
void each_spreading(const Context& context, Tell&& tell) {
  for (const auto& device : context.stack.devices().all()) {
    if (!device->loopback()) tell(*device, trust_in(*device, context.stack.lanes()));
  }
}

// How the ports' frames came to the lane.
Json ports_of(const Context& context, unsigned lane) {
  Json json = Json::array();
  each_spreading(context, [&](const device::Device& device, const Trust& trust) {
    const device::Spreading spreading = device.spreading();
    json.push_back({{"name", device.name()},
                    {"queues", spreading.queues},
                    {"by_hash", spreading.by_hash},
                    {"owned", device.counters(lane).rx_owned.value()},
                    {"elsewhere", device.counters(lane).rx_elsewhere.value()},
                    {"trusted", trust.trusted},
                    {"why", trust.why}});
  });
  return json;
}

// Of busy turns, by the time stamp counter's frequency; 0 where that is not known.
std::uint64_t cycles_a_packet(const stack::LaneStatistics& lane) {
  if (lane.packets.value() == 0) return 0;
  const double cycles = static_cast<double>(lane.busy_ns.value()) *
                        static_cast<double>(rte_get_tsc_hz()) / 1'000'000'000;
  return static_cast<std::uint64_t>(cycles / static_cast<double>(lane.packets.value()));
}

Json lane_as_json(const Context& context, unsigned i) {
  const stack::LaneStatistics& lane = context.stack.lane(i).statistics();
  return {{"lane", i},
          {"turns", lane.turns.value()},
          {"busy_turns", lane.busy_turns.value()},
          {"packets", lane.packets.value()},
          {"bursts", lane.bursts.value()},
          {"timers", lane.timers.value()},
          {"handovers", context.stack.lane(i).state().sockets.handovers()},
          {"joined", context.stack.lane(i).state().sockets.tcp().joined()},
          {"bad_requests", context.stack.lane(i).state().sockets.bad_requests()},
          {"sleeps", lane.sleeps.value()},
          {"busy_ns", lane.busy_ns.value()},
          {"ns", lane.ns.value()},
          {"cycles_a_packet", cycles_a_packet(lane)},
          {"longest_turn_ns", lane.longest_turn_ns.value()},
          {"stalls", lane.stalls.value()},
          {"ports", ports_of(context, i)}};
}

Result<std::string> show_lanes(const Context& context, const Format& format) {
  if (format.json) {
    Json json = Json::array();
    for (unsigned i = 0; i < context.stack.lanes(); ++i)
      json.push_back(lane_as_json(context, i));
    return write_json(json, format);
  }
  Columns columns({"lane", "turns", "busy", "packets", "bursts", "fill", "timers", "handed",
                   "joined", "bad requests", "sleeps", "busy ms", "busy %", "cycles/packet",
                   "longest us", "stalls"});
  for (unsigned i = 0; i < context.stack.lanes(); ++i) {
    const stack::LaneStatistics& lane = context.stack.lane(i).statistics();
    const auto text = [](const packet::Counter& counter) {
      return std::to_string(counter.value());
    };
    const std::uint64_t cycles = cycles_a_packet(lane);
    socket::LaneSockets& sockets = context.stack.lane(i).state().sockets;
    columns.add({std::to_string(i), text(lane.turns), text(lane.busy_turns), text(lane.packets),
                 text(lane.bursts), hundredths(lane.packets.value(), lane.bursts.value()),
                 text(lane.timers), std::to_string(sockets.handovers()),
                 std::to_string(sockets.tcp().joined()), std::to_string(sockets.bad_requests()),
                 text(lane.sleeps), std::to_string(lane.busy_ns.value() / 1'000'000),
                 hundredths(lane.busy_ns.value(), lane.ns.value() / 100),
                 cycles == 0 ? "-" : std::to_string(cycles),
                 std::to_string(lane.longest_turn_ns.value() / 1'000), text(lane.stalls)});
  }
  Columns ports({"port", "queues", "spread", "owned", "elsewhere", "trusted", "why"});
  each_spreading(context, [&](const device::Device& device, const Trust& trust) {
    const device::Spreading spreading = device.spreading();
    ports.add({device.name(), std::to_string(spreading.queues), spreading.by_hash ? "hash" : "-",
               std::to_string(trust.owned), std::to_string(trust.elsewhere),
               trust.trusted ? "yes" : "no", trust.why});
  });
  return columns.text() + '\n' + ports.text(true);
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
Result<Action> parse_own_show(Cursor& cursor, const Verb& verb, const Format& format) {
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

constexpr Command kShowCommands[] = {{"show", "account", parse_own_show<show_account>},
                                     {"show", "drops", parse_drops},
                                     {"show", "lanes", parse_own_show<show_lanes>},
                                     {"show", "pools", parse_own_show<show_pools>},
                                     {"show", "ports", parse_own_show<show_ports>},
                                     {"show", "config", parse_own_show<show_config>},
                                     {"show", "version", parse_own_show<show_version>}};
constexpr Command kHelpCommands[] = {{"help", "", parse_help}};

}  // namespace

std::span<const Command> show_commands() {
  return kShowCommands;
}

std::span<const Command> help_commands() {
  return kHelpCommands;
}

}  // namespace linnet::control
