# SPDX-License-Identifier: BSD-3-Clause
"""Forwarding: Linnet's routing beside testpmd's mac forwarding, one lane, in one run.

Both take frames from net_pcap (infinite_rx) and send them to net_null. Slots of the two are
interleaved; the figure is the median of the ratios of paired slots, since the machine's speed
changes from second to second. Where no burst is named each takes its own default (testpmd 32,
Linnet 64 frames).
"""
import contextlib
import json
import pathlib
import re
import subprocess
import tempfile
import time

from . import _report

PAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
MEMORY_MB = 512
ROUTES = 1_000_000
ROUTE_MEMORY_MB = 256


@contextlib.contextmanager
def hugepages(memory_mb=2 * MEMORY_MB):
    """Huge pages for the programs while the benchmark runs; False where there are none to get."""
    free = int(re.search(r"HugePages_Free:\s+(\d+)",
                         pathlib.Path("/proc/meminfo").read_text()).group(1))
    before = int(PAGES.read_text())
    want = memory_mb // 2 + 64
    try:
        if free < want:
            PAGES.write_text(str(before + want - free))
        free = int(re.search(r"HugePages_Free:\s+(\d+)",
                             pathlib.Path("/proc/meminfo").read_text()).group(1))
        yield free >= want
    except OSError:
        yield False
    finally:
        with contextlib.suppress(OSError):
            PAGES.write_text(str(before))


class Linnet:
    """linnet-bench with its stack built, waiting for slots."""

    def __init__(self, options, frames, routes, burst, huge, lanes=1, core=1):
        command = [options.build / "app/linnet-bench", "forward", "--frames", frames, "--routes",
                   routes, "--memory", MEMORY_MB, "--lanes", lanes, "--core", core]
        command += ["--burst", burst] if burst else []
        self.process = subprocess.Popen([str(w) for w in command] + (["--hugepages"] if huge else []),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts = json.loads(self.answer())

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"linnet-bench ended with status {self.process.wait()}")
        return line

    def told(self):
        return json.loads(self.answer())

    def slot(self, seconds):
        self.process.stdin.write(f"run {seconds}\n")
        self.process.stdin.flush()
        got = self.told()
        return got["packets"] / got["seconds"], got["cycles"] / max(1, got["packets"])

    def end(self):
        self.process.communicate("quit\n")


class Testpmd:
    """dpdk-testpmd in mac mode, stopped; a slot starts and stops it."""
    PROMPT = "testpmd> "

    def __init__(self, frames, burst, huge):
        memory = ["--in-memory"] if huge else ["--no-huge", "--no-shconf"]
        command = ["stdbuf", "-oL", "dpdk-testpmd", "-l", "0,1", *memory, "-m", str(MEMORY_MB), "--no-pci",
                   "--no-telemetry", "--iova-mode=va", "--log-level=*:error",
                   "--vdev", f"net_pcap0,rx_pcap={frames},infinite_rx=1",
                   "--vdev", "net_null0,no-rx=1", "--", "-i", "--forward-mode=mac", "--nb-cores=1",
                   "--total-num-mbufs=32768"] + ([f"--burst={burst}"] if burst else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=0)
        self.until(self.PROMPT)

    def until(self, text, after=""):
        """Reads up to `text`, which comes behind `after` (testpmd's prompt is not buffered, its reports are)."""
        got = ""
        while not (got.endswith(text) and after in got):
            character = self.process.stdout.read(1)
            if not character:
                raise SystemExit("dpdk-testpmd ended:\n" + got[-2000:])
            got += character
        return got

    def command(self, words, answer):
        self.process.stdin.write(words + "\n")
        return self.until(self.PROMPT, after=answer)

    def slot(self, seconds):
        start = time.monotonic()
        self.command("start", "forwarding")
        time.sleep(seconds)
        stopped = time.monotonic()
        report = self.command("stop", "Done.")
        sent = re.findall(r"TX-packets:\s+(\d+)", report)
        return int(sent[-1]) / (stopped - start)

    def end(self):
        self.process.stdin.write("quit\n")
        self.process.communicate()


def make_frames(options, path, routes, flows, size):
    subprocess.run([str(options.build / "app/linnet-bench"), "frames", "--frames", str(path),
                    "--routes", str(routes), "--flows", str(flows), "--size", str(size)], check=True)


def compare(options, report, name, frames, routes, burst, huge, pairs, seconds, reach):
    """Interleaved slots of both; adds the median ratio and the cycles a packet."""
    opponent = Testpmd(frames, burst, huge)
    ours = Linnet(options, frames, routes, burst, huge)
    try:
        ratios, cycles, speeds, theirs = [], [], [], []
        opponent.slot(0.3)
        ours.slot(0.3)
        for _ in range(pairs):
            their_speed = opponent.slot(seconds)
            our_speed, our_cycles = ours.slot(seconds)
            ratios.append(our_speed / their_speed)
            cycles.append(our_cycles)
            speeds.append(our_speed)
            theirs.append(their_speed)
    finally:
        ours.end()
        opponent.end()
    ratio, spread = _report.median_and_spread(ratios)
    report.add(f"{name}: of testpmd mac", ratio, "ratio", reach=reach, spread=spread)
    value, spread = _report.median_and_spread([s / 1e6 for s in speeds])
    report.add(f"{name}: Linnet", value, "Mpps", spread=spread)
    value, spread = _report.median_and_spread([s / 1e6 for s in theirs])
    report.add(f"{name}: testpmd mac", value, "Mpps", spread=spread)
    value, spread = _report.median_and_spread(cycles)
    report.add(f"{name}: Linnet", value, "cycles/packet", spread=spread)
    return ours.facts


def instructions(options, report, frames, routes, name):
    """Instructions a packet: two runs under callgrind that differ in packets only."""
    counts = {}
    for packets in (20_000, 60_000):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(
                ["valgrind", "--tool=callgrind", "--callgrind-out-file=" + folder + "/out",
                 str(options.build / "app/linnet-bench"), "forward", "--frames", str(frames),
                 "--routes", str(routes), "--count", str(packets), "--memory", "256",
                 "--packets", "12288"],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        found = re.search(r"Collected : (\d+)", result.stderr)
        if not found:
            report.note("callgrind did not run: " + result.stderr[-300:])
            return
        counts[packets] = int(found.group(1))
    report.add(f"{name}: instructions", (counts[60_000] - counts[20_000]) / 40_000,
               "instructions/packet", spread="callgrind, driver included")


def run(options):
    pairs, seconds = (3, 0.5) if options.quick else (7, 2.0)
    report = _report.Report("Forwarding, one lane, 64-byte frames unless said, "
                            f"{pairs} pairs of slots of {seconds:g} s")
    with tempfile.TemporaryDirectory() as folder, hugepages() as huge:
        folder = pathlib.Path(folder)
        if not huge:
            report.note("No huge pages were to be had: both programs ran without.")
        for routes in (1, ROUTES):
            for flows in (1, 10_000):
                make_frames(options, folder / f"{routes}-{flows}", routes, flows, 60)
        make_frames(options, folder / "long", 1, 1, 1514)
        cases = [("1 route, 1 flow", "1-1", 1, None, 0.6),
                 ("1 route, 10,000 flows", "1-10000", 1, None, 0.6),
                 ("1,000,000 routes, 1 flow", f"{ROUTES}-1", ROUTES, None, 0.4),
                 ("1,000,000 routes, 10,000 flows", f"{ROUTES}-10000", ROUTES, None, 0.4)]
        if not options.quick:
            cases += [("1 route, bursts of 32", "1-1", 1, 32, None),
                      ("1 route, bursts of 8", "1-1", 1, 8, None),
                      ("1 route, bursts of 4", "1-1", 1, 4, None),
                      ("1 route, 1500-byte frames", "long", 1, None, None)]
        for name, frames, routes, burst, reach in cases:
            facts = compare(options, report, name, folder / frames, routes, burst, huge, pairs,
                            seconds, reach)
            if name == "1,000,000 routes, 1 flow":
                report.add("1,000,000 routes: memory", facts["route_bytes"] / 2**20, "MiB",
                           reach=ROUTE_MEMORY_MB, at_least=False)
                report.add("1,000,000 routes: growth of the process",
                           facts["resident_growth"] / 2**20, "MiB")
                report.add("1,000,000 routes: loaded in", facts["load_seconds"], "s")
        instructions(options, report, folder / "1-1", 1, "1 route, 1 flow")
        if not options.quick:
            instructions(options, report, folder / "1-10000", 1, "1 route, 10,000 flows")
    return report
