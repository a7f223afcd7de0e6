// SPDX-License-Identifier: BSD-3-Clause
#include "stack/eal.hpp"

#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "device/tap_signals.hpp"

namespace linnet::stack {
namespace {

constexpr off_t kMemoryLog = 1 << 20;  // a log without a file starts anew when it is this long

std::uint64_t number_in(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  file >> number;
  return number;
}

// A line of /proc/meminfo, in kB.
std::uint64_t meminfo_kb(std::string_view key) {
  std::ifstream file("/proc/meminfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with(key)) return std::strtoull(line.c_str() + key.size() + 1, nullptr, 10);
  }
  return 0;
}

std::vector<unsigned> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> out;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return out;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) out.push_back(cpu);
  }
  return out;
}

std::string joined(const std::vector<unsigned>& numbers) {
  std::string out;
  for (const unsigned number : numbers)
    out += (out.empty() ? "" : ",") + std::to_string(number);
  return out;
}

Result<> check_cores(const EalOptions& options) {
  const std::vector<unsigned> allowed = allowed_cpus();
  std::vector<unsigned> asked = options.lane_cores;
  if (options.control_core) asked.push_back(*options.control_core);
  for (const unsigned cpu : asked) {
    if (std::find(allowed.begin(), allowed.end(), cpu) == allowed.end()) {
      return Error{"no such core for this process", std::to_string(cpu), -1,
                   "one of " + joined(allowed)};
    }
  }
  return Ok{};
}

// Whether hugepages are to be used; an error where they or the memory are not there.
Result<bool> choose_memory(const EalOptions& options) {
  const HugepageFacts facts = hugepage_facts();
  const std::string wanted = std::to_string(options.memory_mb);
  if (options.hugepages != Hugepages::No && facts.free_mb >= options.memory_mb) return true;
  if (options.hugepages == Hugepages::Yes) {
    const std::uint64_t more = options.memory_mb - facts.free_mb;
    const std::uint64_t pages = (facts.total_mb + more + facts.page_mb - 1) / facts.page_mb;
    return Error{"not enough free hugepages for " + wanted + " MB of memory (" +
                 std::to_string(facts.free_mb) +
                 " MB are free); run: sysctl -w vm.nr_hugepages=" + std::to_string(pages)};
  }
  const std::uint64_t available_mb = meminfo_kb("MemAvailable") / 1024;
  if (available_mb < options.memory_mb) {
    return Error{"not enough memory: " + std::to_string(available_mb) +
                     " MB are available; ask for less with memory",
                 wanted};
  }
  return false;
}

std::vector<std::string> arguments_for(const EalOptions& options, bool hugepages) {
  std::vector<std::string> out = {"linnet", "--iova-mode=va"};
  const std::string control =
      options.control_core ? std::to_string(*options.control_core) : joined(allowed_cpus());
  std::string cores = "0@(" + control + ")";
  unsigned lcore = 1;
  for (const unsigned cpu : options.lane_cores)
    cores += "," + std::to_string(lcore++) + "@" + std::to_string(cpu);
  out.push_back("--lcores=" + cores);
  out.push_back("--main-lcore=0");
  out.insert(out.end(), {"-m", std::to_string(options.memory_mb)});
  // Hugepages without files: nothing to leave behind, several daemons side by side.
  if (hugepages) {
    out.push_back("--in-memory");
    if (options.shared_files) out.push_back("--single-file-segments");
  } else {
    out.insert(out.end(), {"--no-huge", "--no-shconf"});
  }
  out.push_back("--log-level=" + std::to_string(options.log_level));
  if (!options.telemetry) out.push_back("--no-telemetry");
  if (options.pci_devices.empty()) out.push_back("--no-pci");
  for (const std::string& device : options.pci_devices)
    out.insert(out.end(), {"-a", device});
  return out;
}

}  // namespace

HugepageFacts hugepage_facts() {
  HugepageFacts facts;
  const std::uint64_t page_kb = meminfo_kb("Hugepagesize:");
  if (page_kb >= 1024) facts.page_mb = page_kb / 1024;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    const std::string name = entry.path().filename();  // hugepages-2048kB
    const std::size_t dash = name.find('-');
    if (dash == std::string::npos) continue;
    const std::uint64_t kb = std::strtoull(name.c_str() + dash + 1, nullptr, 10);
    facts.total_mb += number_in(entry.path() / "nr_hugepages") * kb / 1024;
    const std::uint64_t free = number_in(entry.path() / "free_hugepages");
    const std::uint64_t reserved = number_in(entry.path() / "resv_hugepages");
    facts.free_mb += (free - std::min(free, reserved)) * kb / 1024;
  }
  return facts;
}

Quiet::Quiet(int log_fd) {
  std::fflush(stdout);
  std::fflush(stderr);
  saved_out_ = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  saved_error_ = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  ::dup2(log_fd, STDOUT_FILENO);
  ::dup2(log_fd, STDERR_FILENO);
}

Quiet::~Quiet() {
  std::fflush(stdout);
  std::fflush(stderr);
  const int targets[][2] = {{saved_out_, STDOUT_FILENO}, {saved_error_, STDERR_FILENO}};
  for (const auto& [saved, target] : targets) {
    if (saved < 0) {
      ::close(target);  // was closed before
      continue;
    }
    ::dup2(saved, target);
    ::close(saved);
  }
}

// The stream that rte_log writes to, over a file or over memory.
struct Eal::Log {
  ~Log() {
    rte_openlog_stream(nullptr);
    if (stream != nullptr) std::fclose(stream);
    if (fd >= 0) ::close(fd);
  }

  Result<> open(const std::string& path) {
    in_memory = path.empty();
    fd = in_memory ? ::memfd_create("dpdk-log", MFD_CLOEXEC)
                   : ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
      return Error{std::string("cannot write the log (") + std::strerror(errno) + ")", path};
    if (in_memory) ::fcntl(fd, F_SETFL, O_APPEND);
    cookie_io_functions_t io{};
    io.write = [](void* self, const char* text, std::size_t bytes) {
      return static_cast<Log*>(self)->write(text, bytes);
    };
    stream = ::fopencookie(this, "w", io);
    LINNET_CHECK(stream != nullptr);
    std::setvbuf(stream, nullptr, _IOLBF, 0);
    rte_openlog_stream(stream);
    return Ok{};
  }

  ssize_t write(const char* text, std::size_t bytes) const {
    if (in_memory && ::lseek(fd, 0, SEEK_END) > kMemoryLog && ::ftruncate(fd, 0) != 0) return -1;
    return ::write(fd, text, bytes);
  }

  int fd = -1;
  bool in_memory = false;
  FILE* stream = nullptr;
};

Eal::Eal() : log_(std::make_unique<Log>()) {}

Result<std::unique_ptr<Eal>> Eal::start(const EalOptions& options) {
  Result<> cores = check_cores(options);
  if (!cores) return cores.error();
  Result<bool> hugepages = choose_memory(options);
  if (!hugepages) return hugepages.error();
  std::unique_ptr<Eal> eal(new Eal());
  Result<> log = eal->log_->open(options.log_path);
  if (!log) return log.error();
  eal->arguments_ = arguments_for(options, *hugepages);
  eal->hugepages_ = *hugepages;
  std::vector<char*> raw;
  for (std::string& word : eal->arguments_)
    raw.push_back(word.data());
  int error = 0;
  {
    const Quiet quiet(eal->log_->fd);
    const device::RealTimeSignalsHeld held;  // EAL's threads never run net_tap's handler
    if (rte_eal_init(static_cast<int>(raw.size()), raw.data()) < 0) error = rte_errno;
  }
  if (error == EALREADY) return Error{"DPDK was started before in this process"};
  if (error != 0) {
    const std::string where =
        options.log_path.empty() ? "" : "; its words are in " + options.log_path;
    return Error{std::string("DPDK did not start (") + rte_strerror(error) +
                 "); run: linnetd --doctor" + where};
  }
  eal->running_ = true;
  eal->lanes_ = static_cast<unsigned>(options.lane_cores.size());
  return eal;
}

Eal::~Eal() {
  if (!running_) return;
  const Quiet quiet(log_->fd);
  rte_eal_cleanup();
}

bool Eal::started_in_process() {
  return rte_lcore_count() != 0;
}

std::optional<unsigned> Eal::lane_lcore(unsigned lane) const {
  if (lane >= lanes_) return std::nullopt;
  return lane + 1;
}

Quiet Eal::quiet() const {
  return Quiet(log_->fd);
}

std::string Eal::log_tail(std::size_t bytes) const {
  std::fflush(log_->stream);
  const off_t size = ::lseek(log_->fd, 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(bytes));
  std::string out(static_cast<std::size_t>(std::max<off_t>(0, size - from)), '\0');
  const ssize_t got = ::pread(log_->fd, out.data(), out.size(), from);
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return out;
}

}  // namespace linnet::stack
