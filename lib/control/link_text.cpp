// SPDX-License-Identifier: BSD-3-Clause
// The written form of a device (iproute2: ipaddress.c print_linkinfo, print_link_stats64).
#include <algorithm>
#include <array>

#include "control/link.hpp"

namespace linnet::control {
namespace {

constexpr std::string_view kBroadcastMac = "ff:ff:ff:ff:ff:ff";
constexpr std::string_view kZeroMac = "00:00:00:00:00:00";
// Linux: GSO_LEGACY_MAX_SIZE, GSO_MAX_SEGS.
constexpr std::uint32_t kGsoMaxSize = 65536, kGsoMaxSegments = 65535;

std::string_view link_type(const device::Device& device) {
  if (device.link_layer() == device::LinkLayer::None) return "none";
  return device.loopback() ? "loopback" : "ether";
}

std::string_view broadcast_mac(const device::Device& device) {
  return device.loopback() ? kZeroMac : kBroadcastMac;
}

constexpr std::size_t kColumns = 6;
using Row = std::array<std::uint64_t, kColumns>;

// What Linux counts as missed: the NIC had no descriptor, or the driver no buffer for it. DPDK
// knows no multicast count, carrier errors or collisions: those stand at 0.
Row receive_row(const device::Statistics& s) {
  return {s.rx_bytes, s.rx_packets, s.rx_errors, s.rx_dropped, s.rx_missed + s.rx_no_buffer, 0};
}

Row transmit_row(const device::Statistics& s) {
  return {s.tx_bytes, s.tx_packets, s.tx_errors, s.tx_dropped, 0, 0};
}

std::string number_line(const Row& row, const std::array<std::size_t, kColumns>& widths) {
  std::string out = "    ";
  for (std::size_t i = 0; i < kColumns; ++i)
    out += right(row[i], widths[i]) + ' ';
  return out;
}

// The widths and the blank last column (compressed) are iproute2's.
std::string heading_line(std::string_view what, std::array<std::size_t, kColumns> widths,
                         const std::array<std::string_view, kColumns>& names) {
  std::string out = "    " + std::string(what) + ": ";
  widths[0] -= 4;
  for (std::size_t i = 0; i < kColumns; ++i)
    out += right(names[i], widths[i]) + ' ';
  return out + std::string(10, ' ');
}

std::string queue_lines(const device::Device& device, const Format& format) {
  std::string out;
  for (unsigned queue = 0; queue < device::kMaxQueues; ++queue) {
    const device::QueueCounters& counters = device.counters(queue);
    if (counters.rx_packets.value() == 0 && counters.tx_packets.value() == 0 &&
        counters.tx_dropped.value() == 0)
      continue;
    out += format.line_end();
    out += "    queue " + std::to_string(queue) + ": RX " +
           std::to_string(counters.rx_packets.value()) + " packets " +
           std::to_string(counters.rx_bytes.value()) + " bytes " +
           std::to_string(counters.rx_dropped.value()) + " dropped, TX " +
           std::to_string(counters.tx_packets.value()) + " packets " +
           std::to_string(counters.tx_bytes.value()) + " bytes " +
           std::to_string(counters.tx_dropped.value()) + " dropped";
  }
  return out;
}

}  // namespace

std::string_view state_of(const device::Device& device) {
  if (device.gone()) return "NOTPRESENT";
  if (!device.running()) return "DOWN";
  return device.loopback() ? "UNKNOWN" : "UP";
}

std::vector<std::string> flags_of(const device::Device& device) {
  std::vector<std::string> flags;
  if (device.admin_up() && !device.link_up()) flags.emplace_back("NO-CARRIER");
  if (device.loopback()) {
    flags.emplace_back("LOOPBACK");
  } else if (device.link_layer() == device::LinkLayer::None) {
    for (const char* flag : {"POINTOPOINT", "MULTICAST", "NOARP"})
      flags.emplace_back(flag);
  } else {
    flags.emplace_back("BROADCAST");
    flags.emplace_back("MULTICAST");
  }
  if (device.all_multicast()) flags.emplace_back("ALLMULTI");
  if (device.promiscuous()) flags.emplace_back("PROMISC");
  if (device.admin_up()) flags.emplace_back("UP");
  if (device.running()) flags.emplace_back("LOWER_UP");
  return flags;
}

std::string link_heading(const device::Device& device, bool with_mode) {
  std::string flags;
  for (const std::string& flag : flags_of(device))
    flags += (flags.empty() ? "" : ",") + flag;
  return std::to_string(device.index() + 1) + ": " + device.name() + ": <" + flags + "> mtu " +
         std::to_string(device.mtu()) + " qdisc noqueue state " + std::string(state_of(device)) +
         (with_mode ? " mode DEFAULT group default" : " group default");
}

std::string link_address_line(const device::Device& device, const Format& format) {
  std::string out = "    link/" + std::string(link_type(device)) + ' ';
  if (device.link_layer() != device::LinkLayer::None)
    out += device.mac().text() + " brd " + std::string(broadcast_mac(device));
  if (format.details) {
    out += " promiscuity " + std::to_string(device.promiscuous()) + "  allmulti " +
           std::to_string(device.all_multicast()) + " minmtu " + std::to_string(device.min_mtu()) +
           " maxmtu " + std::to_string(device.max_mtu()) + " gso_max_size " +
           std::to_string(kGsoMaxSize) + " gso_max_segs " + std::to_string(kGsoMaxSegments) +
           " tso " + (device.cuts_large() ? "on" : "off") + " driver " + device.driver();
  }
  return out;
}

std::string brief_link_head(const device::Device& device) {
  return left(device.name(), 16) + ' ' + left(state_of(device), 14) + ' ';
}

std::string link_statistics(const device::Device& device, const Format& format) {
  const device::Statistics statistics = device.statistics();
  const Row receive = receive_row(statistics);
  const Row transmit = transmit_row(statistics);
  std::array<std::size_t, kColumns> widths = {10, 7, 6, 7, 7, 7};
  for (std::size_t i = 0; i < kColumns; ++i) {
    widths[i] = std::max(
        {widths[i], std::to_string(receive[i]).size(), std::to_string(transmit[i]).size()});
  }
  std::string out =
      heading_line("RX", widths, {"bytes", "packets", "errors", "dropped", "missed", "mcast"});
  out += format.line_end();
  out += number_line(receive, widths);
  out += format.line_end();
  out +=
      heading_line("TX", widths, {"bytes", "packets", "errors", "dropped", "carrier", "collsns"});
  out += format.line_end();
  out += number_line(transmit, widths);
  if (format.statistics > 1) out += queue_lines(device, format);
  return out;
}

Json statistics_json(const device::Device& device) {
  const device::Statistics s = device.statistics();
  Json json;
  json["rx"] = {{"bytes", s.rx_bytes},
                {"packets", s.rx_packets},
                {"errors", s.rx_errors},
                {"dropped", s.rx_dropped},
                {"over_errors", s.rx_missed + s.rx_no_buffer},
                {"multicast", 0}};
  json["tx"] = {{"bytes", s.tx_bytes},     {"packets", s.tx_packets}, {"errors", s.tx_errors},
                {"dropped", s.tx_dropped}, {"carrier_errors", 0},     {"collisions", 0}};
  return json;
}

Json link_json(const device::Device& device, const Format& format, bool with_mode) {
  Json json;
  json["ifindex"] = device.index() + 1;
  json["ifname"] = device.name();
  json["flags"] = flags_of(device);
  json["mtu"] = device.mtu();
  json["qdisc"] = "noqueue";
  json["operstate"] = state_of(device);
  if (with_mode) json["linkmode"] = "DEFAULT";
  json["group"] = "default";
  json["link_type"] = link_type(device);
  if (device.link_layer() != device::LinkLayer::None) {
    json["address"] = device.mac().text();
    json["broadcast"] = broadcast_mac(device);
  }
  if (format.details) {
    json["promiscuity"] = device.promiscuous() ? 1 : 0;
    json["allmulti"] = device.all_multicast() ? 1 : 0;
    json["min_mtu"] = device.min_mtu();
    json["max_mtu"] = device.max_mtu();
    json["gso_max_size"] = kGsoMaxSize;
    json["gso_max_segs"] = kGsoMaxSegments;
    json["tso"] = device.cuts_large();
    json["driver"] = device.driver();
  }
  if (format.statistics > 0 && with_mode) json["stats64"] = statistics_json(device);
  return json;
}

}  // namespace linnet::control
