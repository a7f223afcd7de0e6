// SPDX-License-Identifier: BSD-3-Clause
// What each port's driver needs of the machine.
#include <unistd.h>

#include <algorithm>
#include <array>

#include "app/capture_file.hpp"
#include "app/doctor.hpp"
#include "app/pci_address.hpp"
#include "app/words.hpp"

namespace linnet::app {
namespace {

struct Port {
  const PortOption& option;
  const Machine& machine;
  Findings& findings;

  void fatal(const std::string& sentence, const std::string& mend) const {
    findings.push_back({Severity::Fatal, "Port " + option.name + ": " + sentence, mend});
  }
  // The value of "key=" among the device's arguments; nullopt without it.
  std::optional<std::string> argument(const std::string& key) const {
    for (const std::string& word : split(option.devargs, ','))
      if (word.starts_with(key + "=")) return word.substr(key.size() + 1);
    return std::nullopt;
  }
};

std::string device_of(const PortOption& option) {
  return option.devargs.substr(0, option.devargs.find(','));
}

void need(const Port& port, Capability capability, const char* name) {
  if (!port.machine.has(capability))
    port.fatal(device_of(port.option) + " needs the right " + name + ", which this process lacks",
               "sudo linnetd ...");
}

void need_interface(const Port& port, const std::string& key) {
  const auto interface = port.argument(key);
  if (!interface)
    return port.fatal(device_of(port.option) + " needs the argument " + key + "=INTERFACE",
                      "devargs=" + device_of(port.option) + "," + key + "=eth0");
  if (!port.machine.has_interface(*interface))
    port.fatal("the kernel has no interface \"" + *interface + "\" in this network namespace",
               "ip link show");
}

void need_folder(const Port& port, const std::string& file) {
  if (access(folder_of(file).c_str(), W_OK | X_OK) != 0)
    port.fatal("\"" + file + "\" cannot be written, its directory is missing or closed to us",
               "mkdir -p " + folder_of(file));
}

void examine_tap(const Port& port) {
  const Machine& machine = port.machine;
  if (!machine.exists("/dev/net/tun"))
    return port.fatal("there is no /dev/net/tun to make a TAP device with", "modprobe tun");
  if (access(machine.path("/dev/net/tun").c_str(), R_OK | W_OK) != 0)
    port.fatal("/dev/net/tun is closed to us", "sudo linnetd ...");
  need(port, Capability::NetAdmin, "CAP_NET_ADMIN");
  const auto remote = port.argument("remote");
  if (remote) need_interface(port, "remote");
  const auto interface = port.argument("iface");
  if (!interface) return;
  if (interface->empty() || interface->size() > 15)
    return port.fatal("\"" + *interface + "\" cannot be the name of a TAP device",
                      "devargs=" + device_of(port.option) + ",iface=tap0");
  if (!machine.has_interface(*interface)) return;
  // A TAP device that nobody holds has no carrier; one that is held cannot be had.
  const std::string entry = "/sys/class/net/" + *interface;
  if (machine.exists(entry) && machine.exists(entry + "/tun_flags") &&
      machine.line(entry + "/carrier") != "1") {
    port.findings.push_back({Severity::Warning,
                             "Port " + port.option.name + ": the TAP device " + *interface +
                                 " was left behind, and will be taken over",
                             "ip link delete " + *interface});
    return;
  }
  port.fatal("the name " + *interface + " is taken by an interface of the kernel",
             "ip link delete " + *interface);
}

void examine_capture(const Port& port, const std::string& path) {
  const auto checked = check_capture(path);
  if (!checked) port.fatal(checked.error().text(), "capinfos -tEcs " + path);
}

void examine_pcap(const Port& port) {
  if (const auto in = port.argument("rx_pcap")) examine_capture(port, *in);
  if (const auto out = port.argument("tx_pcap")) need_folder(port, *out);
  for (const char* key : {"iface", "rx_iface", "tx_iface", "rx_iface_in"})
    if (port.argument(key)) {
      need_interface(port, key);
      need(port, Capability::NetRaw, "CAP_NET_RAW");
    }
}

void examine_af_packet(const Port& port) {
  need_interface(port, "iface");
  need(port, Capability::NetRaw, "CAP_NET_RAW");
}

void examine_af_xdp(const Port& port) {
  need_interface(port, "iface");
  need(port, Capability::NetAdmin, "CAP_NET_ADMIN");
  need(port, Capability::SysAdmin, "CAP_SYS_ADMIN");
}

void examine_memif(const Port& port) {
  const auto socket = port.argument("socket");
  // An abstract socket (the driver's default) has no file.
  if (socket && port.argument("socket-abstract").value_or("yes") == "no")
    need_folder(port, *socket);
}

void examine_virtio_user(const Port& port) {
  const auto path = port.argument("path");
  if (!path)
    return port.fatal("virtio-user needs the argument path=",
                      "devargs=" + device_of(port.option) + ",path=/dev/vhost-net");
  if (port.argument("server").value_or("0") == "1") return need_folder(port, *path);
  const bool device = path->starts_with("/dev/");
  if (access((device ? port.machine.path(*path) : *path).c_str(), R_OK | W_OK) != 0)
    port.fatal("\"" + *path + "\" is missing or closed to us",
               *path == "/dev/vhost-net" ? "modprobe vhost-net" : "ls -l " + *path);
}

void examine_nothing(const Port&) {}

struct Driver {
  const char* prefix;  // of the device's name
  const char* plugin;
  const char* package;
  void (*examine)(const Port&);
};

// Longest prefix first where one begins another.
constexpr std::array<Driver, 16> kDrivers = {{
    {"net_tap", "net_tap", "librte-net-tap23", examine_tap},
    {"net_pcap", "net_pcap", "librte-net-pcap23", examine_pcap},
    {"net_null", "net_null", "librte-net-null23", examine_nothing},
    {"net_ring", "net_ring", "librte-net-ring23", examine_nothing},
    {"net_memif", "net_memif", "librte-net-memif23", examine_memif},
    {"net_af_packet", "net_af_packet", "librte-net-af-packet23", examine_af_packet},
    {"net_af_xdp", "net_af_xdp", "librte-net-af-xdp23", examine_af_xdp},
    {"net_virtio_user", "net_virtio", "librte-net-virtio23", examine_virtio_user},
    {"net_vhost", "net_vhost", "librte-net-vhost23", examine_nothing},
    {"net_bonding", "net_bond", "librte-net-bond23", examine_nothing},
    {"net_failsafe", "net_failsafe", "librte-net-failsafe23", examine_nothing},
    {"net_vdev_netvsc", "net_vdev_netvsc", "librte-net-vdev-netvsc23", examine_nothing},
    {"eth_pcap", "net_pcap", "librte-net-pcap23", examine_pcap},
    {"eth_null", "net_null", "librte-net-null23", examine_nothing},
    {"eth_ring", "net_ring", "librte-net-ring23", examine_nothing},
    {"eth_af_packet", "net_af_packet", "librte-net-af-packet23", examine_af_packet},
}};

void need_plugin(const Port& port, const std::string& plugin, const std::string& package) {
  if (!port.machine.has_driver(plugin))
    port.fatal("DPDK's plugin " + plugin + " is not installed", "apt-get install " + package);
}

// A group without number means that nothing translates the card's addresses.
void examine_vfio(const Port& port, const std::string& address) {
  const Machine& machine = port.machine;
  const std::string group = machine.link_target("/sys/bus/pci/devices/" + address + "/iommu_group");
  const bool no_iommu =
      machine.line("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode") == "Y";
  if (group.empty() && !no_iommu)
    return port.fatal("there is no IOMMU at work, and vfio-pci refuses " + address + " without one",
                      "echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
  const std::string node = "/dev/vfio/" + std::string(no_iommu ? "noiommu-" : "") + group;
  if (access(machine.path(node).c_str(), R_OK | W_OK) != 0)
    port.fatal(node + " is missing or closed to us", "ls -l /dev/vfio");
  const auto locked = machine.limit("Max locked memory");
  if (locked && !machine.has(Capability::IpcLock) && *locked < (std::uint64_t{1} << 30))
    port.fatal("too little memory may be locked for a card's transfers", "ulimit -l unlimited");
}

void examine_pci(const Port& port, const std::string& address) {
  need_plugin(port, "bus_pci", "librte-bus-pci23");
  const std::string entry = "/sys/bus/pci/devices/" + address;
  if (!port.machine.exists(entry))
    return port.fatal("there is no PCI device " + address, "dpdk-devbind.py --status-dev net");
  if (!port.machine.line(entry + "/class").starts_with("0x02"))
    return port.fatal("the PCI device " + address + " is no network card",
                      "dpdk-devbind.py --status-dev net");
  const std::string driver = port.machine.link_target(entry + "/driver");
  // Cards of these families stay with the kernel's driver, which DPDK shares.
  if (driver == "mlx5_core" || driver == "mlx4_core") return;
  if (driver == "uio_pci_generic" || driver == "igb_uio") return;
  if (driver == "vfio-pci") return examine_vfio(port, address);
  port.fatal("the card " + address +
                 (driver.empty() ? " is bound to no driver"
                                 : " is bound to the kernel's driver " + driver),
             "dpdk-devbind.py --bind=vfio-pci " + address);
}

void examine_port(const Port& port) {
  const std::string device = device_of(port.option);
  if (!port.option.replay.empty()) {
    need_plugin(port, "net_pcap", "librte-net-pcap23");
    examine_capture(port, port.option.replay);
    return need_folder(port, port.option.write);
  }
  if (const auto address = parse_pci_address(device)) return examine_pci(port, *address);
  for (const Driver& driver : kDrivers) {
    if (!device.starts_with(driver.prefix)) continue;
    need_plugin(port, "bus_vdev", "librte-bus-vdev23");
    need_plugin(port, driver.plugin, driver.package);
    return driver.examine(port);
  }
  if (device.find(':') != std::string::npos)
    return port.fatal("\"" + device + "\" is no PCI address", "dpdk-devbind.py --status-dev net");
  port.fatal("there is no driver for the device \"" + device +
                 "\", known are net_tap, net_pcap, net_null, net_ring, net_memif, net_af_packet, "
                 "net_af_xdp, net_virtio_user and PCI addresses",
             "devargs=net_tap0,iface=" + port.option.name);
}

// The kernel would give both ports the same TAP device, a queue each.
void examine_sharing(const Port& port, const Options& options) {
  const auto interface = port.argument("iface");
  for (const PortOption& other : options.ports) {
    if (&other == &port.option) return;
    if (interface && Port{other, port.machine, port.findings}.argument("iface") == interface)
      port.fatal("it and port " + other.name + " share the interface \"" + *interface + "\"",
                 "devargs=" + device_of(port.option) + ",iface=" + port.option.name);
  }
}

// The nearest things to try: what this machine could run.
void examine_no_port(const Machine& machine, Findings& findings) {
  std::string card = "linnetd --replay in.pcap --write out.pcap";
  // A card that the kernel still has may carry the user's own session: not for us to propose.
  for (const std::string& address : machine.list("/sys/bus/pci/drivers/vfio-pci"))
    if (parse_pci_address(address)) card = "linnetd --port \"name=eth0 devargs=" + address + "\"";
  const std::string device =
      machine.has(Capability::NetAdmin) ? "net_tap0,iface=tap0" : "net_null0";
  findings.push_back({Severity::Fatal, "No port is named",
                      "linnetd --port \"name=wan0 devargs=" + device +
                          "\"\n    or: linnetd --config /etc/linnet/linnet.conf\n    or: " + card});
}

}  // namespace

void examine_ports(const Options& options, const Machine& machine, Findings& findings) {
  if (options.ports.empty()) examine_no_port(machine, findings);
  if (!machine.has_driver("mempool_ring"))
    findings.push_back({Severity::Fatal, "DPDK's plugin mempool_ring is not installed",
                        "apt-get install librte-mempool-ring23"});
  for (const PortOption& option : options.ports) {
    const Port port{option, machine, findings};
    examine_port(port);
    if (option.replay.empty()) examine_sharing(port, options);
  }
}

}  // namespace linnet::app
