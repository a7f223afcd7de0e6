// SPDX-License-Identifier: BSD-3-Clause
#include "control/grammar.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace linnet::control {
namespace {

// 10/8 is 10.0.0.0/8 (iproute2: get_addr_ipv4).
std::string with_all_octets(const std::string& prefix) {
  const std::size_t slash = prefix.find('/');
  const auto dots = std::count(prefix.begin(), prefix.end(), '.');
  if (slash == std::string::npos || slash == 0 || dots > 2) return prefix;
  std::string out = prefix;
  for (auto missing = 3 - dots; missing > 0; --missing)
    out.insert(slash, ".0");
  return out;
}

template <typename Number>
struct Named {
  std::string_view name;
  Number number;
};

// iproute2's rt_scopes and rt_protos.
constexpr Named<route::Scope> kScopes[] = {
    {"global", route::Scope::Universe}, {"universe", route::Scope::Universe},
    {"site", route::Scope::Site},       {"link", route::Scope::Link},
    {"host", route::Scope::Host},       {"nowhere", route::Scope::Nowhere}};
constexpr Named<std::uint8_t> kProtocols[] = {
    {"unspec", 0},    {"redirect", 1}, {"kernel", 2}, {"boot", 3},   {"static", 4},
    {"gated", 8},     {"ra", 9},       {"mrt", 10},   {"zebra", 11}, {"bird", 12},
    {"dnrouted", 13}, {"xorp", 14},    {"ntk", 15},   {"dhcp", 16},  {"babel", 42},
    {"bgp", 186},     {"isis", 187},   {"ospf", 188}, {"rip", 189},  {"eigrp", 192}};
constexpr Named<route::Type> kTypes[] = {{"unicast", route::Type::Unicast},
                                         {"local", route::Type::Local},
                                         {"broadcast", route::Type::Broadcast},
                                         {"brd", route::Type::Broadcast},
                                         {"multicast", route::Type::Multicast},
                                         {"blackhole", route::Type::Blackhole},
                                         {"unreachable", route::Type::Unreachable},
                                         {"prohibit", route::Type::Prohibit},
                                         {"throw", route::Type::Throw}};
constexpr Named<std::uint32_t> kTables[] = {
    {"local", route::kTableLocal}, {"main", route::kTableMain}, {"default", route::kTableDefault}};
constexpr Named<neigh::Nud> kNudStates[] = {
    {"none", neigh::Nud::None},           {"incomplete", neigh::Nud::Incomplete},
    {"reachable", neigh::Nud::Reachable}, {"stale", neigh::Nud::Stale},
    {"delay", neigh::Nud::Delay},         {"probe", neigh::Nud::Probe},
    {"failed", neigh::Nud::Failed},       {"permanent", neigh::Nud::Permanent},
    {"noarp", neigh::Nud::NoArp}};

template <typename Number, std::size_t N>
const Number* number_of(const Named<Number> (&names)[N], std::string_view name) {
  for (const auto& entry : names) {
    if (entry.name == name) return &entry.number;
  }
  return nullptr;
}

template <typename Number, std::size_t N>
std::string_view first_name(const Named<Number> (&names)[N], Number number) {
  for (const auto& entry : names) {
    if (entry.number == number) return entry.name;
  }
  return {};
}

std::optional<std::uint32_t> parse_digits(std::string_view text, int base) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::uint32_t> parse_number(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) return parse_digits(text.substr(2), 16);
  return parse_digits(text, 10);
}

Error Cursor::wrong(std::string_view message, std::string_view expected) const {
  if (!done()) {
    Error error{std::string(message), word(), position(), std::string(expected)};
    if (word().empty()) error.message += ": \"\" (word " + std::to_string(at_ + 1) + ")";
    return error;
  }
  std::string text = "the command is not complete";
  if (!words_.empty()) {
    text += ": a word is missing after \"" + words_.back() + "\" (word " +
            std::to_string(words_.size()) + ")";
  }
  return Error{std::move(text), "", position(), std::string(expected)};
}

Error Cursor::wrong_before(std::string_view message, std::string_view expected) const {
  Cursor before = *this;
  --before.at_;
  return before.wrong(message, expected);
}

Result<std::string> Cursor::name(std::string_view expected) {
  if (done() || word().empty()) return wrong("a word of no letters", expected);
  return words_[at_++];
}

Result<std::string> Cursor::device() {
  const std::string_view expected = describe(Operand::Device);
  if (done()) return wrong("", expected);
  const std::string& text = word();
  if (text.empty() || text.size() > 15 || text.find_first_of(" /\t\n:") != std::string::npos)
    return wrong("not a device's name", expected);
  devices_.push_back(DeviceWord{text, position()});
  next();
  return text;
}

Result<Ipv4Address> Cursor::address() {
  const auto parsed = done() ? std::nullopt : Ipv4Address::parse(word());
  if (!parsed) return wrong("not an address", describe(Operand::Address));
  next();
  return *parsed;
}

Result<Ipv4Prefix> Cursor::prefix() {
  if (!done() && (word() == "any" || word() == "all")) {
    next();
    return Ipv4Prefix{};
  }
  const std::string text = done() ? std::string() : with_all_octets(word());
  if (!done()) {
    const auto loose = Ipv4Interface::parse(text);
    if (loose && loose->prefix().address() != loose->address) {
      return wrong("the prefix has bits behind its length",
                   "something like " + loose->prefix().text());
    }
  }
  const auto parsed = Ipv4Prefix::parse(text);
  if (!parsed) return wrong("not a prefix", describe(Operand::Prefix));
  next();
  return *parsed;
}

Result<Ipv4Interface> Cursor::interface() {
  const auto parsed = done() ? std::nullopt : Ipv4Interface::parse(word());
  if (!parsed) return wrong("not an address", describe(Operand::Interface));
  next();
  return *parsed;
}

Result<MacAddress> Cursor::mac() {
  const auto parsed = done() ? std::nullopt : MacAddress::parse(word());
  if (!parsed) return wrong("not a MAC address", describe(Operand::Mac));
  next();
  return *parsed;
}

Result<std::uint32_t> Cursor::number(std::uint32_t least, std::uint32_t most) {
  const auto parsed = done() ? std::nullopt : parse_number(word());
  if (!parsed || *parsed < least || *parsed > most) {
    return wrong(parsed ? "the number is out of range" : "not a number",
                 "a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  next();
  return *parsed;
}

Result<std::uint8_t> Cursor::tos() {
  std::string_view text = done() ? std::string_view{} : std::string_view(word());
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  const auto parsed = parse_digits(text, 16);
  if (!parsed || *parsed > 255) return wrong("not a type of service", "0x00 to 0xff");
  next();
  return static_cast<std::uint8_t>(*parsed);
}

Result<bool> Cursor::on_off() {
  if (done() || (word() != "on" && word() != "off"))
    return wrong("neither on nor off", describe(Operand::OnOff));
  return words_[at_++] == "on";
}

Result<route::Scope> Cursor::scope() {
  if (!done()) {
    const auto* named = number_of(kScopes, word());
    const auto number = parse_number(word());
    if (named != nullptr || (number && *number <= 255)) {
      next();
      return named != nullptr ? *named : static_cast<route::Scope>(*number);
    }
  }
  return wrong("not a scope", describe(Operand::Scope));
}

Result<route::Protocol> Cursor::protocol() {
  if (!done()) {
    const auto* named = number_of(kProtocols, word());
    const auto number = parse_number(word());
    if (named != nullptr || (number && *number <= 255)) {
      next();
      return static_cast<route::Protocol>(named != nullptr ? *named : *number);
    }
  }
  return wrong("not a routing protocol", describe(Operand::Protocol));
}

Result<route::Type> Cursor::route_type() {
  const auto* named = done() ? nullptr : number_of(kTypes, word());
  if (named == nullptr) return wrong("not a type of route", describe(Operand::RouteType));
  next();
  return *named;
}

Result<std::uint32_t> Cursor::table() {
  if (!done()) {
    const auto* named = number_of(kTables, word());
    const auto number = parse_number(word());
    if (named != nullptr || (number && *number != 0)) {
      next();
      return named != nullptr ? *named : *number;
    }
  }
  return wrong("not a table", describe(Operand::Table));
}

Result<std::uint32_t> Cursor::table_or_all() {
  if (!done() && (word() == "all" || word() == "0")) {
    next();
    return std::uint32_t{0};
  }
  auto result = table();
  if (result) return result;
  return wrong("not a table", "all, " + std::string(describe(Operand::Table)));
}

Result<neigh::Nud> Cursor::nud() {
  const auto* named = done() ? nullptr : number_of(kNudStates, word());
  if (named == nullptr) return wrong("not a neighbour's state", describe(Operand::Nud));
  next();
  return *named;
}

Error unknown_word(const Cursor& cursor, const Verb& verb) {
  std::string expected;
  for (const Keyword& keyword : verb.keywords) {
    if (!keyword.means.empty() && keyword.means != "exact") continue;
    if (!expected.empty()) expected += ", ";
    expected += keyword.name;
  }
  if (verb.first != Operand::None) {
    if (!expected.empty()) expected += " or ";
    expected += describe(verb.first);
  }
  if (expected.empty()) expected = "the end of the command";
  return cursor.wrong("unknown word", expected);
}

std::string name_of(route::Scope scope) {
  const auto name = first_name(kScopes, scope);
  return name.empty() ? std::to_string(static_cast<unsigned>(scope)) : std::string(name);
}

std::string name_of(route::Protocol protocol) {
  const auto name = first_name(kProtocols, static_cast<std::uint8_t>(protocol));
  return name.empty() ? std::to_string(static_cast<unsigned>(protocol)) : std::string(name);
}

std::string_view name_of(route::Type type) {
  return first_name(kTypes, type);
}

std::string name_of_table(std::uint32_t table) {
  const auto name = first_name(kTables, table);
  return name.empty() ? std::to_string(table) : std::string(name);
}

}  // namespace linnet::control
