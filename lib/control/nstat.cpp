// SPDX-License-Identifier: BSD-3-Clause
// `nstat` (iproute2: misc/nstat.c).
#include "control/ss.hpp"
#include "socket/lane_sockets.hpp"
#include "stack/lane_state.hpp"

namespace linnet::control {
namespace {

struct NstatRequest {
  bool zeros = false;
};

using Named = std::vector<std::pair<std::string, std::uint64_t>>;

// One room's counters of all lanes added up: `value(lane, number)` of each name.
template <std::size_t kNames, typename Value>
void add_up(const Context& context, const packet::CounterName (&names)[kNames], Named& out,
            Value&& value) {
  for (std::size_t i = 0; i < kNames; ++i) {
    std::uint64_t sum = 0;
    for (unsigned lane = 0; lane < context.stack.lanes(); ++lane)
      sum += value(context.stack.lane(lane).state(), i);
    out.emplace_back(std::string(names[i].group) + std::string(names[i].name), sum);
  }
}

// Every lane's counters added up, by Linux's names.
Named counters_of(const Context& context) {
  Named out;
  add_up(context, ip::kCounterNames, out, [](stack::LaneState& lane, std::size_t i) {
    const auto which = static_cast<ip::Count>(i);
    return lane.input.counters().value(which) + lane.output.counters().value(which) +
           lane.reassembly.counters().value(which);
  });
  add_up(context, udp::kCounterNames, out, [](stack::LaneState& lane, std::size_t i) {
    return lane.sockets.udp().counters().value(static_cast<udp::Count>(i));
  });
  add_up(context, tcp::kCounterNames, out, [](stack::LaneState& lane, std::size_t i) {
    return lane.sockets.tcp_counters().value(static_cast<tcp::Count>(i));
  });
  // What Linux counts as an event is a drop by name here.
  for (const auto& [reason, drop] : stack::all_drop_reasons()) {
    if (std::string_view(drop.name) == "ip.ReversePath")
      out.emplace_back("TcpExtIPReversePathFilter", context.stack.dropped(reason));
    if (std::string_view(drop.name) == "ip.BadChecksum")
      out.emplace_back("IpExtInCsumErrors", context.stack.dropped(reason));
  }
  return out;
}

Result<std::string> run_nstat(const Context& context, const NstatRequest& request,
                              const Format& format) {
  Json json = Json::object();
  std::string out = "#linnet\n";
  for (const auto& [name, value] : counters_of(context)) {
    if (value == 0 && !request.zeros) continue;
    json[name] = value;
    out += left(name, 32) + left(std::to_string(value), 19) + "0.0\n";
  }
  if (!format.json) return out;
  Json whole;
  whole["linnet"] = json;
  return write_json(whole, format);
}

}  // namespace

Result<Action> parse_nstat(Cursor& cursor, const Verb& verb, const Format& format) {
  NstatRequest request;
  for (; !cursor.done(); cursor.next()) {
    for (const char letter : cursor.word()) {
      if (letter == 'z')
        request.zeros = true;
      else if (letter != '-' && letter != 'a' && letter != 's')
        return unknown_word(cursor, verb);
    }
  }
  return Action{
      [request, format](const Context& context) { return run_nstat(context, request, format); }};
}

}  // namespace linnet::control
