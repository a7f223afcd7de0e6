#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Starts linnetd with each file of drivers-config that this kind of machine can run, in namespaces of its own: it must
become ready, answer the control socket, end on SIGTERM with status 0, and leave nothing behind. The files that cannot
run here are checked with --check-config, and so are all others.
    tests/daemon/drivers_config_test.py [PART-OF-A-NAME]"""
import json
import os
import pathlib
import subprocess
import sys

import support

CONFIGS = support.ROOT / 'drivers-config'
SOCKET = pathlib.Path('/run/linnet/linnet.sock')
MORE = ['--memory', '96', '--packets', '8192', '--lanes', '0', '--hugepages', 'off']


def shell(command):
    subprocess.run(['sh', '-ec', command], check=True, stdout=subprocess.DEVNULL)


def veth():
    shell('ip link add eth1 type veth peer name eth1peer && ip link set eth1 up && ip link set eth1peer up')


def no_veth():
    shell('ip link delete eth1')


class VhostUser:
    """The other end of virtio-user: a linnetd with a vhost port."""

    def __init__(self):
        self.daemon = None

    def start(self):
        words = ['--port', 'name=host0 devargs=net_vhost0,iface=/run/vhost-user.sock',
                 '--control-socket', '/run/other.sock', '--log', '/var/log/other.log', *MORE]
        self.daemon = support.Daemon(words, '/')
        if not self.daemon.wait_ready():
            raise RuntimeError('the vhost end did not start: ' + self.daemon.text())

    def end(self):
        self.daemon.end()


def captures():
    folder = pathlib.Path('/var/lib/linnet')
    folder.mkdir()
    # Who has 192.0.2.1? Tell 192.0.2.2.
    mac = bytes.fromhex('020000000002')
    arp = bytes.fromhex('0001080006040001') + mac + bytes([192, 0, 2, 2]) + bytes(6) + bytes([192, 0, 2, 1])
    (folder / 'in.pcap').write_bytes(support.capture([b'\xff' * 6 + mac + b'\x08\x06' + arp + bytes(18)]))


VHOST = VhostUser()
# Before and after each start; the files that are not here cannot run on this kind of machine.
RUNS = {
    'tap': (None, None),
    'null': (None, None),
    'ring': (None, None),
    'memif': (None, None),
    'pcap': (captures, None),
    'af_packet': (veth, no_veth),
    'af_xdp': (veth, no_veth),
    'virtio-user': (VHOST.start, VHOST.end),
}


def check(name):
    done = subprocess.run([support.LINNETD, '--config', CONFIGS / f'{name}.conf', '--check-config'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return [] if done.returncode == 0 else [f'--check-config: status {done.returncode}', done.stdout.rstrip()]


def port_names(name):
    words = (CONFIGS / f'{name}.conf').read_text().splitlines()
    return [line.split('name=')[1].split()[0] for line in words if line.startswith('port')]


def interrogate(name):
    problems = []
    status, out, err = support.ask(SOCKET, 'ip', '-j', 'link', 'show')
    if status != 0:
        return [f'ip link show: status {status}: {err}']
    links = {link['ifname']: link for link in json.loads(out)}
    for port in port_names(name):
        if port not in links:
            problems.append(f'no port {port} in ip link show, there are {" ".join(links)}')
        elif 'UP' not in links[port]['flags']:
            problems.append(f'port {port} is not up: {links[port]["flags"]}')
    status, out, err = support.ask(SOCKET, 'ip', 'addr', 'show')
    if status != 0 or '192.0.2.1/24' not in out:
        problems.append(f'ip addr show has no 192.0.2.1/24: {out}{err}')
    status, out, err = support.ask(SOCKET, 'show', 'lanes')
    if status != 0:
        problems.append(f'show lanes: status {status}: {err}')
    status, out, err = support.ask(SOCKET, 'ip', 'lnik')
    if status == 0 or 'lnik' not in err:
        problems.append(f'a wrong word is not named: status {status}: {err}')
    return problems


def snapshot():
    interfaces = set(os.listdir('/sys/class/net'))
    files = {str(path) for folder in ('/run', '/dev/hugepages', '/tmp') if pathlib.Path(folder).is_dir()
             for path in pathlib.Path(folder).glob('*linnet*')}
    return interfaces, files


def start(name, words=()):
    before = snapshot()
    daemon = support.Daemon(['--config', CONFIGS / f'{name}.conf', *MORE, *words], '/')
    problems = []
    try:
        if not daemon.wait_ready():
            problems.append('did not become ready')
        else:
            problems += interrogate(name)
    except (OSError, ValueError, KeyError) as error:
        problems.append(f'{type(error).__name__}: {error}')
    status = daemon.end()
    if status != 0:
        problems.append(f'ended with status {status} on SIGTERM')
    after = snapshot()
    if before != after:
        problems.append(f'left behind: {after[0] ^ before[0]} {after[1] ^ before[1]}')
    if problems:
        log = pathlib.Path('/var/log/linnet.log')
        problems += [daemon.text().rstrip(), log.read_text(errors='replace')[-2000:] if log.exists() else 'no log']
    return problems


def main():
    support.enter_own_corner()
    tally = support.Tally()
    wanted = sys.argv[1] if len(sys.argv) > 1 else ''
    for path in sorted(CONFIGS.glob('*.conf')):
        name = path.stem
        if wanted not in name:
            continue
        tally.case(f'{name}.conf is sound', check(name))
        if name not in RUNS:
            continue
        prepare, clean = RUNS[name]
        try:
            if prepare:
                prepare()
        except (subprocess.CalledProcessError, RuntimeError) as error:
            print(f'SKIP {name}.conf starts: this machine cannot have its other end ({error})')
            continue
        tally.case(f'{name}.conf starts, answers and ends', start(name))
        if clean:
            clean()
    tally.end()


if __name__ == '__main__':
    main()
