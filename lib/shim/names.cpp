// SPDX-License-Identifier: BSD-3-Clause
#include "shim/names.hpp"

#include <strings.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>

#include "shim/current.hpp"
#include "shim/dns.hpp"

namespace linnet::shim {
namespace {

constexpr std::string_view kBlanks = " \t\r\n,";

bool equal(const std::string& a, const std::string& b) {
  return strcasecmp(a.c_str(), b.c_str()) == 0;
}

// hosts(5): an address, the canonical name, aliases. Calls `use(address, names)` line by line until
// it returns false.
template <typename Use>
void read_hosts(const std::string& path, Use&& use) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::vector<std::string> words = split_words(std::string_view(line).substr(0, line.find('#')));
    if (words.size() < 2) continue;
    const auto address = Ipv4Address::parse(words[0]);
    words.erase(words.begin());
    if (address && !use(*address, words)) return;
  }
}

// All addresses of all lines that have the name (Linux: "multi on" of host.conf).
bool find_in_hosts(const std::string& path, const std::string& name, HostEntry& out) {
  read_hosts(path, [&](Ipv4Address address, const std::vector<std::string>& names) {
    const auto is_it = [&](const std::string& one) { return equal(one, name); };
    if (std::none_of(names.begin(), names.end(), is_it)) return true;
    if (out.addresses.empty()) {
      out.name = names[0];
      out.aliases.assign(names.begin() + 1, names.end());
    }
    out.addresses.push_back(address);
    return true;
  });
  return !out.addresses.empty();
}

bool find_in_hosts(const std::string& path, Ipv4Address wanted, HostEntry& out) {
  read_hosts(path, [&](Ipv4Address address, const std::vector<std::string>& names) {
    if (address != wanted) return true;
    out = {names[0], {names.begin() + 1, names.end()}, {address}};
    return false;
  });
  return !out.addresses.empty();
}

// RFC 6761, 6.3: such a name is never asked for.
bool is_localhost(const std::string& name) {
  constexpr std::string_view kName = "localhost";
  std::string_view bare = name;
  if (bare.ends_with('.')) bare.remove_suffix(1);
  if (bare.size() < kName.size()) return false;
  const std::size_t rest = bare.size() - kName.size();
  return strncasecmp(bare.data() + rest, kName.data(), kName.size()) == 0 &&
         (rest == 0 || bare[rest - 1] == '.');
}

NameSources sources_of(const std::shared_ptr<Program>& program) {
  return program != nullptr ? program->name_sources() : NameSources();
}

Found without_stack() {
  errno = ENETDOWN;
  return Found::System;
}

}  // namespace

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t begin = text.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return out;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(kBlanks), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::optional<std::vector<Server>> parse_servers(std::string_view text) {
  std::vector<Server> out;
  for (const std::string& word : split_words(text)) {
    const std::size_t colon = word.find(':');
    const auto address = Ipv4Address::parse(word.substr(0, colon));
    if (!address) return std::nullopt;
    out.push_back({*address});
    if (colon == std::string::npos) continue;
    const char* const last = word.data() + word.size();
    const auto [end, error] = std::from_chars(word.data() + colon + 1, last, out.back().port);
    if (error != std::errc() || end != last || out.back().port == 0) return std::nullopt;
  }
  if (out.empty()) return std::nullopt;
  return out;
}

Found find_by_name(const std::string& name, HostEntry& out) {
  out = {};
  if (name.empty()) return Found::NoName;
  const std::shared_ptr<Program> program = current_program();
  const NameSources sources = sources_of(program);
  if (find_in_hosts(sources.hosts_file, name, out)) return Found::Yes;
  if (is_localhost(name)) {
    out = {name, {}, {Ipv4Address(127, 0, 0, 1)}};
    return Found::Yes;
  }
  if (program == nullptr) return without_stack();
  return Dns(*program, DnsSettings::read(sources)).find_by_name(name, out);
}

Found find_by_address(Ipv4Address address, HostEntry& out) {
  out = {};
  const std::shared_ptr<Program> program = current_program();
  const NameSources sources = sources_of(program);
  if (find_in_hosts(sources.hosts_file, address, out)) return Found::Yes;
  if (program == nullptr) return without_stack();
  return Dns(*program, DnsSettings::read(sources)).find_by_address(address, out);
}

std::string local_domain() {
  const DnsSettings settings = DnsSettings::read(sources_of(current_program()));
  return settings.domains.empty() ? std::string() : settings.domains[0];
}

}  // namespace linnet::shim
