# SPDX-License-Identifier: BSD-3-Clause
"""Two lanes beside one, a real thread and a core for each.

Forwarding: a queue of endless frames for each lane. Requests: each lane's thread is client and server
over lo. Slots of one lane, of two, and of two processes with a lane each are interleaved; the figure
is the median of the ratios of two lanes to one. The two processes share nothing but the machine: they
get what its two cores, caches and clock rate can give, and the lanes' share of that is told beside.
Hand-over: the same segments come to their flow's lane, or all to the other one.
"""
import os
import pathlib
import statistics
import tempfile

from . import _report
from .forward import Linnet, hugepages, make_frames
from .tcp import Process

CPUS = sorted(os.sched_getaffinity(0))
MEMORY_MB = 256
MOST_CYCLES = 60    # a hand-over


class Requests(Process):
    def __init__(self, options, huge, lanes, core):
        self.start([options.build / "app/linnet-bench", "requests", "--lanes", lanes, "--core", core,
                    "--memory", MEMORY_MB], huge)

    def begin(self, seconds):
        self.tell(f"run {seconds}")

    def finish(self):
        got = self.answer()
        return {"rate": got["requests"] / got["seconds"], "cpu_rate": got["requests"] / got["cpu_seconds"]}


class Forwarding(Linnet):
    def begin(self, seconds):
        self.process.stdin.write(f"run {seconds}\n")
        self.process.stdin.flush()

    def finish(self):
        got = self.told()
        return {"rate": got["packets"] / got["seconds"], "cpu_rate": got["packets"] / got["cpu_seconds"]}


def slot(programs, seconds):
    """All of them at once."""
    for program in programs:
        program.begin(seconds)
    got = [program.finish() for program in programs]
    return {"rate": sum(g["rate"] for g in got), "cpu_rate": statistics.mean(g["cpu_rate"] for g in got)}


def scale(report, name, unit, by, goal, pairs, seconds, make):
    """`make(lanes, core)` starts a program."""
    programs = []
    try:
        programs.append(make(1, CPUS[-1]))
        programs.append(make(1, CPUS[-2]))
        programs.append(make(2, CPUS[-1]))
        one, other, two = programs
        for program in programs:
            slot([program], 0.3)
        rounds = [(slot([one], seconds), slot([two], seconds), slot([one, other], seconds))
                  for _ in range(pairs)]
    finally:
        for program in programs:
            program.end()
    ratio, spread = _report.median_and_spread([b["rate"] / a["rate"] for a, b, _ in rounds])
    report.add(f"{name}: two lanes of one", ratio, "ratio", reach=goal, spread=spread)
    ratio, spread = _report.median_and_spread([c["rate"] / a["rate"] for a, _, c in rounds])
    report.add(f"{name}: two processes of one", ratio, "ratio", spread=spread)
    ratio, spread = _report.median_and_spread([b["rate"] / c["rate"] for _, b, c in rounds])
    report.add(f"{name}: two lanes of two processes", ratio, "ratio", spread=spread)
    ratio, spread = _report.median_and_spread([b["cpu_rate"] / a["cpu_rate"] for a, b, _ in rounds])
    report.add(f"{name}: a second of a core, with two lanes of with one", ratio, "ratio", spread=spread)
    for number, what in enumerate(("one lane", "two lanes", "two processes")):
        value, spread = _report.median_and_spread([r[number]["rate"] / by for r in rounds])
        report.add(f"{name}: {what}", value, unit, spread=spread)


class Handover(Process):
    def __init__(self, options, huge):
        self.start([options.build / "app/linnet-bench", "handover", "--core", CPUS[-1], "--memory",
                    MEMORY_MB], huge)

    def cycles(self, how, where, much):
        self.tell(f"{how} {where} {much}")
        got = self.answer()
        return got["cycles"] / max(1, got["packets"])


def hand_over(report, pairs, seconds, handover):
    """Both sides together, of CPU time."""
    for how, much, name, reach in (("run", seconds, "two cores", MOST_CYCLES),
                                   ("turns", 500_000, "both lanes on one core", None)):
        rounds = [(handover.cycles(how, "right", much), handover.cycles(how, "wrong", much))
                  for _ in range(pairs)]
        value, spread = _report.median_and_spread([b - a for a, b in rounds])
        report.add(f"a hand-over, {name}", value, "cycles/packet", reach=reach, at_least=False,
                   spread=spread)
        for where, values in zip(("to its lane", "to the other"), zip(*rounds)):
            value, spread = _report.median_and_spread(values)
            report.add(f"a segment that comes {where}, {name}", value, "cycles/packet", spread=spread)


def hand_over_instructions(options, report):
    """Two runs under callgrind of each placement that differ in packets only."""
    counts = []
    for where in ("right", "wrong"):
        few, many = (_report.callgrind([options.build / "app/linnet-bench", "handover", "--memory", 192,
                                        "--packets", 8192, "--core", CPUS[-1]],
                                       f"turns {where} {packets}\nquit\n")
                     for packets in (20_000, 60_000))
        if few is None or many is None:
            report.note("callgrind did not run.")
            return
        counts.append((many - few) / 40_000)
    report.add("a hand-over: instructions, both sides", counts[1] - counts[0], "instructions/packet",
               spread="callgrind")


def run(options):
    pairs, seconds = (3, 0.5) if options.quick else (7, 2.0)
    report = _report.Report(f"Two lanes beside one, {pairs} rounds of slots of {seconds:g} s")
    if len(CPUS) < 2:
        report.note("One core only: two lanes cannot run side by side.")
        return report
    with tempfile.TemporaryDirectory() as folder, hugepages(4 * 512) as huge:
        frames = pathlib.Path(folder) / "frames"
        make_frames(options, frames, 1, 256, 60)
        scale(report, "forwarding", "Mpps", 1e6, 1.9, pairs, seconds,
              lambda lanes, core: Forwarding(options, frames, 1, None, huge, lanes=lanes, core=core))
        scale(report, "requests", "k requests/s", 1e3, 1.8, pairs, seconds,
              lambda lanes, core: Requests(options, huge, lanes, core))
        handover = Handover(options, huge)
        try:
            hand_over(report, max(pairs, 5), seconds / 4, handover)
        finally:
            handover.end()
    hand_over_instructions(options, report)
    return report
