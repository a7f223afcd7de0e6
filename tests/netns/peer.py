#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's side of program cases: runs in a host's namespace, ends with status 0 and a line that tells what it did.

    peer.py exchange ADDRESS PORT BYTES CONGESTION    to an echo server and back, compared byte by byte as it comes
    peer.py open ADDRESS PORT COUNT                   connections open at once, each used twice
    peer.py turn ADDRESS PORT COUNT echo|http         connections one after the other
    peer.py flood ADDRESS PORT SECONDS                SYNs from 20,000 addresses that nobody has
    peer.py legitimate ADDRESS PORT SECONDS           connections in turn, each used; tells the slowest
"""
import random
import resource
import select
import socket
import struct
import sys
import threading
import time

PATTERN = random.Random(7).randbytes(8 << 20)
PIECE = 1 << 16
PLACES = len(PATTERN) - PIECE


def piece(number):
    """The stream's bytes from number * PIECE on: what lies where is never the same twice in 500 GB."""
    at = number * 7919 % PLACES
    return memoryview(PATTERN)[at:at + PIECE]


def fail(text):
    print(text)
    sys.exit(1)


def connect(address, port, seconds=20):
    return socket.create_connection((address, port), seconds)


def exchange(address, port, count, congestion):
    port, count = int(port), int(count)
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
    s.settimeout(60)
    s.connect((address, port))
    began = time.monotonic()

    def send():
        left, number = count, 0
        while left:
            part = piece(number)[:min(left, PIECE)]
            s.sendall(part)
            left, number = left - len(part), number + 1
        s.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    got, room = 0, bytearray(1 << 18)
    while True:
        size = s.recv_into(room)
        if size == 0:
            break
        at = 0
        while at < size:
            number, inside = divmod(got, PIECE)
            part = piece(number)[inside:inside + size - at]
            if part != memoryview(room)[at:at + len(part)]:
                fail(f'bytes differ near {got}')
            at, got = at + len(part), got + len(part)
    if got != count:
        fail(f'{got} of {count} bytes came back')
    passed = time.monotonic() - began
    print(f'{count} bytes there and back in {passed:.1f} s, {count * 8 / passed / 1e6:.0f} Mbit/s each way')


def use(s, text):
    s.sendall(text)
    got = b''
    while len(got) < len(text):
        part = s.recv(len(text) - len(got))
        if not part:
            return False
        got += part
    return got == text


def open_at_once(address, port, count):
    port, count = int(port), int(count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, max(count + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    began, waiting, poll, done = time.monotonic(), {}, select.epoll(), []
    limit = began + 120

    def settle(wait):
        for fd, _ in poll.poll(wait):
            s = waiting.pop(fd)
            poll.unregister(fd)
            error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                fail(f'connection {len(done)}: error {error}')
            done.append(s)

    for _ in range(count):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((address, port))
        waiting[s.fileno()] = s
        poll.register(s.fileno(), select.EPOLLOUT)
        while len(waiting) >= 500:
            settle(0.1)
            if time.monotonic() > limit:
                fail(f'{len(waiting)} do not connect')
    while waiting and time.monotonic() < limit:
        settle(0.1)
    if waiting:
        fail(f'{len(waiting)} of {count} do not connect')
    opened = time.monotonic() - began
    for turn in (b'first', b'second'):
        for number, s in enumerate(done):
            s.setblocking(True)
            s.settimeout(30)
            if not use(s, turn + str(number).encode()):
                fail(f'connection {number} does not echo')
    passed = time.monotonic() - began
    print(f'{count} open after {opened:.1f} s, all used twice after {passed:.1f} s')
    for s in done:
        s.close()


def in_turn(address, port, count, kind):
    port, count = int(port), int(count)
    began, slowest = time.monotonic(), 0
    for number in range(count):
        at = time.monotonic()
        with connect(address, port) as s:
            if kind == 'echo':
                if not use(s, b'%d' % number):
                    fail(f'connection {number} does not echo')
            else:
                s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
                got = b''.join(iter(lambda: s.recv(4096), b''))
                if not got.startswith(b'HTTP/1.1 200') or not got.endswith(b'works</h1>\n'):
                    fail(f'connection {number}: {got!r}')
        slowest = max(slowest, time.monotonic() - at)
    passed = time.monotonic() - began
    print(f'{count} in turn in {passed:.1f} s, {count / passed:.0f} a second, slowest {slowest * 1000:.0f} ms')


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(source, target, port, dice):
    """An IPv4 datagram with a SYN as Linux sends it: MSS, SACK, timestamps, window scale."""
    options = bytes.fromhex('020405b40402080a') + struct.pack('!II', dice.getrandbits(32), 0) + bytes.fromhex('01030307')
    header = struct.pack('!HHIIBBHHH', dice.randrange(1024, 65536), port, dice.getrandbits(32), 0, 10 << 4, 2, 64240, 0, 0)
    pseudo = source + target + struct.pack('!BBH', 0, 6, len(header) + len(options))
    total = checksum(pseudo + header + options)
    segment = header[:16] + struct.pack('!H', total) + header[18:] + options
    # The kernel fills in length, identification and checksum.
    return struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0) + source + target + segment


def flood(address, port, seconds):
    port, dice = int(port), random.Random(3)
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    target = socket.inet_aton(address)
    packets = [syn(bytes([203, 0, 113 + number % 100, number // 100 % 250 + 1]), target, port, dice) for number in range(20000)]
    dice.shuffle(packets)
    sent, end = 0, time.monotonic() + float(seconds)
    while time.monotonic() < end:
        for packet in packets[:500]:
            try:
                s.sendto(packet, (address, 0))
                sent += 1
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno != 105:  # ENOBUFS
                    raise
        packets = packets[500:] + packets[:500]
    print(f'{sent} SYNs')


def legitimate(address, port, seconds):
    began, times = time.monotonic(), []
    while time.monotonic() - began < float(seconds):
        at = time.monotonic()
        try:
            with connect(address, int(port)) as s:
                if not use(s, b'a word'):
                    fail(f'connection {len(times)} does not echo')
        except OSError as error:
            fail(f'connection {len(times)}, after {time.monotonic() - at:.1f} s: {error}')
        times.append(time.monotonic() - at)
    times.sort()
    print(f'{len(times)} connections, all answered; median {times[len(times) // 2] * 1000:.1f} ms, slowest {times[-1] * 1000:.0f} ms')


WORK = {'exchange': exchange, 'open': open_at_once, 'turn': in_turn, 'flood': flood, 'legitimate': legitimate}

if __name__ == '__main__':
    WORK[sys.argv[1]](*sys.argv[2:])
