// SPDX-License-Identifier: BSD-3-Clause
// What the doctor knows of the machine: files of /proc, /sys and /dev, read under a root that tests
// replace by a tree of their own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace linnet::app {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;
};
std::optional<User> user_by_name(const std::string& name);

// linux/capability.h
enum class Capability : unsigned {
  SetGid = 6,
  SetUid = 7,
  NetAdmin = 12,
  NetRaw = 13,
  IpcLock = 14,
  SysAdmin = 21,
};

struct HugepageSize {
  std::uint64_t bytes = 0;  // of one page
  std::uint64_t total = 0;  // pages
  std::uint64_t free = 0;
};

class Machine {
 public:
  // `root` stands before every path of the machine; `drivers` is where DPDK's plugins lie.
  Machine();
  Machine(std::string root, std::string drivers)
      : root_(std::move(root)), drivers_(std::move(drivers)) {}

  std::string path(const std::string& absolute) const { return root_ + absolute; }
  const std::string& drivers() const { return drivers_; }
  std::function<std::optional<User>(const std::string&)> find_user = user_by_name;

  bool exists(const std::string& absolute) const;
  // The first line of a file, without its end; empty if it cannot be read.
  std::string line(const std::string& absolute) const;
  // The text after `key` on the line of `absolute` that starts with it.
  std::optional<std::string> field(const std::string& absolute, const std::string& key) const;
  std::vector<std::string> list(const std::string& absolute) const;
  // The last part of where a symbolic link points; empty if there is none.
  std::string link_target(const std::string& absolute) const;

  bool has(Capability capability) const;        // in the effective set
  std::vector<unsigned> online_cores() const;   // CPU numbers
  std::vector<unsigned> allowed_cores() const;  // of those, the ones this process may use
  std::vector<HugepageSize> hugepages() const;
  std::optional<std::uint64_t> available_memory() const;  // bytes
  // Soft limit by its name in /proc/self/limits; nullopt if unlimited or unknown.
  std::optional<std::uint64_t> limit(const std::string& name) const;
  bool has_interface(const std::string& name) const;  // in this network namespace
  // A plugin of DPDK such as "net_tap" or "mempool_ring" is installed.
  bool has_driver(const std::string& plugin) const;

 private:
  std::string root_;
  std::string drivers_;
};

// "0-2,5" as {0, 1, 2, 5}.
std::vector<unsigned> parse_core_list(const std::string& text);

}  // namespace linnet::app
