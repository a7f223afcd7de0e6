#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""linnetd as a program: checks without a start, what it is allowed to do while it runs, what it tells the service manager,
replay, measuring, and how it ends.
    tests/daemon/linnetd_test.py [PART-OF-A-NAME]"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import support

BASE = ['--log', 'log', '--memory', '64', '--packets', '4096', '--hugepages', 'off']
RING = ['--port', 'name=ring0 devargs=net_ring0']
CASES = []


def case(function):
    CASES.append(function)
    return function


def run(words, folder, **options):
    done = subprocess.run([support.LINNETD, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, **options)
    return done.returncode, done.stdout, done.stderr


def running(words, folder, **options):
    daemon = support.Daemon([*BASE, '--control-socket', 'control.sock', *words], folder, **options)
    if not daemon.wait_ready():
        daemon.end()
        raise RuntimeError(f'did not become ready: {daemon.text()}')
    return daemon


def arp_request(number):
    mac = bytes([2, 0, 0, 0, 0, number])
    body = bytes.fromhex('0001080006040001') + mac + bytes([192, 0, 2, number]) + bytes(6) + bytes([192, 0, 2, 1])
    return b'\xff' * 6 + mac + b'\x08\x06' + body + bytes(18)


def echo_request(number):
    def checksum(data):
        total = sum(int.from_bytes(data[i:i + 2], 'big') for i in range(0, len(data), 2))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        return (~total & 0xffff).to_bytes(2, 'big')
    icmp = b'\x08\x00\x00\x00\x00\x01\x00' + bytes([number]) + b'abcdefgh'
    icmp = icmp[:2] + checksum(icmp) + icmp[4:]
    header = bytes.fromhex('45000024000100004001') + b'\0\0' + bytes([192, 0, 2, number, 192, 0, 2, 1])
    header = header[:10] + checksum(header) + header[12:]
    return bytes([2, 0x4c, 0x4e, 0, 0, 1]) + bytes([2, 0, 0, 0, 0, number]) + b'\x08\x00' + header + icmp + bytes(10)


@case
def help_and_version_need_nothing(folder):
    status, out, _ = run(['--help'], folder)
    assert status == 0 and 'Exit codes' in out and '--control-socket' in out, out
    status, out, _ = run(['--version'], folder)
    assert status == 0 and re.fullmatch(r'linnetd \d+\.\d+\.\d+\n', out), out


@case
def check_config_starts_nothing(folder):
    (folder / 'good').write_text('ip link set ring0 up\nip addr add 192.0.2.1/24 dev ring0\n')
    (folder / 'bad').write_text('ip link set ring0 up\nip addr add 192.0.2.1/33 dev ring0\n')
    status, out, err = run([*BASE, *RING, '--startup', 'good', '--check-config'], folder)
    assert status == 0, out + err
    status, out, err = run([*BASE, *RING, '--startup', 'bad', '--check-config'], folder)
    assert status == 1 and 'bad:2: ' in err and '192.0.2.1/33' in err, err
    assert not (folder / 'log').exists()


@case
def doctor_tells_and_starts_nothing(folder):
    status, out, _ = run([*BASE, '--port', 'name=a devargs=net_tap0,iface=t0', '--control-socket', 'c', '--doctor'], folder)
    assert status == 0, out
    status, out, _ = run([*BASE, '--port', 'name=a devargs=net_af_packet0,iface=no9', '--control-socket', 'c', '--doctor'],
                         folder)
    assert status == 1 and 'no interface "no9"' in out and 'mend: ip link show' in out, out
    assert not (folder / 'log').exists()


@case
def A8_nothing_of_root_is_left_while_it_runs(folder):
    os.chmod(folder, 0o755)
    home = folder / 'own'
    started = support.Daemon([*BASE, '--run-as', 'nobody', '--control-socket', 'own/control.sock', '--port',
                              'name=tap0 devargs=net_tap0,iface=t0'], folder)
    assert started.wait_ready(), started.text()
    try:
        tasks = list(pathlib.Path(f'/proc/{started.process.pid}/task').iterdir())
        assert len(tasks) >= 2, 'there are lanes and EAL threads'
        for task in tasks:
            status = dict(line.split(':\t', 1) for line in (task / 'status').read_text().splitlines() if ':\t' in line)
            nobody = {'Uid': '65534\t65534\t65534\t65534', 'Gid': '65534\t65534\t65534\t65534', 'NoNewPrivs': '1',
                      'CapEff': '0' * 16, 'CapPrm': '0' * 16, 'CapBnd': '0' * 16, 'CapAmb': '0' * 16}
            for key, wanted in nobody.items():
                assert status[key].strip() == wanted, f'{task.name} {status["Name"].strip()}: {key} {status[key]}'
        subprocess.run(['ip', 'link', 'set', 't0', 'up'], check=True)
        status, out, err = support.ask(home / 'control.sock', 'ip', 'link', 'set', 'tap0', 'up')
        assert status == 0, err
    finally:
        ended = started.end()
    assert ended == 0, started.text()
    # The directory was made with root's rights, above it nobody may remove anything: it stays, empty.
    assert not any(home.iterdir()), list(home.iterdir())
    assert not pathlib.Path('/sys/class/net/t0').exists()


@case
def A7_the_socket_is_for_owner_and_group(folder):
    daemon = running(RING, folder)
    mode = (folder / 'control.sock').stat().st_mode & 0o7777
    daemon.end()
    assert mode == 0o660, oct(mode)


@case
def descriptors_are_not_inherited(folder):
    daemon = running([*RING, '--pid-file', 'pid'], folder)
    try:
        assert (folder / 'pid').read_text().strip() == str(daemon.process.pid)
        for entry in pathlib.Path(f'/proc/{daemon.process.pid}/fdinfo').iterdir():
            if int(entry.name) < 3:
                continue
            flags = int(next(line for line in entry.read_text().splitlines() if line.startswith('flags')).split()[1], 8)
            target = os.readlink(f'/proc/{daemon.process.pid}/fd/{entry.name}')
            ours = any(word in target for word in ('log', 'control', 'signalfd', 'pid', 'socket'))
            assert flags & os.O_CLOEXEC or not ours, f'{entry.name} -> {target} has no O_CLOEXEC'
    finally:
        assert daemon.end() == 0
    assert not (folder / 'pid').exists() and not (folder / 'control.sock').exists()


@case
def what_a_command_about_neighbours_did_is_there_when_it_ends(folder):
    """The first lane carries it out; the client hears of it then, as with the kernel's commands."""
    addresses = [f'192.0.2.{number}' for number in range(2, 102)]
    commands = [line for address in addresses for line in (
        f'ip neigh add {address} lladdr 02:00:00:00:00:02 dev ring0', f'ip neigh show {address}',
        f'ip neigh del {address} dev ring0', f'ip neigh show {address}')]
    (folder / 'batch').write_text('\n'.join(commands) + '\n')
    (folder / 'up').write_text('ip link set ring0 up\nip addr add 192.0.2.1/24 dev ring0\n')
    for lanes in ('0', '1'):
        daemon = running([*RING, '--lanes', lanes, '--startup', 'up'], folder)
        try:
            done = subprocess.run([support.LINNET, '--socket', 'control.sock', '-batch', 'batch'], cwd=folder,
                                  capture_output=True, text=True, timeout=60)
        finally:
            assert daemon.end() == 0
        lines = done.stdout.splitlines()
        assert done.returncode == 0, done.stderr
        shown = [line.split()[0] for line in lines if line.split()[-1] == 'PERMANENT']
        assert shown == addresses and len(lines) == len(addresses), f'lanes={lanes}: {done.stdout}'


@case
def the_service_manager_hears_of_start_watchdog_and_end(folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / 'notify'))
        manager.settimeout(10)
        environment = os.environ | {'NOTIFY_SOCKET': str(folder / 'notify'), 'WATCHDOG_USEC': '900000'}
        daemon = running(RING, folder, env=environment)
        try:
            heard = [manager.recv(64) for _ in range(3)]
        finally:
            assert daemon.end() == 0
        assert heard == [b'READY=1', b'WATCHDOG=1', b'WATCHDOG=1'], heard
        rest = b''
        while rest != b'STOPPING=1':
            rest = manager.recv(64)


@case
def each_ending_signal_ends_it_well(folder):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        daemon = running(RING, folder)
        assert daemon.end(number) == 0, number
        assert not (folder / 'control.sock').exists()


@case
def A11_a_start_follows_a_kill(folder):
    tap = ['--port', 'name=tap0 devargs=net_tap0,iface=t0']
    for _ in range(3):
        daemon = running(tap, folder)
        daemon.end(signal.SIGKILL)
        assert (folder / 'control.sock').exists(), 'the kill left no socket: this shows nothing'
    began = time.monotonic()
    daemon = running(tap, folder)
    assert time.monotonic() - began < 5
    assert support.ask(folder / 'control.sock', 'show', 'account')[0] == 0
    assert daemon.end() == 0


@case
def two_run_side_by_side(folder):
    first = running(RING, folder)
    second = support.Daemon([*BASE, '--control-socket', 'second.sock', *RING], folder)
    try:
        assert second.wait_ready(), second.text()
        for name in ('control.sock', 'second.sock'):
            assert support.ask(folder / name, 'show', 'account')[0] == 0
    finally:
        ends = first.end(), second.end()
    assert ends == (0, 0), ends


@case
def an_idle_lane_on_a_tap_sleeps(folder):
    for lanes in ('0', '1'):
        daemon = running(['--lanes', lanes, '--port', 'name=tap0 devargs=net_tap0,iface=t0'], folder)
        support.ask(folder / 'control.sock', 'ip', 'link', 'set', 'tap0', 'up')
        subprocess.run(['ip', 'link', 'set', 't0', 'up'], check=True)
        time.sleep(0.5)
        stat = pathlib.Path(f'/proc/{daemon.process.pid}/stat')

        def ticks():
            fields = stat.read_text().rsplit(')', 1)[1].split()
            return int(fields[11]) + int(fields[12])
        before = ticks()
        time.sleep(1)
        used = (ticks() - before) / os.sysconf('SC_CLK_TCK')
        assert daemon.end() == 0
        assert used < 0.2, f'{used:.2f} s of processor in 1 s, lanes={lanes}'


@case
def measuring_ends_after_so_many_packets(folder):
    (folder / 'up').write_text('ip link set null0 up\n')
    status, out, err = run([*BASE, '--control-socket', 'control.sock', '--lanes', '0', '--startup', 'up', '--end-after',
                            '10000', '--port', 'name=null0 devargs=net_null0'], folder)
    assert status == 0, out + err
    account = {name: int(value) for name, value in (line.split() for line in out.splitlines())}
    assert 10000 <= account['received'] < 10000 + 4 * 64, account  # a turn ends it, of four bursts at most
    assert account['received'] + account['generated'] == \
        account['sent'] + account['delivered'] + account['held'] + account['dropped'], account


@case
def a_replay_comes_out_the_same_each_time(folder):
    frames = [arp_request(2)] + [echo_request(2) for _ in range(5)] + [arp_request(3), echo_request(3)]
    (folder / 'in.pcap').write_bytes(support.capture(frames))
    (folder / 'up').write_text('ip link set port0 up\nip addr add 192.0.2.1/24 dev port0\n')
    outputs = []
    for turn in ('1', '2'):
        status, out, err = run([*BASE, '--startup', 'up', '--replay', 'in.pcap', '--write', f'out{turn}.pcap'], folder)
        assert status == 0, out + err
        outputs.append((folder / f'out{turn}.pcap').read_bytes())
    assert outputs[0] == outputs[1], 'two replays differ'
    assert f'received {len(frames)}' in out, out
    replies = outputs[0].count(b'\x08\x06' + bytes.fromhex('0001080006040002'))
    echoes = outputs[0].count(b'abcdefgh')
    assert replies >= 2 and echoes == 6, f'{replies} ARP replies, {echoes} echo replies'


@case
def a_replay_takes_a_pair_for_each_port(folder):
    (folder / 'a.pcap').write_bytes(support.capture([arp_request(2)]))
    (folder / 'b.pcap').write_bytes(support.capture([arp_request(3)]))
    (folder / 'linnet.conf').write_text('port = name=wan0 devargs=net_tap0\nport = name=lan0 devargs=net_tap1\n'
                                        'startup = up\n')
    (folder / 'up').write_text('ip link set wan0 up\nip link set lan0 up\nip addr add 192.0.2.1/24 dev wan0\n')
    status, out, err = run([*BASE, '--config', 'linnet.conf', '--replay', 'lan0=b.pcap', '--write', 'lan0=out-b.pcap',
                            '--replay', 'wan0=a.pcap', '--write', 'wan0=out-a.pcap'], folder)
    assert status == 0 and 'received 2' in out, out + err
    assert (folder / 'out-a.pcap').exists() and (folder / 'out-b.pcap').exists()


def main():
    support.enter_own_corner()
    tally = support.Tally()
    for function in CASES:
        if len(sys.argv) > 1 and sys.argv[1] not in function.__name__:
            continue
        with tempfile.TemporaryDirectory(dir='/mnt') as name:
            os.chmod('/mnt', 0o755)
            problems = []
            try:
                function(pathlib.Path(name))
            except (AssertionError, OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
                log = pathlib.Path(name) / 'log'
                problems = [f'{type(error).__name__}: {error}', log.read_text(errors='replace')[-1500:] if log.exists() else '']
            tally.case(function.__name__.replace('_', ' '), problems)
    tally.end()


if __name__ == '__main__':
    main()
