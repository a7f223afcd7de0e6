# SPDX-License-Identifier: BSD-3-Clause
"""Behind scripts/run: linnetd from drivers-config/tap.conf between two kernel hosts, with proof. It is the linnetd
inside linnet-httpd, which serves docs/ beside all that linnetd does.

    west 192.0.2.2, 203.0.113.1 --- wan0 192.0.2.1 [linnetd] lan0 198.51.100.1 --- 198.51.100.2 east
"""
import os
import pathlib
import re
import signal
import sys

from lab import ROOT, Lab, LabError, clean_leftovers, wait_until

CONFIG = ROOT / 'drivers-config/tap.conf'


class Show:
    def __init__(self, lab):
        self.lab = lab
        self.failed = []

    def start(self):
        """linnetd first: its TAPs are what the hosts are joined to."""
        self.lab.daemon.start('--config', CONFIG, '--', ROOT / 'docs', '80', program='linnet-httpd')
        self.west, self.east = self.lab.host('west'), self.lab.host('east')
        self.lab.join('tap0', self.west, '192.0.2.2/24', offload=True)
        self.lab.join('tap1', self.east, '198.51.100.2/24', offload=True)
        self.west.ip('addr', 'add', '203.0.113.1/32', 'dev', 'lo')
        self.west.ip('route', 'add', 'default', 'via', '192.0.2.1')
        self.east.ip('route', 'add', 'default', 'via', '198.51.100.1')
        if not wait_until(lambda: self.east.run('ping', '-c1', '-W1', '198.51.100.1').returncode == 0, 10, 0.2):
            raise LabError(f'linnetd does not answer a ping:\n{self.lab.daemon.messages()}')

    def step(self, title, space, words, proof):
        """Runs a command for all to see; `proof` is a regular expression that its output must match."""
        print(f'\n\033[1m{title}\033[0m\n$ {" ".join(words)}' if sys.stdout.isatty()
              else f'\n{title}\n$ {" ".join(words)}')
        done = space.run(*words, timeout=60)
        output = (done.stdout + done.stderr).strip()
        print('\n'.join(f'  {line}' for line in output.splitlines()), flush=True)
        if not re.search(proof, output, re.DOTALL):
            self.failed.append(title)
            print('  FAILED: this is not what it should be')

    def client_step(self, title, line, proof):
        daemon = self.lab.daemon
        shown = f'linnet {line}'
        done = daemon.client(*line.split())
        output = (done.stdout + done.stderr).strip()
        print(f'\n{title}\n$ {shown}')
        print('\n'.join(f'  {text}' for text in output.splitlines()), flush=True)
        if done.returncode or not re.search(proof, output, re.DOTALL):
            self.failed.append(title)
            print('  FAILED: this is not what it should be')

    def prove(self):
        self.step('Host east pings Linnet', self.east, ['ping', '-n', '-c', '3', '-i', '0.2', '198.51.100.1'],
                  ' 3 received')
        self.step('Host east pings host west through Linnet', self.east,
                  ['ping', '-n', '-c', '3', '-i', '0.2', '192.0.2.2'], ' 3 received')
        self.step('In fragments, through Linnet, by its static route', self.east,
                  ['ping', '-n', '-c', '2', '-i', '0.2', '-s', '20000', '203.0.113.1'], ' 2 received')
        self.step('Host east traces the way', self.east, ['traceroute', '-n', '-q', '1', '-w', '3', '-m', '5', '203.0.113.1'],
                  r'198\.51\.100\.1 .*203\.0\.113\.1 ')
        self.step("The kernel's curl fetches a page from Linnet", self.east,
                  ['curl', '-sS', '--max-time', '20', '-o', '/dev/null', '-w', '%{http_code} %{size_download} bytes\\n',
                   'http://198.51.100.1/architecture.md'], rf'200 {(ROOT / "docs/architecture.md").stat().st_size} bytes')
        self.client_step('Its ports', 'ip -s link', 'wan0.*lan0|lan0.*wan0')
        self.client_step('Its routes', 'ip route', r'203\.0\.113\.0/24 via 192\.0\.2\.2')
        self.client_step('Its neighbours', 'ip neigh', r'192\.0\.2\.2')
        wait_until(lambda: 'not balanced' not in self.lab.daemon.client('show', 'account').stdout, 3)
        self.client_step('Where every packet ended', 'show account', '(?<!not )balanced')

    def tell_next(self):
        client = os.path.relpath(self.lab.daemon.binaries / 'linnet')
        socket = self.lab.daemon.socket
        print(f'''
Linnet is running. In another terminal, from here:

  export LINNET_SOCKET={socket}
  {client}                                    a prompt with tab completion; `help` lists the commands
  {client} ip route add 203.0.113.128/25 via 198.51.100.2
  {client} show drops nonzero
  ip netns exec {self.east.name} ping 203.0.113.1
  ip netns exec {self.east.name} curl http://198.51.100.1/architecture.md
  ip netns exec {self.west.name} iperf3 -s     and   ip netns exec {self.east.name} iperf3 -c 192.0.2.2

Ctrl-C ends it and takes everything away.''', flush=True)


def stay(lab):
    """Until a signal, or until linnetd ends by itself."""
    while lab.daemon.process.poll() is None:
        signal.sigtimedwait({signal.SIGINT, signal.SIGTERM, signal.SIGHUP}, 0.5) and sys.exit(0)
    raise LabError(f'linnetd has ended:\n{lab.daemon.messages()}')


def main(words):
    check = '--check' in words
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    if os.geteuid() == 0:
        for name in clean_leftovers():
            print(f'removed what {name} had left')
    with Lab('r') as lab:
        show = Show(lab)
        show.start()
        print(f'linnet-httpd {pathlib.Path(CONFIG).relative_to(ROOT)} runs in network namespace {lab.name}, pid {lab.daemon.pid}')
        show.prove()
        if show.failed:
            print(f'\nFAILED: {", ".join(show.failed)}\n{lab.daemon.messages()}')
            return 1
        if not check:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
            show.tell_next()
            stay(lab)
        status = lab.daemon.stop()
        if status != 0:
            print(f'\nFAILED: linnetd ended with status {status}')
            return 1
    print('\nOK: Linnet answered, forwarded, accounted for every packet, and left nothing behind')
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as problem:
        print(f'scripts/run: {problem}', file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
