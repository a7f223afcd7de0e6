// SPDX-License-Identifier: BSD-3-Clause
// Names, units and bounds are those of the kernel's Documentation/networking/ip-sysctl.rst; where a
// setting has two names with different units both are here.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "control/grammar.hpp"
#include "control/sysctl.hpp"
#include "stack/stack.hpp"
#include "tcp/congestion.hpp"

namespace linnet::control {
namespace {

constexpr std::uint32_t kMaxInt = 0x7fffffff;
constexpr std::uint32_t kDayMs = 86'400'000;
constexpr std::uint32_t kMilliseconds = 1;
constexpr std::uint32_t kHundredths = 10;  // of a second: jiffies as user space sees them
constexpr std::uint32_t kSeconds = 1000;

// A setting's row without the stack it belongs to: which member of its settings it is.
template <typename Settings>
struct SettingRow {
  std::string_view name;
  std::atomic<std::uint32_t> Settings::* member;
  std::uint32_t least, most;
  std::uint32_t unit = 1;
};

constexpr SettingRow<ip::Settings> kIpRows[] = {
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

constexpr SettingRow<neigh::Settings> kNeighRows[] = {
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

constexpr SettingRow<socket::Settings> kSocketRows[] = {
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
    {"net.ipv4.tcp_fastopen", 0, 0x7ff},
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

// Members that stand under one of Linux's names together.
struct TcpTriple {
  std::string_view name;
  tcp::Setting tcp::Settings::* members[3];
};
constexpr TcpTriple kTcpTriples[] = {
    {"net.ipv4.tcp_rmem",
     {&tcp::Settings::tcp_rmem_min, &tcp::Settings::tcp_rmem_default,
      &tcp::Settings::tcp_rmem_max}},
    {"net.ipv4.tcp_wmem",
     {&tcp::Settings::tcp_wmem_min, &tcp::Settings::tcp_wmem_default,
      &tcp::Settings::tcp_wmem_max}}};

bool in_triple(tcp::Setting tcp::Settings::* member) {
  return std::any_of(std::begin(kTcpTriples), std::end(kTcpTriples), [member](const auto& triple) {
    return std::find(std::begin(triple.members), std::end(triple.members), member) !=
           std::end(triple.members);
  });
}

constexpr TcpBounds tcp_bounds(std::string_view name) {
  for (const TcpBounds& bounds : kTcpBounds) {
    if (bounds.name == name) return bounds;
  }
  return {name, 0, kMaxInt};
}

// The name of the control that stands; unset is Linux's default.
std::string_view name_of(const tcp::CongestionControl* control) {
  return control != nullptr ? control->name() : tcp::find_congestion_control("cubic")->name();
}

// Numbers parted by blanks; nothing where there is anything else.
std::optional<std::vector<std::uint32_t>> read_numbers(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  std::vector<std::uint32_t> out;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    if (text.empty()) return out;
    const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
    const auto number = parse_number(word);
    if (!number) return std::nullopt;
    out.push_back(*number);
    text.remove_prefix(word.size());
  }
}

void add_tcp(std::vector<Setting>& out, tcp::Settings& tcp) {
  for (const TcpRow& row : kTcpRows) {
    if (in_triple(row.member)) continue;
    const TcpBounds bounds = tcp_bounds(row.name);
    out.push_back({row.name, {{&(tcp.*row.member).atomic(), bounds.least, bounds.most}}});
  }
  for (const TcpTriple& triple : kTcpTriples) {
    Setting& setting = out.emplace_back(Setting{triple.name, {}});
    for (const auto member : triple.members)
      setting.numbers.push_back({&(tcp.*member).atomic(), 1, kMaxInt});
  }
  out.push_back({"net.ipv4.tcp_congestion_control", {}, false, &tcp.congestion_control});
  out.push_back({"net.ipv4.tcp_available_congestion_control", {}});
  out.push_back({"net.ipv4.tcp_fastopen_key", {}, false, nullptr, &tcp.fast_open_keys});
}

// A key as Linux writes it: four words of 32 bits in hexadecimal, parted by dashes.
std::string text_of(const SipKey& key) {
  std::array<char, 36> out;
  const auto low = [](std::uint64_t half) { return static_cast<unsigned>(half); };
  std::snprintf(out.data(), out.size(), "%08x-%08x-%08x-%08x", low(key.k0), low(key.k0 >> 32),
                low(key.k1), low(key.k1 >> 32));
  return out.data();
}

std::optional<SipKey> read_key(std::string_view text) {
  std::array<std::uint32_t, 4> words{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = text.substr(0, text.find('-'));
    if (word.empty() || word.size() > 8 || (word.size() == text.size()) != (i == 3))
      return std::nullopt;
    const auto end = std::from_chars(word.data(), word.data() + word.size(), words[i], 16);
    if (end.ec != std::errc() || end.ptr != word.data() + word.size()) return std::nullopt;
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  const auto wide = [&](std::size_t i) { return std::uint64_t{words[i + 1]} << 32 | words[i]; };
  return SipKey{wide(0), wide(2)};
}

// "KEY" or "KEY,BACKUP".
std::optional<tcp::FastOpenKeySet> read_keys(std::string_view text) {
  const auto comma = text.find(',');
  const auto primary = read_key(text.substr(0, comma));
  if (!primary) return std::nullopt;
  if (comma == std::string_view::npos) return tcp::FastOpenKeySet{*primary, {}, false};
  const auto backup = read_key(text.substr(comma + 1));
  if (!backup) return std::nullopt;
  return tcp::FastOpenKeySet{*primary, *backup, true};
}

}  // namespace

std::string Setting::text() const {
  if (control != nullptr) return std::string(name_of(control->load(std::memory_order_relaxed)));
  if (keys != nullptr) {
    const tcp::FastOpenKeySet set = keys->load();
    return text_of(set.primary) + (set.has_backup ? "," + text_of(set.backup) : "");
  }
  if (read_only()) return std::string(tcp::available_congestion_controls());
  std::string out;
  for (const SettingNumber& number : numbers)
    out += (out.empty() ? "" : "\t") + std::to_string(number.get());
  return out;
}

std::string Setting::expected() const {
  if (control != nullptr) return std::string(tcp::available_congestion_controls());
  if (keys != nullptr) return "a key, or two with a comma: XXXXXXXX-XXXXXXXX-XXXXXXXX-XXXXXXXX";
  std::string out;
  for (const SettingNumber& number : numbers)
    out += (out.empty() ? "" : ", then ") + std::to_string(number.least) + " to " +
           std::to_string(number.most);
  return out + (ascending ? ", none below the one before" : "");
}

std::optional<SettingValue> Setting::read(std::string_view text) const {
  SettingValue out;
  if (control != nullptr) {
    out.control = tcp::find_congestion_control(text);
    return out.control != nullptr ? std::optional(out) : std::nullopt;
  }
  if (keys != nullptr) {
    out.keys = read_keys(text);
    return out.keys ? std::optional(out) : std::nullopt;
  }
  auto given = read_numbers(text);
  if (!given || read_only() || given->size() != numbers.size()) return std::nullopt;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if ((*given)[i] < numbers[i].least || (*given)[i] > numbers[i].most) return std::nullopt;
    if (ascending && i > 0 && (*given)[i] < (*given)[i - 1]) return std::nullopt;
  }
  out.numbers = std::move(*given);
  return out;
}

void Setting::write(const SettingValue& value) const {
  if (control != nullptr) return control->store(value.control, std::memory_order_relaxed);
  if (keys != nullptr) return keys->store(*value.keys);
  // Who reads meanwhile never meets a range whose end is below its start.
  const bool upwards = ascending && value.numbers.front() > numbers.back().get();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::size_t at = upwards ? numbers.size() - 1 - i : i;
    numbers[at].set(value.numbers[at]);
  }
}

std::vector<Setting> settings_of(stack::Stack& stack) {
  return settings_of({stack.ip_settings(), stack.neigh_settings(), stack.sockets().settings,
                      stack.sockets().tcp_settings});
}

std::vector<Setting> settings_of(const SettingsOwners& owners) {
  std::vector<Setting> out;
  const auto add = [&out](const auto& rows, auto& settings) {
    for (const auto& row : rows)
      out.push_back({row.name, {{&(settings.*row.member), row.least, row.most, row.unit}}});
  };
  add(kIpRows, owners.ip);
  add(kNeighRows, owners.neigh);
  add(kSocketRows, owners.socket);
  out.push_back(
      {"net.ipv4.ip_local_port_range",
       {{&owners.socket.ip_local_port_min, 1, 65535}, {&owners.socket.ip_local_port_max, 1, 65535}},
       true});
  add_tcp(out, owners.tcp);
  std::sort(out.begin(), out.end(),
            [](const Setting& a, const Setting& b) { return a.name < b.name; });
  return out;
}

}  // namespace linnet::control
