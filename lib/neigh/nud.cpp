// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/nud.hpp"

#include <array>

namespace linnet::neigh {
namespace {

constexpr std::uint8_t kSolicit = NudStep::kSolicit;
constexpr std::uint8_t kRestart = NudStep::kRestart;
constexpr std::uint8_t kSend = NudStep::kSend;
constexpr std::uint8_t kReport = NudStep::kReport;

using Row = std::array<NudStep, kNudEvents>;

// clang-format off
using enum Nud;
// Columns: Used, Answered, Seen, Moved, Confirmed;
//          Fresh, Expired, ExpiredIdle, Retry, Exhausted.
constexpr std::array<Row, kNudStates> kSteps = {{
    /* None */
    Row{{{Incomplete, kSolicit}, {Reachable, kSend}, {Stale, kSend}, {Stale, kSend}, {None},
         {None}, {None}, {None}, {None}, {None}}},
    /* Incomplete */
    Row{{{Incomplete}, {Reachable, kSend}, {Stale, kSend}, {Stale, kSend}, {Incomplete},
         {Incomplete}, {Incomplete}, {Incomplete}, {Incomplete, kSolicit | kRestart}, {Failed, kReport}}},
    /* Reachable */
    Row{{{Reachable}, {Reachable}, {Reachable}, {Stale}, {Reachable},
         {Reachable, kRestart}, {Delay}, {Stale}, {Reachable}, {Reachable}}},
    /* Stale */
    Row{{{Delay}, {Reachable}, {Stale}, {Stale}, {Reachable},
         {Stale}, {Stale}, {Stale}, {Stale}, {Stale}}},
    /* Delay */
    Row{{{Delay}, {Reachable}, {Delay}, {Stale}, {Reachable},
         {Reachable}, {Probe, kSolicit}, {Probe, kSolicit}, {Delay}, {Delay}}},
    /* Probe */
    Row{{{Probe}, {Reachable}, {Probe}, {Stale}, {Reachable},
         {Probe}, {Probe}, {Probe}, {Probe, kSolicit | kRestart}, {Failed, kReport}}},
    /* Failed */
    Row{{{Incomplete, kSolicit}, {Reachable, kSend}, {Stale, kSend}, {Stale, kSend}, {Failed},
         {Failed}, {Failed}, {Failed}, {Failed}, {Failed}}},
    /* Permanent */
    Row{{{Permanent}, {Permanent}, {Permanent}, {Permanent}, {Permanent},
         {Permanent}, {Permanent}, {Permanent}, {Permanent}, {Permanent}}},
    /* NoArp */
    Row{{{NoArp}, {NoArp}, {NoArp}, {NoArp}, {NoArp},
         {NoArp}, {NoArp}, {NoArp}, {NoArp}, {NoArp}}},
}};
// clang-format on

}  // namespace

const NudStep& nud_step(Nud state, NudEvent event) {
  return kSteps[static_cast<unsigned>(state)][static_cast<unsigned>(event)];
}

std::string_view name_of(Nud state) {
  static constexpr std::array<std::string_view, kNudStates> kNames = {
      "NONE", "INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "PERMANENT", "NOARP"};
  return kNames[static_cast<unsigned>(state)];
}

}  // namespace linnet::neigh
