# SPDX-License-Identifier: BSD-3-Clause
"""What all cases of tests/netns share: the list of cases, the router between three hosts, the judges.

    host a 198.51.100.2 --- lan0 .1 [linnetd] wan0 192.0.2.1 --- 192.0.2.2 host b
                                    [       ] dmz0 192.0.2.129, MTU 1400 --- 192.0.2.130 host c

Switches, as environment variables set to 1:
    INTERACTIVE       a shell in linnetd's namespace once the network stands, before the cases
    PAUSE_ON_FAILURE  waits for Enter when a case fails, with everything still running
    GDB               starts linnetd in gdb
    LONG              peer_cases at their full size, with figures: 10 GiB, 100,000 connections; half an hour
"""
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'scripts/support'))
from lab import Lab, LabError, wait_until  # noqa: E402

CASES = []  # (topology, name, function), in the order in which they run


class Failure(Exception):
    """A case's expectation that did not hold."""


def case(topology):
    """Registers a function as a case of a topology: 'router' (one for all of them) or 'own'."""
    def register(function):
        CASES.append((topology, function.__name__, function))
        return function
    return register


def expect(condition, text, detail=''):
    if not condition:
        raise Failure(f'{text}\n{detail}'.rstrip())


def interactive(name):
    return os.environ.get(name) == '1'


class Router:
    """linnetd between hosts a, b and c."""
    LAN, WAN, DMZ = '198.51.100.1', '192.0.2.1', '192.0.2.129'
    A, B, C = '198.51.100.2', '192.0.2.2', '192.0.2.130'
    COMMANDS = [
        'ip link set lan0 up', 'ip link set wan0 up', 'ip link set dmz0 up',
        f'ip addr add {LAN}/24 dev lan0', f'ip addr add {WAN}/25 dev wan0', f'ip addr add {DMZ}/25 dev dmz0',
        'sysctl -w net.ipv4.ip_forward=1',
        # The kernel's own answers are not limited here, and what is asked for shall be seen.
        'sysctl -w net.ipv4.icmp_ratelimit=0',
    ]
    PORTS = (('lan0', 'tap-lan', 1500), ('wan0', 'tap-wan', 1500), ('dmz0', 'tap-dmz', 1400))

    def __init__(self, lab, capture=True):
        self.lab = lab
        self.daemon = lab.daemon
        self.captures = {}
        self.macs = {}
        startup = lab.directory / 'startup.commands'
        startup.write_text('\n'.join(self.COMMANDS) + '\n')
        self.options = ['--startup', startup]
        for number, (name, tap, mtu) in enumerate(self.PORTS):
            self.options += ['--port', f'name={name} devargs=net_tap{number},iface={tap} mtu={mtu}']
        self.daemon.start(*self.options)
        self.a = self.host('a', 'tap-lan', f'{self.A}/24', self.LAN)
        self.b = self.host('b', 'tap-wan', f'{self.B}/25', self.WAN)
        self.c = self.host('c', 'tap-dmz', f'{self.C}/25', self.DMZ, mtu=1400)
        for name, _, _ in self.PORTS:
            self.macs[name] = re.search(r'link/ether (\S+)', self.daemon.cli(f'ip link show {name}'))[1]
        if capture:
            self.start_captures()
        expect(wait_until(lambda: self.a.run('ping', '-c1', '-W1', self.LAN).returncode == 0, 10, 0.2),
               'linnetd does not answer the first ping', self.daemon.messages())

    def host(self, name, tap, address, gateway, mtu=1500):
        space = self.lab.host(name)
        self.lab.join(tap, space, address, mtu=mtu)
        space.ip('route', 'add', 'default', 'via', gateway)
        return space

    def start_captures(self):
        for name, space in self.lab.hosts.items():
            path = self.lab.directory / f'{name}.pcap'
            # Bulk traffic is left out: gigabytes that show the same as a few frames do.
            process = self.lab.spawn(space, 'tcpdump', '-i', 'eth0', '-U', '-s', '0', '-w', path, '-Z', 'root',
                                     'not', 'port', '5201', stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            expect(wait_until(lambda path=path: path.exists() and path.stat().st_size >= 24, 10),
                   f'tcpdump does not start in host {name}')
            self.captures[name] = (path, process)

    def commands(self, *lines):
        for line in lines:
            self.daemon.cli(line)

    def counter(self, reason):
        """How many packets were dropped for a reason, e.g. 'ip.NoRoute'."""
        for line in self.daemon.cli('show drops').splitlines():
            words = line.split()
            if words and words[0] == reason:
                return int(words[1])
        raise Failure(f'there is no drop reason {reason}')

    def account(self):
        return {words[0]: int(words[1]) for words in map(str.split, self.daemon.cli('show account').splitlines())
                if len(words) == 2 and words[1].isdigit()}

    def balanced(self):
        account = self.account()
        return account['received'] + account['generated'] == \
            account['sent'] + account['delivered'] + account['held'] + account['dropped']

    def check_end(self):
        """After every case: linnetd lives and its ledger balances."""
        expect(self.daemon.process and self.daemon.process.poll() is None, 'linnetd has died')
        # Read while packets pass the account may be off by those on their way.
        expect(wait_until(self.balanced, 5), 'the ledger does not balance', self.daemon.cli('show account'))

    def judge_captures(self):
        """What tshark says of every frame that linnetd sent: nothing malformed, no bad checksum, zero padding."""
        faults, frames = [], 0
        for name, (path, process) in self.captures.items():
            process.terminate()
            process.wait(10)
            found, judged = judge_capture(path, self.macs.values(), f'host {name}')
            faults, frames = faults + found, frames + judged
        self.captures = {}
        return faults or ([] if frames else ['no frame of linnetd was captured'])


def judge_capture(path, macs, label):
    own = ' || '.join(f'eth.src == {mac}' for mac in macs)
    bad = ('_ws.malformed || ip.checksum.status == "Bad" || icmp.checksum.status == "Bad" || '
           'udp.checksum.status == "Bad" || tcp.checksum.status == "Bad" || ip.bogus_header_length')
    options = ['-o', 'ip.check_checksum:TRUE', '-o', 'tcp.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE',
               '-o', 'ip.defragment:TRUE']

    def tshark(*words):
        done = subprocess.run(['tshark', '-n', '-r', str(path), *options, *words], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=300)
        if done.returncode:
            raise Failure(f'tshark: {done.stderr.strip()}')
        return done.stdout.splitlines()

    faults = [f'{label}: {line}' for line in tshark('-Y', f'({own}) && ({bad})')]
    frames = tshark('-Y', own, '-T', 'fields', '-e', 'frame.number', '-e', 'eth.padding', '-e', 'eth.trailer')
    for line in frames:
        number, *padding = line.split('\t')
        if re.search(r'[1-9a-f]', ''.join(padding).replace('0x', '')):
            faults.append(f'{label}: padding of frame {number} is not zero: {padding}')
    return faults, len(frames)


def ping(space, target, *options, count=2, seconds=4, interval='0.2'):
    """(packets received, output)."""
    done = space.run('ping', '-n', '-c', count, '-i', interval, '-W', seconds, *options, target,
                     timeout=seconds + count * float(interval) + 20)
    received = re.search(r'(\d+) received', done.stdout)
    return int(received[1]) if received else 0, done.stdout + done.stderr


def expect_ping(space, target, *options, count=2):
    received, output = ping(space, target, *options, count=count)
    expect(received == count, f'ping {" ".join(map(str, options))} {target}: {received} of {count} came back', output)
    return output


def expect_error(space, target, text, *options):
    """A ping that gets an ICMP error of this text, and no answer."""
    received, output = ping(space, target, *options, count=1)
    expect(received == 0 and text in output, f'ping {target}: expected "{text}"', output)
    return output


def start_shell(router):
    print(f'linnetd runs in namespace {router.lab.name} (pid {router.daemon.pid}); hosts: '
          f'{", ".join(space.name for space in router.lab.hosts.values())}. Exit the shell to go on.', flush=True)
    environment = os.environ | {'LINNET_SOCKET': str(router.daemon.socket),
                                'PATH': f'{router.daemon.binaries}:{os.environ["PATH"]}'}
    subprocess.run(router.lab.space.command(os.environ.get('SHELL', '/bin/bash')), env=environment, check=False)


__all__ = ['CASES', 'Failure', 'Lab', 'LabError', 'Router', 'case', 'expect', 'expect_error', 'expect_ping',
           'interactive', 'json', 'judge_capture', 'ping', 'start_shell', 'wait_until']
