#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Starts linnetd in broken environments (reliability row D12): each start must end within two seconds, with an exit
status that is not zero, a sentence of ours, the command that mends it, and no word of DPDK's.
    tests/daemon/broken_start_test.py [PART-OF-A-NAME]"""
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

import support

LONGEST = 2.0  # seconds
NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all']
BASE = ['--log', 'log', '--control-socket', 'control.sock', '--memory', '64', '--packets', '2048', '--lanes', '0']
RING = ['--port', 'name=p0 devargs=net_ring0']
HUGEPAGES = pathlib.Path('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages')

CASES = []


def but(*words):
    """BASE with a port, and these options in the place of the same ones there."""
    kept = [word for i in range(0, len(BASE), 2) if BASE[i] not in words for word in BASE[i:i + 2]]
    return [*kept, *RING, *words]


def case(sentence, mend, status=1):
    """Registers a broken environment: a function from its folder to (words, options of the process)."""
    def register(prepare):
        CASES.append((prepare.__name__.removeprefix('env_'), prepare, sentence, mend, status))
        return prepare
    return register


def simple(name, words, sentence, mend, status=1):
    CASES.append((name, lambda folder: words, sentence, mend, status))


def file(folder, name, content, mode=0o640):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return str(path)


# --- Options and files: known before anything of the machine is looked at.
simple('unknown option', [*BASE, '--prot', 'x'], r'no such option: "--prot"', 'linnetd --help', 2)
simple('abbreviated option', [*BASE, *RING, '--neighbour', '9'], r'no such option: "--neighbour"', 'linnetd --help', 2)
simple('stray word', [*BASE, *RING, 'start'], r'belongs to no option: "start"', 'linnetd --help', 2)
simple('bad MTU', [*BASE, '--port', 'name=p0 devargs=net_ring0 mtu=70000'],
       r'not a usable number: "70000", expected a number from 68 to 65535', 'linnetd --help', 2)
simple('negative number', [*BASE, *RING, '--neighbours=-1'], r'not a usable number: "-1"', 'linnetd --help', 2)
simple('duplicate port names', [*BASE, *RING, '--port', 'name=p0 devargs=net_ring1'],
       r'two ports have the same name: "p0"', 'linnetd --help', 2)
simple('same device twice', [*BASE, *RING, '--port', 'name=p1 devargs=net_ring0'],
       r'two ports use the same device: "net_ring0"', 'linnetd --help', 2)
simple('too many ports', [*BASE, *(word for i in range(33) for word in ('--port', f'name=p{i} devargs=net_ring{i}'))],
       r'too many ports: "p32", expected at most 32', 'linnetd --help', 2)
simple('missing config', ['--config', 'none.conf'], r'cannot be read: "none.conf"', 'linnetd --help', 2)


@case(r'linnet\.conf:3: there is no such option: "speed"', 'linnetd --help', 2)
def env_unknown_key_in_config(folder):
    return ['--config', file(folder, 'linnet.conf', '# comment\nport = name=p0 devargs=net_ring0\nspeed = 9\n')]


@case(r'linnet\.conf:2: memory: this is not a usable number: "much"', 'linnetd --help', 2)
def env_bad_value_in_config(folder):
    return ['--config', file(folder, 'linnet.conf', 'port = name=p0 devargs=net_ring0\nmemory = much\n')]


@case(r'Everybody may write the configuration file', 'chmod o-w')
def env_config_open_to_all(folder):
    return [*BASE, '--config', file(folder, 'linnet.conf', 'port = name=p0 devargs=net_ring0\n', 0o666)]


# --- Startup file.
@case(r'startup:2: .*"lnik"', r'mend: ', 2)
def env_bad_startup_command(folder):
    return [*BASE, *RING, '--startup', file(folder, 'startup', 'ip link set p0 up\nip lnik set p0 up\n')]


@case(r'startup:1: .*"b"', r'mend: ', 2)
def env_startup_names_no_port(folder):
    return [*BASE, *RING, '--startup', file(folder, 'startup', 'ip link set b up\n')]


@case(r'startup:2: ', r'mend: tail log')
def env_startup_refused_by_the_stack(folder):
    return [*BASE, *RING, '--startup',
            file(folder, 'startup', 'ip link set p0 up\nip route add 203.0.113.0/24 via 198.51.100.9\n')]


simple('missing startup file', [*BASE, *RING, '--startup', 'none'], r'startup file none cannot be read', 'ls -l none')

# --- Ports.
simple('unknown driver', [*BASE, '--port', 'name=p0 devargs=net_tpa0'],
       r'no driver for the device "net_tpa0"', 'devargs=net_tap0,iface=p0')
simple('bad PCI address', [*BASE, '--port', 'name=p0 devargs=0000:zz:04.0'],
       r'"0000:zz:04.0" is no PCI address', 'dpdk-devbind.py')
simple('no such card', [*BASE, '--port', 'name=p0 devargs=0000:1f:1f.7'],
       r'no PCI device 0000:1f:1f.7', 'dpdk-devbind.py')
simple('missing capture', [*BASE, '--port', 'name=p0 devargs=net_pcap0,rx_pcap=none.pcap'],
       r'cannot be read \(No such file or directory\): "none.pcap"', 'capinfos')
simple('interface missing', [*BASE, '--port', 'name=p0 devargs=net_af_packet0,iface=eth77'],
       r'no interface "eth77"', 'ip link show')
simple('TAP name taken', [*BASE, '--port', 'name=p0 devargs=net_tap0,iface=lo'], r'name lo is taken', 'ip link delete lo')
simple('driver refuses its arguments', [*BASE, '--port', 'name=p0 devargs=net_null0,colour=red'],
       r'port p0: ', r'mend: tail log')
simple('TAP name used twice', [*BASE, '--port', 'name=p0 devargs=net_tap0,iface=t0', '--port',
                               'name=p1 devargs=net_tap1,iface=t0'], r'share the interface "t0"', r'mend: devargs=')


@case(r'No port is named', r'mend: linnetd --port .*\n    or: linnetd --config .*\n    or: linnetd --')
def env_no_port(folder):
    return BASE


@case(r'bound to the kernel\'s driver', 'dpdk-devbind.py --bind=vfio-pci')
def env_card_of_the_kernel(folder):
    for device in pathlib.Path('/sys/bus/pci/devices').iterdir():
        driver = device / 'driver'
        if (device / 'class').read_text().startswith('0x02') and driver.exists():
            if driver.resolve().name not in ('vfio-pci', 'mlx5_core', 'mlx4_core', 'uio_pci_generic', 'igb_uio'):
                return [*BASE, '--port', f'name=p0 devargs={device.name}']
    return None


@case(r'cut off after 1 whole frames', 'capinfos')
def env_truncated_capture(folder):
    path = file(folder, 'in.pcap', support.capture([b'x' * 60, b'y' * 60])[:-1])
    return [*BASE, '--replay', path, '--write', 'out.pcap']


@case(r'link type 101', 'capinfos')
def env_capture_of_other_link_type(folder):
    path = file(folder, 'in.pcap', support.capture([b'x' * 60], link=101))
    return [*BASE, '--replay', path, '--write', 'out.pcap']


@case(r'this is no capture', 'capinfos')
def env_text_as_capture(folder):
    return [*BASE, '--replay', file(folder, 'in.pcap', 'dear capture\n'), '--write', 'out.pcap']


@case(r'out.pcap" cannot be written', 'mkdir -p none')
def env_capture_into_missing_folder(folder):
    return [*BASE, '--replay', file(folder, 'in.pcap', support.capture()), '--write', 'none/out.pcap']


# --- The machine.
simple('core that does not exist', but('--lanes', '1', '--lane-cores', '999'), r'Core 999 does not exist', 'lscpu')
simple('more lanes than cores', but('--lanes', '16'), r'16 lanes and the control core need 17 cores',
       r'linnetd --lanes \d')
simple('memory too small', but('--packets', '100000'), r'memory = 64 MB does not hold 100000 packets',
       r'linnetd --memory \d+')
simple('memory too large', but('--memory', '1000000'), r'more than the \d+ MB', r'linnetd --memory \d+')
simple('unknown user', [*BASE, *RING, '--run-as', 'nosuchuser'], r'no user "nosuchuser"', 'useradd')
simple('unknown group', [*BASE, *RING, '--control-group', 'nosuchgroup'], r'nosuchgroup', r'mend: ')
simple('user who cannot clean up', [*BASE, *RING, '--run-as', 'nobody'], r'could not remove control.sock', 'install -d')
simple('log in missing folder', but('--log', 'none/log'), r'log file none/log cannot be written', '--log')
simple('socket in missing folder', but('--control-socket', 'none/such/control.sock'),
       r'directory of the control socket', 'install -d -m 0750 none/such')


@case(r'(no hugepages|MB of hugepages are free)', r'echo \d+ > /sys/kernel/mm/hugepages')
def env_no_hugepages(_folder):
    free = re.search(r'HugePages_Free:\s+(\d+)', pathlib.Path('/proc/meminfo').read_text())
    return None if free and int(free.group(1)) > 0 else [*BASE, *RING, '--hugepages', 'on']


@case(r'Only 4 MB of the machine\'s 4 MB of hugepages are free', r'echo \d+ > /sys/kernel/mm/hugepages')
def env_too_few_hugepages(folder):
    if not HUGEPAGES.exists() or int(HUGEPAGES.read_text()) != 0:
        return None
    HUGEPAGES.write_text('2')
    folder.joinpath('undo').write_text('hugepages')
    return [*BASE, *RING, '--hugepages', 'on'] if HUGEPAGES.read_text().strip() == '2' else None


@case(r'A file that is no socket', 'rm control.sock')
def env_file_in_the_sockets_place(folder):
    file(folder, 'control.sock', 'x')
    return [*BASE, *RING]


@case(r'CAP_NET_ADMIN', 'sudo linnetd')
def env_no_right_to_a_tap(folder):
    os.chmod(folder, 0o777)
    return [*BASE, '--port', 'name=p0 devargs=net_tap0,iface=t0'], {'before': NOBODY}


@case(r'directory of the control socket .* closed to us', 'install -d')
def env_socket_folder_closed(folder):
    os.chmod(folder, 0o755)
    return but('--log', '/dev/null'), {'before': NOBODY}


@case(r'there is no /dev/net/tun', 'modprobe tun')
def env_no_tun_device(folder):
    return [*BASE, '--port', 'name=p0 devargs=net_tap0,iface=t0'], {
        'before': ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs tmpfs /dev/net && exec "$@"', 'sh']}


@case(r'Only 48 files may be open', 'ulimit -n')
def env_too_few_open_files(folder):
    return [*BASE, *RING], {'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))}


@case(r'Core \d+ is not among those this process may use', 'lscpu')
def env_core_that_is_not_ours(folder):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return None
    return but('--lanes', '1', '--lane-cores', str(cores[1])), {
        'preexec_fn': lambda: os.sched_setaffinity(0, {cores[0]})}


@case(r'plugin net_ring is not installed', 'apt-get install librte-net-ring23')
def env_plugin_not_installed(folder):
    plugins = next(pathlib.Path('/usr/lib').glob('*/dpdk/pmds-*'))
    return [*BASE, *RING], {'before': ['unshare', '--mount', 'sh', '-c',
                                       f'mount -t tmpfs tmpfs {plugins} && touch {plugins}/librte_bus_vdev.so.23 '
                                       f'{plugins}/librte_mempool_ring.so.23 && exec "$@"', 'sh']}


@case(r'Another linnetd answers at the control socket', '--control-socket')
def env_second_instance(folder):
    first = support.Daemon(but('--log', 'first.log'), folder)
    if not first.wait_ready():
        raise RuntimeError('the first linnetd did not start: ' + first.text())
    return [*BASE, *RING], {'meanwhile': first}


def attempt(words, options, folder):
    """(exit status, output, seconds)"""
    options = dict(options)
    options.pop('meanwhile', None)
    before = options.pop('before', [])
    began = time.monotonic()
    try:
        done = subprocess.run([*before, support.LINNETD, *words], cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, **options)
    except subprocess.TimeoutExpired as expired:
        return None, (expired.stdout or b'').decode(errors='replace'), time.monotonic() - began
    return done.returncode, done.stdout, time.monotonic() - began


def judge(output, status, seconds, expected):
    sentence, mend, wanted_status = expected
    problems = []
    if status != wanted_status:
        problems.append(f'exit status {status}, expected {wanted_status}')
    if not re.search(sentence, output):
        problems.append(f'no sentence like {sentence!r}')
    if not re.search(mend, output) or 'mend: ' not in output:
        problems.append(f'no mending command like {mend!r}')
    if re.search(r'EAL:|TELEMETRY:|ETHDEV:|PMD:', output):
        problems.append("DPDK's words reached the user")
    if seconds > LONGEST:
        problems.append(f'took {seconds:.1f} s')
    if problems:
        problems.append(output.rstrip())
    return problems


def run_case(tally, name, prepare, *expected):
    with tempfile.TemporaryDirectory(dir='/mnt') as name_of_folder:
        folder = pathlib.Path(name_of_folder)
        prepared = prepare(folder)
        try:
            if prepared is None:
                print(f'SKIP {name}: this machine cannot be broken in this way')
                return
            words, options = prepared if isinstance(prepared, tuple) else (prepared, {})
            # The machine may be busy with other things: three chances to be quick, one to be right.
            for _ in range(3):
                status, output, seconds = attempt(words, options, folder)
                problems = judge(output, status, seconds, expected)
                if seconds <= LONGEST or status is None:
                    break
            left = {path.name for path in folder.iterdir()} & {'control.sock', 'out.pcap'}
            if left and 'meanwhile' not in options and name != 'file_in_the_sockets_place':
                problems.append(f'left behind: {" ".join(left)}')
            tally.case(name.replace('_', ' '), problems, f'{seconds:.2f} s')
            if 'meanwhile' in options and options['meanwhile'].end() != 0:
                tally.case(name + ': the first one ends well', [options['meanwhile'].text()])
        finally:
            if (folder / 'undo').exists():
                HUGEPAGES.write_text('0')


def main():
    support.enter_own_corner()
    tally = support.Tally()
    os.chmod('/mnt', 0o755)
    for row in CASES:
        if len(sys.argv) < 2 or sys.argv[1] in row[0]:
            run_case(tally, *row)
    tally.end()


if __name__ == '__main__':
    main()
