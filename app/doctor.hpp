// SPDX-License-Identifier: BSD-3-Clause
// Looks at the machine before EAL starts: what would prevent or slow a start, a sentence and a
// mending command for each.
#pragma once

#include <string>
#include <vector>

#include "app/machine.hpp"
#include "app/options.hpp"
#include "base/result.hpp"

namespace linnet::app {

enum class Severity : std::uint8_t {
  Fatal,   // linnetd would not start, or not do what it was asked to
  Warning  // it starts; something is slower or less safe than it could be
};

struct Finding {
  Severity severity = Severity::Fatal;
  std::string sentence;
  std::string mend;  // one command, or one option of linnetd
};
using Findings = std::vector<Finding>;

// Everything, the fatal findings first.
Findings examine(const Options& options, const Machine& machine);
bool any_fatal(const Findings& findings);
// "error: SENTENCE.\n  mend: COMMAND\n"
std::string to_text(const Finding& finding);

// Parts of it; each appends to `findings`.
void examine_memory(const Options& options, const Machine& machine, Findings& findings);
void examine_cores(const Options& options, const Machine& machine, Findings& findings);
void examine_ports(const Options& options, const Machine& machine, Findings& findings);
void examine_files(const Options& options, const Machine& machine, Findings& findings);
void examine_leftovers(const Options& options, const Machine& machine, Findings& findings);

// Which CPU does what. Without a core of its own a lane takes turns on the control core.
struct CorePlan {
  unsigned control = 0;
  std::vector<unsigned> lanes;  // empty: one lane, on the control core
};
Result<CorePlan> plan_cores(const Options& options, const Machine& machine);

// Whether packets will lie in hugepages: as asked for, or where enough are free.
bool use_hugepages(const Options& options, const Machine& machine);

}  // namespace linnet::app
