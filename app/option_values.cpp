// SPDX-License-Identifier: BSD-3-Clause
#include "app/option_values.hpp"

#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "app/words.hpp"

namespace linnet::app {
namespace {

constexpr unsigned kMostPorts = 32;       // RTE_MAX_ETHPORTS of Debian's DPDK
constexpr unsigned kMostLanes = 16;       // device::kMaxQueues
constexpr std::size_t kLongestName = 15;  // IFNAMSIZ - 1

Result<std::uint64_t> number(const std::string& text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || value < least || value > most)
    return Error{"this is not a usable number", text, -1,
                 most == std::numeric_limits<std::uint64_t>::max()
                     ? "a number of " + std::to_string(least) + " or more"
                     : "a number from " + std::to_string(least) + " to " + std::to_string(most)};
  return value;
}

template <auto Member, std::uint64_t kLeast, std::uint64_t kMost>
Result<> read_number(Options& options, const std::string& value) {
  const auto read = number(value, kLeast, kMost);
  if (!read) return read.error();
  using Field = std::remove_reference_t<decltype(options.*Member)>;
  if constexpr (requires { typename Field::value_type; })
    options.*Member = static_cast<typename Field::value_type>(*read);
  else
    options.*Member = static_cast<Field>(*read);
  return Ok{};
}

template <auto Member>
Result<> read_path(Options& options, const std::string& value) {
  if (value.empty()) return Error{"the name of a file is missing", "", -1, "a path"};
  options.*Member = value;
  return Ok{};
}

template <Action kAction>
Result<> read_action(Options& options, const std::string&) {
  if (options.action != Action::Run)
    return Error{
        "--help, --help-markdown, --version, --check-config and --doctor exclude each other"};
  options.action = kAction;
  return Ok{};
}

Result<> read_port(Options& options, const std::string& value) {
  auto port = parse_port(value);
  if (!port) return port.error();
  if (options.ports.size() == kMostPorts)
    return Error{"too many ports", port->name, -1,
                 "at most " + std::to_string(kMostPorts) + ", DPDK's limit"};
  options.ports.push_back(std::move(*port));
  return Ok{};
}

Result<> read_lane_cores(Options& options, const std::string& value) {
  std::vector<unsigned> cores;
  for (const std::string& word : split(value, ',')) {
    const auto core = number(word, 0, 1023);
    if (!core) {
      Error error = core.error();
      error.expected = "CPU numbers with commas between them, such as 1,2";
      return error;
    }
    if (std::find(cores.begin(), cores.end(), *core) != cores.end())
      return Error{"a core can serve one lane only", word, -1, "each CPU number once"};
    cores.push_back(static_cast<unsigned>(*core));
  }
  if (cores.size() > kMostLanes)
    return Error{"too many lanes", value, -1, "at most " + std::to_string(kMostLanes) + " cores"};
  options.lane_cores = std::move(cores);
  return Ok{};
}

Result<> read_hugepages(Options& options, const std::string& value) {
  if (value == "auto")
    options.hugepages = Hugepages::Auto;
  else if (value == "on")
    options.hugepages = Hugepages::On;
  else if (value == "off")
    options.hugepages = Hugepages::Off;
  else
    return Error{"this is not a way to use hugepages", value, -1, "auto, on or off"};
  return Ok{};
}

Result<> read_log_level(Options& options, const std::string& value) {
  static constexpr const char* kNames[] = {"error", "warning", "notice", "info", "debug"};
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), value);
  if (found == std::end(kNames))
    return Error{"this is not a level of the log", value, -1,
                 "error, warning, notice, info or debug"};
  options.log_level = static_cast<LogLevel>(found - kNames);
  return Ok{};
}

Result<> read_control_socket(Options& options, const std::string& value) {
  constexpr std::size_t most = sizeof(sockaddr_un::sun_path) - 1;
  if (value.empty() || value.size() > most)
    return Error{"this cannot be the path of a socket", value, -1,
                 "1 to " + std::to_string(most) + " characters"};
  options.control_socket = value;
  return Ok{};
}

// "NAME=FILE", or FILE for the first port that has none yet. Ports stand before captures in the
// list of options, so they are known here.
template <auto Member>
Result<> read_capture(Options& options, const std::string& value) {
  const std::size_t equals = value.find('=');
  const std::string name = equals == std::string::npos ? "" : value.substr(0, equals);
  for (PortOption& port : options.ports) {
    if (name != port.name) continue;
    if (!(port.*Member).empty())
      return Error{"a port has one capture to read and one to write", value};
    if (equals + 1 == value.size()) return Error{"the name of the capture is missing", value};
    port.*Member = value.substr(equals + 1);
    return Ok{};
  }
  if (value.empty()) return Error{"the name of the capture is missing"};
  for (PortOption& port : options.ports) {
    if (!(port.*Member).empty()) continue;
    port.*Member = value;
    return Ok{};
  }
  if (options.ports.size() == kMostPorts) return Error{"there are more captures than ports", value};
  PortOption port;
  port.name = "port" + std::to_string(options.ports.size());
  port.*Member = value;
  options.ports.push_back(std::move(port));
  return Ok{};
}

template <auto Member>
Result<> read_name(Options& options, const std::string& value) {
  if (value.empty()) return Error{"a name is missing"};
  options.*Member = value;
  return Ok{};
}

constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint64_t>::max();

// In the order in which they are read: ports before captures.
constexpr OptionRow kRows[] = {
    {"config", "FILE", Place::CommandLine, false,
     "read options from FILE: one `option = value` a line, # starts a comment",
     read_path<&Options::config>},
    {"port", "\"name=N devargs=D ...\"", Place::Anywhere, true,
     "a port: name=NAME devargs=DPDK-DEVICE[,ARGUMENT...] and, if wanted, queues=1..16 (one a "
     "lane), mtu=68..65535 (1500), tso=on|off (on; whether a driver that can cuts large TCP "
     "segments), lowest=on|off (off; on uses nothing optional of the driver). Give it once for "
     "each port",
     read_port},
    {"lanes", "N", Place::Anywhere, false,
     "lanes, each on a core of its own; 0: one lane that takes turns on the control core "
     "(1 where there are two cores, else 0)",
     read_number<&Options::lanes, 0, kMostLanes>},
    {"lane-cores", "LIST", Place::Anywhere, false, "CPU numbers of the lanes, such as 1,2",
     read_lane_cores},
    {"control-core", "N", Place::Anywhere, false, "CPU number of the control core",
     read_number<&Options::control_core, 0, 1023>},
    {"memory", "MB", Place::Anywhere, false, "memory for packets and tables (512)",
     read_number<&Options::memory_mb, 16, 1048576>},
    {"hugepages", "auto|on|off", Place::Anywhere, false,
     "auto: use them where enough are free; on: refuse to start without (auto)", read_hugepages},
    {"packets", "N", Place::Anywhere, false, "packet buffers (32768)",
     read_number<&Options::packets, 1024, 67108864>},
    {"packet-size", "BYTES", Place::Anywhere, false, "data bytes in one packet buffer (2048)",
     read_number<&Options::packet_size, 1024, 16384>},
    {"burst", "N", Place::Anywhere, false, "frames taken from a port at once (64)",
     read_number<&Options::burst, 1, 64>},
    {"neighbours", "N", Place::Anywhere, false, "entries of the neighbour table (4096)",
     read_number<&Options::neighbours, 64, 1048576>},
    {"control-socket", "PATH", Place::Anywhere, false,
     "where `linnet` talks to us (/run/linnet/linnet.sock)", read_control_socket},
    {"control-group", "GROUP", Place::Anywhere, false,
     "group whose members may use the control socket (none: root and our own user)",
     read_name<&Options::control_group>},
    {"startup", "FILE", Place::Anywhere, false,
     "`linnet` commands to execute before packets flow, one a line; where the configuration file "
     "names it, a relative path starts at that file's directory",
     read_path<&Options::startup>},
    {"run-as", "USER", Place::Anywhere, false, "user to become once the ports have started",
     read_name<&Options::run_as>},
    {"log", "FILE", Place::Anywhere, false, "log of linnetd and DPDK (/var/log/linnet.log)",
     read_path<&Options::log>},
    {"log-level", "LEVEL", Place::Anywhere, false, "error, warning, notice, info or debug (notice)",
     read_log_level},
    {"pid-file", "FILE", Place::Anywhere, false, "file to hold our process number",
     read_path<&Options::pid_file>},
    {"replay", "[PORT=]FILE", Place::Anywhere, true,
     "read a port's frames from a capture, in the capture's own time; needs --write too",
     read_capture<&PortOption::replay>},
    {"write", "[PORT=]FILE", Place::Anywhere, true, "write what the port sends to a capture",
     read_capture<&PortOption::write>},
    {"seed", "N", Place::Anywhere, false,
     "seed of all randomness, with --replay or --end-after only (replay: 1)",
     read_number<&Options::seed, 0, kAnyNumber>},
    {"end-after", "N", Place::Anywhere, false,
     "end after N packets and print the account: for measurements",
     read_number<&Options::end_after, 1, kAnyNumber>},
    {"check-config", nullptr, Place::CommandLine, false,
     "check options and startup file, start nothing", read_action<Action::CheckConfig>},
    {"doctor", nullptr, Place::CommandLine, false,
     "look at the machine for what would prevent or slow the start, start nothing",
     read_action<Action::Doctor>},
    {"help", nullptr, Place::CommandLine, false, "print this page", read_action<Action::Help>},
    {"help-markdown", nullptr, Place::CommandLine, false, "print docs/options.md",
     read_action<Action::HelpMarkdown>},
    {"version", nullptr, Place::CommandLine, false, "print the version",
     read_action<Action::Version>},
};

Result<> read_port_word(PortOption& port, const std::string& key, const std::string& value) {
  if (key == "name") {
    const bool bad = value.empty() || value.size() > kLongestName || value == "." ||
                     value == ".." || value.find('/') != std::string::npos;
    if (bad)
      return Error{"a port cannot have this name", value, -1, "1 to 15 characters without /"};
    if (value == "lo") return Error{"the name lo is taken by the loopback device", value};
    port.name = value;
  } else if (key == "devargs") {
    if (value.empty()) return Error{"the device is missing", value, -1, "such as net_tap0"};
    port.devargs = value;
  } else if (key == "queues" || key == "mtu") {
    const auto read = key == "mtu" ? number(value, 68, 65535) : number(value, 1, kMostLanes);
    if (!read) return read.error();
    (key == "mtu" ? port.mtu : port.queues) = static_cast<std::uint32_t>(*read);
  } else if (key == "tso" || key == "lowest") {
    if (value != "on" && value != "off") return Error{key + " is a switch", value, -1, "on or off"};
    (key == "tso" ? port.tso : port.lowest) = value == "on";
  } else {
    return Error{"a port has no such property", key, -1,
                 "name, devargs, queues, mtu, tso or lowest"};
  }
  return Ok{};
}

// The device without its arguments: what must differ between ports.
std::string device_of(const PortOption& port) {
  return port.devargs.substr(0, port.devargs.find(','));
}

Result<> settle_ports(const Options& options) {
  for (std::size_t i = 0; i < options.ports.size(); ++i) {
    const PortOption& port = options.ports[i];
    for (std::size_t j = 0; j < i; ++j) {
      if (options.ports[j].name == port.name)
        return Error{"two ports have the same name", port.name, -1, "a name for each"};
      if (!port.devargs.empty() && device_of(options.ports[j]) == device_of(port))
        return Error{"two ports use the same device", device_of(port), -1,
                     "a device for each, such as net_tap0 and net_tap1"};
    }
    if (port.replay.empty() != port.write.empty() || port.replay.empty() == options.replaying())
      return Error{"this port has no pair of captures", port.name, -1,
                   "one --replay and one --write for each port"};
    if (!options.replaying() && port.devargs.empty())
      return Error{"this port has no device", port.name, -1, "devargs=DEVICE"};
  }
  return Ok{};
}

Result<> settle_cores(Options& options) {
  if (!options.lane_cores.empty()) {
    if (!options.lanes) options.lanes = static_cast<unsigned>(options.lane_cores.size());
    if (*options.lanes != options.lane_cores.size())
      return Error{"lane-cores does not name one core for each lane",
                   std::to_string(options.lane_cores.size()) + " cores", -1,
                   std::to_string(*options.lanes)};
  }
  if (options.control_core &&
      std::count(options.lane_cores.begin(), options.lane_cores.end(), *options.control_core) != 0)
    return Error{"the control core cannot be a lane's core too",
                 std::to_string(*options.control_core), -1, "another core, or lanes = 0"};
  return Ok{};
}

}  // namespace

std::span<const OptionRow> option_rows() {
  return kRows;
}

const OptionRow* find_option(std::string_view name) {
  for (const OptionRow& row : kRows)
    if (name == row.name) return &row;
  return nullptr;
}

Result<PortOption> parse_port(const std::string& text) {
  PortOption port;
  std::vector<std::string> seen;
  for (const std::string& word : split_blanks(text)) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos)
      return Error{"a port is written as property=value words", word, -1,
                   "such as name=wan0 devargs=net_tap0,iface=tap0"};
    const std::string key = word.substr(0, equals);
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      return Error{"a port has this property twice", key, -1, "it once"};
    seen.push_back(key);
    const auto read = read_port_word(port, key, word.substr(equals + 1));
    if (!read) return read.error();
  }
  if (port.name.empty())
    return Error{"this port has no name", text, -1, "name=NAME devargs=DEVICE"};
  return port;
}

Result<Options> settle(Options options) {
  const bool quick = options.action == Action::Help || options.action == Action::HelpMarkdown ||
                     options.action == Action::Version;
  if (quick) return options;
  if (const auto ports = settle_ports(options); !ports) return ports.error();
  if (const auto cores = settle_cores(options); !cores) return cores.error();
  if (options.replaying()) {
    if (options.lanes.value_or(0) > 1)
      return Error{"a replay has one lane", std::to_string(*options.lanes), -1, "lanes = 0 or 1"};
    if (options.end_after != 0)
      return Error{"a replay ends with its captures", "end-after", -1, "one of the two"};
    options.lanes = 0;  // in virtual time no lane runs by itself
    options.lane_cores.clear();
  }
  if (options.end_after != 0 && options.lanes.value_or(1) > 1)
    return Error{"end-after counts the packets of one lane", "end-after", -1, "lanes = 0 or 1"};
  // Keys of tables and ports' secrets come from the seed: a known one is for closed worlds only.
  if (options.seed && !options.replaying() && options.end_after == 0)
    return Error{"a seed that is known makes a running stack open to attack", "seed", -1,
                 "it with --replay or --end-after only"};
  return options;
}

}  // namespace linnet::app
