# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of linnetd as a program share: a private corner of the machine, cases, captures."""
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('LINNET_BUILD', ROOT / 'build'))
LINNETD = BUILD / 'app/linnetd'
LINNET = BUILD / 'app/linnet'


def enter_own_corner():
    """Starts this script anew in network and mount namespaces of its own: they go when it ends, however it ends."""
    if os.environ.get('LINNET_CORNER') == 'here':
        for folder in ('/run', '/var/log', '/var/lib', '/mnt'):
            subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', folder], check=True)
        subprocess.run(['mount', '-t', 'sysfs', 'sysfs', '/sys'], check=True)
        subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
        return
    if os.geteuid() != 0:
        sys.exit(f'{sys.argv[0]}: needs root for namespaces and TAP devices')
    if not LINNETD.exists():
        sys.exit(f'{sys.argv[0]}: no {LINNETD}; build first, or name the build directory in LINNET_BUILD')
    os.environ['LINNET_CORNER'] = 'here'
    os.execvp('unshare', ['unshare', '--mount', '--net', '--propagation', 'private', sys.executable, '-B', *sys.argv])


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def case(self, name, problems, note=''):
        """One line a case, and what was wrong below it."""
        good = not problems
        self.passed += good
        self.failed += not good
        print(('PASS ' if good else 'FAIL ') + name + (f' ({note})' if note else ''), flush=True)
        for problem in problems:
            print('    ' + problem.replace('\n', '\n    '), flush=True)

    def end(self):
        print(f'{self.passed} passed, {self.failed} failed')
        sys.exit(1 if self.failed else 0)


def capture(frames=(), link=1):
    """The bytes of a pcap file."""
    out = struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, link)
    for number, frame in enumerate(frames):
        out += struct.pack('<IIII', 1_700_000_000, number, len(frame), len(frame)) + frame
    return out


class Daemon:
    """A linnetd that runs until `end`."""

    def __init__(self, words, folder, **options):
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen([LINNETD, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT, **options)

    def text(self):
        self.output.seek(0)
        return self.output.read().decode(errors='replace')

    def wait_ready(self, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            if 'linnetd: ready' in self.text():
                return True
            time.sleep(0.02)
        return False

    def end(self, number=signal.SIGTERM, seconds=10):
        """The exit status; None if it had to be killed."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


def ask(path, *words):
    """What a daemon answers over its control socket: (exit code, standard output, standard error)."""
    request = b''.join(word.encode() + b'\0' for word in words)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(struct.pack('>I', len(request)) + request)
        texts = {b'o': '', b'e': ''}
        with client.makefile('rb') as stream:
            while True:
                kind, length = struct.unpack('>cI', stream.read(5))
                body = stream.read(length)
                if kind == b'x':
                    return body[0], texts[b'o'], texts[b'e']
                texts[kind] += body.decode()
