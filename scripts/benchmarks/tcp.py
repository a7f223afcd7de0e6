# SPDX-License-Identifier: BSD-3-Clause
"""TCP: the same two programs over Linnet (net_memif) and over the kernel (veth), in one run.

Two processes, a core each, program and stack on one thread that never sleeps; the kernel's twin polls
its sockets without sleeping, too. Slots of the two are interleaved; the figure is the median of the
ratios of paired slots. The kernel's veth has no offloads unless a figure says so.
"""
import contextlib
import json
import os
import re
import statistics
import subprocess

from . import _report
from .forward import hugepages

MEMORY_MB = 512
CPUS = sorted(os.sched_getaffinity(0))


class Process:
    """One linnet-bench tcp: obeys lines, answers lines of JSON."""

    def __init__(self, options, over, role, huge=False, before=()):
        command = [*before, options.build / "app/linnet-bench", "tcp", "--over", over, "--role", role,
                   "--memory", MEMORY_MB, "--wire", f"linnet-bench-{os.getpid()}",
                   "--core", CPUS[0 if role == "server" else -1]]
        if huge and over == "linnet":
            command.append("--hugepages")
        self.process = subprocess.Popen([str(w) for w in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.answer()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"linnet-bench tcp ended with status {self.process.wait()}")
        return json.loads(line)

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate("quit\n", timeout=30)


class Pair:
    """A server and a client."""

    def __init__(self, server, client):
        self.server, self.client = server, client

    def slot(self, work, size, connections, seconds, rate=0):
        self.server.tell(f"serve {work} {size}")
        self.server.answer()
        self.client.tell(f"run {work} {size} {connections} {seconds} {rate}")
        got = self.client.answer()
        self.server.tell("stop")
        self.server.answer()
        got["rate"] = got["requests"] / got["seconds"]
        got["gbit"] = got["bytes"] * 8e-9 / got["seconds"]
        return got

    def end(self):
        for process in (self.client, self.server):
            process.end()


class Kernel(Pair):
    """Two network namespaces with a veth between them."""

    def __init__(self, options):
        self.names = [f"linnet-bench-{os.getpid()}-{end}" for end in "sc"]
        for name in self.names:
            ip("netns", "add", name)
        ip("link", "add", "wire", "netns", self.names[0], "type", "veth", "peer", "name",
           "wire", "netns", self.names[1])
        for number, name in enumerate(self.names):
            ip("-n", name, "addr", "add", f"198.18.0.{number + 1}/24", "dev", "wire")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "wire", "up")
        self.offload("off")
        super().__init__(*(Process(options, "kernel", role, before=("ip", "netns", "exec", name))
                           for role, name in zip(("server", "client"), self.names)))

    def offload(self, state):
        for name in self.names:
            subprocess.run(["ip", "netns", "exec", name, "ethtool", "-K", "wire", "tso", state,
                            "gso", state, "gro", state], check=True, stdout=subprocess.DEVNULL)

    def end(self):
        super().end()
        for name in self.names:
            ip("netns", "del", name)


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


def linnet_pair(options, huge):
    return Pair(*(Process(options, "linnet", role, huge) for role in ("server", "client")))


def compare(report, name, pairs, ours, theirs, what, unit, scale, times, reach):
    """Interleaved slots; the ratio, and both figures. Returns Linnet's slots."""
    mine, their = [], []
    for _ in range(pairs):
        their.append(theirs())
        mine.append(ours())
    ratios = [a[what] / b[what] for a, b in zip(mine, their)]
    ratio, spread = _report.median_and_spread(ratios)
    report.add(f"{name}: of the kernel's", ratio, "ratio", reach=times, spread=spread)
    value, spread = _report.median_and_spread([slot[what] / scale for slot in mine])
    report.add(f"{name}: Linnet", value, unit, reach=reach, spread=spread)
    value, spread = _report.median_and_spread([slot[what] / scale for slot in their])
    report.add(f"{name}: kernel", value, unit, spread=spread)
    failed = sum(slot["failed"] for slot in mine + their)
    if failed:
        report.note(f"{name}: {failed} connections failed.")
    return mine, their


def requests(report, pairs, seconds, linnet, kernel):
    def slots(*work):
        return (lambda: linnet.slot(*work, seconds)), (lambda: kernel.slot(*work, seconds))

    mine, their = compare(report, "1 byte x 1 connection", pairs, *slots("request", 1, 1), "rate",
                          "k requests/s", 1e3, 9, 300)
    for who, got, reach in (("Linnet", mine, 20), ("kernel", their, None)):
        value, spread = _report.median_and_spread([slot["p99_us"] for slot in got])
        report.add(f"1 byte x 1 connection: p99, {who}", value, "us", reach=reach, at_least=False,
                   spread=spread)
    mine, _ = compare(report, "64 bytes x 64 connections", pairs, *slots("request", 64, 64), "rate",
                      "k requests/s", 1e3, 18, 2000)
    compare(report, "connect, request, close", pairs, *slots("connect", 1, 64), "rate", "k/s", 1e3, 20,
            300)
    return statistics.median(slot["rate"] for slot in mine)


def overload(report, pairs, seconds, linnet, capacity):
    """Requests that are sent when they are due, answered or not: more and more of them until not all
    are answered any more; then twice the most that were."""
    def offer(rate):
        return linnet.slot("offer", 64, 64, seconds, rate)

    rate, peak = capacity, capacity
    for _ in range(6):
        carried = offer(rate)["rate"]
        peak = max(peak, carried)
        if carried < 0.8 * rate:
            break
        rate *= 2
    twice = [offer(2 * peak) for _ in range(pairs)]
    value, spread = _report.median_and_spread([slot["rate"] / peak for slot in twice])
    report.add("twice the load that it carries: goodput", value, "of the peak", reach=0.9,
               spread=spread)
    value, spread = _report.median_and_spread([slot["offered"] / slot["seconds"] / peak
                                               for slot in twice])
    report.add("twice the load that it carries: offered", value, "of the peak", spread=spread)
    report.add("most requests answered, sent when due", peak / 1e3, "k requests/s")


def bulk(report, pairs, seconds, linnet, kernel):
    compare(report, "bulk", pairs, lambda: linnet.slot("bulk", 1, 1, seconds),
            lambda: kernel.slot("bulk", 1, 1, seconds), "gbit", "Gbit/s", 1, 8, 30)
    kernel.offload("on")
    report.add("bulk: kernel with offloads", kernel.slot("bulk", 1, 1, seconds)["gbit"], "Gbit/s")
    kernel.offload("off")


def instructions(options, report, name, work, size, connections, few, many, per, unit):
    """Instructions of both ends, drivers included: two runs under callgrind that differ in work."""
    counts = {}
    for number in (few, many):
        result = subprocess.run(
            ["valgrind", "--tool=callgrind", "--fair-sched=yes", "--callgrind-out-file=/dev/null",
             "--toggle-collect=*measured_run*",
             str(options.build / "app/linnet-bench"), "tcp", "--role", "both", "--memory", "256",
             "--packets", "8192", "--core", str(CPUS[-1]), "--wire", f"linnet-bench-{os.getpid()}-both"],
            input=f"count {work} {size} {connections} {number}\nquit\n", stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, check=False)
        found = re.search(r"Collected : (\d+)", result.stderr)
        if not found:
            report.note("callgrind did not run: " + result.stderr[-300:])
            return
        counts[number] = int(found.group(1))
    report.add(f"{name}: instructions, both ends", (counts[many] - counts[few]) / (many - few) / per,
               unit, spread="callgrind, driver included")


def run(options):
    pairs, seconds = (3, 0.7) if options.quick else (7, 2.0)
    report = _report.Report(f"TCP, one core a side, {pairs} pairs of slots of {seconds:g} s")
    if len(CPUS) < 2:
        report.note("One core only: both sides share it, and no figure means anything.")
    with hugepages() as huge, contextlib.ExitStack() as stack:
        if not huge:
            report.note("No huge pages were to be had: Linnet ran without.")
        linnet = linnet_pair(options, huge)
        stack.callback(linnet.end)
        kernel = Kernel(options)
        stack.callback(kernel.end)
        linnet.slot("request", 1, 1, 0.2)
        kernel.slot("request", 1, 1, 0.2)
        capacity = requests(report, pairs, seconds, linnet, kernel)
        overload(report, pairs, seconds, linnet, capacity)
        bulk(report, pairs, seconds, linnet, kernel)
    instructions(options, report, "64 bytes x 64 connections", "request", 64, 64, 2000, 12000, 1,
                 "instructions/request")
    instructions(options, report, "bulk", "bulk", 1, 1, 50, 250, 65536 / 1448,
                 "instructions/segment")
    return report
