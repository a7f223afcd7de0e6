# SPDX-License-Identifier: BSD-3-Clause
"""linnetd's life: how it idles, ends, comes back after a kill, and what it may do."""
import os
import pathlib
import signal
import time

from _init import Lab, Router, case, expect, expect_ping, wait_until


@case('router')
def idle_costs_no_core(net):
    time.sleep(1)
    before, began = net.daemon.cpu_seconds(), time.monotonic()
    time.sleep(4)
    share = (net.daemon.cpu_seconds() - before) / (time.monotonic() - began)
    expect(share < 0.05, f'an idle linnetd takes {100 * share:.1f} % of a core')
    # The first packet after idleness is served at once.
    output = expect_ping(net.a, net.LAN, count=1)
    expect(float(output.split('time=')[1].split()[0]) < 50, 'the first ping after idleness was slow', output)


def taps(lab):
    return [line.split(':')[1].strip() for line in lab.space.ip('-o', 'link').splitlines() if ' tap-' in line]


def traces(directory):
    """What a linnetd could leave on the machine."""
    found = {path for place in ('/dev/shm', '/dev/hugepages', '/var/run/dpdk') for path in pathlib.Path(place).glob('*')}
    return found | {path for path in directory.iterdir() if path.name.endswith(('.sock', '.pid'))}


@case('own')
def sigterm_leaves_nothing():
    with Lab('t') as lab:
        before = traces(lab.directory)
        net = Router(lab, capture=False)
        net.daemon.stop()
        net.daemon.start(*net.options, '--pid-file', lab.directory / 'linnetd.pid')
        expect((lab.directory / 'linnetd.pid').read_text().strip() == str(net.daemon.pid), 'the pid file is wrong')
        expect(oct(net.daemon.socket.stat().st_mode & 0o777) == '0o660', 'the control socket\'s mode is not 0660')
        began = time.monotonic()
        status = net.daemon.stop()
        expect(status == 0, f'linnetd ended with status {status}', net.daemon.messages())
        expect(time.monotonic() - began < 3, 'linnetd took more than 3 s to end')
        left = traces(lab.directory) - before
        expect(not left, f'linnetd left {sorted(map(str, left))}')
        expect(not taps(lab), f'linnetd left the interfaces {taps(lab)}')


@case('own')
def a_killed_daemon_comes_back():
    """A11: nothing of a daemon that was killed stands in the way of the next."""
    with Lab('t') as lab:
        net = Router(lab, capture=False)
        for _ in range(3):
            net.daemon.stop(signal.SIGKILL)
            expect(wait_until(lambda: not taps(lab), 5), f'the TAPs of the dead daemon stay: {taps(lab)}')
            began = time.monotonic()
            net.daemon.start(*net.options)
            for tap in ('tap-lan', 'tap-wan', 'tap-dmz'):
                lab.space.ip('link', 'set', tap, 'address', f'02:00:5e:fe:00:{len(taps(lab)):02x}')
                lab.space.ip('link', 'set', tap, 'master', f'br-{tap}')
            expect(wait_until(lambda: net.a.run('ping', '-c1', '-W1', net.B).returncode == 0, 10, 0.1),
                   'the new daemon does not forward', net.daemon.messages())
            expect(time.monotonic() - began < 10, 'the new daemon took more than 10 s')
        net.check_end()


@case('own')
def a_second_instance_is_refused():
    with Lab('t') as lab:
        net = Router(lab, capture=False)
        second = lab.space.run(net.daemon.binaries / 'linnetd', '--control-socket', net.daemon.socket, '--log',
                               lab.directory / 'second.log', '--port', 'name=x0 devargs=net_tap9,iface=tap-x', timeout=10)
        expect(second.returncode not in (0, None), 'a second linnetd on the same socket has started')
        expect('mend' in second.stderr + second.stdout, 'it does not say how to mend that', second.stderr)
        net.check_end()


@case('own')
def privileges_are_dropped():
    """A8: with run-as no thread keeps a capability, and none can come back."""
    with Lab('t') as lab:
        os.chmod(lab.directory, 0o777)
        net = Router(lab, capture=False)
        net.daemon.stop()
        net.daemon.start(*net.options, '--run-as', 'nobody')
        for task in pathlib.Path(f'/proc/{net.daemon.pid}/task').iterdir():
            status = dict(line.split(':', 1) for line in (task / 'status').read_text().splitlines())
            where = f'thread {task.name} ({status["Name"].strip()})'
            expect(int(status['CapEff'], 16) == 0, f'{where}: CapEff is {status["CapEff"].strip()}')
            expect(int(status['CapPrm'], 16) == 0, f'{where}: CapPrm is {status["CapPrm"].strip()}')
            expect('0' not in status['Uid'].split(), f'{where}: uid is {status["Uid"].strip()}')
            expect(status['NoNewPrivs'].strip() == '1', f'{where}: NoNewPrivs is not set')
        expect(net.daemon.client('show', 'account').returncode == 0, 'it does not answer any more')
        status = net.daemon.stop()
        expect(status == 0, f'linnetd ended with status {status}', net.daemon.messages())
