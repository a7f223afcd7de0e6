// SPDX-License-Identifier: BSD-3-Clause
// `ip route get` (iproute2: iproute.c iproute_get; the kernel's inet_rtm_getroute).
#include "control/command.hpp"
#include "control/route_commands.hpp"
#include "control/route_text.hpp"

namespace linnet::control {
namespace {

using route::Type;

struct RouteQuestion {
  std::optional<Ipv4Address> destination;
  std::optional<Ipv4Address> source;
  std::string input_device;
  std::string output_device;
  std::uint32_t mark = 0;
  std::uint8_t tos = 0;
};

Result<> take_destination(Cursor& cursor, RouteQuestion& question) {
  if (question.destination) return cursor.wrong("a second address", "one address");
  auto address = cursor.address();
  if (!address) return address.error();
  question.destination = *address;
  return Ok{};
}

constexpr Clause<RouteQuestion> kRouteGetClauses[] = {
    {"to", take_destination},
    {"", take_destination},
    {"from",
     [](Cursor& c, RouteQuestion& question) -> Result<> {
       auto address = c.address();
       if (!address) return address.error();
       question.source = *address;
       return Ok{};
     }},
    {"iif",
     [](Cursor& c, RouteQuestion& question) { return store(question.input_device, c.device()); }},
    {"oif",
     [](Cursor& c, RouteQuestion& question) { return store(question.output_device, c.device()); }},
    {"mark", [](Cursor& c,
                RouteQuestion& question) { return store(question.mark, c.number(0, 0xffffffff)); }},
    {"tos", [](Cursor& c, RouteQuestion& question) { return store(question.tos, c.tos()); }},
};

// One answer, ready to be written.
struct Told {
  Type type = Type::Unicast;
  std::string device;
  std::optional<Ipv4Address> gateway;
  Ipv4Address source;  // any: the question named one
  std::uint32_t table = route::kTableMain;
  std::uint16_t mtu = 0;
};

std::vector<std::string> cache_flags(Type type) {
  if (type == Type::Local) return {"local"};
  if (type == Type::Broadcast) return {"local", "brd"};
  return {};
}

std::string text_of(const Told& told, const RouteQuestion& question, const Format& format) {
  std::string out;
  if (told.type != Type::Unicast) out += std::string(name_of(told.type)) + ' ';
  out += question.destination->text() + ' ';
  if (question.source) out += "from " + question.source->text() + ' ';
  if (told.gateway) out += "via " + told.gateway->text() + ' ';
  out += "dev " + told.device + ' ';
  if (told.table != route::kTableMain) out += "table " + name_of_table(told.table) + ' ';
  if (!told.source.is_any()) out += "src " + told.source.text() + ' ';
  if (question.mark != 0) out += "mark " + std::to_string(question.mark) + ' ';
  out += format.line_end();
  out += "    cache ";
  std::string flags;
  for (const std::string& flag : cache_flags(told.type))
    flags += (flags.empty() ? "" : ",") + flag;
  if (!flags.empty()) out += '<' + flags + "> ";
  if (told.mtu != 0) out += "mtu " + std::to_string(told.mtu) + ' ';
  if (!question.input_device.empty()) out += "iif " + question.input_device + ' ';
  return out + '\n';
}

Json json_of(const Told& told, const RouteQuestion& question) {
  Json json;
  if (told.type != Type::Unicast) json["type"] = name_of(told.type);
  json["dst"] = question.destination->text();
  if (question.source) json["from"] = question.source->text();
  if (told.gateway) json["gateway"] = told.gateway->text();
  json["dev"] = told.device;
  if (told.table != route::kTableMain) json["table"] = name_of_table(told.table);
  if (!told.source.is_any()) json["prefsrc"] = told.source.text();
  if (question.mark != 0) json["mark"] = question.mark;
  json["flags"] = Json::array();
  json["cache"] = cache_flags(told.type);
  if (told.mtu != 0) json["metrics"] = Json::array({Json{{"mtu", told.mtu}}});
  if (!question.input_device.empty()) json["iif"] = question.input_device;
  return json;
}

Told tell(const Context& context, const RouteQuestion& question,
          const route::Tables::Answer& answer) {
  Told told;
  told.type = answer.route.type;
  told.gateway = answer.hop.gateway;
  told.table = answer.route.table;
  told.mtu = answer.route.mtu;
  const std::uint16_t device = answer.hop.device.value_or(0);
  // Linux: what is for this host goes by the loopback device.
  told.device = context.name(told.type == Type::Local ? 0 : device);
  if (question.source) return told;
  if (answer.route.source) {
    told.source = *answer.route.source;
  } else {
    told.source = context.stack.addresses().source_for(
        device, told.gateway.value_or(*question.destination), route::Scope::Link);
  }
  return told;
}

Result<std::string> get_route(const Context& context, const RouteQuestion& question,
                              const Format& format) {
  route::Key key;
  key.destination = *question.destination;
  key.source = question.source.value_or(Ipv4Address{});
  key.tos = question.tos;
  key.mark = question.mark;
  if (!question.input_device.empty()) key.input_device = context.index(question.input_device);
  if (!question.output_device.empty()) key.output_device = context.index(question.output_device);
  const auto answer = context.stack.routes().get(key);
  if (!answer) return answer.error();
  const Told told = tell(context, question, *answer);
  if (!format.json) return text_of(told, question, format);
  return write_json(Json::array({json_of(told, question)}), format);
}

}  // namespace

Result<Action> parse_route_get(Cursor& cursor, const Verb& verb, const Format& format) {
  RouteQuestion question;
  if (auto result = take_clauses<RouteQuestion>(cursor, verb, kRouteGetClauses, question); !result)
    return result.error();
  if (!question.destination) return cursor.wrong("", describe(Operand::Address));
  return Action{
      [question, format](const Context& context) { return get_route(context, question, format); }};
}

}  // namespace linnet::control
