// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace linnet::stack {

enum class Hugepages : std::uint8_t { Auto, Yes, No };

struct EalOptions {
  unsigned memory_mb = 256;               // for packet pools and what drivers allocate
  Hugepages hugepages = Hugepages::Auto;  // Auto: where enough are free
  std::optional<unsigned> control_core;   // CPU of the control core; none: any that it may run on
  std::vector<unsigned> lane_cores;       // CPU of each lane; empty: lanes turn on the control core
  bool shared_files = false;              // memory in few files, as vhost-user wants to be given
  std::vector<std::string> pci_devices;   // the only PCI devices that DPDK may touch
  std::string log_path;                   // DPDK's output is appended there; empty: kept in memory
  unsigned log_level = 6;                 // the loudest that is logged: 1 (emergency) to 8 (debug)
  bool telemetry = false;                 // the socket of dpdk-telemetry.py
};

// Huge pages as the kernel tells of them, all sizes added up.
struct HugepageFacts {
  std::uint64_t total_mb = 0;
  std::uint64_t free_mb = 0;
  std::uint64_t page_mb = 2;  // of the default size
};
HugepageFacts hugepage_facts();

// While it lives, what this process writes to standard output and error goes to a descriptor
// instead: some drivers print. Control core, while nothing of ours prints.
class Quiet {
 public:
  explicit Quiet(int log_fd);
  ~Quiet();
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  int saved_out_;
  int saved_error_;
};

// DPDK's environment: threads, memory, the buses of devices. What it prints goes to the log and
// never to a user. At most one in a process, and only once: EAL cannot start a second time.
class Eal {
 public:
  // The error is one sentence that says what would mend it; it changes nothing but that a later
  // start may be refused.
  static Result<std::unique_ptr<Eal>> start(const EalOptions& options);
  ~Eal();
  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;

  // Whether somebody, maybe not we, has started it in this process.
  static bool started_in_process();

  bool hugepages() const { return hugepages_; }
  // The lcore of a lane, none where lanes turn on the control core.
  std::optional<unsigned> lane_lcore(unsigned lane) const;
  // Hold it while ports are made or removed.
  Quiet quiet() const;
  // The last of what DPDK has logged, at most `bytes`.
  std::string log_tail(std::size_t bytes = 4096) const;

 private:
  struct Log;
  Eal();

  std::unique_ptr<Log> log_;
  std::vector<std::string> arguments_;
  bool running_ = false;
  bool hugepages_ = false;
  unsigned lanes_ = 0;
};

}  // namespace linnet::stack
