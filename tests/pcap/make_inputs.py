#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the input captures of the golden cases into a folder: make_inputs.py FOLDER. The same each time."""
import pathlib
import random
import sys

import captures
import cases
from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, Raw

SEED = 20


def stamped(case, frames):
    return [(number * case.spacing, frame) for number, frame in enumerate(frames)]


def write_case(case, replay):
    for port, frames in enumerate(case.inputs):
        captures.write(replay.input(port), stamped(case, frames))


def random_header(rng):
    """An IPv4 header of which any field may be anything."""
    ip = IP(src=rng.choice([cases.HOST, '192.0.2.77', '10.1.1.1', '0.0.0.0', '255.255.255.255', '127.0.0.1']),
            dst=rng.choice([cases.OUR, cases.FAR, '192.0.2.255', '224.0.0.1', '8.8.8.8', cases.OUR_FAR]),
            ttl=rng.choice([0, 1, 2, 64, 255]), tos=rng.randrange(256), id=rng.randrange(65536))
    if rng.random() < 0.3:
        ip.flags = rng.choice(['MF', 'DF', 'evil', 'MF+DF'])
        ip.frag = rng.randrange(8192) if rng.random() < 0.5 else rng.randrange(8)
    if rng.random() < 0.1:
        ip.len = rng.randrange(65536)
    if rng.random() < 0.1:
        ip.ihl = rng.randrange(16)
    if rng.random() < 0.05:
        ip.version = rng.randrange(16)
    if rng.random() < 0.2:
        ip.options = Raw(bytes(rng.choice([0, 1, 4, 7, 40, 68, 130, 131, 137, 148, rng.randrange(256)])
                               for _ in range(4 * rng.randrange(1, 11)))).load
    return ip


def random_frame(rng):
    payload = Raw(rng.randbytes(rng.choice([0, 1, 7, 8, 28, 64, 576, 1400])))
    ether = Ether(src=rng.choice([cases.HOST_MAC, cases.HOST_MAC, rng.randbytes(6)]),
                  dst=rng.choice([cases.OUR_MAC, cases.OUR_MAC, cases.OUR_MAC, cases.ALL, rng.randbytes(6)]))
    kind = rng.randrange(8)
    if kind == 0:
        body = ARP(op=rng.choice([0, 1, 1, 2, 2, 3, 65535]), psrc=rng.choice([cases.HOST, cases.OUR, '0.0.0.0']),
                   pdst=rng.choice([cases.OUR, cases.HOST, '224.0.0.1']), hwsrc=rng.choice([cases.HOST_MAC, cases.ALL]),
                   hwlen=rng.choice([6, 6, 6, 0, 255]), plen=rng.choice([4, 4, 4, 16]))
    elif kind < 3:
        body = random_header(rng) / ICMP(type=rng.randrange(20), code=rng.randrange(16)) / payload
    elif kind == 3:
        inside = bytes(random_header(rng) / UDP() / payload)[:rng.randrange(80)]
        body = random_header(rng) / ICMP(type=rng.choice([3, 4, 5, 11, 12]), code=rng.randrange(6)) / Raw(inside)
    elif kind == 4:
        body = random_header(rng) / UDP(len=rng.choice([None, None, 0, 7, 65535])) / payload
    elif kind == 5:
        body = random_header(rng) / TCP(dataofs=rng.randrange(16)) / payload
    elif kind == 6:
        body = random_header(rng) / payload
    else:
        return bytes(ether) + rng.randbytes(rng.randrange(200))
    return bytes(ether / body)


def hostile_frames(count, seed=SEED):
    """`count` frames, most of them wrong in some way; some with bits flipped or cut short."""
    rng = random.Random(seed)
    frames = []
    while len(frames) < count:
        frame = bytearray(random_frame(rng))
        if rng.random() < 0.2:
            for _ in range(rng.randrange(1, 8)):
                frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.1:
            frame = frame[:rng.randrange(len(frame) + 1)]
        frames.append(bytes(frame[:1514]))
    return frames


def main(folder):
    for make in cases.ALL_CASES:
        case = make()
        name = make.__name__.removesuffix('_case')
        replay = captures.Replay('linnetd', pathlib.Path(folder) / name, case.commands, len(case.inputs))
        write_case(case, replay)
        print(replay.folder)


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
