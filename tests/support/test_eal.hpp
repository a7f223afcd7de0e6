// SPDX-License-Identifier: BSD-3-Clause
// EAL as tests start it: no hugepages, no root, no files, and no thread bound to a core of its own,
// so that test programs that run side by side share the machine.
#pragma once

#include <rte_eal.h>
#include <sched.h>

#include <string>
#include <vector>

namespace linnet::tests {

// Once in a process; false where EAL refuses. Lcores 0 to `lcores` - 1 run on any CPU allowed to
// us.
inline bool start_eal(unsigned memory_mb, unsigned lcores) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
  std::string cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus += (cpus.empty() ? "" : ",") + std::to_string(cpu);
  }
  std::string placed;
  for (unsigned lcore = 0; lcore < lcores; ++lcore)
    placed += (lcore == 0 ? "" : ",") + std::to_string(lcore) + "@(" + cpus + ")";
  // EAL moves the pointers about and keeps some.
  static std::vector<std::string> words;
  static std::vector<char*> pointers;
  words = {"test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "--log-level=*:error"};
  words.insert(words.end(), {"-m", std::to_string(memory_mb), "--lcores", placed});
  for (std::string& word : words)
    pointers.push_back(word.data());
  return rte_eal_init(static_cast<int>(pointers.size()), pointers.data()) >= 0;
}

}  // namespace linnet::tests
