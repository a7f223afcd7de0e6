// SPDX-License-Identifier: BSD-3-Clause
#include "app/machine.hpp"

#include <dirent.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <fstream>
#include <memory>

#include "app/words.hpp"

namespace linnet::app {
namespace {

std::optional<std::uint64_t> to_number(const std::string& text, int base = 10) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (problem != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<User> user_by_name(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::string buffer(16384, '\0');
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr)
    return std::nullopt;
  return User{entry.pw_uid, entry.pw_gid, name};
}

Machine::Machine() : Machine("", RTE_EAL_PMD_PATH) {}

bool Machine::exists(const std::string& absolute) const {
  struct stat status{};
  return lstat(path(absolute).c_str(), &status) == 0;
}

std::string Machine::line(const std::string& absolute) const {
  std::ifstream file(path(absolute));
  std::string text;
  std::getline(file, text);
  return text;
}

std::optional<std::string> Machine::field(const std::string& absolute,
                                          const std::string& key) const {
  std::ifstream file(path(absolute));
  std::string text;
  while (std::getline(file, text))
    if (text.starts_with(key)) return std::string(trim(std::string_view(text).substr(key.size())));
  return std::nullopt;
}

std::vector<std::string> Machine::list(const std::string& absolute) const {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path(absolute).c_str()), closedir);
  if (!directory) return names;
  while (const dirent* entry = readdir(directory.get()))
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string Machine::link_target(const std::string& absolute) const {
  char target[PATH_MAX];
  const ssize_t length = readlink(path(absolute).c_str(), target, sizeof target);
  if (length <= 0) return {};
  const std::string text(target, static_cast<std::size_t>(length));
  return text.substr(text.rfind('/') + 1);
}

bool Machine::has(Capability capability) const {
  const auto text = field("/proc/self/status", "CapEff:");
  const auto mask = text ? to_number(*text, 16) : std::nullopt;
  return mask && ((*mask >> static_cast<unsigned>(capability)) & 1U) != 0;
}

std::vector<unsigned> Machine::online_cores() const {
  return parse_core_list(line("/sys/devices/system/cpu/online"));
}

std::vector<unsigned> Machine::allowed_cores() const {
  const auto text = field("/proc/self/status", "Cpus_allowed_list:");
  const std::vector<unsigned> online = online_cores();
  std::vector<unsigned> allowed;
  for (const unsigned core : parse_core_list(text.value_or("")))
    if (std::find(online.begin(), online.end(), core) != online.end()) allowed.push_back(core);
  return allowed;
}

std::vector<HugepageSize> Machine::hugepages() const {
  std::vector<HugepageSize> sizes;
  const std::string base = "/sys/kernel/mm/hugepages";
  for (const std::string& name : list(base)) {
    const std::string prefix = "hugepages-";
    if (!name.starts_with(prefix)) continue;
    HugepageSize size;
    size.bytes = to_number(name.substr(prefix.size())).value_or(0) * 1024;
    size.total = to_number(line(base + "/" + name + "/nr_hugepages")).value_or(0);
    size.free = to_number(line(base + "/" + name + "/free_hugepages")).value_or(0);
    if (size.bytes != 0) sizes.push_back(size);
  }
  return sizes;
}

std::optional<std::uint64_t> Machine::available_memory() const {
  const auto text = field("/proc/meminfo", "MemAvailable:");
  const auto kilobytes = text ? to_number(*text) : std::nullopt;
  if (!kilobytes) return std::nullopt;
  return *kilobytes * 1024;
}

std::optional<std::uint64_t> Machine::limit(const std::string& name) const {
  const auto text = field("/proc/self/limits", name);
  return text ? to_number(*text) : std::nullopt;
}

bool Machine::has_interface(const std::string& name) const {
  std::ifstream file(path("/proc/self/net/dev"));
  std::string text;
  while (std::getline(file, text))
    if (trim(text).starts_with(name + ":")) return true;
  return false;
}

bool Machine::has_driver(const std::string& plugin) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(drivers_.c_str()), closedir);
  if (!directory) return false;
  const std::string prefix = "librte_" + plugin + ".so";
  while (const dirent* entry = readdir(directory.get()))
    if (std::string(entry->d_name).starts_with(prefix)) return true;
  return false;
}

std::vector<unsigned> parse_core_list(const std::string& text) {
  constexpr std::uint64_t kMostCores = 4096;
  std::vector<unsigned> cores;
  for (const std::string& part : split(trim(text), ',')) {
    const std::size_t dash = part.find('-');
    const auto first = to_number(part.substr(0, dash));
    const auto last = dash == std::string::npos ? first : to_number(part.substr(dash + 1));
    if (!first || !last) continue;
    for (std::uint64_t core = *first; core <= std::min(*last, kMostCores); ++core)
      cores.push_back(static_cast<unsigned>(core));
  }
  return cores;
}

}  // namespace linnet::app
