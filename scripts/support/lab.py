# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces around one linnetd: the lab of scripts/run and of tests/netns.

linnetd runs in a namespace of its own, so the host's network is never touched. Its net_tap
interfaces stay there, each joined by a bridge and a veth pair to a namespace that is a kernel host:

    host a                  linnetd's namespace                     host b
    eth0 ----veth---- link-lan --bridge-- lan [linnetd] wan --bridge-- link-wan ----veth---- eth0

(Moved into the host's namespace a TAP still passes packets, but net_tap then reads its link as down
and can set neither MTU nor state, because it asks in the namespace that it was started in.)

Everything a lab makes bears the name linnet-KIND-PID. A later lab finds what a killed one left by it.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN_DIR = pathlib.Path('/run')
NAME = re.compile(r'^linnet-([a-z]+)-(\d+)(?:-[a-z0-9]+)?$')


class LabError(Exception):
    """What went wrong, in a sentence for the user."""


def start_time(pid):
    """When a process started, in clock ticks since boot; None when there is none (or a zombie)."""
    try:
        fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == 'Z' else int(fields[19])


def call(*words, timeout=30, check=True, **options):
    """Runs a command to its end; its output is text."""
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, errors='replace',
                              stdin=subprocess.DEVNULL, timeout=timeout, **options)
    except FileNotFoundError as error:
        raise LabError(f'{words[0]} is not installed: scripts/install') from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f'not done after {timeout} s: {" ".join(map(str, words))}') from error
    if check and done.returncode:
        raise LabError(f'{" ".join(map(str, words))}: {(done.stderr or done.stdout).strip()}')
    return done


def end_process(pid, started, patience=5.0):
    """Ends the process that has this pid and this start time, gently first."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if start_time(pid) != started:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        limit = time.monotonic() + patience
        while start_time(pid) == started and time.monotonic() < limit:
            time.sleep(0.02)


def remove_namespace(name):
    """Ends what still runs in the namespace, then deletes it. Processes in it are a lab's own."""
    pids = call('ip', 'netns', 'pids', name, check=False).stdout.split()
    for pid in map(int, pids):
        started = start_time(pid)
        if started is not None and pid != os.getpid():
            end_process(pid, started, 2.0)
    call('ip', 'netns', 'delete', name, check=False)


def clean_leftovers():
    """Removes the namespaces, daemons and directories of labs whose process is dead. Returns their names."""
    namespaces = [line.split()[0] for line in call('ip', 'netns', 'list', check=False).stdout.splitlines() if line]
    directories = [path.name for path in RUN_DIR.glob('linnet-*-*')]
    found = []
    for base in sorted({'-'.join(name.split('-')[:3]) for name in namespaces + directories if NAME.match(name)}):
        pid = int(NAME.match(base)[2])
        directory = RUN_DIR / base
        try:
            owner = int((directory / 'owner').read_text())
        except (OSError, ValueError):
            owner = None
        started = start_time(pid)
        if started is not None and owner in (None, started):
            continue  # that lab is alive
        with contextlib.suppress(OSError, ValueError):
            daemon, began = map(int, (directory / 'daemon').read_text().split())
            end_process(daemon, began)
        for name in namespaces:
            if name == base or name.startswith(base + '-'):
                remove_namespace(name)
        shutil.rmtree(directory, ignore_errors=True)
        found.append(base)
    return found


class Namespace:
    """One network namespace."""

    def __init__(self, name):
        self.name = name
        call('ip', 'netns', 'add', name)
        self.ip('link', 'set', 'lo', 'up')

    def command(self, *words):
        return ['nsenter', f'--net=/run/netns/{self.name}', '--', *map(str, words)]

    def run(self, *words, timeout=30, check=False):
        return call(*self.command(*words), timeout=timeout, check=check)

    def ip(self, *words, check=True):
        return call('ip', '-n', self.name, *words, check=check).stdout

    def sysctl(self, key, value):
        self.run('sh', '-c', f'echo {value} > /proc/sys/{key.replace(".", "/")}', check=True)

    def spawn(self, *words, **options):
        return subprocess.Popen(self.command(*words), **{'stdin': subprocess.DEVNULL} | options)


class Daemon:
    """A linnetd in a lab."""

    def __init__(self, lab):
        self.lab = lab
        self.process = None
        self.socket = lab.directory / 'linnet.sock'
        self.log = lab.directory / 'linnetd.log'
        self.binaries = ROOT / os.environ.get('LINNET_BUILD', 'build') / 'app'

    def start(self, *options, wait=10.0, program='linnetd', stdin=subprocess.DEVNULL):
        """Starts linnetd, or a program that brings its stack along; returns when its control socket answers."""
        words = [self.binaries / program, '--control-socket', self.socket, '--log', self.log, *options]
        words = self.lab.space.command(*words)
        if os.environ.get('GDB') == '1':
            words = words[:3] + ['gdb', '-q', '-ex', 'run', '--args'] + words[3:]
            wait = 3600
        self.output = open(self.lab.directory / 'linnetd.out', 'w+', encoding='utf-8', errors='replace')
        # nsenter replaces itself by the program: its pid is linnetd's.
        interactive = os.environ.get('GDB') == '1'
        self.process = subprocess.Popen(
            words, stdin=None if interactive else stdin,
            stdout=None if interactive else self.output, stderr=None if interactive else subprocess.STDOUT,
            start_new_session=not interactive)
        (self.lab.directory / 'daemon').write_text(f'{self.process.pid} {start_time(self.process.pid)}')
        limit = time.monotonic() + wait
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                raise LabError(f'linnetd ended with status {self.process.returncode}:\n{self.messages()}')
            if self.socket.exists() and self.client('show', 'account').returncode == 0:
                return
            time.sleep(0.05)
        raise LabError(f'linnetd does not answer after {wait:.0f} s:\n{self.messages()}')

    def messages(self):
        """What linnetd said: its output and its log's end."""
        self.output.flush()
        said = (self.lab.directory / 'linnetd.out').read_text(errors='replace')
        with contextlib.suppress(OSError):
            said += '\n'.join(self.log.read_text(errors='replace').splitlines()[-40:])
        return said.strip()

    @property
    def pid(self):
        return self.process.pid

    def client(self, *words, timeout=10):
        return call(self.binaries / 'linnet', '--socket', self.socket, *words, timeout=timeout, check=False)

    def cli(self, line):
        """Runs one line of the command grammar; returns what it prints, raises when it is refused."""
        done = self.client(*line.split())
        if done.returncode:
            raise LabError(f'linnet {line}: {(done.stderr or done.stdout).strip()}')
        return done.stdout

    def cpu_seconds(self):
        """User and system time of all its threads, in seconds."""
        fields = pathlib.Path(f'/proc/{self.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def stop(self, sign=signal.SIGTERM, patience=5.0):
        """Sends a signal and waits for the end; returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = 'killed: it did not end by itself'
        self.process = None
        return status


class Lab:
    """linnetd's namespace, its hosts and a private directory. A context manager: leaves nothing."""

    def __init__(self, kind):
        if os.geteuid() != 0:
            raise LabError('network namespaces need root: run this with sudo')
        if not pathlib.Path('/dev/net/tun').exists():
            raise LabError('/dev/net/tun is missing, which net_tap needs: modprobe tun')
        clean_leftovers()
        self.name = f'linnet-{kind}-{os.getpid()}'
        self.directory = RUN_DIR / self.name
        self.hosts = {}
        self.joined = 0
        self.spawned = []
        self.wires = []
        self.space = None
        # Only root writes in /run; the private directory keeps the control socket to ourselves.
        self.directory.mkdir(mode=0o755)
        (self.directory / 'owner').write_text(str(start_time(os.getpid())))
        try:
            self.space = Namespace(self.name)
            self.quiet(self.space)
        except BaseException:
            self.close()
            raise
        self.daemon = Daemon(self)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    @staticmethod
    def quiet(space):
        """No IPv6 chatter: what is counted in a test is what the test sent."""
        for scope in ('all', 'default'):
            with contextlib.suppress(LabError):
                space.sysctl(f'net.ipv6.conf.{scope}.disable_ipv6', 1)

    def host(self, name):
        """A namespace that plays a kernel host."""
        if name not in self.hosts:
            self.hosts[name] = Namespace(f'{self.name}-{name}')
            self.quiet(self.hosts[name])
        return self.hosts[name]

    def join(self, tap, host, *addresses, mtu=1500, device='eth0', offload=False, wire=()):
        """Joins linnetd's TAP `tap` to `device` in a host by a bridge and a veth pair. `wire`: words for
        tests/netns/impaired_wire, which then stands in the bridge's place."""
        self.joined += 1
        mac = f'02:00:5e:00:00:{self.joined:02x}'
        bridge, link = f'br-{tap}', f'link-{tap}'
        self.space.ip('link', 'add', link, 'type', 'veth', 'peer', 'name', device, 'netns', host.name)
        # linnetd's port and its TAP come with the same address; the bridge would keep frames for it.
        self.space.ip('link', 'set', tap, 'address', f'02:00:5e:ff:00:{self.joined:02x}')
        self.space.ip('link', 'set', link, 'mtu', mtu, 'up')
        if wire:
            program = self.daemon.binaries.parent / 'tests/netns/impaired_wire'
            self.wires.append(self.spawn(self.space, program, wire[0], tap, link, *wire[1:], stdout=subprocess.PIPE,
                                         text=True))
        else:
            self.space.ip('link', 'add', bridge, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0',
                          'mcast_snooping', '0')
            for name in (link, tap):
                self.space.ip('link', 'set', name, 'master', bridge)
            self.space.ip('link', 'set', bridge, 'up')
        host.ip('link', 'set', device, 'address', mac, 'mtu', mtu)
        if not offload:
            # Captures on the host's side shall see the checksums that go over the wire.
            host.run('ethtool', '-K', device, 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off')
        for address in addresses:
            host.ip('addr', 'add', address, 'dev', device)
        host.ip('link', 'set', device, 'up')
        return mac

    def spawn(self, space, *words, **options):
        """Starts a program in a namespace; it ends with the lab."""
        process = space.spawn(*words, **options)
        self.spawned.append(process)
        return process

    def close(self):
        for process in self.spawned:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(3)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        daemon = getattr(self, 'daemon', None)
        if daemon and daemon.process:
            daemon.stop()
        for host in self.hosts.values():
            remove_namespace(host.name)
        if self.space:
            remove_namespace(self.space.name)
        shutil.rmtree(self.directory, ignore_errors=True)


def wait_until(condition, seconds, interval=0.05):
    """Waits until condition() holds; False when it does not in time."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(interval)
    return bool(condition())
