// SPDX-License-Identifier: BSD-3-Clause
// What linnetd can be told: on the command line, and under the same names in an INI-style file.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace linnet::app {

// A port as the user asks for it: "name=wan0 devargs=net_tap0,iface=tap0 queues=1 mtu=1500".
struct PortOption {
  std::string name;       // what `ip link` calls it
  std::string devargs;    // DPDK device and its arguments, as EAL's --vdev and --allow take them
  unsigned queues = 0;    // pairs of queues; 0: one a lane
  std::uint32_t mtu = 0;  // bytes of IP packet; 0: 1500, or less where the driver says so
  bool tso = true;        // leave cutting large TCP segments to a driver that can
  bool lowest = false;    // use nothing optional of the driver
  std::string replay;     // capture to read instead of the device; empty: none
  std::string write;      // capture to write; empty: none
};

enum class Action : std::uint8_t { Run, Help, HelpMarkdown, Version, CheckConfig, Doctor };
enum class Hugepages : std::uint8_t { Auto, On, Off };
enum class LogLevel : std::uint8_t { Error, Warning, Notice, Info, Debug };

struct Options {
  Action action = Action::Run;
  std::string config;  // file that was read; empty: none
  std::vector<PortOption> ports;
  std::optional<unsigned> lanes;         // 0: one lane that takes turns on the control core
  std::vector<unsigned> lane_cores;      // CPU numbers, one a lane; empty: chosen
  std::optional<unsigned> control_core;  // CPU number; empty: chosen
  std::uint32_t memory_mb = 512;         // of DPDK memory
  Hugepages hugepages = Hugepages::Auto;
  std::uint32_t packets = 32768;     // in the packet pool
  std::uint32_t packet_size = 2048;  // bytes of data in one buffer
  std::uint32_t burst = 64;          // frames taken from a port at once
  std::uint32_t neighbours = 4096;   // capacity of the neighbour table
  std::string control_socket = "/run/linnet/linnet.sock";
  std::string control_group;  // whose members may use the socket; empty: our own group's
  std::string startup;        // file of `linnet` commands; empty: none
  std::string run_as;         // user to become after start; empty: stay
  std::string log = "/var/log/linnet.log";
  LogLevel log_level = LogLevel::Notice;
  std::string pid_file;               // empty: none
  std::optional<std::uint64_t> seed;  // of all randomness; for replay and measurement only
  std::uint64_t end_after = 0;        // packets received, then end; 0: run on
  bool replaying() const { return !ports.empty() && !ports.front().replay.empty(); }
};

// The whole text of a file, or why it cannot be read.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;
Result<std::string> read_whole_file(const std::string& path);

// Reads the words after the program's name and the file that `--config` names. An option on the
// command line replaces what the file says under that name. Values are checked one by one and
// against each other; nothing of the machine is looked at.
Result<Options> parse_options(const std::vector<std::string>& words,
                              const ReadFile& read = read_whole_file);

// The page that --help prints.
std::string help_text();
// The same as docs/options.md.
std::string options_page();

}  // namespace linnet::app
