# SPDX-License-Identifier: BSD-3-Clause
"""Memory of idle connections: a program connects to itself over lo, in one lane, and nothing happens
on what was established. Counted by what the process grew by (the program's side of the sockets
included) and by the lane's own tables.
"""
import json
import subprocess

from . import _report

LIMIT = 1024


def run(options):
    pairs = 50_000 if options.quick else 500_000
    result = subprocess.run([str(options.build / "app/linnet-bench"), "idle", "--count", str(pairs),
                             "--memory", "256"], stdout=subprocess.PIPE, text=True, check=True)
    got = json.loads(result.stdout)
    count = got["connections"]
    report = _report.Report(f"{count:,} established idle connections in one process, one lane")
    report.add("a connection: all that the process grew by", got["grown"], "bytes", reach=LIMIT,
               at_least=False)
    lane = got["connection"] + got["flows"] + got["handles"]
    report.add("a connection: the lane's tables", lane, "bytes", reach=LIMIT, at_least=False)
    for what in ("connection", "flows", "handles"):
        report.add(f"a connection: {what}", got[what], "bytes")
    report.add("TIME-WAIT", got["time_wait"], "bytes", reach=96, at_least=False)
    report.add("half-open", got["half_open"], "bytes", reach=128, at_least=False)
    report.add("opened and accepted, both ends on one core", count / got["seconds"] / 2e3, "k/s")
    return report
