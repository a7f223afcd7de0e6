#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/bench tcp measures goes right: over each medium and MTU the bytes of a stream come to the server as they
were sent, each of them, and requests and connections are answered.
    tests/daemon/media_test.py [MEDIUM]"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import support

BENCH = support.BUILD / 'app/linnet-bench'
SECONDS = 0.2
MORE = ['--memory', '192', '--packets', '8192']


class Process:
    def __init__(self, *words):
        self.process = subprocess.Popen([BENCH, 'tcp', *map(str, words), *MORE], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.answer()

    def tell(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        return self

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f'linnet-bench ended with {self.process.wait()}: {self.process.stderr.read()}')
        return json.loads(line)

    def end(self):
        self.process.communicate('quit\n', timeout=30)
        return [] if self.process.returncode == 0 else [f'linnet-bench ended with {self.process.returncode}']


def two_processes(words, work, size, connections):
    server, client = (Process(*words, '--role', role) for role in ('server', 'client'))
    server.tell(f'serve {work} {size}').answer()
    got = client.tell(f'run {work} {size} {connections} {SECONDS}').answer()
    seen = server.tell('stop').answer()
    got['wrong'] = seen['wrong'] + abs(got['bytes'] - seen['received'] if work == 'check' else 0)
    return got, client.end() + server.end()


def one_process(words, work, size, connections):
    cpus = sorted(os.sched_getaffinity(0))
    both = Process(*words, '--role', 'both', '--core', cpus[-1], '--server-core', cpus[0])
    got = both.tell(f'run {work} {size} {connections} {SECONDS}').answer()
    return got, both.end()


def examine(medium, mtu, work, size, connections):
    with tempfile.TemporaryDirectory() as folder:
        wire = f'linnet-media-{os.getpid()}' if medium == 'memif' else pathlib.Path(folder) / 'wire'
        words = ['--medium', medium, '--mtu', mtu, '--wire', wire]
        try:
            got, problems = (one_process if medium == 'ring' else two_processes)(words, work, size, connections)
        except RuntimeError as error:
            return [str(error)], ''
    done = got['bytes'] if work == 'check' else got['requests']
    if done == 0:
        problems.append('nothing was done')
    if got['failed'] or got['wrong']:
        problems.append(f'failed: {got["failed"]}, wrong: {got["wrong"]}')
    return problems, f'{done:,} {"bytes" if work == "check" else "requests"}'


def main():
    tally = support.Tally()
    for medium, mtus in (('memif', [1500]), ('vhost', [1500, 9000]), ('ring', [1500, 9000])):
        if medium not in (sys.argv[1:] or [medium]):
            continue
        for mtu in mtus:
            tally.case(f'{medium}, MTU {mtu}: a stream is byte-exact', *examine(medium, mtu, 'check', 1, 2))
        tally.case(f'{medium}: requests', *examine(medium, 1500, 'request', 64, 16))
        tally.case(f'{medium}: connect, request, close', *examine(medium, 1500, 'connect', 1, 16))
    tally.end()


main()
