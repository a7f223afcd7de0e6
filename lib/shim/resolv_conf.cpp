// SPDX-License-Identifier: BSD-3-Clause
// resolv.conf(5), read as the C library reads it; c-ares 1.18 knows only a part of its options.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>

#include "shim/dns.hpp"

namespace linnet::shim {
namespace {

using time::Duration;

// <resolv.h>: MAXNS, RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY.
constexpr std::size_t kMostServers = 3;
constexpr unsigned kMostDots = 15, kMostSeconds = 30, kMostRounds = 5;

// "ndots:2" is option_value(word, "ndots:", 15). Nothing: another option, or no number.
std::optional<unsigned> option_value(std::string_view word, std::string_view name, unsigned most) {
  if (!word.starts_with(name)) return std::nullopt;
  word.remove_prefix(name.size());
  unsigned value = 0;
  if (std::from_chars(word.data(), word.data() + word.size(), value).ec != std::errc())
    return std::nullopt;
  return std::min(value, most);
}

void take_option(std::string_view word, DnsSettings& out) {
  if (const auto dots = option_value(word, "ndots:", kMostDots)) out.dots = *dots;
  if (const auto seconds = option_value(word, "timeout:", kMostSeconds))
    out.timeout = Duration::seconds(std::max(*seconds, 1u));
  if (const auto rounds = option_value(word, "attempts:", kMostRounds))
    out.rounds = std::max(*rounds, 1u);
  if (word == "rotate") out.rotate = true;
}

void take_line(const std::string& line, DnsSettings& out) {
  if (line.starts_with('#') || line.starts_with(';')) return;
  std::vector<std::string> words = split_words(line);
  if (words.size() < 2) return;
  const std::string name = std::move(words[0]);
  words.erase(words.begin());
  if (name == "nameserver") {
    // Servers with IPv6 addresses are none of ours.
    const auto address = Ipv4Address::parse(words[0]);
    if (address && out.servers.size() < kMostServers) out.servers.push_back({*address});
  } else if (name == "search") {
    out.domains = words;
  } else if (name == "domain") {
    out.domains = {words[0]};
  } else if (name == "options") {
    for (const std::string& word : words)
      take_option(word, out);
  }
}

void take_host_domain(DnsSettings& out) {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0) return;
  const std::string_view text = name;
  const std::size_t dot = text.find('.');
  if (dot != std::string_view::npos && dot + 1 < text.size())
    out.domains.emplace_back(text.substr(dot + 1));
}

std::string environment(const char* name) {
  const char* const text = std::getenv(name);
  return text != nullptr ? text : "";
}

}  // namespace

DnsSettings DnsSettings::read(const NameSources& sources) {
  DnsSettings out;
  std::ifstream file(sources.resolv_file);
  std::string line;
  while (std::getline(file, line))
    take_line(line, out);
  if (const auto words = split_words(environment("LOCALDOMAIN")); !words.empty())
    out.domains = words;
  for (const std::string& word : split_words(environment("RES_OPTIONS")))
    take_option(word, out);
  const std::string given =
      sources.servers.empty() ? environment("LINNET_NAMESERVERS") : sources.servers;
  if (const auto servers = parse_servers(given)) out.servers = *servers;
  if (out.servers.empty()) out.servers.push_back({Ipv4Address(127, 0, 0, 1)});
  if (sources.search)
    out.domains = split_words(*sources.search);
  else if (out.domains.empty())
    take_host_domain(out);
  if (sources.timeout_ms != 0) out.timeout = Duration::milliseconds(sources.timeout_ms);
  if (sources.attempts != 0) out.rounds = sources.attempts;
  return out;
}

}  // namespace linnet::shim
