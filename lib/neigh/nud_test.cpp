// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/nud.hpp"

#include <gtest/gtest.h>

#include <string>

namespace linnet::neigh {
namespace {

// The whole machine, written a second time: for each state what each event leads to, with the
// actions as letters: ? asks, ! sends what waits, x reports it unreachable, r restarts the timer.
struct Row {
  Nud state;
  const char* next[kNudEvents];
};
// Used, Answered, Seen, Moved, Confirmed, Fresh, Expired, ExpiredIdle, Retry, Exhausted
constexpr Row kExpected[] = {
    {Nud::None,
     {"INCOMPLETE?", "REACHABLE!", "STALE!", "STALE!", "NONE", "NONE", "NONE", "NONE", "NONE",
      "NONE"}},
    {Nud::Incomplete,
     {"INCOMPLETE", "REACHABLE!", "STALE!", "STALE!", "INCOMPLETE", "INCOMPLETE", "INCOMPLETE",
      "INCOMPLETE", "INCOMPLETE?r", "FAILEDx"}},
    {Nud::Reachable,
     {"REACHABLE", "REACHABLE", "REACHABLE", "STALE", "REACHABLE", "REACHABLEr", "DELAY", "STALE",
      "REACHABLE", "REACHABLE"}},
    {Nud::Stale,
     {"DELAY", "REACHABLE", "STALE", "STALE", "REACHABLE", "STALE", "STALE", "STALE", "STALE",
      "STALE"}},
    {Nud::Delay,
     {"DELAY", "REACHABLE", "DELAY", "STALE", "REACHABLE", "REACHABLE", "PROBE?", "PROBE?", "DELAY",
      "DELAY"}},
    {Nud::Probe,
     {"PROBE", "REACHABLE", "PROBE", "STALE", "REACHABLE", "PROBE", "PROBE", "PROBE", "PROBE?r",
      "FAILEDx"}},
    {Nud::Failed,
     {"INCOMPLETE?", "REACHABLE!", "STALE!", "STALE!", "FAILED", "FAILED", "FAILED", "FAILED",
      "FAILED", "FAILED"}},
    {Nud::Permanent,
     {"PERMANENT", "PERMANENT", "PERMANENT", "PERMANENT", "PERMANENT", "PERMANENT", "PERMANENT",
      "PERMANENT", "PERMANENT", "PERMANENT"}},
    {Nud::NoArp,
     {"NOARP", "NOARP", "NOARP", "NOARP", "NOARP", "NOARP", "NOARP", "NOARP", "NOARP", "NOARP"}},
};

std::string text_of(const NudStep& step) {
  std::string out(name_of(step.next));
  if ((step.actions & NudStep::kSolicit) != 0) out += '?';
  if ((step.actions & NudStep::kSend) != 0) out += '!';
  if ((step.actions & NudStep::kReport) != 0) out += 'x';
  if ((step.actions & NudStep::kRestart) != 0) out += 'r';
  return out;
}

class NudTable : public testing::TestWithParam<Row> {};

TEST_P(NudTable, EveryEventLeadsWhereRfc4861AndLinuxSay) {
  for (unsigned event = 0; event < kNudEvents; ++event) {
    EXPECT_EQ(text_of(nud_step(GetParam().state, static_cast<NudEvent>(event))),
              GetParam().next[event])
        << "event " << event;
  }
}
INSTANTIATE_TEST_SUITE_P(States, NudTable, testing::ValuesIn(kExpected),
                         [](const auto& param) { return std::string(name_of(param.param.state)); });

}  // namespace
}  // namespace linnet::neigh
