# SPDX-License-Identifier: BSD-3-Clause
"""Two lanes beside one: the same forwarding, a queue of endless frames for each lane, a real thread
and a core for each. Slots of the two are interleaved; the figure is the median of their ratios.
"""
import os
import pathlib
import tempfile

from . import _report
from .forward import Linnet, hugepages, make_frames

CPUS = sorted(os.sched_getaffinity(0))


def run(options):
    pairs, seconds = (3, 1.0) if options.quick else (7, 2.0)
    report = _report.Report(f"Two lanes beside one, 64-byte frames, {pairs} pairs of slots of {seconds:g} s")
    if len(CPUS) < 2:
        report.note("One core only: two lanes cannot run side by side.")
        return report
    with tempfile.TemporaryDirectory() as folder, hugepages() as huge:
        frames = pathlib.Path(folder) / "frames"
        make_frames(options, frames, 1, 256, 60)
        one, two = (Linnet(options, frames, 1, None, huge, lanes=lanes) for lanes in (1, 2))
        try:
            one.slot(0.3)
            two.slot(0.3)
            slots = [(one.slot(seconds)[0], two.slot(seconds)[0]) for _ in range(pairs)]
        finally:
            one.end()
            two.end()
    ratio, spread = _report.median_and_spread([b / a for a, b in slots])
    report.add("forwarding: two lanes of one", ratio, "ratio", reach=1.9, spread=spread)
    for name, speeds in zip(("one lane", "two lanes"), zip(*slots)):
        value, spread = _report.median_and_spread([speed / 1e6 for speed in speeds])
        report.add(f"forwarding: {name}", value, "Mpps", spread=spread)
    return report
