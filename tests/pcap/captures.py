# SPDX-License-Identifier: BSD-3-Clause
"""Captures in and out: written and read with scapy, run through linnetd, judged by tshark."""
import logging
import pathlib
import subprocess

logging.getLogger('scapy').setLevel(logging.ERROR)
from scapy.all import Ether, PcapReader, wrpcap  # noqa: E402

EPOCH = 1_700_000_000  # of the first frame of every capture
# What linnetd gives its ports in a replay, by their place.
PORT_MACS = ['02:4c:4e:00:00:01', '02:4c:4e:00:00:02']
# Everything that tshark can verify, it shall.
VERIFY = [word for option in (
    'ip.check_checksum:TRUE', 'udp.check_checksum:TRUE', 'tcp.check_checksum:TRUE',
    'arp.detect_request_storms:FALSE', 'ip.defragment:FALSE')
    for word in ('-o', option)]
FAULTS = ('_ws.malformed || _ws.short || ip.checksum.status == "Bad" || icmp.checksum.status == "Bad" || '
          '_ws.expert.severity == "Error"')


def write(path, frames):
    """`frames`: (seconds after EPOCH, frame) in order."""
    packets = []
    for at, frame in frames:
        packet = frame.copy() if not isinstance(frame, bytes) else Ether(frame)
        packet.time = EPOCH + at
        packets.append(packet)
    wrpcap(str(path), packets, linktype=1)


def write_raw(path, frames):
    """Bytes that need not be frames: (seconds, bytes)."""
    out = bytearray(bytes.fromhex('d4c3b2a1020004000000000000000000ffff000001000000'))
    for at, data in frames:
        seconds = EPOCH + int(at)
        micros = round((at - int(at)) * 1_000_000)
        for word in (seconds, micros, len(data), len(data)):
            out += word.to_bytes(4, 'little')
        out += data
    path.write_bytes(bytes(out))


def records(data):
    """Offsets of the record headers of a little-endian capture."""
    at = 24
    while at < len(data):
        yield at
        at += 16 + int.from_bytes(data[at + 8:at + 12], 'little')


def with_nanoseconds(data):
    out = bytearray(data)
    out[0:4] = (0xa1b23c4d).to_bytes(4, 'little')
    for at in records(data):
        out[at + 4:at + 8] = (int.from_bytes(data[at + 4:at + 8], 'little') * 1000).to_bytes(4, 'little')
    return bytes(out)


def swapped(data):
    """The capture as a big-endian machine writes it."""
    out = bytearray(data)
    words = [0, 8, 12, 16, 20, *(at + word for at in records(data) for word in (0, 4, 8, 12))]
    for at in words:
        out[at:at + 4] = data[at:at + 4][::-1]
    for at in (4, 6):
        out[at:at + 2] = data[at:at + 2][::-1]
    return bytes(out)


def read(path):
    """(seconds after EPOCH, frame) of every frame."""
    with PcapReader(str(path)) as reader:
        return [(float(packet.time) - EPOCH, packet) for packet in reader]


def tshark(path, *words):
    done = subprocess.run(['tshark', '-n', '-r', str(path), *VERIFY, *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'tshark: {done.stderr.strip()}')
    return done.stdout.splitlines()


def judge(path, own_sources):
    """What tshark finds wrong with the capture. A stack answers for its own datagrams, whole, and for the IPv4
    header of those it forwards; not for what an ICMP error quotes and cuts off by design."""
    faults = []
    fields = ('frame.number', 'frame.protocols', 'ip.src', 'icmp.type', 'ip.checksum.status', 'icmp.checksum.status')
    words = [word for field in fields for word in ('-e', field)]
    for line in tshark(path, '-Y', FAULTS, '-T', 'fields', '-E', 'separator=|', *words):
        # Of fields that occur several times the outermost comes first.
        number, protocols, source, icmp_type, ip_status, icmp_status = [value.split(',')[0] for value in line.split('|')]
        own = source in own_sources or not source
        quotes = icmp_type in ('3', '4', '5', '11', '12')
        if ip_status == '0' or own and (icmp_status == '0' or not quotes):
            faults.append(f'frame {number} ({protocols}): {line}')
    return faults


class Replay:
    """linnetd with one capture in and one out a port, in a folder of its own."""

    def __init__(self, linnetd, folder, commands, ports=1, words=()):
        self.linnetd, self.folder, self.words = linnetd, pathlib.Path(folder), list(words)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ports = [f'port{i}' for i in range(ports)]
        self.startup = self.folder / 'startup.commands'
        self.startup.write_text(''.join(line + '\n' for line in commands))

    def input(self, port):
        return self.folder / f'{self.ports[port]}.in.pcap'

    def output(self, port):
        return self.folder / f'{self.ports[port]}.out.pcap'

    def run(self):
        command = [str(self.linnetd), '--startup', str(self.startup), '--log', str(self.folder / 'log'),
                   '--hugepages', 'off', '--memory', '128', '--packets', '4096', *self.words]
        if len(self.ports) == 1:  # the short form: the port is called port0
            command += ['--replay', str(self.input(0)), '--write', str(self.output(0))]
        else:
            for number, name in enumerate(self.ports):
                command += ['--port', f'name={name}', '--replay', f'{name}={self.input(number)}',
                            '--write', f'{name}={self.output(number)}']
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def account(text):
    return {name: int(value) for name, value in
            (line.split() for line in text.splitlines() if len(line.split()) == 2 and line.split()[1].isdigit())}
