// SPDX-License-Identifier: BSD-3-Clause
#include "app/doctor.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "app/pci_address.hpp"

namespace linnet::app {
namespace {

namespace fs = std::filesystem;

// A machine in a directory: two cores, no hugepages, a card on vfio-pci and one on the kernel's
// driver, every plugin.
class Ward {
 public:
  Ward() {
    char name[] = "/dev/shm/linnet-doctor-XXXXXX";  // many small files: not on a disk
    root_ = mkdtemp(name);
    file("/proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\nCpus_allowed_list:\t0-1\n");
    file("/proc/self/limits",
         "Limit   Soft Limit  Hard Limit  Units\n"
         "Max open files            1024                 524288               files\n"
         "Max locked memory         unlimited            unlimited            bytes\n");
    file("/proc/self/net/dev", "Inter-|\n face |\n    lo: 1 2\n  eth0: 3 4\n");
    file("/proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable:    3000000 kB\n");
    file("/sys/devices/system/cpu/online", "0-1\n");
    hugepages(0, 0);
    card("0000:00:04.0", "0x020000", "vfio-pci");
    link("../../kernel/iommu_groups/7", "/sys/bus/pci/devices/0000:00:04.0/iommu_group");
    card("0000:00:05.0", "0x020000", "virtio-pci");
    card("0000:00:06.0", "0x010000", "ahci");
    file("/dev/net/tun", "");
    file("/dev/vfio/7", "");
    for (const char* plugin :
         {"mempool_ring", "bus_vdev", "bus_pci", "net_tap", "net_pcap", "net_null", "net_memif",
          "net_af_packet", "net_af_xdp", "net_virtio", "net_ring"})
      file(std::string("/drivers/librte_") + plugin + ".so.23", "");
    fs::create_directories(root_ + "/run/linnet");
  }
  ~Ward() { fs::remove_all(root_); }
  Ward(const Ward&) = delete;
  Ward& operator=(const Ward&) = delete;

  std::string at(const std::string& path) const { return root_ + path; }
  void file(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(at(path)).parent_path());
    std::ofstream(at(path), std::ios::binary) << text;
  }
  void remove(const std::string& path) { fs::remove_all(at(path)); }
  void link(const std::string& target, const std::string& path) {
    fs::create_directories(fs::path(at(path)).parent_path());
    fs::create_symlink(target, at(path));
  }
  void card(const std::string& address, const std::string& kind, const std::string& driver) {
    const std::string entry = "/sys/bus/pci/devices/" + address;
    file(entry + "/class", kind + "\n");
    link("../../../bus/pci/drivers/" + driver, entry + "/driver");
  }
  void hugepages(unsigned total, unsigned free) {
    file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", std::to_string(total));
    file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", std::to_string(free));
  }

  Machine machine() const {
    Machine out(root_, root_ + "/drivers");
    out.find_user = [](const std::string& name) -> std::optional<User> {
      if (name == "linnet") return User{geteuid(), getegid(), name};
      if (name == "other") return User{12345, 12345, name};
      return std::nullopt;
    };
    return out;
  }
  // A configuration that nothing stands in the way of.
  Options options() const {
    Options out;
    out.control_socket = at("/run/linnet/linnet.sock");
    out.log = at("/linnet.log");
    out.run_as = "linnet";
    out.ports.push_back(port("net_tap0,iface=tap0"));
    return out;
  }
  static PortOption port(const std::string& devargs) {
    PortOption out;
    out.name = "wan0";
    out.devargs = devargs;
    return out;
  }

 private:
  std::string root_;
};

std::string all_text(const Findings& findings) {
  std::string text;
  for (const Finding& finding : findings)
    text += to_text(finding);
  return text;
}

// pcap with `frames` records of four bytes.
std::string capture(std::uint32_t link, unsigned frames) {
  const auto word = [](std::uint32_t value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  };
  std::string out =
      word(0xa1b2c3d4) + word(0x00040002) + word(0) + word(0) + word(65535) + word(link);
  for (unsigned i = 0; i < frames; ++i)
    out += word(1) + word(2) + word(4) + word(4) + "abcd";
  return out;
}

TEST(Doctor, findsNothingFatalOnASoundMachine) {
  const Ward ward;
  const Findings findings = examine(ward.options(), ward.machine());
  EXPECT_FALSE(any_fatal(findings)) << all_text(findings);
  // No hugepages, said as a warning.
  ASSERT_EQ(findings.size(), 1u) << all_text(findings);
  EXPECT_EQ(findings[0].severity, Severity::Warning);
}

TEST(Doctor, hugepagesAreUsedWhereEnoughAreFree) {
  Ward ward;
  Options options = ward.options();
  ward.hugepages(300, 256);
  EXPECT_TRUE(use_hugepages(options, ward.machine()));
  EXPECT_TRUE(examine(options, ward.machine()).empty());
  ward.hugepages(300, 255);
  EXPECT_FALSE(use_hugepages(options, ward.machine()));
  ward.hugepages(300, 300);
  options.hugepages = Hugepages::Off;
  EXPECT_FALSE(use_hugepages(options, ward.machine()));
}

TEST(Doctor, cardsAndCapturesThatAreFitPass) {
  Ward ward;
  ward.file("/in.pcap", capture(1, 3));
  Options options = ward.options();
  options.ports = {
      ward.port("0000:00:04.0"), ward.port("net_null0,size=64"),
      ward.port("net_pcap0,rx_pcap=" + ward.at("/in.pcap") + ",tx_pcap=" + ward.at("/out.pcap")),
      ward.port("net_af_packet0,iface=eth0"), ward.port("net_memif0,role=server")};
  const Findings findings = examine(options, ward.machine());
  EXPECT_FALSE(any_fatal(findings)) << all_text(findings);
}

TEST(Doctor, coresAreChosenOrTakenAsAsked) {
  Ward ward;
  Options options;
  auto plan = plan_cores(options, ward.machine());
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->control, 0u);
  EXPECT_EQ(plan->lanes, std::vector<unsigned>{1});

  options.lane_cores = {0};
  plan = plan_cores(options, ward.machine());
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->control, 1u);

  options.lane_cores = {};
  options.lanes = 0;
  options.control_core = 1;
  plan = plan_cores(options, ward.machine());
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->control, 1u);
  EXPECT_TRUE(plan->lanes.empty());

  ward.file("/proc/self/status", "Cpus_allowed_list:\t1\n");
  plan = plan_cores(Options{}, ward.machine());
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->control, 1u);
  EXPECT_TRUE(plan->lanes.empty());
}

TEST(Doctor, pciAddressesAreReadInAllTheirForms) {
  EXPECT_EQ(parse_pci_address("0000:00:04.0"), "0000:00:04.0");
  EXPECT_EQ(parse_pci_address("3b:00.1"), "0000:3b:00.1");
  EXPECT_EQ(parse_pci_address("pci:0001:3b:00.7"), "0001:3b:00.7");
  for (const char* bad :
       {"0000:00:04.8", "0000:00:04", "00:4.0", "0000-00:04.0", "g000:00:04.0", ""})
    EXPECT_FALSE(parse_pci_address(bad).has_value()) << bad;
}

struct Illness {
  const char* name;
  void (*inflict)(Ward& ward, Options& options);
  const char* sentence;  // part of it
  const char* mend;
  Severity severity = Severity::Fatal;
};

class BrokenEnvironment : public testing::TestWithParam<Illness> {};

TEST_P(BrokenEnvironment, D12_hasASentenceAndAMendingCommand) {
  Ward ward;
  Options options = ward.options();
  GetParam().inflict(ward, options);
  const Findings findings = examine(options, ward.machine());
  bool found = false;
  for (const Finding& finding : findings) {
    EXPECT_FALSE(finding.mend.empty());
    found |= finding.severity == GetParam().severity &&
             finding.sentence.find(GetParam().sentence) != std::string::npos &&
             finding.mend.find(GetParam().mend) != std::string::npos;
  }
  EXPECT_TRUE(found) << all_text(findings);
  EXPECT_EQ(any_fatal(findings), GetParam().severity == Severity::Fatal) << all_text(findings);
}

void set_port(Options& options, const std::string& devargs) {
  options.ports = {Ward::port(devargs)};
}

INSTANTIATE_TEST_SUITE_P(
    Machine, BrokenEnvironment,
    testing::Values(
        Illness{"noHugepages", [](Ward&, Options& o) { o.hugepages = Hugepages::On; },
                "has no hugepages, and 512 MB",
                "echo 256 > /sys/kernel/mm/hugepages/hugepages-2048kB"},
        Illness{"takenHugepages",
                [](Ward& w, Options& o) {
                  o.hugepages = Hugepages::On;
                  w.hugepages(256, 10);
                },
                "Only 20 MB of the machine's 512 MB", "echo 502 >"},
        Illness{"memoryTooSmall", [](Ward&, Options& o) { o.memory_mb = 64; },
                "memory = 64 MB does not hold 32768 packets", "--memory 144"},
        Illness{"memoryTooLarge", [](Ward&, Options& o) { o.memory_mb = 4000; },
                "more than the 2930 MB", "--memory"},
        Illness{"coreMissing", [](Ward&, Options& o) { o.lane_cores = {7}; },
                "Core 7 does not exist", "lscpu"},
        Illness{"coreForbidden",
                [](Ward& w, Options& o) {
                  w.file("/proc/self/status", "CapEff:\t000001ffffffffff\nCpus_allowed_list:\t0\n");
                  o.lane_cores = {1};
                },
                "Core 1 is not among those", "lscpu"},
        Illness{"tooManyLanes", [](Ward&, Options& o) { o.lanes = 4; },
                "4 lanes and the control core need 5 cores", "--lanes 1"},
        Illness{"noCoreForControl", [](Ward&, Options& o) { o.lane_cores = {0, 1}; },
                "none is left for the control core", "--lanes 0"},
        Illness{"fewFiles",
                [](Ward& w, Options&) {
                  w.file("/proc/self/limits", "Max open files   64   64  files\n");
                },
                "Only 64 files may be open", "ulimit -n"},
        Illness{"hugepageLeftover",
                [](Ward& w, Options&) { w.file("/dev/hugepages/rtemap_0", "x"); },
                "left 1 hugepage files behind", "rm /dev/hugepages/", Severity::Warning},
        Illness{"runtimeLeftover", [](Ward& w, Options&) { w.file("/run/dpdk/rte/config", "x"); },
                "left /run/dpdk/rte behind", "rm -r /run/dpdk/rte", Severity::Warning}),
    [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Ports, BrokenEnvironment,
    testing::Values(
        Illness{"none", [](Ward&, Options& o) { o.ports.clear(); }, "No port is named",
                "linnetd --port"},
        Illness{"unknownDriver", [](Ward&, Options& o) { set_port(o, "net_tpa0"); },
                "no driver for the device \"net_tpa0\"", "net_tap0,iface=wan0"},
        Illness{"driverNotInstalled",
                [](Ward& w, Options&) { w.remove("/drivers/librte_net_tap.so.23"); },
                "plugin net_tap is not installed", "apt-get install librte-net-tap23"},
        Illness{"busNotInstalled",
                [](Ward& w, Options&) { w.remove("/drivers/librte_bus_vdev.so.23"); },
                "plugin bus_vdev", "apt-get install librte-bus-vdev23"},
        Illness{"poolNotInstalled",
                [](Ward& w, Options&) { w.remove("/drivers/librte_mempool_ring.so.23"); },
                "mempool_ring", "apt-get install librte-mempool-ring23"},
        Illness{"noTun", [](Ward& w, Options&) { w.remove("/dev/net/tun"); }, "no /dev/net/tun",
                "modprobe tun"},
        Illness{"noRight",
                [](Ward& w, Options&) {
                  w.file("/proc/self/status",
                         "CapEff:\t0000000000000000\nCpus_allowed_list:\t0-1\n");
                },
                "CAP_NET_ADMIN", "sudo linnetd"},
        Illness{"tapNameTaken", [](Ward&, Options& o) { set_port(o, "net_tap0,iface=eth0"); },
                "name eth0 is taken", "ip link delete eth0"},
        Illness{"tapNameTooLong",
                [](Ward&, Options& o) { set_port(o, "net_tap0,iface=sixteen-letters-"); },
                "cannot be the name of a TAP", "iface=tap0"},
        Illness{"interfaceShared",
                [](Ward&, Options& o) {
                  o.ports.push_back(Ward::port("net_tap1,iface=tap0"));
                  o.ports.back().name = "lan0";
                },
                "lan0: it and port wan0 share the interface \"tap0\"", "net_tap1,iface=lan0"},
        Illness{"tapLeftBehind",
                [](Ward& w, Options& o) {
                  set_port(o, "net_tap0,iface=eth0");
                  w.file("/sys/class/net/eth0/tun_flags", "0x1002\n");
                },
                "was left behind", "ip link delete eth0", Severity::Warning},
        Illness{"badAddress", [](Ward&, Options& o) { set_port(o, "0000:zz:04.0"); },
                "\"0000:zz:04.0\" is no PCI address", "dpdk-devbind.py"},
        Illness{"noSuchCard", [](Ward&, Options& o) { set_port(o, "00:1f.7"); },
                "no PCI device 0000:00:1f.7", "dpdk-devbind.py"},
        Illness{"noNetworkCard", [](Ward&, Options& o) { set_port(o, "0000:00:06.0"); },
                "is no network card", "dpdk-devbind.py"},
        Illness{"cardOfTheKernel", [](Ward&, Options& o) { set_port(o, "0000:00:05.0"); },
                "kernel's driver virtio-pci", "--bind=vfio-pci 0000:00:05.0"},
        Illness{"cardUnbound",
                [](Ward& w, Options& o) {
                  w.remove("/sys/bus/pci/devices/0000:00:04.0/driver");
                  set_port(o, "0000:00:04.0");
                },
                "bound to no driver", "--bind=vfio-pci 0000:00:04.0"},
        Illness{"noIommu",
                [](Ward& w, Options& o) {
                  w.remove("/sys/bus/pci/devices/0000:00:04.0/iommu_group");
                  set_port(o, "0000:00:04.0");
                },
                "no IOMMU", "enable_unsafe_noiommu_mode"},
        Illness{"vfioGroupMissing",
                [](Ward& w, Options& o) {
                  w.remove("/dev/vfio/7");
                  set_port(o, "0000:00:04.0");
                },
                "/dev/vfio/7 is missing", "ls -l /dev/vfio"},
        Illness{"noInterface", [](Ward&, Options& o) { set_port(o, "net_af_packet0,iface=eth9"); },
                "no interface \"eth9\"", "ip link show"},
        Illness{"interfaceNotSaid", [](Ward&, Options& o) { set_port(o, "net_af_xdp0"); },
                "needs the argument iface", "iface=eth0"},
        Illness{"noVhostNet",
                [](Ward&, Options& o) { set_port(o, "net_virtio_user0,path=/dev/vhost-net"); },
                "/dev/vhost-net\" is missing", "modprobe vhost-net"},
        Illness{"noCapture",
                [](Ward& w, Options& o) { set_port(o, "net_pcap0,rx_pcap=" + w.at("/none.pcap")); },
                "cannot be read", "capinfos"},
        Illness{"emptyCapture",
                [](Ward& w, Options& o) {
                  w.file("/in.pcap", "");
                  set_port(o, "net_pcap0,rx_pcap=" + w.at("/in.pcap"));
                },
                "is no capture", "capinfos"},
        Illness{"truncatedCapture",
                [](Ward& w, Options& o) {
                  const std::string whole = capture(1, 3);
                  w.file("/in.pcap", whole.substr(0, whole.size() - 1));
                  set_port(o, "net_pcap0,rx_pcap=" + w.at("/in.pcap"));
                },
                "cut off after 2 whole frames", "capinfos"},
        Illness{"otherLinkType",
                [](Ward& w, Options& o) {
                  w.file("/in.pcap", capture(101, 1));
                  o.ports[0].replay = w.at("/in.pcap");
                  o.ports[0].write = w.at("/out.pcap");
                },
                "link type 101", "capinfos"},
        Illness{
            "captureFolderMissing",
            [](Ward& w, Options& o) { set_port(o, "net_pcap0,tx_pcap=" + w.at("/none/out.pcap")); },
            "cannot be written", "mkdir -p"}),
    [](const auto& row) { return row.param.name; });

// A socket that something listens at, or that nobody does any more.
int listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(fd, 1), 0);
  return fd;
}

INSTANTIATE_TEST_SUITE_P(
    Files, BrokenEnvironment,
    testing::Values(
        Illness{"socketFolderMissing",
                [](Ward& w, Options& o) { o.control_socket = w.at("/none/such/linnet.sock"); },
                "directory of the control socket", "install -d"},
        Illness{"socketFolderIsAFile",
                [](Ward& w, Options& o) {
                  w.file("/plain", "x");
                  o.control_socket = w.at("/plain/linnet.sock");
                },
                "directory of the control socket", "install -d"},
        Illness{"socketIsAFile", [](Ward& w, Options&) { w.file("/run/linnet/linnet.sock", "x"); },
                "no socket lies where", "rm "},
        Illness{"staleSocket", [](Ward&, Options& o) { close(listen_at(o.control_socket)); },
                "left its control socket", "rm ", Severity::Warning},
        Illness{"logFolderMissing", [](Ward& w, Options& o) { o.log = w.at("/none/linnet.log"); },
                "log file", "--log"},
        Illness{"logIsAFolder", [](Ward& w, Options& o) { o.log = w.at("/run"); }, "log file",
                "--log"},
        Illness{"pidFolderMissing", [](Ward& w, Options& o) { o.pid_file = w.at("/none/pid"); },
                "pid file", "--pid-file"},
        Illness{"noStartupFile", [](Ward& w, Options& o) { o.startup = w.at("/none"); },
                "startup file", "ls -l"},
        Illness{"openConfig",
                [](Ward& w, Options& o) {
                  w.file("/linnet.conf", "");
                  o.config = w.at("/linnet.conf");
                  chmod(o.config.c_str(), 0666);
                },
                "Everybody may write", "chmod o-w"},
        Illness{"openStartup",
                [](Ward& w, Options& o) {
                  w.file("/startup", "");
                  o.startup = w.at("/startup");
                  chmod(o.startup.c_str(), 0602);
                },
                "Everybody may write", "chmod o-w"},
        Illness{"noUser", [](Ward&, Options& o) { o.run_as = "nosuch"; }, "no user \"nosuch\"",
                "useradd"},
        Illness{"userCannotCleanUp", [](Ward&, Options& o) { o.run_as = "other"; },
                "could not remove", "install -d -m 0750 -o other"},
        Illness{"noUserChange",
                [](Ward& w, Options& o) {
                  w.file("/proc/self/status",
                         "CapEff:\t0000000000003000\nCpus_allowed_list:\t0-1\n");
                  o.run_as = "other";
                  chmod(w.at("/run/linnet").c_str(), 0777);
                },
                "Only root can become", "sudo linnetd"},
        Illness{"keepsItsRights", [](Ward&, Options& o) { o.run_as.clear(); },
                "keeps all of its rights", "--run-as", Severity::Warning}),
    [](const auto& row) { return row.param.name; });

TEST(Doctor, D12_secondInstanceIsRefused) {
  const Ward ward;
  const Options options = ward.options();
  const int fd = listen_at(options.control_socket);
  const Findings findings = examine(options, ward.machine());
  close(fd);
  ASSERT_TRUE(any_fatal(findings)) << all_text(findings);
  EXPECT_NE(findings[0].sentence.find("Another linnetd answers"), std::string::npos);
  EXPECT_NE(findings[0].mend.find("--control-socket"), std::string::npos);
}

TEST(Doctor, hugepageFilesThatAreInUseAreNoLeftovers) {
  Ward ward;
  ward.hugepages(256, 256);
  ward.file("/dev/hugepages/rtemap_0", "x");
  const int file = open(ward.at("/dev/hugepages/rtemap_0").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(flock(file, LOCK_SH), 0);
  const Findings findings = examine(ward.options(), ward.machine());
  close(file);
  EXPECT_TRUE(findings.empty()) << all_text(findings);
}

}  // namespace
}  // namespace linnet::app
