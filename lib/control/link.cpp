// SPDX-License-Identifier: BSD-3-Clause
// `ip link` (iproute2: iplink.c; the kernel's rtnl_newlink and do_setlink).
#include "control/link.hpp"

#include <vector>

#include "control/command.hpp"

namespace linnet::control {
namespace {

struct ShowLink {
  std::string device;  // empty: all
  bool only_up = false;
};

constexpr Clause<ShowLink> kShowClauses[] = {
    {"up",
     [](Cursor&, ShowLink& show) -> Result<> {
       show.only_up = true;
       return Ok{};
     }},
    {"dev", [](Cursor& cursor, ShowLink& show) { return store(show.device, cursor.device()); }},
    {"", [](Cursor& cursor, ShowLink& show) { return store(show.device, cursor.device()); }},
};

std::string link_text(const device::Device& device, const Format& format) {
  if (format.brief) {
    std::string flags;
    for (const std::string& flag : flags_of(device))
      flags += (flags.empty() ? "" : ",") + flag;
    return brief_link_head(device) + device.mac().text() + " <" + flags + "> \n";
  }
  std::string out = link_heading(device, true);
  out += format.line_end();
  out += link_address_line(device, format);
  if (format.statistics > 0) {
    out += format.line_end();
    out += link_statistics(device, format);
  }
  return out + '\n';
}

Result<std::string> show_links(const Context& context, const ShowLink& show, const Format& format) {
  std::string text;
  Json json = Json::array();
  for (const auto& device : context.stack.devices().all()) {
    if (!show.device.empty() && device->name() != show.device) continue;
    if (show.only_up && !device->admin_up()) continue;
    if (format.json) {
      json.push_back(link_json(*device, format, true));
    } else {
      text += link_text(*device, format);
    }
  }
  return format.json ? write_json(json, format) : text;
}

Result<Action> parse_link_show(Cursor& cursor, const Verb& verb, const Format& format) {
  ShowLink show;
  if (auto result = take_clauses<ShowLink>(cursor, verb, kShowClauses, show); !result)
    return result.error();
  return Action{
      [show, format](const Context& context) { return show_links(context, show, format); }};
}

struct SetLink {
  std::string device;
  std::optional<bool> up;
  std::optional<std::uint32_t> mtu;
  std::optional<MacAddress> mac;
  std::optional<bool> promiscuous;
  std::optional<bool> all_multicast;
};

Result<> take_up(Cursor& cursor, SetLink& set, bool up) {
  if (set.up) return cursor.wrong_before("up and down at once", "one of them");
  set.up = up;
  return Ok{};
}

Result<> take_device(Cursor& cursor, SetLink& set) {
  if (!set.device.empty()) return cursor.wrong("a second device", "one device");
  return store(set.device, cursor.device());
}

Result<> take_mtu(Cursor& cursor, SetLink& set) {
  auto bytes = cursor.number(68, 65535);  // RFC 791: a host takes at least 68
  if (!bytes) return bytes.error();
  set.mtu = *bytes;
  return Ok{};
}

Result<> take_mac(Cursor& cursor, SetLink& set) {
  auto mac = cursor.mac();
  if (!mac) return mac.error();
  if (!mac->is_station())
    return cursor.wrong_before("not the address of one station", "a unicast MAC address");
  set.mac = *mac;
  return Ok{};
}

Result<> take_switch(Cursor& cursor, std::optional<bool>& to) {
  auto on = cursor.on_off();
  if (!on) return on.error();
  to = *on;
  return Ok{};
}

constexpr Clause<SetLink> kSetClauses[] = {
    {"dev", take_device},
    {"", take_device},
    {"up", [](Cursor& cursor, SetLink& set) { return take_up(cursor, set, true); }},
    {"down", [](Cursor& cursor, SetLink& set) { return take_up(cursor, set, false); }},
    {"mtu", take_mtu},
    {"address", take_mac},
    {"promisc", [](Cursor& cursor, SetLink& set) { return take_switch(cursor, set.promiscuous); }},
    {"allmulticast",
     [](Cursor& cursor, SetLink& set) { return take_switch(cursor, set.all_multicast); }},
};

// One part of a change, and how it is taken back.
struct Step {
  std::function<Result<>()> act;
  std::function<Result<>()> undo;
};

// In the kernel's order (do_setlink): address, MTU, flags, and the state last.
std::vector<Step> steps_of(const Context& context, const SetLink& set) {
  device::Device& device = context.device(set.device);
  stack::Stack& stack = context.stack;
  std::vector<Step> steps;
  if (set.mac && *set.mac != device.mac()) {
    const auto change = [&context, &device](MacAddress mac) -> Result<> {
      if (auto result = device.set_mac(mac); !result) return result;
      return context.stack.neighbours().device_changed(device.index(),
                                                       neigh::System::DeviceEvent::MacChanged);
    };
    steps.push_back({[=, to = *set.mac] { return change(to); },
                     [=, from = device.mac()] { return change(from); }});
  }
  if (set.mtu && *set.mtu != device.mtu()) {
    steps.push_back({[&, to = *set.mtu] { return stack.set_mtu(device, to); },
                     [&, from = device.mtu()] { return stack.set_mtu(device, from); }});
  }
  if (set.promiscuous && *set.promiscuous != device.promiscuous()) {
    steps.push_back({[&, to = *set.promiscuous] { return device.set_promiscuous(to); },
                     [&, to = !*set.promiscuous] { return device.set_promiscuous(to); }});
  }
  if (set.all_multicast && *set.all_multicast != device.all_multicast()) {
    steps.push_back({[&, to = *set.all_multicast] { return device.set_all_multicast(to); },
                     [&, to = !*set.all_multicast] { return device.set_all_multicast(to); }});
  }
  if (set.up && *set.up != device.admin_up()) {
    steps.push_back({[&, to = *set.up] { return stack.set_link(device, to); }, nullptr});
  }
  return steps;
}

Result<std::string> set_link(const Context& context, const SetLink& set) {
  const std::vector<Step> steps = steps_of(context, set);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto result = steps[i].act();
    if (result) continue;
    // A part that could be set can be set back: the old value was in force a moment ago.
    while (i-- > 0)
      static_cast<void>(steps[i].undo());
    return result.error();
  }
  return std::string{};
}

Result<Action> parse_set(Cursor& cursor, const Verb& verb, const Format&) {
  SetLink set;
  if (auto result = take_clauses<SetLink>(cursor, verb, kSetClauses, set); !result)
    return result.error();
  if (set.device.empty()) return cursor.wrong("", describe(Operand::Device));
  if (!set.up && !set.mtu && !set.mac && !set.promiscuous && !set.all_multicast)
    return cursor.wrong("", "up, down, mtu, address, promisc or allmulticast");
  return Action{[set](const Context& context) { return set_link(context, set); }};
}

constexpr Command kLinkCommands[] = {{"ip link", "set", parse_set},
                                     {"ip link", "show", parse_link_show}};

}  // namespace

std::span<const Command> link_commands() {
  return kLinkCommands;
}

}  // namespace linnet::control
