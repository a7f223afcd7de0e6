#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Golden tests through the net_pcap driver: captures in, answers out, compared with what scapy computes and
judged by tshark.

    golden.py [--linnetd PATH] [--tap] [--keep FOLDER] [NAME...]    NAME: part of a test's name
"""
import argparse
import pathlib
import sys
import tempfile
import traceback

import captures
import cases
import make_inputs
from scapy.all import ARP, ICMP, IP, UDP, Ether

SHORTEST = 60  # of a frame without its check sequence
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Failure(Exception):
    pass


def need(condition, text):
    if not condition:
        raise Failure(text)


def with_id_of(wanted, seen):
    """`wanted` with the free fields of `seen`: the IP ID, and the checksum that follows from it. Padded with zeros."""
    out = Ether(bytes(wanted))
    if IP in out and IP in seen:
        out[IP].id = seen[IP].id
        del out[IP].chksum
    return Ether(bytes(out).ljust(SHORTEST, b'\0'))


def difference(wanted, seen):
    """What differs, field by field."""
    lines = []
    for layer_wanted, layer_seen in zip(wanted.layers(), seen.layers()):
        if layer_wanted != layer_seen:
            lines.append(f'{layer_wanted.__name__} != {layer_seen.__name__}')
            break
        for field in wanted[layer_wanted].fields_desc:
            a, b = getattr(wanted[layer_wanted], field.name), getattr(seen[layer_seen], field.name)
            if a != b:
                lines.append(f'{layer_wanted.__name__}.{field.name}: expected {a!r}, seen {b!r}')
    return '; '.join(lines) or f'expected {bytes(wanted).hex()}, seen {bytes(seen).hex()}'


def announcement(frame):
    """Our own gratuitous ARP: it tells of the addresses, not of the inputs."""
    return ARP in frame and frame[ARP].psrc == frame[ARP].pdst


def outputs_of(replay, port):
    return [(at, frame) for at, frame in captures.read(replay.output(port)) if not announcement(frame)]


def run_twice(replay):
    """Runs, judges all output, runs again: the same bytes must come out. Returns the first run's account."""
    done = replay.run()
    need(done.returncode == 0, f'linnetd: exit status {done.returncode}\n{done.stderr}')
    account = captures.account(done.stdout)
    need(account['received'] + account['generated'] ==
         account['sent'] + account['delivered'] + account['dropped'] and account['held'] == 0,
         f'the account does not balance: {account}')
    first = []
    for port in range(len(replay.ports)):
        faults = captures.judge(replay.output(port), (cases.OUR, cases.OUR_FAR))
        need(not faults, 'tshark: ' + '; '.join(faults[:5]))
        first.append(replay.output(port).read_bytes())
    done = replay.run()
    need(done.returncode == 0, f'linnetd, second run: exit status {done.returncode}\n{done.stderr}')
    for port, data in enumerate(first):
        need(replay.output(port).read_bytes() == data, f'{replay.ports[port]}: the second run wrote other bytes')
    return account


def test_of(make):
    def test(place):
        case = make()
        replay = place(case.commands, len(case.inputs))
        make_inputs.write_case(case, replay)
        account = run_twice(replay)
        need(account['received'] == sum(map(len, case.inputs)), f'not all frames were received: {account}')
        for port, wanted in enumerate(case.outputs):
            seen = outputs_of(replay, port)
            for number, (frame, (_, out)) in enumerate(zip(wanted, seen)):
                frame = with_id_of(frame, out)
                need(bytes(frame) == bytes(out),
                     f'{replay.ports[port]}, frame {number + 1}: {difference(frame, Ether(bytes(out)))}')
            need(len(seen) == len(wanted), f'{replay.ports[port]}: expected {len(wanted)} frames, seen {len(seen)}: '
                 + '; '.join(frame.summary() for _, frame in seen[len(wanted):][:5]))
    test.title = make().name
    return test


def unanswered_arp(place):
    """a next hop that does not answer: three questions a second apart, then host unreachable"""
    commands = [line for line in cases.TWO_PORTS if 'neigh add ' + cases.FAR not in line]
    datagram = cases.rebuilt(IP(src=cases.HOST, dst=cases.FAR) / UDP(sport=1, dport=2) / cases.data(30))
    replay = place(commands, 2)
    captures.write(replay.input(0), [(0, cases.from_host(datagram))])
    captures.write(replay.input(1), [])
    run_twice(replay)
    asked = [(at, frame) for at, frame in outputs_of(replay, 1)]
    need(len(asked) == 3, f'{len(asked)} questions')
    for number, (at, frame) in enumerate(asked):
        need(frame.dst == cases.ALL and frame.pdst == cases.FAR and frame.psrc == cases.OUR_FAR and frame.op == 1,
             frame.summary())
        need(abs(at - number) < 0.25, f'question {number + 1} after {at:.3f} s')
    told = outputs_of(replay, 0)
    need(len(told) == 1, f'{len(told)} errors')
    at, frame = told[0]
    need(2.9 < at < 3.5, f'told after {at:.3f} s')
    wanted = with_id_of(cases.to_host(cases.error(3, 1, cases.forwarded(datagram))), frame)
    need(bytes(wanted) == bytes(frame), difference(wanted, Ether(bytes(frame))))


def missing_fragment(place):
    """a fragment that never comes: time exceeded when the reassembly timer ends"""
    whole = cases.rebuilt(IP(src=cases.HOST, dst=cases.OUR, id=77) / ICMP(id=1, seq=1) / cases.data(2000))
    pieces = cases.fragment(whole, 1000)
    replay = place(cases.ONE_PORT, 1)
    captures.write(replay.input(0), [(0.5, cases.from_host(pieces[0])), (0.6, cases.from_host(pieces[2]))])
    run_twice(replay)
    told = outputs_of(replay, 0)
    need(len(told) == 1, f'{len(told)} frames')
    at, frame = told[0]
    need(30 <= at - 0.5 <= 35, f'told after {at - 0.5:.3f} s')
    wanted = with_id_of(cases.to_host(cases.error(11, 1, cases.rebuilt(pieces[0]))), frame)
    need(bytes(wanted) == bytes(frame), difference(wanted, Ether(bytes(frame))))


def hostile(place):
    """4000 hostile frames: no crash, the account balances, and every frame that comes out is sound"""
    replay = place(cases.TWO_PORTS, 2)
    frames = make_inputs.hostile_frames(4000)
    captures.write_raw(replay.input(0), [(i * 0.001, frame) for i, frame in enumerate(frames)])
    captures.write_raw(replay.input(1), [(i * 0.002, frame) for i, frame in
                                         enumerate(make_inputs.hostile_frames(2000, seed=21))])
    account = run_twice(replay)
    need(account['received'] == 6000, f'{account}')


def ending(place, text, words=(), damage=None, data=None):
    """linnetd ends with a status and a sentence that names the file."""
    case = cases.ping_case()
    replay = place(case.commands, 1, words)
    make_inputs.write_case(case, replay)
    path = replay.input(0)
    if damage:
        path.write_bytes(damage(path.read_bytes()))
    if data is not None:
        path.write_bytes(data)
    done = replay.run()
    need(done.returncode not in (0, -6, -11) and done.returncode > 0, f'exit status {done.returncode}')
    need(text in done.stderr, f'expected "{text}" in: {done.stderr}')
    need(path.name in done.stderr, f'the file is not named: {done.stderr}')
    need(len(done.stderr.splitlines()) <= 4, f'more than a sentence: {done.stderr}')


def truncated_in_a_frame(place):
    """a capture that ends in the middle of a frame"""
    ending(place, 'cut off', damage=lambda data: data[:-10])


def truncated_in_a_header(place):
    """a capture that ends in the middle of a record header"""
    ending(place, 'cut off', damage=lambda data: data[:24 + 7])


def other_link_type(place):
    """a capture of another link type"""
    ending(place, 'link type', damage=lambda data: data[:20] + (101).to_bytes(4, 'little') + data[24:])


def no_capture(place):
    """a file that is no capture"""
    ending(place, 'no capture', data=b'this is a text\n' * 10)


def empty_file(place):
    """an empty file"""
    ending(place, 'no capture', data=b'')


def impossible_length(place):
    """a record that says it is 4 GiB long"""
    ending(place, 'damaged', damage=lambda data: data[:32] + b'\xff\xff\xff\xff' + data[36:])


def empty_capture(place):
    """a capture without frames is run to its end"""
    replay = place(cases.ONE_PORT, 1)
    captures.write(replay.input(0), [])
    account = run_twice(replay)
    need(account['received'] == 0, f'{account}')


def other_formats(place):
    """the same frames in a capture with nanoseconds, and in one of the other byte order, give the same answers"""
    case = cases.ping_case()
    replay = place(case.commands, 1)
    make_inputs.write_case(case, replay)
    run_twice(replay)
    usual, original = replay.output(0).read_bytes(), replay.input(0).read_bytes()
    for name, data in (('nanoseconds', captures.with_nanoseconds(original)),
                       ('the other byte order', captures.swapped(original))):
        replay.input(0).write_bytes(data)
        run_twice(replay)
        need(replay.output(0).read_bytes() == usual, f'{name}: other answers')


def judge_has_teeth(place):
    """the judge finds a wrong checksum, a wrong length, and a frame that is cut off"""
    replay = place(cases.ONE_PORT, 1)
    good = bytes(cases.to_host(IP(src=cases.OUR, dst=cases.HOST) / ICMP(type=0) / cases.data(40)))

    def faults(frame):
        captures.write_raw(replay.input(0), [(0, frame)])
        return captures.judge(replay.input(0), (cases.OUR,))
    need(not faults(good), f'a good frame: {faults(good)}')
    for name, at in (('IP checksum', 24), ('ICMP checksum', 36), ('total length', 17), ('version', 14)):
        bad = bytearray(good)
        bad[at] ^= 0x21
        need(faults(bytes(bad)), f'{name}: nothing found')
    need(faults(good[:30]), 'cut off: nothing found')


TESTS = [*map(test_of, cases.ALL_CASES), unanswered_arp, missing_fragment, hostile, truncated_in_a_frame,
         truncated_in_a_header, other_link_type, no_capture, empty_file, impossible_length, empty_capture, other_formats,
         judge_has_teeth]


def title_of(test):
    return getattr(test, 'title', None) or test.__doc__


def run_all(tests, linnetd, folder, tap):
    passed = failed = 0
    if tap:
        print(f'1..{len(tests)}')
    for number, test in enumerate(tests, 1):
        def place(commands, ports, words=(), number=number):
            return captures.Replay(linnetd, folder / str(number), commands, ports, words)
        trouble = ''
        try:
            test(place)
        except Failure as failure:
            trouble = str(failure)
        except Exception:
            trouble = traceback.format_exc()
        passed, failed = passed + (not trouble), failed + bool(trouble)
        if tap:
            print(f'{"not ok" if trouble else "ok"} {number} - {title_of(test)}')
            print(''.join(f'# {line}\n' for line in trouble.splitlines()), end='')
        else:
            print(f'{"FAIL" if trouble else "PASS"} {title_of(test)}')
            print(''.join(f'     {line}\n' for line in trouble.splitlines()), end='')
        sys.stdout.flush()
    print(f'{"# " if tap else ""}{passed} passed, {failed} failed')
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--linnetd', type=pathlib.Path, default=ROOT / 'build/app/linnetd')
    parser.add_argument('--tap', action='store_true', help='report as meson reads it')
    parser.add_argument('--keep', type=pathlib.Path, help='leave all captures in this folder')
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()
    tests = [test for test in TESTS
             if not options.names or any(name in title_of(test) for name in options.names)]
    if not options.linnetd.is_file():
        sys.exit(f'{options.linnetd} is missing: scripts/build first, or --linnetd PATH')
    if options.keep:
        return run_all(tests, options.linnetd, options.keep, options.tap)
    with tempfile.TemporaryDirectory(prefix='linnet-pcap-') as folder:
        return run_all(tests, options.linnetd, pathlib.Path(folder), options.tap)


if __name__ == '__main__':
    sys.exit(main())
