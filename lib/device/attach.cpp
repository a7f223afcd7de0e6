// SPDX-License-Identifier: BSD-3-Clause
#include "device/attach.hpp"

#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace linnet::device {
namespace {

// The value of `key` in "name,key=value,...", empty without it.
std::string argument(std::string_view devargs, std::string_view key) {
  std::size_t at = devargs.find(',');
  while (at != std::string_view::npos) {
    const std::size_t end = devargs.find(',', at + 1);
    const std::string_view pair = devargs.substr(at + 1, end - at - 1);
    if (pair.size() > key.size() && pair.starts_with(key) && pair[key.size()] == '=') {
      return std::string(pair.substr(key.size() + 1));
    }
    at = end;
  }
  return {};
}

bool is_driver(std::string_view device, std::string_view driver) {
  return device.starts_with(driver) ||
         device.starts_with(std::string("eth_") + std::string(driver));
}

// What most often is wrong with a port of this kind, as a sentence's end.
std::string hint(std::string_view devargs) {
  const std::string_view device = device_of(devargs);
  const std::string interface = argument(devargs, "iface");
  if (is_driver(device, "net_tap")) {
    if (::access("/dev/net/tun", F_OK) != 0) return "there is no /dev/net/tun; run: modprobe tun";
    if (::access("/dev/net/tun", R_OK | W_OK) != 0 || ::geteuid() != 0) {
      return "a tap port needs CAP_NET_ADMIN; run as root";
    }
    return "another tap may have this name; run: ip link show type tun";
  }
  if (is_driver(device, "net_af_packet") || is_driver(device, "net_af_xdp")) {
    if (interface.empty()) return "it needs iface=INTERFACE";
    if (::if_nametoindex(interface.c_str()) == 0) {
      return "there is no interface " + interface + "; run: ip link show";
    }
    return "it needs CAP_NET_RAW; run as root";
  }
  if (is_driver(device, "net_pcap")) {
    const std::string file = argument(devargs, "rx_pcap");
    if (!file.empty() && ::access(file.c_str(), R_OK) != 0) {
      return "cannot read " + file + " (" + std::strerror(errno) + ")";
    }
    return "it needs rx_pcap=FILE or iface=INTERFACE";
  }
  if (names_pci_device(devargs)) {
    return "bind it to a driver for user space; run: dpdk-devbind.py --bind=vfio-pci " +
           std::string(device);
  }
  return "its arguments may be wrong; the log has the driver's words";
}

Error refused(const std::string& devargs, int error) {
  const std::string device(device_of(devargs));
  if (error == -EEXIST) return Error{"a port on this device exists already", device};
  if (error == -ENODEV || error == -EFAULT || error == -EINVAL) {
    const bool known = names_pci_device(devargs) || device.starts_with("net_");
    if (!known) {
      return Error{"no driver is known for this device", device, -1,
                   "a PCI address, or net_tap0, net_pcap0, net_af_packet0 and the like"};
    }
  }
  return Error{"the driver could not make the port; " + hint(devargs), devargs};
}

// Marks the port as ours; false if it is already.
bool take(std::uint16_t port) {
  rte_eth_dev_owner owner{};
  if (rte_eth_dev_owner_get(port, &owner) != 0 || owner.id != RTE_ETH_DEV_NO_OWNER) return false;
  if (rte_eth_dev_owner_new(&owner.id) != 0) return false;
  std::strcpy(owner.name, "linnet");
  return rte_eth_dev_owner_set(port, &owner) == 0;
}

}  // namespace

std::string_view device_of(std::string_view devargs) {
  return devargs.substr(0, devargs.find(','));
}

bool names_pci_device(std::string_view devargs) {
  const std::string_view device = device_of(devargs);
  // [domain:]bus:device.function in hexadecimal digits
  const auto colons = std::count(device.begin(), device.end(), ':');
  return (colons == 1 || colons == 2) && std::count(device.begin(), device.end(), '.') == 1 &&
         std::all_of(device.begin(), device.end(),
                     [](unsigned char c) { return std::isxdigit(c) != 0 || c == ':' || c == '.'; });
}

Result<std::uint16_t> attach_port(const std::string& devargs) {
  const std::string device(device_of(devargs));
  if (device.empty()) return Error{"a port needs devargs", devargs, -1, "net_tap0 and the like"};
  std::string name = device;
  // The bus spells a PCI address with its domain.
  if (names_pci_device(devargs) && std::count(name.begin(), name.end(), ':') == 1) {
    name = "0000:" + name;
  }
  std::uint16_t port = 0;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &port) == 0) {
    // EAL's start has made it of a PCI device, or it is one of ours.
    return take(port) ? Result<std::uint16_t>(port) : refused(devargs, -EEXIST);
  }
  const int error = rte_dev_probe(devargs.c_str());
  if (error != 0) return refused(devargs, error);
  if (rte_eth_dev_get_port_by_name(name.c_str(), &port) != 0) {
    return Error{"the device is there, but it is no network port", device};
  }
  LINNET_CHECK(take(port));
  return port;
}

void detach_port(std::uint16_t port) {
  rte_eth_dev_info info{};
  const bool known = rte_eth_dev_info_get(port, &info) == 0;
  rte_eth_dev_stop(port);
  rte_eth_dev_close(port);
  if (known && info.device != nullptr) rte_dev_remove(info.device);
}

}  // namespace linnet::device
