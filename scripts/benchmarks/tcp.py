# SPDX-License-Identifier: BSD-3-Clause
"""TCP: the same two programs over Linnet and over the kernel (veth), in one run.

Two processes, a core each, program and stack on one thread that never sleeps; the kernel's twin polls
its sockets without sleeping, too. Linnet's are joined by net_memif, by net_vhost and virtio_user, or
are two threads of one process with a ring between them. Slots of all are interleaved; the figure is
the median of the ratios of paired slots. The kernel's veth has no offloads unless a figure says so.
"""
import contextlib
import functools
import json
import os
import re
import statistics
import subprocess
import tempfile

from . import _report
from .forward import hugepages

MEMORY_MB = 256
PACKETS = 32768     # in the pool of an end; fewer of longer ones
CPUS = sorted(os.sched_getaffinity(0))


class Process:
    """One linnet-bench tcp: obeys lines, answers lines of JSON."""

    def __init__(self, options, over, role, *words, mtu=1500, huge=False, before=()):
        command = [*before, options.build / "app/linnet-bench", "tcp", "--over", over, "--role", role,
                   "--memory", MEMORY_MB, "--packets", PACKETS * 1500 // mtu, "--mtu", mtu,
                   "--core", CPUS[0 if role == "server" else -1], *words]
        self.start(command, huge and over == "linnet")

    def start(self, command, huge):
        command = [*command, "--hugepages"] if huge else command
        self.process = subprocess.Popen([str(w) for w in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.answer()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"linnet-bench ended with status {self.process.wait()}")
        return json.loads(line)

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate("quit\n", timeout=30)


def with_rates(got):
    got["rate"] = got["requests"] / got["seconds"]
    got["gbit"] = got["bytes"] * 8e-9 / got["seconds"]
    return got


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
        return with_rates(got)

    def end(self):
        for process in (self.client, self.server):
            process.end()


class Linnet(Pair):
    """Two processes; `wire` is the socket of their ports."""

    def __init__(self, options, huge, medium, mtu, wire):
        super().__init__(*(Process(options, "linnet", role, "--medium", medium, "--wire", wire, mtu=mtu,
                                   huge=huge) for role in ("server", "client")))


class Twins:
    """One process, a thread for each end, joined by a ring; packets go by reference."""

    def __init__(self, options, huge, mtu):
        self.process = Process(options, "linnet", "both", "--medium", "ring", "--server-core", CPUS[0],
                               mtu=mtu, huge=huge)
        self.end = self.process.end

    def slot(self, work, size, connections, seconds, rate=0):
        self.process.tell(f"run {work} {size} {connections} {seconds} {rate}")
        return with_rates(self.process.answer())


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

    def mtu(self, size):
        for name in self.names:
            ip("-n", name, "link", "set", "wire", "mtu", size)

    def end(self):
        super().end()
        for name in self.names:
            ip("netns", "del", name)


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


@contextlib.contextmanager
def linnets(options, huge, mtu):
    """By the names of their media."""
    media = {"memif": lambda wire: Linnet(options, huge, "memif", mtu, f"linnet-bench-{os.getpid()}"),
             "vhost": lambda wire: Linnet(options, huge, "vhost", mtu, wire + "/vhost"),
             "ring": lambda wire: Twins(options, huge, mtu)}
    wanted = options.media.split(",")
    for name in wanted:
        if name not in media:
            raise SystemExit(f"not a medium: {name} (memif, vhost or ring)")
    # DPDK 22.11's net_memif takes no longer frames.
    wanted = [name for name in wanted if name != "memif" or mtu <= 1500]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        pairs = {}
        for name in wanted:
            pairs[name] = media[name](folder)
            stack.callback(pairs[name].end)
            pairs[name].slot("request", 1, 1, 0.2)
        yield pairs


def compare(report, name, pairs, ours, theirs, what, unit, scale, times, reach):
    """Interleaved slots of the kernel's and of each medium; the ratio, and all figures. The goals are
    those of the first medium. Returns its slots and the kernel's."""
    mine, their = {medium: [] for medium in ours}, []
    for _ in range(pairs):
        their.append(theirs())
        for medium, slot in ours.items():
            mine[medium].append(slot())
    for number, (medium, got) in enumerate(mine.items()):
        first = number == 0
        ratio, spread = _report.median_and_spread([a[what] / b[what] for a, b in zip(got, their)])
        report.add(f"{name}: {medium}, of the kernel's", ratio, "ratio", reach=times if first else None,
                   spread=spread)
        value, spread = _report.median_and_spread([slot[what] / scale for slot in got])
        report.add(f"{name}: {medium}", value, unit, reach=reach if first else None, spread=spread)
    value, spread = _report.median_and_spread([slot[what] / scale for slot in their])
    report.add(f"{name}: kernel", value, unit, spread=spread)
    return next(iter(mine.values())), their


def requests(report, pairs, seconds, linnet, kernel):
    def slots(work, size, connections):
        return ({medium: functools.partial(ends.slot, work, size, connections, seconds)
                 for medium, ends in linnet.items()},
                lambda: kernel.slot(work, size, connections, seconds))

    mine, their = compare(report, "1 byte x 1 connection", pairs, *slots("request", 1, 1), "rate",
                          "k requests/s", 1e3, 9, 300)
    for who, got, reach in ((next(iter(linnet)), mine, 20), ("kernel", their, None)):
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


def bulk(report, pairs, seconds, linnet, kernel, mtu):
    """The goals are those of MTU 1500."""
    goals = (8, 30) if mtu == 1500 else (None, None)
    ours = {medium: functools.partial(ends.slot, "bulk", 1, 1, seconds)
            for medium, ends in linnet.items()}
    compare(report, f"bulk, MTU {mtu}", pairs, ours, lambda: kernel.slot("bulk", 1, 1, seconds), "gbit",
            "Gbit/s", 1, *goals)
    kernel.offload("on")
    report.add(f"bulk, MTU {mtu}: kernel with offloads", kernel.slot("bulk", 1, 1, seconds)["gbit"],
               "Gbit/s")
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
    pairs, seconds = (3, 0.5) if options.quick else (7, 2.0)
    report = _report.Report(f"TCP, one core a side, {pairs} pairs of slots of {seconds:g} s")
    if len(CPUS) < 2:
        report.note("One core only: both sides share it, and no figure means anything.")
    with hugepages(5 * MEMORY_MB) as huge, contextlib.ExitStack() as stack:
        if not huge:
            report.note("No huge pages were to be had: Linnet ran without.")
        kernel = Kernel(options)
        stack.callback(kernel.end)
        kernel.slot("request", 1, 1, 0.2)
        with linnets(options, huge, 1500) as linnet:
            capacity = requests(report, pairs, seconds, linnet, kernel)
            overload(report, pairs, seconds, next(iter(linnet.values())), capacity)
            bulk(report, pairs, seconds, linnet, kernel, 1500)
        kernel.mtu(9000)
        with linnets(options, huge, 9000) as linnet:
            if linnet:
                bulk(report, pairs, seconds, linnet, kernel, 9000)
    instructions(options, report, "64 bytes x 64 connections", "request", 64, 64, 2000, 12000, 1,
                 "instructions/request")
    instructions(options, report, "bulk", "bulk", 1, 1, 50, 250, 65536 / 1448,
                 "instructions/segment")
    return report
