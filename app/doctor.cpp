// SPDX-License-Identifier: BSD-3-Clause
// Memory and cores, and the list of all examinations.
#include "app/doctor.hpp"

#include <rte_mbuf.h>

#include <algorithm>

#include "packet/packet.hpp"

namespace linnet::app {
namespace {

constexpr std::uint64_t kMegabyte = 1 << 20;
constexpr std::uint64_t kPage = 4096;
// EAL's own, rings of ports and tables; the rest is packets.
constexpr std::uint64_t kBesidePackets = 16 * kMegabyte;

// Without hugepages no buffer crosses a page: each begins a page of its own.
std::uint64_t wanted_bytes(const Options& options, bool huge) {
  std::uint64_t each = sizeof(rte_mbuf) + sizeof(packet::Meta) + RTE_PKTMBUF_HEADROOM +
                       options.packet_size + 2 * RTE_CACHE_LINE_SIZE;
  if (!huge) each = (each + kPage - 1) / kPage * kPage;
  return each * options.packets + kBesidePackets;
}

std::uint64_t free_hugepage_bytes(const Machine& machine) {
  std::uint64_t bytes = 0;
  for (const HugepageSize& size : machine.hugepages())
    bytes += size.bytes * size.free;
  return bytes;
}

std::string megabytes(std::uint64_t bytes) {
  return std::to_string((bytes + kMegabyte - 1) / kMegabyte);
}

// The command that makes enough hugepages of the smallest size.
std::string make_hugepages(const Options& options, const Machine& machine) {
  HugepageSize best{2 * kMegabyte, 0, 0};
  for (const HugepageSize& size : machine.hugepages())
    if (size.bytes <= best.bytes) best = size;
  const std::uint64_t pages = options.memory_mb * kMegabyte / best.bytes + (best.total - best.free);
  return "echo " + std::to_string(pages) + " > /sys/kernel/mm/hugepages/hugepages-" +
         std::to_string(best.bytes / 1024) + "kB/nr_hugepages";
}

void examine_hugepages(const Options& options, const Machine& machine, Findings& findings) {
  if (options.hugepages == Hugepages::Off || use_hugepages(options, machine)) return;
  const bool asked = options.hugepages == Hugepages::On;
  std::uint64_t total = 0;
  for (const HugepageSize& size : machine.hugepages())
    total += size.bytes * size.total;
  const std::uint64_t free = free_hugepage_bytes(machine);
  const std::string wanted = std::to_string(options.memory_mb) + " MB";
  std::string sentence = "This machine has no hugepages, and " + wanted + " of them are wanted";
  if (total != 0)
    sentence = "Only " + megabytes(free) + " MB of the machine's " + megabytes(total) +
               " MB of hugepages are free, and " + wanted + " are wanted";
  findings.push_back({asked ? Severity::Fatal : Severity::Warning,
                      sentence + (asked ? "" : "; ordinary pages will do, more slowly"),
                      make_hugepages(options, machine)});
}

Result<CorePlan> chosen_lanes(const Options& options, const std::vector<unsigned>& allowed,
                              CorePlan plan) {
  const unsigned lanes = options.lanes.value_or(allowed.size() > 1 ? 1 : 0);
  for (const unsigned core : allowed)
    if (core != plan.control && plan.lanes.size() < lanes) plan.lanes.push_back(core);
  if (plan.lanes.size() == lanes) return plan;
  return Error{std::to_string(lanes) + " lanes and the control core need " +
                   std::to_string(lanes + 1) + " cores, and this process may use " +
                   std::to_string(allowed.size()),
               "", -1, "--lanes " + std::to_string(allowed.size() - 1)};
}

}  // namespace

// The error's `expected` is the option that would do.
Result<CorePlan> plan_cores(const Options& options, const Machine& machine) {
  const std::vector<unsigned> allowed = machine.allowed_cores();
  const auto may_use = [&](unsigned core) {
    return std::find(allowed.begin(), allowed.end(), core) != allowed.end();
  };
  if (allowed.empty()) return Error{"no core can be used", "", -1, "nproc"};
  std::vector<unsigned> named = options.lane_cores;
  if (options.control_core) named.push_back(*options.control_core);
  for (const unsigned core : named)
    if (!may_use(core)) {
      const std::vector<unsigned> online = machine.online_cores();
      const bool exists = std::find(online.begin(), online.end(), core) != online.end();
      return Error{"core " + std::to_string(core) +
                       (exists ? " is not among those this process may use"
                               : " does not exist on this machine"),
                   "", -1, "lscpu --extended=CPU,ONLINE"};
    }
  CorePlan plan;
  plan.lanes = options.lane_cores;
  if (options.control_core) {
    plan.control = *options.control_core;
  } else {
    const auto unused = std::find_if(allowed.begin(), allowed.end(), [&](unsigned core) {
      return std::find(plan.lanes.begin(), plan.lanes.end(), core) == plan.lanes.end();
    });
    if (unused == allowed.end())
      return Error{"every core is a lane's, and none is left for the control core", "", -1,
                   "--lanes 0"};
    plan.control = *unused;
  }
  if (!plan.lanes.empty()) return plan;
  return chosen_lanes(options, allowed, std::move(plan));
}

bool use_hugepages(const Options& options, const Machine& machine) {
  if (options.hugepages == Hugepages::Off) return false;
  return free_hugepage_bytes(machine) >= options.memory_mb * kMegabyte;
}

void examine_memory(const Options& options, const Machine& machine, Findings& findings) {
  const bool huge = use_hugepages(options, machine);
  const std::uint64_t have = options.memory_mb * kMegabyte;
  const std::uint64_t wanted = wanted_bytes(options, huge);
  if (have < wanted)
    findings.push_back({Severity::Fatal,
                        "memory = " + std::to_string(options.memory_mb) + " MB does not hold " +
                            std::to_string(options.packets) + " packets of " +
                            std::to_string(options.packet_size) + " bytes",
                        "linnetd --memory " + megabytes(wanted)});
  const auto available = machine.available_memory();
  if (!huge && available && *available < have)
    findings.push_back({Severity::Fatal,
                        "memory = " + std::to_string(options.memory_mb) + " MB is more than the " +
                            megabytes(*available) + " MB that this machine has free",
                        "linnetd --memory " + megabytes(std::min(wanted, *available / 2)) +
                            " --packets " + std::to_string(options.packets / 2)});
  examine_hugepages(options, machine, findings);
}

void examine_cores(const Options& options, const Machine& machine, Findings& findings) {
  const auto plan = plan_cores(options, machine);
  if (!plan) {
    const Error& error = plan.error();
    const bool option = error.expected.starts_with("--");
    std::string sentence = error.message;
    sentence.front() = static_cast<char>(std::toupper(sentence.front()));
    findings.push_back(
        {Severity::Fatal, sentence, option ? "linnetd " + error.expected : error.expected});
  }
  // Each port, lane and client of the control socket holds a few.
  const std::uint64_t wanted = 128 + 8 * options.ports.size();
  const auto files = machine.limit("Max open files");
  if (files && *files < wanted)
    findings.push_back({Severity::Fatal,
                        "Only " + std::to_string(*files) + " files may be open at once, and " +
                            std::to_string(wanted) + " are wanted",
                        "ulimit -n 1024"});
}

Findings examine(const Options& options, const Machine& machine) {
  Findings findings;
  examine_ports(options, machine, findings);
  examine_files(options, machine, findings);
  examine_cores(options, machine, findings);
  examine_memory(options, machine, findings);
  examine_leftovers(options, machine, findings);
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  return findings;
}

bool any_fatal(const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.severity == Severity::Fatal; });
}

std::string to_text(const Finding& finding) {
  const char* kind = finding.severity == Severity::Fatal ? "error: " : "warning: ";
  return kind + finding.sentence + ".\n  mend: " + finding.mend + "\n";
}

}  // namespace linnet::app
