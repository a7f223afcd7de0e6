// SPDX-License-Identifier: BSD-3-Clause
// Linnet's own commands, and sysctl.
#include "control/catalog_tables.hpp"

namespace linnet::control {
namespace {

constexpr Keyword kDrops[] = {{"nonzero", kShort}};

constexpr Verb kShow[] = {
    {"account",
     {},
     "",
     "The ledger of all lanes: every packet that came in or was made here, and where it ended.",
     {},
     Operand::None,
     "show account"},
    {"drops",
     {},
     "[nonzero]",
     "Every reason for which packets are dropped, with its count.",
     kDrops,
     Operand::None,
     "show drops nonzero"},
    {"lanes",
     {},
     "",
     "What each lane does: turns, packets, how full its bursts are, sleeps, turns over 100 ms; and "
     "whether ports bring packets to the lane that owns their flow.",
     {},
     Operand::None,
     "show lanes"},
    {"pools",
     {},
     "",
     "Packet buffers: how many, how many are free, failed allocations.",
     {},
     Operand::None,
     "show pools"},
    {"ports",
     {},
     "",
     "Devices with their driver, queues and link.",
     {},
     Operand::None,
     "show ports"},
    {"config",
     {},
     "",
     "What was set, as commands that set it again.",
     {},
     Operand::None,
     "show config"},
    {"version", {}, "", "The version of Linnet and of DPDK.", {}, Operand::None, "show version"},
};

constexpr Verb kSysctl[] = {
    {"",
     {},
     "[-n] NAME... | -a | [-w] NAME=VALUE...",
     "Reads and writes settings by Linux's names; -n prints the value alone. Several are written "
     "together or, where one is refused, not at all.",
     {},
     Operand::Setting,
     "sysctl -w net.ipv4.ip_forward=1"},
};

constexpr Verb kSs[] = {
    {"",
     {},
     "[-tuw0alnopemisHO4] [state STATE | exclude STATE]... [EXPRESSION]",
     "Sockets: -t TCP, -u UDP, -w raw and ping, -0 packet; -a all, -l those that listen; -o "
     "timers, "
     "-p program, -e lane and handle, -m memory, -i what TCP knows; -s counts alone; -H no "
     "heading, "
     "-O a line each. STATE as in ss(8), or all, connected, synchronized, bucket, big. EXPRESSION: "
     "src or dst [= !=] ADDRESS[/LENGTH][:PORT], sport or dport [= != < > <= >=] :PORT, autobound, "
     "with and, or, not and parentheses.",
     {},
     Operand::None,
     "ss -tani"},
};

constexpr Verb kNstat[] = {
    {"",
     {},
     "[-asz]",
     "Counters of IP, TCP and UDP by Linux's names, as they stand; -z with those that are 0.",
     {},
     Operand::None,
     "nstat -z"},
};

constexpr Verb kHelp[] = {
    {"",
     {},
     "[COMMAND...]",
     "Lists all commands, or tells how one is written.",
     {},
     Operand::Name,
     "help ip route"},
};

constexpr Group kOwnGroups[] = {
    {"", "show", {}, "The state of the daemon", "", kShow},
    {"", "sysctl", {}, "Settings", "", kSysctl},
    {"", "ss", {}, "Sockets", "", kSs},
    {"", "nstat", {}, "Counters", "", kNstat},
    {"", "help", {}, "This list", "", kHelp},
};

}  // namespace

std::span<const Group> own_groups() {
  return kOwnGroups;
}

}  // namespace linnet::control
