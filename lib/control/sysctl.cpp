// SPDX-License-Identifier: BSD-3-Clause
// `sysctl` (procps: sysctl.c). Names, units and bounds are those of the kernel's
// Documentation/networking/ip-sysctl.rst; where a setting has two names with different units both
// are here.
#include "control/sysctl.hpp"

#include <algorithm>

#include "control/command.hpp"

namespace linnet::control {
namespace {

constexpr std::uint32_t kMaxInt = 0x7fffffff;
constexpr std::uint32_t kDayMs = 86'400'000;
constexpr std::uint32_t kMilliseconds = 1;
constexpr std::uint32_t kHundredths = 10;  // of a second: jiffies as user space sees them
constexpr std::uint32_t kSeconds = 1000;

// A setting's row without the stack it belongs to: which member of its settings it is.
template <typename Settings>
struct Row {
  std::string_view name;
  std::atomic<std::uint32_t> Settings::* member;
  std::uint32_t least, most;
  std::uint32_t unit = 1;
};

constexpr Row<ip::Settings> kIpRows[] = {
    // Redirects are judged and counted, but routes come from commands alone: 1 is refused.
    {"net.ipv4.conf.all.accept_redirects", &ip::Settings::accept_redirects, 0, 0},
    {"net.ipv4.conf.all.route_localnet", &ip::Settings::route_localnet, 0, 1},
    {"net.ipv4.conf.all.rp_filter", &ip::Settings::rp_filter, 0, 2},
    {"net.ipv4.conf.all.send_redirects", &ip::Settings::send_redirects, 0, 1},
    {"net.ipv4.fib_multipath_hash_policy", &ip::Settings::fib_multipath_hash_policy, 0, 1},
    {"net.ipv4.icmp_echo_ignore_all", &ip::Settings::icmp_echo_ignore_all, 0, 1},
    {"net.ipv4.icmp_echo_ignore_broadcasts", &ip::Settings::icmp_echo_ignore_broadcasts, 0, 1},
    {"net.ipv4.icmp_errors_use_inbound_ifaddr", &ip::Settings::icmp_errors_use_inbound_ifaddr, 0,
     1},
    {"net.ipv4.icmp_msgs_burst", &ip::Settings::icmp_msgs_burst, 0, kMaxInt},
    {"net.ipv4.icmp_msgs_per_sec", &ip::Settings::icmp_msgs_per_sec, 0, kMaxInt},
    {"net.ipv4.icmp_ratelimit", &ip::Settings::icmp_ratelimit_ms, 0, kDayMs, kMilliseconds},
    {"net.ipv4.ip_default_ttl", &ip::Settings::ip_default_ttl, 1, 255},
    {"net.ipv4.ip_forward", &ip::Settings::ip_forward, 0, 1},
    {"net.ipv4.ipfrag_high_thresh", &ip::Settings::ipfrag_high_thresh, 0, kMaxInt},
    {"net.ipv4.ipfrag_max_source_share", &ip::Settings::ipfrag_max_source_share, 1, 100},
    {"net.ipv4.ipfrag_time", &ip::Settings::ipfrag_time_ms, 1, 3600, kSeconds},
};

constexpr Row<neigh::Settings> kNeighRows[] = {
    {"net.ipv4.conf.all.arp_accept", &neigh::Settings::arp_accept, 0, 1},
    {"net.ipv4.conf.all.arp_announce", &neigh::Settings::arp_announce, 0, 2},
    {"net.ipv4.conf.all.arp_ignore", &neigh::Settings::arp_ignore, 0, 8},
    {"net.ipv4.conf.all.arp_notify", &neigh::Settings::arp_notify, 0, 1},
    {"net.ipv4.conf.all.proxy_arp", &neigh::Settings::proxy_arp, 0, 1},
    {"net.ipv4.neigh.default.base_reachable_time", &neigh::Settings::base_reachable_time_ms, 1,
     kDayMs / 1000, kSeconds},
    {"net.ipv4.neigh.default.base_reachable_time_ms", &neigh::Settings::base_reachable_time_ms, 1,
     kDayMs, kMilliseconds},
    {"net.ipv4.neigh.default.delay_first_probe_time", &neigh::Settings::delay_first_probe_time_ms,
     0, kDayMs / 1000, kSeconds},
    {"net.ipv4.neigh.default.gc_stale_time", &neigh::Settings::gc_stale_time_ms, 0, kDayMs / 1000,
     kSeconds},
    {"net.ipv4.neigh.default.gc_thresh1", &neigh::Settings::gc_thresh1, 0, kMaxInt},
    {"net.ipv4.neigh.default.gc_thresh2", &neigh::Settings::gc_thresh2, 0, kMaxInt},
    {"net.ipv4.neigh.default.gc_thresh3", &neigh::Settings::gc_thresh3, 0, kMaxInt},
    {"net.ipv4.neigh.default.locktime", &neigh::Settings::locktime_ms, 0, kDayMs / 10, kHundredths},
    {"net.ipv4.neigh.default.mcast_solicit", &neigh::Settings::mcast_solicit, 0, 255},
    {"net.ipv4.neigh.default.retrans_time_ms", &neigh::Settings::retrans_time_ms, 1, kDayMs,
     kMilliseconds},
    {"net.ipv4.neigh.default.ucast_solicit", &neigh::Settings::ucast_solicit, 0, 255},
    {"net.ipv4.neigh.default.unres_qlen", &neigh::Settings::unres_packets, 0, kMaxInt},
    {"net.ipv4.neigh.default.unres_qlen_bytes", &neigh::Settings::unres_qlen_bytes, 0, kMaxInt},
};

constexpr Row<socket::Settings> kSocketRows[] = {
    {"net.core.rmem_default", &socket::Settings::rmem_default, 256, kMaxInt},
    {"net.core.rmem_max", &socket::Settings::rmem_max, 256, kMaxInt},
    {"net.core.somaxconn", &socket::Settings::somaxconn, 0, kMaxInt},
    {"net.core.wmem_default", &socket::Settings::wmem_default, 256, kMaxInt},
    {"net.core.wmem_max", &socket::Settings::wmem_max, 256, kMaxInt},
};

struct TcpRow {
  std::string_view name;
  tcp::Setting tcp::Settings::* member;
};
constexpr TcpRow kTcpRows[] = {
#define SETTING(name, value, text) {"net.ipv4." #name, &tcp::Settings::name},
#include "tcp/settings.def"
#undef SETTING
};

// Where a number without sense would do harm: the kernel's bounds, else every int.
struct TcpBounds {
  std::string_view name;
  std::uint32_t least, most;
};
constexpr TcpBounds kTcpBounds[] = {
    {"net.ipv4.tcp_base_mss", 48, 65535},
    {"net.ipv4.tcp_early_retrans", 0, 4},
    {"net.ipv4.tcp_ecn", 0, 2},
    {"net.ipv4.tcp_max_reordering", 1, 65535},
    {"net.ipv4.tcp_min_snd_mss", 48, 65535},
    {"net.ipv4.tcp_mtu_probe_floor", 48, 65535},
    {"net.ipv4.tcp_mtu_probing", 0, 2},
    {"net.ipv4.tcp_notsent_lowat", 0, 0xffffffff},
    {"net.ipv4.tcp_reordering", 1, 127},
    {"net.ipv4.tcp_retries1", 0, 255},
    {"net.ipv4.tcp_retries2", 0, 255},
    {"net.ipv4.tcp_rto_max_ms", 1000, 120'000},
    {"net.ipv4.tcp_rto_min_us", 1, 120'000'000},
    {"net.ipv4.tcp_syn_linear_timeouts", 0, 127},
    {"net.ipv4.tcp_syn_retries", 1, 127},
    {"net.ipv4.tcp_synack_retries", 0, 255},
    {"net.ipv4.tcp_syncookies", 0, 2},
    {"net.ipv4.tcp_tw_reuse", 0, 2},
};

constexpr TcpBounds tcp_bounds(std::string_view name) {
  for (const TcpBounds& bounds : kTcpBounds) {
    if (bounds.name == name) return bounds;
  }
  return {name, 0, kMaxInt};
}

// Bounds of a name, without a stack: for parsing.
struct Bounds {
  std::string_view name;
  std::uint32_t least, most;
};

std::optional<Bounds> find_bounds(std::string_view name) {
  for (const auto& row : kIpRows) {
    if (row.name == name) return Bounds{row.name, row.least, row.most};
  }
  for (const auto& row : kNeighRows) {
    if (row.name == name) return Bounds{row.name, row.least, row.most};
  }
  for (const auto& row : kSocketRows) {
    if (row.name == name) return Bounds{row.name, row.least, row.most};
  }
  for (const TcpRow& row : kTcpRows) {
    const TcpBounds bounds = tcp_bounds(row.name);
    if (row.name == name) return Bounds{row.name, bounds.least, bounds.most};
  }
  return std::nullopt;
}

// What a command asks: names to read and values to write, in their order.
struct Question {
  std::string_view name;
  std::optional<std::uint32_t> value;
};
struct Request {
  bool all = false;
  bool only_values = false;
  bool write = false;
  std::vector<Question> questions;
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

// NAME or NAME=VALUE; slashes stand for dots, as in sysctl(8).
Result<> take_question(Cursor& cursor, Request& request) {
  std::string word = cursor.word();
  const auto equals = word.find('=');
  std::string name = word.substr(0, equals);
  if (name.find('.') == std::string::npos) std::replace(name.begin(), name.end(), '/', '.');
  const auto bounds = find_bounds(name);
  if (!bounds) return cursor.wrong("no such setting", describe(Operand::Setting));
  Question question{bounds->name, std::nullopt};
  if (equals == std::string::npos) {
    if (request.write) return cursor.wrong("nothing to write", word + "=VALUE");
  } else {
    question.value = parse_number(std::string_view(word).substr(equals + 1));
    if (!question.value || *question.value < bounds->least || *question.value > bounds->most) {
      return cursor.wrong("not a value of this setting",
                          std::to_string(bounds->least) + " to " + std::to_string(bounds->most));
    }
  }
  request.questions.push_back(question);
  cursor.next();
  return Ok{};
}

// NAME = VALUE in three words is written as NAME=VALUE in one; both are common in files.
Result<> take_spaced(Cursor& cursor, Request& request) {
  Question& question = request.questions.back();
  cursor.next();  // the equals sign
  const auto bounds = find_bounds(question.name);
  auto value = cursor.number(bounds->least, bounds->most);
  if (!value) return value.error();
  question.value = *value;
  return Ok{};
}

Result<std::string> run(const Context& context, const Request& request, const Format& format) {
  const std::vector<Setting> settings = settings_of(context.stack);
  const auto find = [&settings](std::string_view name) -> const Setting& {
    return *std::find_if(settings.begin(), settings.end(),
                         [name](const Setting& setting) { return setting.name == name; });
  };
  std::string text;
  Json json = Json::object();
  const auto tell = [&](const Setting& setting) {
    if (!request.only_values) text += std::string(setting.name) + " = ";
    text += std::to_string(setting.get()) + '\n';
    json[std::string(setting.name)] = setting.get();
  };
  if (request.all) {
    for (const Setting& setting : settings)
      tell(setting);
  }
  for (const Question& question : request.questions) {
    const Setting& setting = find(question.name);
    if (question.value) setting.set(*question.value);
    tell(setting);
  }
  return format.json ? write_json(json, format) : text;
}

Result<Action> parse(Cursor& cursor, const Verb& verb, const Format& format) {
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
      [request, format](const Context& context) { return run(context, request, format); }};
}

constexpr Command kCommands[] = {{"sysctl", "", parse}};

}  // namespace

std::vector<Setting> settings_of(stack::Stack& stack) {
  return settings_of({stack.ip_settings(), stack.neigh_settings(), stack.sockets().settings,
                      stack.sockets().tcp_settings});
}

std::vector<Setting> settings_of(const SettingsOwners& owners) {
  std::vector<Setting> out;
  for (const auto& row : kIpRows)
    out.push_back({row.name, &(owners.ip.*row.member), row.least, row.most, row.unit});
  for (const auto& row : kNeighRows)
    out.push_back({row.name, &(owners.neigh.*row.member), row.least, row.most, row.unit});
  for (const auto& row : kSocketRows)
    out.push_back({row.name, &(owners.socket.*row.member), row.least, row.most, row.unit});
  for (const TcpRow& row : kTcpRows) {
    const TcpBounds bounds = tcp_bounds(row.name);
    out.push_back({row.name, &(owners.tcp.*row.member).atomic(), bounds.least, bounds.most, 1});
  }
  std::sort(out.begin(), out.end(),
            [](const Setting& a, const Setting& b) { return a.name < b.name; });
  return out;
}

std::span<const Command> sysctl_commands() {
  return kCommands;
}

}  // namespace linnet::control
